use std::time::Duration;

use serde_json::Value;

use super::super::{Durability, Settings, Unshipped, Writer};
use super::*;
use crate::clock::Timestamp;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds * 1_000_000)
}

fn open(directory: &std::path::Path) -> Writer {
    Writer::open(&Settings {
        directory: directory.to_path_buf(),
        durability: Durability::Disk,
        max_bytes: 64 * 1_024 * 1_024,
        retention: Duration::from_secs(60),
        unshipped: Unshipped::Nobodys,
    })
    .unwrap()
}

/// Records this many facts in one commit, numbered from `first`.
async fn append(writer: &Writer, first: i64, facts: i64) {
    let facts: Vec<Value> = (first..first + facts).map(|n| serde_json::json!({"n": n})).collect();
    writer.append(at(first), &facts).await.unwrap();
}

/// The number and the identity of the next document; none for a gap.
async fn next(follower: &mut Follower) -> Option<(i64, DocumentId)> {
    let followed = tokio::time::timeout(Duration::from_secs(10), follower.next()).await.unwrap().unwrap();
    let Followed::Document(document) = followed else { return None };
    let document: Value = serde_json::from_slice(&document).unwrap();
    Some((document["n"].as_i64().unwrap(), document["_id"].as_str().unwrap().parse().unwrap()))
}

async fn after(writer: &Writer, id: DocumentId) -> Follower {
    Follower::new(writer.reader(), writer.status()).after(id).await.unwrap()
}

#[tokio::test]
async fn what_is_recorded_from_now_on_comes_once_and_in_order() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path());
    append(&writer, 0, 5).await;
    let mut follower = Follower::new(writer.reader(), writer.status());
    append(&writer, 5, 3).await;
    append(&writer, 8, 1).await;
    for n in 5..9 {
        assert_eq!(next(&mut follower).await.unwrap().0, n);
    }
    let nothing = tokio::time::timeout(Duration::from_millis(20), follower.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
    append(&writer, 9, 1).await;
    assert_eq!(next(&mut follower).await.unwrap().0, 9);
}

#[tokio::test]
async fn whoever_resumes_after_any_document_gets_the_one_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path());
    let mut follower = Follower::new(writer.reader(), writer.status());
    append(&writer, 0, 3).await;
    append(&writer, 3, 2).await;
    append(&writer, 5, 1).await;
    for n in 0..5 {
        let (number, id) = next(&mut follower).await.unwrap();
        assert_eq!(number, n);
        let mut resumed = after(&writer, id).await;
        for later in n + 1..6 {
            assert_eq!(next(&mut resumed).await.unwrap().0, later, "after {n}");
        }
    }
}

#[tokio::test]
async fn what_is_no_longer_there_is_told_as_one_gap_before_what_is_left() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path());
    let mut follower = Follower::new(writer.reader(), writer.status());
    let mut slow = Follower::new(writer.reader(), writer.status());
    append(&writer, 0, 1).await;
    let (_, first) = next(&mut follower).await.unwrap();
    append(&writer, 10, 1).await;
    // A checkpoint covers both; what is older than a minute goes.
    append(&writer, 90, 1).await;
    let seq = writer.status().borrow().last_seq;
    writer.checkpoint(seq, 0).await.unwrap();
    append(&writer, 91, 1).await;
    let mut resumed = after(&writer, first).await;
    assert_eq!(next(&mut resumed).await, None);
    assert_eq!(next(&mut resumed).await.unwrap().0, 90);
    assert_eq!(next(&mut resumed).await.unwrap().0, 91);
    assert_eq!(next(&mut slow).await, None, "one that is too slow is told as well");
    assert_eq!(next(&mut slow).await.unwrap().0, 90);
}

#[tokio::test]
async fn the_identity_of_another_journal_is_a_gap_and_goes_on_from_now() {
    let directory = tempfile::tempdir().unwrap();
    let writer = open(directory.path());
    let mut follower = Follower::new(writer.reader(), writer.status());
    append(&writer, 0, 2).await;
    let (_, id) = next(&mut follower).await.unwrap();
    let strangers = [
        DocumentId { generation: id.generation ^ 1, ..id },
        DocumentId { seq: 1_000, ..id },
        DocumentId { seq: 0, ..id },
        DocumentId { place: 77, ..id },
    ];
    for (n, stranger) in strangers.into_iter().enumerate() {
        let mut resumed = after(&writer, stranger).await;
        assert_eq!(next(&mut resumed).await, None, "{stranger}");
        let number = 10 + i64::try_from(n).unwrap();
        append(&writer, number, 1).await;
        assert_eq!(next(&mut resumed).await.unwrap().0, number);
    }
}
