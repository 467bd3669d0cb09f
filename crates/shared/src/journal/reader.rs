//! Reading what was recorded, beside the writer and without making it wait.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Row};

use super::JournalError;
use super::chunk::decompress;
use super::cursor::{signed, unsigned};
use super::salvage::is_damage;
use crate::clock::Timestamp;

/// Chunks that are looked for one by one beyond a damaged one: some hundred damaged pages.
const MOST_DAMAGED: u64 = 10_000;

/// The facts of one commit, as they are in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chunk {
    /// Its number; each is greater than the one before.
    pub seq: u64,
    /// When its facts were recorded.
    pub at: Timestamp,
    /// One JSON document a line, each with `_id` and `@timestamp` in front of the fact's own members.
    pub lines: Vec<u8>,
}

impl Chunk {
    /// The documents, oldest first.
    pub fn documents(&self) -> impl Iterator<Item = &[u8]> {
        self.lines.split(|byte| *byte == b'\n').filter(|line| !line.is_empty())
    }
}

/// Reads the recorded facts on a connection of its own, for any number of callers.
#[derive(Clone)]
pub struct Reader {
    /// None once the journal is closed.
    connection: Arc<Mutex<Option<Connection>>>,
}

impl Reader {
    pub(super) fn open(file: &Path) -> Result<Self, JournalError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(file, flags)?;
        connection.busy_timeout(Duration::from_secs(1))?;
        Ok(Self { connection: Arc::new(Mutex::new(Some(connection))) })
    }

    /// Ends reading for every clone. The writer's connection has to be the last one: it tidies up the file.
    pub(super) fn close(&self) {
        drop(self.connection.lock().unwrap_or_else(PoisonError::into_inner).take());
    }

    /// The oldest chunks after this number, oldest first: as many as fit into `max_bytes` before compression, and
    /// at least one if there is any. Numbers that are missing were trimmed, or are damaged and named in the log.
    pub async fn after(&self, seq: u64, max_bytes: usize) -> Result<Vec<Chunk>, JournalError> {
        self.read(move |connection| chunks_after(connection, seq, max_bytes)).await
    }

    /// The number and the time of the oldest chunk that is still there; none in an empty journal.
    pub async fn oldest(&self) -> Result<Option<(u64, Timestamp)>, JournalError> {
        self.oldest_after(0).await
    }

    /// The same of those after this number.
    pub async fn oldest_after(&self, seq: u64) -> Result<Option<(u64, Timestamp)>, JournalError> {
        self.read(move |connection| {
            let mut statement =
                connection.prepare_cached("SELECT seq, at FROM chunk WHERE seq > ?1 ORDER BY seq LIMIT 1")?;
            let mut rows = statement.query([signed(seq)])?;
            let Some(row) = rows.next()? else { return Ok(None) };
            Ok(Some((unsigned(row.get(0)?), Timestamp::from_micros(row.get(1)?))))
        })
        .await
    }

    async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, JournalError> + Send + 'static,
    ) -> Result<T, JournalError> {
        let connection = Arc::clone(&self.connection);
        let reading = tokio::task::spawn_blocking(move || {
            // A reader that panicked has changed nothing.
            let connection = connection.lock().unwrap_or_else(PoisonError::into_inner);
            connection.as_ref().map_or(Err(JournalError::Closed), query)
        });
        reading.await.map_err(|_| JournalError::Closed)?
    }
}

fn chunks_after(connection: &Connection, seq: u64, max_bytes: usize) -> Result<Vec<Chunk>, JournalError> {
    let mut statement =
        connection.prepare_cached("SELECT seq, at, bytes FROM chunk WHERE seq > ?1 ORDER BY seq")?;
    let mut rows = statement.query([signed(seq)])?;
    let (mut chunks, mut bytes) = (Vec::new(), 0);
    loop {
        let row = match rows.next() {
            Ok(Some(row)) => row,
            Ok(None) => return Ok(chunks),
            Err(error) if is_damage(&error) && chunks.is_empty() => return beyond_damage(connection, seq),
            Err(error) if is_damage(&error) => return Ok(chunks),
            Err(error) => return Err(error.into()),
        };
        let Some(chunk) = chunk(row)? else { continue };
        bytes += chunk.lines.len();
        if bytes > max_bytes && !chunks.is_empty() {
            return Ok(chunks);
        }
        chunks.push(chunk);
    }
}

/// The next chunk that can be read beyond damaged pages of the file, which a walk along it does not get past.
fn beyond_damage(connection: &Connection, seq: u64) -> Result<Vec<Chunk>, JournalError> {
    for next in seq + 1..=seq + MOST_DAMAGED {
        let mut statement = connection.prepare_cached("SELECT seq, at, bytes FROM chunk WHERE seq = ?1")?;
        let mut rows = statement.query([signed(next)])?;
        if let Ok(Some(row)) = rows.next()
            && let Some(chunk) = chunk(row)?
        {
            tracing::error!(
                after = seq,
                until = next,
                "facts are lost to those who read the journal: it is damaged"
            );
            return Ok(vec![chunk]);
        }
    }
    Err(JournalError::Damaged(format!("nothing can be read after chunk {seq}")))
}

/// The chunk of a row; none when its bytes are damaged. Whoever follows the journal must get past it.
fn chunk(row: &Row<'_>) -> Result<Option<Chunk>, JournalError> {
    let (seq, at) = (unsigned(row.get(0)?), Timestamp::from_micros(row.get(1)?));
    match decompress(&row.get::<_, Vec<u8>>(2)?) {
        Ok(lines) => Ok(Some(Chunk { seq, at, lines })),
        Err(error) => {
            tracing::error!(seq, %error, "facts of one commit are lost to those who read the journal");
            Ok(None)
        }
    }
}
