//! The durable record of facts, in one SQLite file that one process owns.
//!
//! The journal is the audit log, the embedded store and the spool at once. Facts are appended in group commits:
//! one row holds the facts of one commit as a compressed chunk of newline-delimited JSON documents. A checkpoint
//! holds the state that all facts up to it give, so that a start reads only what came after.

mod chunk;
mod cursor;
mod document_id;
mod follow;
mod lock;
mod reader;
mod salvage;
mod store;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use crate::clock::Timestamp;

pub use cursor::Cursor;
pub use document_id::{DocumentId, InvalidDocumentId};
pub use follow::{Followed, Follower};
pub use reader::{Chunk, Reader};
pub use writer::{Appended, Replay, Writer};

/// When a commit counts as done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Durability {
    /// After the storage device has confirmed it: survives a power loss.
    #[default]
    Disk,
    /// After the operating system has taken it: survives the end of the process, not a power loss.
    Os,
}

/// Where the journal is and how large it may become.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory that holds it; made when it does not exist.
    pub directory: PathBuf,
    /// When a commit counts as done.
    pub durability: Durability,
    /// Upper bound of the file in bytes; the oldest facts that the checkpoint covers make room.
    pub max_bytes: u64,
    /// Facts that the checkpoint covers are dropped when they are older than this.
    pub retention: Duration,
    /// What becomes of facts that are still to be shipped elsewhere.
    pub unshipped: Unshipped,
}

/// What becomes of facts that are still to be shipped elsewhere, once something has arrived there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Unshipped {
    /// Facts are shipped nowhere.
    #[default]
    Nobodys,
    /// They are kept beyond their retention, and make room when `max_bytes` are in use: going on matters more.
    MakesRoom,
    /// They are kept, and nothing more is recorded when `max_bytes` are in use.
    IsKept,
}

/// How the journal fares.
#[derive(Clone, Debug, Default)]
pub struct Status {
    /// Why it cannot be written; none when the last write succeeded.
    pub failure: Option<String>,
    /// Bytes in use.
    pub bytes: u64,
    /// Bytes that may be in use.
    pub max_bytes: u64,
    /// Facts appended since the start of the process.
    pub appended: u64,
    /// When the newest fact was recorded.
    pub last_at: Timestamp,
    /// The number of the newest chunk; 0 before the first.
    pub last_seq: u64,
    /// How far the facts have been shipped.
    pub cursor: Cursor,
    /// What was done about a damaged file at the start.
    pub salvaged: Option<String>,
}

/// Why the journal could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process uses the directory.
    #[error(
        "the data directory {directory} is in use by another process: stop that one, or set DATA_DIR to another directory"
    )]
    Locked {
        /// The directory.
        directory: PathBuf,
    },
    /// The directory or a file in it cannot be made, read or written.
    #[error(
        "the data directory {directory} cannot be used ({cause}): make it writable for this user, or set DATA_DIR"
    )]
    Directory {
        /// The directory.
        directory: PathBuf,
        /// What the operating system says.
        cause: std::io::Error,
    },
    /// The file can be read and not written.
    #[error(
        "the journal {file} is read-only: make it and its directory writable for this user, or set DATA_DIR"
    )]
    ReadOnly {
        /// The file.
        file: PathBuf,
    },
    /// The file was written by a later version.
    #[error(
        "the journal {file} has format {found}, this version reads up to {known}: use the newer version again, or set DATA_DIR"
    )]
    Format {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: i64,
        /// The newest format that is known here.
        known: i64,
    },
    /// The byte budget or the device is used up.
    #[error(
        "no room for the journal: free space on the device, or raise JOURNAL_MAX_BYTES ({used} of {max} bytes in use)"
    )]
    Full {
        /// Bytes in use.
        used: u64,
        /// Bytes that may be in use.
        max: u64,
    },
    /// A state or the facts of one commit are larger than the journal takes.
    #[error("{bytes} bytes are more than the journal takes at once ({max})")]
    TooLarge {
        /// How large it is.
        bytes: u64,
        /// The most that is taken.
        max: u64,
    },
    /// A chunk or the file's structure is damaged.
    #[error("the journal is damaged: {0}")]
    Damaged(String),
    /// SQLite reports something else.
    #[error("the journal cannot be used: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A fact or a state could not be written as JSON.
    #[error("a record cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// The writer thread has ended.
    #[error("the journal is closed")]
    Closed,
}

#[cfg(test)]
mod tests;
