//! What is done about a damaged file: keep it, and go on with everything in it that can still be read.

use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags, OptionalExtension, params};

use super::chunk::decompress;
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

fn is_damage(error: &rusqlite::Error) -> bool {
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

/// Copies the checkpoint and the unbroken run of chunks after it. Older chunks stay in the damaged file.
fn copy_readable(file: &Path, fresh: &mut Connection) -> Result<Saved, JournalError> {
    let damaged = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let checkpoint = damaged
        .query_row("SELECT seq, at, state FROM checkpoint", [], |row| {
            Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, Vec<u8>>(2)?))
        })
        .optional()
        .ok()
        .flatten()
        .filter(|(_, _, state)| decompress(state).is_ok());
    let transaction = fresh.transaction()?;
    let mut saved = Saved { chunks: 0, has_state: checkpoint.is_some() };
    let mut seq = 1;
    if let Some((checkpoint_seq, at, state)) = checkpoint {
        transaction.execute(
            "INSERT OR REPLACE INTO checkpoint (one, seq, at, state) VALUES (1, ?1, ?2, ?3)",
            params![checkpoint_seq, at, state],
        )?;
        seq = checkpoint_seq + 1;
    } else if let Ok(first) = damaged.query_row("SELECT min(seq) FROM chunk", [], |row| row.get::<_, i64>(0))
    {
        // Without its checkpoint the history is whole only when it still begins with the first chunk.
        seq = if first == 1 { 1 } else { i64::MAX };
    }
    while let Some((at, facts, bytes)) = readable_chunk(&damaged, seq) {
        transaction.execute(
            "INSERT INTO chunk (seq, at, facts, bytes) VALUES (?1, ?2, ?3, ?4)",
            params![seq, at, facts, bytes],
        )?;
        saved.chunks += 1;
        seq += 1;
    }
    transaction.commit()?;
    Ok(saved)
}

fn readable_chunk(damaged: &Connection, seq: i64) -> Option<(i64, i64, Vec<u8>)> {
    let mut statement = damaged.prepare_cached("SELECT at, facts, bytes FROM chunk WHERE seq = ?1").ok()?;
    let row =
        statement.query_row([seq], |row| Ok((row.get(0)?, row.get(1)?, row.get::<_, Vec<u8>>(2)?))).ok()?;
    decompress(&row.2).is_ok().then_some(row)
}
