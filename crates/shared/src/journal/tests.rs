use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::*;

#[derive(Serialize, Deserialize, PartialEq, Debug, Clone)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Fact {
    Counted { n: u64, padding: String },
}

fn fact(n: u64) -> Fact {
    Fact::Counted { n, padding: String::new() }
}

fn at(n: u64) -> Timestamp {
    Timestamp::from_micros(i64::try_from(n).unwrap() * 1_000_000)
}

fn settings(directory: &Path) -> Settings {
    Settings {
        directory: directory.to_path_buf(),
        durability: Durability::Disk,
        max_bytes: 64 * 1024 * 1024,
        retention: Duration::from_secs(30 * 86_400),
        unshipped: Unshipped::Nobodys,
    }
}

/// Writes the state that all facts so far give.
async fn checkpoint(writer: &Writer, state: u64) -> Result<usize, JournalError> {
    let seq = writer.status().borrow().last_seq;
    writer.checkpoint(seq, state).await
}

async fn facts_in(writer: &Writer) -> (Option<u64>, Vec<Fact>) {
    let replay = writer.replay::<u64, Fact>().await.unwrap();
    (replay.state, replay.facts.into_iter().map(|(_, fact)| fact).collect())
}

/// Waits until the writer thread of a dropped journal has let go of the directory.
async fn reopen(settings: &Settings) -> Writer {
    for _ in 0..1_000 {
        match Writer::open(settings) {
            Err(JournalError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            other => return other.unwrap(),
        }
    }
    panic!("the directory stays locked");
}

#[tokio::test]
async fn what_was_appended_is_there_after_a_restart_in_order_and_with_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Writer::open(&settings(directory.path())).unwrap();
    for n in 0..20 {
        writer.append(at(n), &[fact(n * 2), fact(n * 2 + 1)]).await.unwrap();
    }
    drop(writer);
    let writer = reopen(&settings(directory.path())).await;
    let replay = writer.replay::<u64, Fact>().await.unwrap();
    let expected: Vec<_> = (0..40).map(|n| (at(n / 2), fact(n))).collect();
    assert_eq!(replay.facts, expected);
    assert_eq!(writer.status().borrow().last_at, at(19));
}

#[tokio::test]
async fn a_checkpoint_replaces_the_facts_before_it_and_nothing_after_it() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Writer::open(&settings(directory.path())).unwrap();
    writer.append(at(1), &[fact(1)]).await.unwrap();
    checkpoint(&writer, 77_u64).await.unwrap();
    writer.append(at(2), &[fact(2)]).await.unwrap();
    drop(writer);
    let writer = reopen(&settings(directory.path())).await;
    assert_eq!(facts_in(&writer).await, (Some(77), vec![fact(2)]));
}

#[tokio::test]
async fn a_second_process_is_refused_with_the_directory_named() {
    let directory = tempfile::tempdir().unwrap();
    let _first = Writer::open(&settings(directory.path())).unwrap();
    let Err(error) = Writer::open(&settings(directory.path())) else { panic!("opened twice") };
    let text = error.to_string();
    assert!(text.contains("in use by another process") && text.contains("DATA_DIR"), "{text}");
}

#[tokio::test]
async fn a_full_journal_refuses_loses_nothing_and_goes_on_after_a_checkpoint() {
    let directory = tempfile::tempdir().unwrap();
    let small = Settings { max_bytes: 1024 * 1024, durability: Durability::Os, ..settings(directory.path()) };
    let writer = Writer::open(&small).unwrap();
    let noise = |n: u64| {
        let padding =
            (0..4_000_u64).map(|i| char::from(b'a' + (i.wrapping_mul(n * 2 + 77) >> 3) as u8 % 26)).collect();
        Fact::Counted { n, padding }
    };
    let mut appended = 0;
    let mut wants_checkpoint = false;
    let refusal = loop {
        match writer.append(at(appended), &[noise(appended)]).await {
            Ok(told) => wants_checkpoint |= told.wants_checkpoint,
            Err(error) => break error,
        }
        appended += 1;
        assert!(appended < 100_000, "the budget is not kept");
    };
    assert!(matches!(refusal, JournalError::Full { .. }), "{refusal}");
    assert!(wants_checkpoint, "nobody was told to make room in time");
    assert!(writer.status().borrow().failure.is_some());
    assert_eq!(facts_in(&writer).await.1.len() as u64, appended, "a refused append left something behind");
    checkpoint(&writer, 1_u64).await.unwrap();
    writer.append(at(appended), &[fact(appended)]).await.unwrap();
    assert!(writer.status().borrow().failure.is_none());
    drop(writer);
    let file = directory.path().join("journal.sqlite");
    assert!(fs::metadata(&file).unwrap().len() <= 1024 * 1024);
}

#[tokio::test]
async fn old_facts_make_room_once_a_checkpoint_covers_them() {
    let directory = tempfile::tempdir().unwrap();
    let small = Settings { max_bytes: 1024 * 1024, durability: Durability::Os, ..settings(directory.path()) };
    let writer = Writer::open(&small).unwrap();
    let mut checkpoints = 0;
    for n in 0..1_000 {
        let padding = (0..4_000).map(|_| char::from(rand::random_range(b' '..b'~'))).collect();
        let appended = writer.append(at(n), &[Fact::Counted { n, padding }]).await.unwrap();
        if appended.wants_checkpoint {
            checkpoint(&writer, n).await.unwrap();
            checkpoints += 1;
        }
    }
    assert!(checkpoints > 1);
    assert!(writer.status().borrow().bytes <= 1024 * 1024);
}

#[tokio::test]
async fn a_file_cut_off_at_its_end_keeps_what_can_be_read_and_the_damaged_file() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Writer::open(&settings(directory.path())).unwrap();
    for n in 0..300 {
        let padding = format!("{n:x}").repeat(400);
        writer.append(at(n), &[Fact::Counted { n, padding }]).await.unwrap();
    }
    drop(writer);
    drop(reopen(&settings(directory.path())).await);
    let file = directory.path().join("journal.sqlite");
    let length = fs::metadata(&file).unwrap().len();
    fs::OpenOptions::new().write(true).open(&file).unwrap().set_len(length - 3 * 4_096 - 100).unwrap();
    let writer = reopen(&settings(directory.path())).await;
    let report = writer.status().borrow().salvaged.clone().expect("the damage was not noticed");
    assert!(report.contains("journal.damaged-1.sqlite"), "{report}");
    let (_, facts) = facts_in(&writer).await;
    assert!(!facts.is_empty(), "nothing was saved: {report}");
    let numbers = facts.iter().map(|Fact::Counted { n, .. }| *n);
    assert!(numbers.eq(0..facts.len() as u64), "what was saved has holes");
    writer.append(at(1_000), &[fact(1_000)]).await.unwrap();
}

#[tokio::test]
async fn a_flipped_bit_in_a_chunk_ends_the_replay_there() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Writer::open(&settings(directory.path())).unwrap();
    for n in 0..10 {
        writer.append(at(n), &[fact(n)]).await.unwrap();
    }
    drop(writer);
    drop(reopen(&settings(directory.path())).await);
    flip_a_bit(directory.path(), 6);
    let writer = reopen(&settings(directory.path())).await;
    assert_eq!(facts_in(&writer).await.1, (0..5).map(fact).collect::<Vec<_>>());
}

fn flip_a_bit(directory: &Path, seq: i64) {
    let connection = rusqlite::Connection::open(directory.join("journal.sqlite")).unwrap();
    let mut bytes: Vec<u8> =
        connection.query_row("SELECT bytes FROM chunk WHERE seq = ?1", [seq], |row| row.get(0)).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    connection.execute("UPDATE chunk SET bytes = ?1 WHERE seq = ?2", rusqlite::params![bytes, seq]).unwrap();
}

#[tokio::test]
async fn what_is_still_to_be_shipped_is_saved_from_a_damaged_journal() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { unshipped: Unshipped::MakesRoom, ..settings(directory.path()) };
    let writer = Writer::open(&settings).unwrap();
    for n in 1..=10 {
        writer.append(at(n), &[fact(n)]).await.unwrap();
    }
    writer.advance(3).await.unwrap();
    checkpoint(&writer, 55_u64).await.unwrap();
    writer.append(at(11), &[fact(11)]).await.unwrap();
    drop(writer);
    drop(reopen(&settings).await);
    // Only a chunk that is replayed is looked at when the journal is opened.
    flip_a_bit(directory.path(), 6);
    flip_a_bit(directory.path(), 11);
    let writer = reopen(&settings).await;
    assert_eq!(facts_in(&writer).await, (Some(55), vec![]));
    assert_eq!(writer.status().borrow().cursor.seq, 3);
    let unshipped = writer.reader().after(3, usize::MAX).await.unwrap();
    assert_eq!(unshipped.iter().map(|chunk| chunk.seq).collect::<Vec<_>>(), [4, 5, 7, 8, 9, 10]);
}

#[tokio::test]
async fn numbers_that_are_given_anew_after_damage_are_shipped() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { unshipped: Unshipped::MakesRoom, ..settings(directory.path()) };
    let writer = Writer::open(&settings).unwrap();
    for n in 1..=10 {
        writer.append(at(n), &[fact(n)]).await.unwrap();
    }
    writer.advance(10).await.unwrap();
    drop(writer);
    drop(reopen(&settings).await);
    flip_a_bit(directory.path(), 6);
    let writer = reopen(&settings).await;
    assert_eq!(writer.status().borrow().cursor.seq, 5);
    for n in 11..=20 {
        writer.append(at(n), &[fact(n)]).await.unwrap();
    }
    drop(writer);
    assert_eq!(reopen(&settings).await.status().borrow().cursor.seq, 5, "after another start too");
}

#[tokio::test]
async fn a_file_that_is_no_journal_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(
        directory.path().join("journal.sqlite"),
        "not a database, and longer than a header".repeat(300),
    )
    .unwrap();
    let writer = Writer::open(&settings(directory.path())).unwrap();
    assert!(writer.status().borrow().salvaged.is_some());
    writer.append(at(1), &[fact(1)]).await.unwrap();
}

#[tokio::test]
async fn a_journal_of_a_later_format_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    drop(Writer::open(&settings(directory.path())).unwrap());
    drop(reopen(&settings(directory.path())).await);
    let connection = rusqlite::Connection::open(directory.path().join("journal.sqlite")).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    tokio::time::sleep(Duration::from_millis(1)).await;
    let outcome = loop {
        match Writer::open(&settings(directory.path())) {
            Err(JournalError::Locked { .. }) => tokio::time::sleep(Duration::from_millis(5)).await,
            other => break other,
        }
    };
    let Err(JournalError::Format { found: 99, .. }) = outcome else { panic!("a later format was opened") };
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_is_named_with_its_cause() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let Err(error) = Writer::open(&settings(&file.path().join("below"))) else { panic!("opened") };
    let text = error.to_string();
    assert!(text.contains("below") && text.contains("Not a directory"), "{text}");
}

#[tokio::test]
async fn what_was_recorded_can_be_read_after_any_chunk_while_more_is_written() {
    let directory = tempfile::tempdir().unwrap();
    let writer = Writer::open(&settings(directory.path())).unwrap();
    let reader = writer.reader();
    assert_eq!(reader.oldest().await.unwrap(), None);
    for n in 0..3 {
        writer.append(at(n), &[fact(n * 2), fact(n * 2 + 1)]).await.unwrap();
    }
    assert_eq!(writer.status().borrow().last_seq, 3);
    let chunks = reader.after(1, 1 << 20).await.unwrap();
    assert_eq!(
        chunks.iter().map(|chunk| (chunk.seq, chunk.at)).collect::<Vec<_>>(),
        [(2, at(1)), (3, at(2))]
    );
    let first: serde_json::Value = serde_json::from_slice(chunks[0].documents().next().unwrap()).unwrap();
    assert_eq!(first["n"], 2);
    let id: DocumentId = first["_id"].as_str().unwrap().parse().unwrap();
    assert_eq!((id.seq, id.place), (2, 0));
    assert_eq!(reader.after(0, 1).await.unwrap().len(), 1, "at least one, however small the limit");
    assert_eq!(reader.oldest_after(1).await.unwrap(), Some((2, at(1))));
}

#[tokio::test]
async fn how_far_facts_were_shipped_survives_a_restart_and_never_goes_back() {
    let directory = tempfile::tempdir().unwrap();
    let settings = Settings { unshipped: Unshipped::MakesRoom, ..settings(directory.path()) };
    let writer = Writer::open(&settings).unwrap();
    assert_eq!(writer.status().borrow().cursor, Cursor::default());
    for n in 0..3 {
        writer.append(at(n), &[fact(n)]).await.unwrap();
    }
    writer.advance(2).await.unwrap();
    writer.advance(1).await.unwrap();
    drop(writer);
    let writer = reopen(&settings).await;
    let expected = Cursor { seq: 2, has_arrived: true, dropped: 0 };
    assert_eq!(writer.status().borrow().cursor, expected);
    writer.advance(99).await.unwrap();
    assert_eq!(writer.status().borrow().cursor.seq, 3, "what does not exist yet has not arrived");
}

/// Facts that do not compress: one takes about as many bytes in the file.
fn noise(bytes: usize) -> Fact {
    let padding = (0..bytes).map(|_| char::from(rand::random_range(b'a'..=b'z'))).collect();
    Fact::Counted { n: 0, padding }
}

async fn oldest(writer: &Writer) -> u64 {
    writer.reader().oldest().await.unwrap().unwrap().0
}

#[tokio::test]
async fn facts_that_are_still_to_be_shipped_outlive_their_retention() {
    use Unshipped::{IsKept, MakesRoom, Nobodys};
    for (unshipped, has_arrived, kept) in [
        (MakesRoom, true, 3),
        (IsKept, true, 3),
        (MakesRoom, false, 21),
        (IsKept, false, 21),
        (Nobodys, false, 21),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let settings =
            Settings { unshipped, retention: Duration::from_secs(10), ..settings(directory.path()) };
        let writer = Writer::open(&settings).unwrap();
        for n in 0..30 {
            writer.append(at(n), &[fact(n)]).await.unwrap();
        }
        if has_arrived {
            writer.advance(2).await.unwrap();
        }
        checkpoint(&writer, 0_u64).await.unwrap();
        // The newest is of second 29; chunk 20 is of second 19, the first that is young enough.
        let expected = if has_arrived { kept } else { kept - 1 };
        assert_eq!(oldest(&writer).await, expected, "{unshipped:?}, has arrived {has_arrived}");
    }
}

#[tokio::test]
async fn what_is_kept_until_it_is_shipped_never_makes_room() {
    let directory = tempfile::tempdir().unwrap();
    let settings =
        Settings { unshipped: Unshipped::IsKept, max_bytes: 1 << 20, ..settings(directory.path()) };
    let writer = Writer::open(&settings).unwrap();
    writer.append(at(1), &[noise(1_000)]).await.unwrap();
    writer.advance(1).await.unwrap();
    let mut full = None;
    for _ in 0..100 {
        // The checkpoint covers everything, and would let it go.
        let appended = writer.append(at(2), &[noise(60_000)]).await.err();
        full = full.or(appended).or(checkpoint(&writer, 0).await.err());
    }
    let full = full.expect("six megabytes are more than one");
    assert!(matches!(full, JournalError::Full { .. }), "{full}");
    let status = writer.status().borrow().clone();
    assert!(status.last_seq > 10, "{status:?}");
    assert_eq!((status.cursor.dropped, oldest(&writer).await), (0, 2), "the one that has arrived made room");
    writer.advance(status.last_seq - 2).await.unwrap();
    writer.append(at(3), &[noise(60_000)]).await.expect("what has arrived makes room again");
}

#[tokio::test]
async fn facts_that_had_to_make_room_before_they_were_shipped_are_counted() {
    let directory = tempfile::tempdir().unwrap();
    let settings =
        Settings { unshipped: Unshipped::MakesRoom, max_bytes: 1 << 20, ..settings(directory.path()) };
    let writer = Writer::open(&settings).unwrap();
    writer.append(at(0), &[noise(1_000), noise(1_000)]).await.unwrap();
    writer.advance(1).await.unwrap();
    let mut appended = 2;
    for n in 1..60 {
        if writer.append(at(n), &[noise(30_000), noise(30_000)]).await.unwrap().wants_checkpoint {
            checkpoint(&writer, n).await.unwrap();
        }
        appended += 2;
    }
    let left: u64 = {
        let chunks = writer.reader().after(0, usize::MAX).await.unwrap();
        chunks.iter().map(|chunk| chunk.documents().count() as u64).sum()
    };
    let cursor = writer.status().borrow().cursor;
    assert!(cursor.dropped > 0);
    // The two facts of the first chunk had arrived before it made room.
    assert_eq!(cursor.dropped, appended - 2 - left);
    assert_eq!(oldest(&writer).await, cursor.seq + 1, "nothing is shipped from before what is left");
    drop(writer);
    assert_eq!(reopen(&settings).await.status().borrow().cursor, cursor);
}

mod restored;
