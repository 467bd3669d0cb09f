//! How far a log was reported, kept in a small file across restarts.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use md5::{Digest, Md5};
use serde::{Deserialize, Serialize};

/// So many bytes at its beginning tell a log from another one that got its inode: they hold times.
pub(super) const HEAD: usize = 256;

/// A place in a log that is known again after the log was renamed, and not mistaken after it was cut.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) struct Position {
    /// The inode of the file. Its device is not kept, because its number changes with a restart of the host.
    pub(super) inode: u64,
    /// The first byte that was not reported.
    pub(super) offset: u64,
    /// How many bytes of the beginning `head` is made of: at most [`HEAD`].
    pub(super) head_length: usize,
    /// A digest of them; the bytes themselves can hold secrets.
    pub(super) head: String,
}

impl Position {
    /// A position in a file that begins like this.
    pub(super) fn new(inode: u64, offset: u64, head: &[u8]) -> Self {
        Self { inode, offset, head_length: head.len(), head: digest(head) }
    }

    /// Whether a file of this inode and beginning (of `head_length` bytes) is the one.
    pub(super) fn is_in(&self, inode: u64, head: &[u8]) -> bool {
        self.inode == inode && self.head_length == head.len() && self.head == digest(head)
    }
}

fn digest(head: &[u8]) -> String {
    Md5::digest(head).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The file that keeps a position.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct StateFile(PathBuf);

impl StateFile {
    /// At this path.
    pub(super) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    /// Beside the log. The name does not end like the log's, so that log rotation does not take it for one.
    pub(super) fn beside(log: &Path) -> Self {
        let mut name = log.as_os_str().to_owned();
        name.push(".ingested");
        Self(name.into())
    }

    /// The position that was kept; none when there is no file yet.
    pub(super) fn load(&self) -> io::Result<Option<Position>> {
        let text = match fs::read(&self.0) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.told(&error)),
        };
        let position = serde_json::from_slice(&text);
        position.map(Some).map_err(|error| {
            let reason = format!("{error}; remove it to begin at the start of the log");
            self.told(&io::Error::new(io::ErrorKind::InvalidData, reason))
        })
    }

    /// Keeps a position so that a power cut leaves this one or the one before.
    pub(super) fn save(&self, position: &Position) -> io::Result<()> {
        self.replace(position).map_err(|error| self.told(&error))
    }

    /// Says whether positions can be kept, before anything is sent.
    pub(super) fn probe(&self) -> io::Result<()> {
        let path = self.temporary();
        File::create(&path).and_then(|_| fs::remove_file(&path)).map_err(|error| self.told(&error))
    }

    fn replace(&self, position: &Position) -> io::Result<()> {
        let path = self.temporary();
        let mut file = File::create(&path)?;
        serde_json::to_writer(&mut file, position)?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&path, &self.0)?;
        let directory = self.0.parent().filter(|parent| !parent.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }

    fn temporary(&self) -> PathBuf {
        let mut name = self.0.as_os_str().to_owned();
        name.push(".new");
        name.into()
    }

    fn told(&self, error: &io::Error) -> io::Error {
        let path = self.0.display();
        io::Error::new(
            error.kind(),
            format!("the state file {path}: {error} (--state FILE puts it elsewhere)"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_outlives_the_process_and_nothing_else_is_left() {
        let directory = tempfile::tempdir().unwrap();
        let state = StateFile::beside(&directory.path().join("access.log"));
        state.probe().unwrap();
        assert_eq!(state.load().unwrap(), None);
        for offset in [10, 20] {
            let position = Position::new(7, offset, b"head");
            state.save(&position).unwrap();
            assert_eq!(state.load().unwrap(), Some(position));
        }
        let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names, ["access.log.ingested"]);
    }

    #[test]
    fn a_state_that_cannot_be_used_says_which_file_and_what_to_do() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        fs::write(&path, "{\"inode\":").unwrap();
        let reason = StateFile::new(path.clone()).load().unwrap_err().to_string();
        assert!(reason.contains(&*path.to_string_lossy()) && reason.contains("remove it"), "{reason}");
        let reason = StateFile::new(directory.path().join("no/state")).probe().unwrap_err().to_string();
        assert!(reason.contains("--state"), "{reason}");
    }

    #[test]
    fn a_position_is_in_one_file_only() {
        let position = Position::new(7, 10, b"head");
        assert!(position.is_in(7, b"head"));
        assert!(!position.is_in(8, b"head") && !position.is_in(7, b"tail") && !position.is_in(7, b"hea"));
    }
}
