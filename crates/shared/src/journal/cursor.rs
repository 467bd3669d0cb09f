//! How far the facts have been shipped, in the same file as the facts, so that the two can never disagree.

use rusqlite::{Connection, params};

use super::JournalError;

/// How far the facts have been shipped to a store elsewhere.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Cursor {
    /// Chunks up to this number have arrived, or were given up.
    pub seq: u64,
    /// Whether anything has ever arrived. Before that nobody is known to want the facts, and they are trimmed as
    /// if nothing were to be shipped.
    pub has_arrived: bool,
    /// Facts that had to make room before they were shipped.
    pub dropped: u64,
}

pub(super) const TABLE: &str = "CREATE TABLE IF NOT EXISTS cursor
   (one INTEGER PRIMARY KEY CHECK (one = 1), seq INTEGER NOT NULL, has_arrived INTEGER NOT NULL,
    dropped INTEGER NOT NULL);";

pub(super) fn read(connection: &Connection) -> Result<Cursor, JournalError> {
    let mut statement = connection.prepare_cached("SELECT seq, has_arrived, dropped FROM cursor")?;
    let mut rows = statement.query([])?;
    let Some(row) = rows.next()? else { return Ok(Cursor::default()) };
    let (seq, dropped): (i64, i64) = (row.get(0)?, row.get(2)?);
    Ok(Cursor { seq: unsigned(seq), has_arrived: row.get(1)?, dropped: unsigned(dropped) })
}

pub(super) fn write(connection: &Connection, cursor: Cursor) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO cursor (one, seq, has_arrived, dropped) VALUES (1, ?1, ?2, ?3)",
        )?
        .execute(params![signed(cursor.seq), cursor.has_arrived, signed(cursor.dropped)])?;
    Ok(())
}

/// SQLite's integers are signed; numbers of chunks and facts stay far below the bound.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}
