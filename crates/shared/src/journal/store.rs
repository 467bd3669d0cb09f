//! The SQLite file: its form, and the statements on it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OptionalExtension, params};

use super::chunk::{compress, decompress, documents};
use super::cursor::{self, Cursor, signed, unsigned};
use super::{Durability, JournalError, Settings, Unshipped};
use crate::clock::Timestamp;

/// The format that this version writes; `PRAGMA user_version` of the file.
const FORMAT: i64 = 2;
/// Bytes of a page; SQLite's default, stated because the byte budget is counted in pages.
const PAGE: i64 = 4_096;
/// The write-ahead log is cut back to this size after a checkpoint of SQLite's.
const WAL_LIMIT: i64 = 8 * 1024 * 1024;
/// Part of the budget that trimming keeps free, so that a checkpoint finds room.
const RESERVE: u64 = 10;
/// Rows that one trimming deletes at most, so that an append waits only shortly.
const TRIM: i64 = 2_000;

pub(super) struct Store {
    pub(super) connection: Connection,
    pub(super) file: PathBuf,
    generation: u32,
    next_seq: u64,
    checkpoint_seq: u64,
    cursor: Cursor,
    max_bytes: u64,
    retention: Duration,
    unshipped: Unshipped,
}

/// What a start has to read, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sizes {
    /// The checkpoint.
    pub(super) checkpoint: u64,
    /// The chunks after it.
    pub(super) since: u64,
}

/// A chunk as the file holds it.
pub(super) struct Stored {
    pub(super) at: Timestamp,
    pub(super) lines: Vec<u8>,
}

impl Store {
    pub(super) fn open(settings: &Settings, name: &str) -> Result<Self, JournalError> {
        let file = settings.directory.join(name);
        let connection = Connection::open(&file)?;
        configure(&connection, settings)?;
        if connection.is_readonly(rusqlite::MAIN_DB)? {
            return Err(JournalError::ReadOnly { file });
        }
        prepare(&connection, &file)?;
        let number = |sql| connection.query_row(sql, [], |row| row.get::<_, i64>(0).map(unsigned));
        let checkpoint_seq = number("SELECT coalesce(max(seq), 0) FROM checkpoint")?;
        let next_seq = number("SELECT coalesce(max(seq), 0) FROM chunk")?.max(checkpoint_seq) + 1;
        let mut cursor = cursor::read(&connection)?;
        if cursor.seq >= next_seq {
            // What was lost with a damaged file must not be waited for: its numbers are given anew.
            cursor.seq = next_seq - 1;
            cursor::write(&connection, cursor)?;
        }
        let Settings { max_bytes, retention, unshipped, .. } = *settings;
        Ok(Self {
            connection,
            file,
            // A file that was put back as it was gives numbers again that were given before.
            generation: rand::random(),
            next_seq,
            checkpoint_seq,
            cursor,
            max_bytes,
            retention,
            unshipped,
        })
    }

    /// Appends the facts of one commit, durably. Returns the bytes that the chunk takes.
    pub(super) fn append(&mut self, at: Timestamp, facts: &[Vec<u8>]) -> Result<u64, JournalError> {
        let bytes = compress(&documents(self.generation, self.next_seq, at, facts))?;
        let size = bytes.len() as u64;
        match self.insert(at, facts.len(), &bytes) {
            Err(JournalError::Full { .. }) => {
                self.trim()?;
                self.insert(at, facts.len(), &bytes)?;
            }
            other => other?,
        }
        self.next_seq += 1;
        Ok(size)
    }

    fn insert(&mut self, at: Timestamp, facts: usize, bytes: &[u8]) -> Result<(), JournalError> {
        let outcome = self
            .connection
            .prepare_cached("INSERT INTO chunk (seq, at, facts, bytes) VALUES (?1, ?2, ?3, ?4)")?
            .execute(params![signed(self.next_seq), at.as_micros(), facts as i64, bytes]);
        outcome.map(drop).map_err(|error| self.failure(error))
    }

    /// Writes the compressed state that all facts up to a chunk give, and makes room.
    pub(super) fn checkpoint(&mut self, seq: u64, at: Timestamp, state: &[u8]) -> Result<(), JournalError> {
        if seq < self.checkpoint_seq {
            // A later one was written meanwhile, and what it covers may be gone.
            return Ok(());
        }
        // The new state needs room beside the old one; what the old one covers can make it.
        while let Err(error) = self.write_checkpoint(seq, at, state) {
            if !matches!(error, JournalError::Full { .. }) || self.trim()? == 0 {
                return Err(error);
            }
        }
        self.checkpoint_seq = seq;
        let expired = (at - self.retention).as_micros();
        let expendable = if self.holds_unshipped() { seq.min(self.cursor.seq) } else { seq };
        self.connection.execute(
            // Only the oldest are looked at: time grows with the number, and a look at all would make appends wait.
            "DELETE FROM chunk WHERE at < ?2 AND seq IN (SELECT seq FROM chunk WHERE seq <= ?1 ORDER BY seq LIMIT ?3)",
            params![signed(expendable), expired, TRIM],
        )?;
        while self.used()? > self.max_bytes - self.max_bytes / RESERVE {
            if self.trim()? == 0 {
                break;
            }
        }
        Ok(())
    }

    fn write_checkpoint(&self, seq: u64, at: Timestamp, state: &[u8]) -> Result<(), JournalError> {
        let write = "INSERT OR REPLACE INTO checkpoint (one, seq, at, state) VALUES (1, ?1, ?2, ?3)";
        let outcome = self.connection.execute(write, params![signed(seq), at.as_micros(), state]);
        outcome.map(drop).map_err(|error| self.failure(error))
    }

    /// Deletes the oldest chunks that the checkpoint covers and that may make room, an eighth of them at a time. Facts
    /// among them that were still to be shipped are counted as dropped.
    fn trim(&mut self) -> Result<usize, JournalError> {
        let holds_unshipped = self.holds_unshipped();
        let keeps = holds_unshipped && self.unshipped == Unshipped::IsKept;
        let checkpoint =
            signed(if keeps { self.checkpoint_seq.min(self.cursor.seq) } else { self.checkpoint_seq });
        let first: Option<i64> =
            self.connection.query_row("SELECT min(seq) FROM chunk", [], |row| row.get(0))?;
        let covered = first.map_or(0, |first| checkpoint - first + 1);
        let oldest = "SELECT seq FROM chunk WHERE seq <= ?1 ORDER BY seq LIMIT ?2";
        let limit = (covered / 8).clamp(1, TRIM);
        let transaction = self.connection.transaction()?;
        let mut cursor = self.cursor;
        if holds_unshipped {
            let (facts, last): (i64, i64) = transaction.query_row(
                &format!(
                    "SELECT coalesce(sum(facts), 0), coalesce(max(seq), 0) FROM chunk WHERE seq > ?3 AND seq IN ({oldest})"
                ),
                params![checkpoint, limit, signed(cursor.seq)],
                |row| Ok((row.get(0)?, row.get(1)?)),
            )?;
            if facts > 0 {
                cursor.dropped += unsigned(facts);
                cursor.seq = unsigned(last);
                cursor::write(&transaction, cursor)?;
            }
        }
        let deleted = transaction
            .execute(&format!("DELETE FROM chunk WHERE seq IN ({oldest})"), params![checkpoint, limit])?;
        transaction.commit()?;
        self.cursor = cursor;
        Ok(deleted)
    }

    /// Whether somebody is known to want what has not been shipped.
    fn holds_unshipped(&self) -> bool {
        self.unshipped != Unshipped::Nobodys && self.cursor.has_arrived
    }

    /// How far the facts have been shipped.
    pub(super) fn cursor(&self) -> Cursor {
        self.cursor
    }

    /// Notes that everything up to this chunk has arrived.
    pub(super) fn advance(&mut self, seq: u64) -> Result<(), JournalError> {
        // It may have been dropped meanwhile, and the cursor with it moved beyond.
        let seq = seq.max(self.cursor.seq).min(self.last_seq());
        let cursor = Cursor { seq, has_arrived: true, ..self.cursor };
        cursor::write(&self.connection, cursor).map_err(|error| self.failure(error))?;
        self.cursor = cursor;
        Ok(())
    }

    /// The number of the newest chunk; 0 before the first.
    pub(super) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// Bytes that the checkpoint takes, and those of the chunks after it.
    pub(super) fn sizes(&self) -> Result<Sizes, JournalError> {
        let bytes = |sql| self.connection.query_row(sql, [signed(self.checkpoint_seq)], |row| row.get(0));
        Ok(Sizes {
            checkpoint: unsigned(bytes(
                "SELECT coalesce(max(length(state)), 0) FROM checkpoint WHERE seq = ?1",
            )?),
            since: unsigned(bytes("SELECT coalesce(sum(length(bytes)), 0) FROM chunk WHERE seq > ?1")?),
        })
    }

    /// The checkpoint's state as JSON, if there is one.
    pub(super) fn state(&self) -> Result<Option<Vec<u8>>, JournalError> {
        let bytes: Option<Vec<u8>> = self
            .connection
            .query_row("SELECT state FROM checkpoint", [], |row| row.get(0))
            .optional()
            .map_err(|error| self.failure(error))?;
        bytes.as_deref().map(decompress).transpose()
    }

    /// Hands every chunk after the checkpoint to `each`, oldest first.
    pub(super) fn after_checkpoint(
        &self,
        mut each: impl FnMut(Stored) -> Result<(), JournalError>,
    ) -> Result<(), JournalError> {
        let mut statement =
            self.connection.prepare_cached("SELECT at, bytes FROM chunk WHERE seq > ?1 ORDER BY seq")?;
        let mut rows = statement.query([signed(self.checkpoint_seq)])?;
        while let Some(row) = rows.next().map_err(|error| self.failure(error))? {
            let bytes: Vec<u8> = row.get(1)?;
            each(Stored { at: Timestamp::from_micros(row.get(0)?), lines: decompress(&bytes)? })?;
        }
        Ok(())
    }

    /// Bytes in use: pages of the file that are not free.
    pub(super) fn used(&self) -> Result<u64, JournalError> {
        // Asked after every commit, so they are prepared once.
        let pages =
            |pragma| self.connection.prepare_cached(pragma)?.query_row([], |row| row.get::<_, i64>(0));
        let used = pages("PRAGMA page_count")? - pages("PRAGMA freelist_count")?;
        Ok(u64::try_from(used * PAGE).unwrap_or(0))
    }

    /// When the newest chunk or checkpoint was written.
    pub(super) fn last_at(&self) -> Result<Timestamp, JournalError> {
        let newest = "SELECT coalesce(max(at), 0) FROM (SELECT max(at) AS at FROM checkpoint UNION ALL \
                      SELECT at FROM (SELECT at FROM chunk ORDER BY seq DESC LIMIT 1))";
        Ok(Timestamp::from_micros(self.connection.query_row(newest, [], |row| row.get(0))?))
    }

    fn failure(&self, error: rusqlite::Error) -> JournalError {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                JournalError::Full { used: self.used().unwrap_or(0), max: self.max_bytes }
            }
            Some(ErrorCode::ReadOnly) => JournalError::ReadOnly { file: self.file.clone() },
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                JournalError::Damaged(error.to_string())
            }
            _ => JournalError::Sqlite(error),
        }
    }
}

fn configure(connection: &Connection, settings: &Settings) -> Result<(), JournalError> {
    connection.busy_timeout(Duration::from_secs(1))?;
    connection.pragma_update(None, "page_size", PAGE)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    let synchronous = match settings.durability {
        Durability::Disk => "FULL",
        Durability::Os => "NORMAL",
    };
    connection.pragma_update(None, "synchronous", synchronous)?;
    connection.pragma_update(None, "journal_size_limit", WAL_LIMIT)?;
    let pages = i64::try_from(settings.max_bytes).unwrap_or(i64::MAX) / PAGE;
    connection.pragma_update(None, "max_page_count", pages)?;
    Ok(())
}

fn prepare(connection: &Connection, file: &Path) -> Result<(), JournalError> {
    let found: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found > FORMAT {
        return Err(JournalError::Format { file: file.to_path_buf(), found, known: FORMAT });
    }
    connection.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE IF NOT EXISTS chunk
           (seq INTEGER PRIMARY KEY, at INTEGER NOT NULL, facts INTEGER NOT NULL, bytes BLOB NOT NULL);
         CREATE TABLE IF NOT EXISTS checkpoint
           (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, at INTEGER NOT NULL, state BLOB NOT NULL);",
    )?;
    connection.execute_batch(cursor::TABLE)?;
    connection.pragma_update(None, "user_version", FORMAT)?;
    connection.execute_batch("COMMIT")?;
    Ok(())
}
