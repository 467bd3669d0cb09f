//! Reads a file to its end and, if asked to, follows it: through renaming, cutting, and until it exists at all.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::position::{HEAD, Position};

/// Looks without news at a renamed file before it is given up for the next: a server writes to it until it is told to open
/// its log anew, and some of its workers a moment longer.
const LINGER: u32 = 10;
/// Renamed files that are held open while one is read; more wait under their name.
const MOST_OPEN: usize = 16;

/// A file that is read.
#[derive(Debug)]
pub(crate) struct Tail {
    path: PathBuf,
    follow: bool,
    /// The file that is read, and those that came to its name since.
    open: VecDeque<Opened>,
    /// Looks without news in a row.
    quiet: u32,
    /// The file that is read is done with.
    is_done: bool,
    /// What was last told about a name that cannot be opened.
    told: Option<String>,
}

/// What a step has brought.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    /// So many bytes.
    Read(usize),
    /// Nothing now.
    Idle,
    /// The file is done with; the next begins with the next step.
    NextFile,
    /// The file was cut, and begins anew.
    Cut,
    /// The end.
    End,
}

#[derive(Debug)]
struct Opened {
    file: File,
    device: u64,
    inode: u64,
    offset: u64,
    /// Its first bytes, as far as they were read.
    head: Vec<u8>,
}

impl Opened {
    fn new(file: File) -> io::Result<Self> {
        let about = file.metadata()?;
        Ok(Self { device: about.dev(), inode: about.ino(), file, offset: 0, head: Vec::new() })
    }

    /// Goes to a position, if it is in this file.
    fn resume(&mut self, position: &Position) -> io::Result<bool> {
        if self.inode != position.inode || self.file.metadata()?.len() < position.offset {
            return Ok(false);
        }
        let mut head = vec![0; position.head_length.min(HEAD)];
        if self.file.read_exact_at(&mut head, 0).is_err() || !position.is_in(self.inode, &head) {
            return Ok(false);
        }
        self.head = head;
        self.offset = position.offset;
        Ok(true)
    }

    fn was_cut(&self) -> io::Result<bool> {
        if self.file.metadata()?.len() < self.offset {
            return Ok(true);
        }
        // It may have grown beyond that again.
        let mut head = [0; HEAD];
        let head = &mut head[..self.head.len()];
        Ok(self.file.read_exact_at(head, 0).is_err() || *head != self.head)
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.offset)?;
        if self.head.len() as u64 == self.offset {
            let missing = (HEAD - self.head.len()).min(length);
            self.head.extend_from_slice(&buffer[..missing]);
        }
        self.offset += length as u64;
        Ok(length)
    }
}

impl Tail {
    /// The file at this path, from a position on that may be in a file that was renamed since. Says whether the position
    /// was found; without one, or if not, the present file is read from its beginning.
    pub(super) fn open(path: &Path, follow: bool, position: Option<&Position>) -> io::Result<(Self, bool)> {
        let mut tail = Self {
            path: path.to_owned(),
            follow,
            open: VecDeque::new(),
            quiet: 0,
            is_done: false,
            told: None,
        };
        match File::open(path) {
            Ok(file) => tail.open.push_back(Opened::new(file)?),
            Err(error) if follow && error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        let found = match position {
            None => true,
            Some(position) => tail.resume(position)?,
        };
        Ok((tail, found))
    }

    fn resume(&mut self, position: &Position) -> io::Result<bool> {
        if let Some(present) = self.open.front_mut()
            && present.resume(position)?
        {
            return Ok(true);
        }
        let Some(mut renamed) = self.renamed(position.inode)? else { return Ok(false) };
        let is_found = renamed.resume(position)?;
        if is_found {
            self.open.push_front(renamed);
        }
        Ok(is_found)
    }

    /// The file of this inode beside the path, whose name begins like the path's: `access.log.1`, `access.log-20261124`.
    fn renamed(&self, inode: u64) -> io::Result<Option<Opened>> {
        let Some(name) = self.path.file_name() else { return Ok(None) };
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty());
        for entry in fs::read_dir(directory.unwrap_or(Path::new(".")))? {
            let entry = entry?;
            let is_like = entry.file_name().as_encoded_bytes().starts_with(name.as_encoded_bytes());
            // It may be gone since the directory was read.
            if is_like && entry.metadata().is_ok_and(|about| about.is_file() && about.ino() == inode) {
                return File::open(entry.path()).and_then(Opened::new).map(Some);
            }
        }
        Ok(None)
    }

    /// Reads what there is.
    pub(super) fn step(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        if self.follow {
            self.look();
        }
        if std::mem::take(&mut self.is_done) {
            self.open.pop_front();
        }
        let is_last = self.open.len() <= 1;
        let Some(current) = self.open.front_mut() else { return Ok(Step::Idle) };
        if current.was_cut()? {
            (current.offset, self.quiet) = (0, 0);
            current.head.clear();
            return Ok(Step::Cut);
        }
        let length = current.read(buffer)?;
        if length > 0 {
            self.quiet = 0;
            return Ok(Step::Read(length));
        }
        if !self.follow && is_last {
            return Ok(Step::End);
        }
        self.quiet += 1;
        if self.follow && (is_last || self.quiet < LINGER) {
            return Ok(Step::Idle);
        }
        self.quiet = 0;
        self.is_done = true;
        Ok(Step::NextFile)
    }

    /// Where the line that begins at this offset is.
    pub(super) fn position(&self, offset: u64) -> Option<Position> {
        self.open.front().map(|current| Position::new(current.inode, offset, &current.head))
    }

    /// The inode of the file that is read.
    pub(super) fn inode(&self) -> Option<u64> {
        self.open.front().map(|current| current.inode)
    }

    /// How far the file is read.
    pub(super) fn offset(&self) -> u64 {
        self.open.front().map_or(0, |current| current.offset)
    }

    /// How many bytes the file has now.
    pub(super) fn length(&self) -> u64 {
        self.open.front().and_then(|current| current.file.metadata().ok()).map_or(0, |about| about.len())
    }

    /// Something that went wrong with the name and is worth telling, once.
    pub(super) fn complaint(&mut self) -> Option<String> {
        self.told.take_if(|told| !told.is_empty()).inspect(|_| self.told = Some(String::new()))
    }

    /// Opens the file that has the name now, unless it is the last one that was opened.
    fn look(&mut self) {
        if self.open.len() >= MOST_OPEN {
            return;
        }
        let newest = self.open.back().map(|opened| (opened.device, opened.inode));
        let is_news = |about: &fs::Metadata| newest != Some((about.dev(), about.ino()));
        let opened = match fs::metadata(&self.path) {
            Ok(about) if !is_news(&about) => {
                self.told = None;
                return;
            }
            Ok(_) => File::open(&self.path).and_then(Opened::new),
            Err(error) => Err(error),
        };
        match opened {
            // It may have been renamed once more in between, and the one before come back.
            Ok(opened) if newest == Some((opened.device, opened.inode)) => {}
            Ok(opened) => {
                self.told = None;
                self.open.push_back(opened);
            }
            // Rotation takes the name away for a moment.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) if self.told.is_none() => {
                self.told = Some(format!("{} cannot be opened: {error}", self.path.display()));
            }
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests;
