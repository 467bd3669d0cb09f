//! What is done about a damaged file: keep it, and go on with everything in it that can still be read.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::chunk::decompress;
use super::cursor;
use super::store::Store;
use super::{JournalError, Settings};

/// A file up to this size is checked whole at the start; of a larger one only what will be replayed.
const CHECK_WHOLE: u64 = 64 * 1024 * 1024;

const JOURNAL: &str = "journal.sqlite";
/// What is saved is collected here, and takes the journal's name when it is complete.
const SAVED: &str = "journal.saved.sqlite";

/// Opens the journal; a damaged one is set aside first, and the second value says what happened to it.
pub(super) fn open(settings: &Settings) -> Result<(Store, Option<String>), JournalError> {
    let unusable = |cause| JournalError::Directory { directory: settings.directory.clone(), cause };
    let (file, saved) = (settings.directory.join(JOURNAL), settings.directory.join(SAVED));
    if !file.exists() && saved.exists() {
        // An earlier start was interrupted between its last two steps.
        std::fs::rename(&saved, &file).map_err(unusable)?;
    }
    let damage = match Store::open(settings, JOURNAL).and_then(|store| check(&store).map(|()| store)) {
        Ok(store) => return Ok((store, None)),
        Err(JournalError::Damaged(cause)) => cause,
        Err(JournalError::Sqlite(error)) if is_damage(&error) => error.to_string(),
        Err(other) => return Err(other),
    };
    remove(&saved).map_err(unusable)?;
    let mut fresh = Store::open(settings, SAVED)?;
    let copied = copy_readable(&file, &mut fresh.connection)?;
    drop(fresh);
    let aside = set_aside(&file).map_err(unusable)?;
    std::fs::rename(&saved, &file).map_err(unusable)?;
    let state = if copied.has_state { "its checkpoint and" } else { "no checkpoint, and" };
    let report = format!(
        "the journal was damaged ({damage}); {state} {} chunks after it were saved, and the damaged file is kept as {}",
        copied.chunks,
        aside.display()
    );
    Ok((Store::open(settings, JOURNAL)?, Some(report)))
}

/// Removes what an interrupted start has left.
fn remove(file: &Path) -> std::io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        match std::fs::remove_file(format!("{}{suffix}", file.display())) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(())
}

pub(super) fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
}

fn check(store: &Store) -> Result<(), JournalError> {
    if std::fs::metadata(&store.file).map_or(0, |metadata| metadata.len()) <= CHECK_WHOLE {
        let verdict: String = store.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if verdict != "ok" {
            return Err(JournalError::Damaged(verdict.lines().next().unwrap_or_default().into()));
        }
    }
    store.state()?;
    store.after_checkpoint(|_| Ok(()))
}

/// Moves the file and its write-ahead log to the first free name.
fn set_aside(file: &Path) -> std::io::Result<PathBuf> {
    let aside = (1..)
        .map(|n| file.with_file_name(format!("journal.damaged-{n}.sqlite")))
        .find(|candidate| !candidate.exists())
        .unwrap_or_default();
    std::fs::rename(file, &aside)?;
    for suffix in ["-wal", "-shm"] {
        let beside = |path: &Path| PathBuf::from(format!("{}{suffix}", path.display()));
        match std::fs::rename(beside(file), beside(&aside)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
    }
    Ok(aside)
}

struct Saved {
    chunks: u64,
    has_state: bool,
}

/// Copies the cursor, the checkpoint, what can be read of the chunks that it covers (they may be still to be shipped)
/// and the unbroken run of chunks after it.
fn copy_readable(file: &Path, fresh: &mut Connection) -> Result<Saved, JournalError> {
    let damaged = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let transaction = fresh.transaction()?;
    // Without it everything that is left is shipped again, which does no harm.
    cursor::write(&transaction, cursor::read(&damaged).unwrap_or_default())?;
    let oldest = damaged.query_row("SELECT min(seq) FROM chunk", [], |row| row.get::<_, i64>(0));
    let checkpoint = copy_checkpoint(&damaged, &transaction)?;
    let mut saved = Saved { chunks: 0, has_state: checkpoint.is_some() };
    let mut seq = match (checkpoint, oldest) {
        (Some(checkpoint), oldest) => {
            for seq in oldest.unwrap_or(checkpoint + 1)..=checkpoint {
                copy_chunk(&damaged, &transaction, seq)?;
            }
            checkpoint + 1
        }
        // Without its checkpoint the history is whole only when it still begins with the first chunk.
        (None, Ok(1)) => 1,
        (None, _) => i64::MAX,
    };
    while copy_chunk(&damaged, &transaction, seq)? {
        saved.chunks += 1;
        seq += 1;
    }
    transaction.commit()?;
    Ok(saved)
}

/// Copies the checkpoint if it can be read; the number of the last chunk that it covers.
fn copy_checkpoint(damaged: &Connection, fresh: &Connection) -> Result<Option<i64>, JournalError> {
    let checkpoint = damaged
        .query_row("SELECT seq, at, state FROM checkpoint", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()
        .ok()
        .flatten()
        .filter(|(_, _, state)| decompress(state).is_ok());
    let Some((seq, at, state)) = checkpoint else { return Ok(None) };
    fresh.execute(
        "INSERT OR REPLACE INTO checkpoint (one, seq, at, state) VALUES (1, ?1, ?2, ?3)",
        params![seq, at, state],
    )?;
    Ok(Some(seq))
}

/// Whether there is such a chunk that can be read, and so was copied.
fn copy_chunk(damaged: &Connection, fresh: &Connection, seq: i64) -> Result<bool, JournalError> {
    let Some((at, facts, bytes)) = readable_chunk(damaged, seq) else { return Ok(false) };
    fresh.execute(
        "INSERT INTO chunk (seq, at, facts, bytes) VALUES (?1, ?2, ?3, ?4)",
        params![seq, at, facts, bytes],
    )?;
    Ok(true)
}

fn readable_chunk(damaged: &Connection, seq: i64) -> Option<(i64, i64, Vec<u8>)> {
    let mut statement = damaged.prepare_cached("SELECT at, facts, bytes FROM chunk WHERE seq = ?1").ok()?;
    let row =
        statement.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))).ok()?;
    decompress(&row.2).is_ok().then_some(row)
}
