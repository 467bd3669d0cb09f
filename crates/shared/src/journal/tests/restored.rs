//! A data directory that is put back as it was: what is recorded from then on is something new.

use std::collections::BTreeSet;

use super::*;

/// The identities of everything that the journal holds.
async fn identities(writer: &Writer) -> BTreeSet<String> {
    let chunks = writer.reader().after(0, 1_000_000).await.unwrap();
    let documents = chunks.iter().flat_map(Chunk::documents);
    let identity = |document: &[u8]| {
        let document: serde_json::Value = serde_json::from_slice(document).unwrap();
        document["_id"].as_str().unwrap().to_owned()
    };
    documents.map(identity).collect()
}

#[tokio::test]
async fn nothing_that_is_recorded_after_a_restored_back_up_has_the_identity_of_what_was_lost() {
    let (directory, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let writer = Writer::open(&settings(directory.path())).unwrap();
    writer.append(at(0), &[fact(0)]).await.unwrap();
    drop(writer);
    let writer = reopen(&settings(directory.path())).await;
    let before = identities(&writer).await;
    for entry in fs::read_dir(directory.path()).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), kept.path().join(entry.file_name())).unwrap();
    }
    writer.append(at(1), &[fact(1)]).await.unwrap();
    let lost: BTreeSet<String> = identities(&writer).await.difference(&before).cloned().collect();

    let restored = Writer::open(&settings(kept.path())).unwrap();
    restored.append(at(2), &[fact(2)]).await.unwrap();
    let after = identities(&restored).await;
    assert!(before.is_subset(&after), "what was backed up is what it was: {before:?} {after:?}");
    assert_eq!((lost.len(), after.len()), (1, 2));
    assert!(lost.is_disjoint(&after), "{lost:?} {after:?}");
}
