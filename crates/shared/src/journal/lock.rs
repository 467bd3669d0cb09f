//! One data directory belongs to one process.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

use super::JournalError;

/// Held for as long as the journal is open; the operating system releases it when the process ends, however
/// it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock(
    #[expect(dead_code, reason = "the lock lives as long as the open file")] File,
);

impl DirectoryLock {
    pub(super) fn take(directory: &Path) -> Result<Self, JournalError> {
        let unusable = |cause| JournalError::Directory { directory: directory.to_path_buf(), cause };
        std::fs::create_dir_all(directory).map_err(unusable)?;
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(directory.join("lock"))
            .map_err(unusable)?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => Err(JournalError::Locked { directory: directory.to_path_buf() }),
            Err(TryLockError::Error(cause)) => Err(unusable(cause)),
        }
    }
}
