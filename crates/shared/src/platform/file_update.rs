//! Replaces the content of a file, and keeps the previous version beside it until the verdict.
//!
//! The new content is written to a file beside, which then takes the place of the old one in one step. The kept version
//! is the old file itself under another name, so that what is put back is what was there, owner and mode included.

use std::fmt;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;

use rustix::fs::{
    AtFlags, FileType, Mode, OFlags, fchmod, fchown, fstat, fsync, linkat, openat, renameat, unlinkat,
};
use rustix::fs::{Gid, Uid};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use super::InvalidPlatform;
use crate::order::{FileChange, OrderId, Standing};

/// A configuration that is larger is none.
const MOST_BYTES: u64 = 1024 * 1024;

/// What becomes of the content.
#[derive(Clone, PartialEq, Eq)]
pub enum Edit {
    /// It is replaced as a whole.
    Content(String),
    /// Each first text is replaced by the second, wherever it occurs; each must occur.
    Replacements(Vec<(String, String)>),
}

/// Leaves out the texts: they may be secrets.
impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Content(content) => write!(f, "Content({} bytes)", content.len()),
            Self::Replacements(replacements) => write!(f, "Replacements({})", replacements.len()),
        }
    }
}

/// A file and what becomes of its content. The path comes from the configuration file only.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileUpdate {
    /// Absolute, without `.` and `..`; no part of it may be a symbolic link.
    pub path: String,
    /// What becomes of its content.
    pub edit: Edit,
}

/// How putting a file back ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum PutBack {
    /// The previous version is in its place.
    Done,
    /// It was not put back, because somebody else came first: a sentence for a person.
    Superseded(String),
}

impl FileUpdate {
    /// Checks the form of the path; whether the file is there shows when it is changed.
    pub fn check(&self) -> Result<(), InvalidPlatform> {
        let parts = self.path.strip_prefix('/').map(|rest| rest.split('/'));
        let is_plain = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
        if parts.is_some_and(|mut parts| parts.all(is_plain)) {
            return Ok(());
        }
        Err(InvalidPlatform {
            reason: format!("{:?} must be an absolute path of a file, without . and .. in it", self.path),
        })
    }

    /// Changes the file. The error is a sentence; then the file is as it was.
    pub(super) fn apply(&self, id: OrderId) -> Result<(), String> {
        self.tried("change", self.try_apply(id))
    }

    fn try_apply(&self, id: OrderId) -> Result<(), String> {
        let place = Place::open(&self.path)?;
        let (kept, aside) = place.names(id);
        let (previous, status) = place.read(&place.name)?.ok_or("it is not there")?;
        let next = self.edited(&previous)?;
        if next == previous {
            return Err("it has this content already, so changing it cannot help".into());
        }
        place.remove(&aside)?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let made = openat(&place.directory, &*aside, flags, Mode::from_raw_mode(0o600)).map_err(said)?;
        let written = (|| {
            let (owner, group) = (Uid::from_raw(status.st_uid), Gid::from_raw(status.st_gid));
            fchown(&made, Some(owner), Some(group)).map_err(said)?;
            fchmod(&made, Mode::from_raw_mode(status.st_mode & 0o7777)).map_err(said)?;
            let mut file = std::fs::File::from(made);
            file.write_all(&next).and_then(|()| file.sync_all()).map_err(|error| error.to_string())?;
            linkat(&place.directory, &*place.name, &place.directory, &*kept, AtFlags::empty())
                .map_err(said)?;
            match place.read(&kept)? {
                Some((content, _)) if content == previous => {}
                Some(_) | None => return Err("somebody else is changing it at this moment".into()),
            }
            renameat(&place.directory, &*aside, &place.directory, &*place.name).map_err(said)?;
            fsync(&place.directory).map_err(said)
        })();
        if written.is_err() {
            // Either may not have been made.
            let _ = (place.remove(&aside), place.remove(&kept));
        }
        written
    }

    /// The hashes of the content before and after, while the previous version is kept.
    pub(super) fn change(&self, id: OrderId) -> Option<FileChange> {
        let place = Place::open(&self.path).ok()?;
        let (previous, _) = place.read(&place.names(id).0).ok()??;
        let next = hash(&self.edited(&previous).ok()?);
        Some(FileChange { path: self.path.clone(), previous: hash(&previous), next })
    }

    /// What there is of a change.
    pub(super) fn examine(&self, id: OrderId) -> Result<Standing, String> {
        let looked = Place::open(&self.path).and_then(|place| {
            let Some((previous, _)) = place.read(&place.names(id).0)? else { return Ok(Standing::Untouched) };
            let current = place.read(&place.name)?;
            let is_changed = current.is_none_or(|(current, _)| current != previous);
            Ok(if is_changed { Standing::Complete } else { Standing::Partial })
        });
        self.tried("look at", looked)
    }

    /// Removes the previous version.
    pub(super) fn keep(&self, id: OrderId) -> Result<(), String> {
        let removed = Place::open(&self.path).and_then(|place| {
            let (kept, aside) = place.names(id);
            place.remove(&kept)?;
            place.remove(&aside)?;
            fsync(&place.directory).map_err(said)
        });
        self.tried("remove the previous version of", removed)
    }

    /// Puts the previous version back, unless somebody else has changed the file since.
    pub(super) fn revert(&self, id: OrderId, change: Option<&FileChange>) -> Result<PutBack, String> {
        self.tried("put back", self.try_revert(id, change))
    }

    fn try_revert(&self, id: OrderId, change: Option<&FileChange>) -> Result<PutBack, String> {
        if let Some(change) = change.filter(|change| change.path != self.path) {
            return Err(format!("the configuration now names this file, and {} was changed", change.path));
        }
        let place = Place::open(&self.path)?;
        let (kept, aside) = place.names(id);
        place.remove(&aside)?;
        let current = place.read(&place.name)?.map(|(content, _)| content);
        let Some((previous, _)) = place.read(&kept)? else {
            let is_back = match (&current, change) {
                (Some(current), Some(change)) => hash(current) == change.previous,
                // Nothing was recorded, so nothing is known to have been changed.
                (_, None) => true,
                (None, Some(_)) => false,
            };
            let gone = || format!("the previous version of {} is gone, so it is left as it is", self.path);
            return Ok(if is_back { PutBack::Done } else { PutBack::Superseded(gone()) });
        };
        let ours = match change {
            Some(change) => Some(change.next.clone()),
            None => self.edited(&previous).ok().map(|next| hash(&next)),
        };
        if current.as_ref() == Some(&previous) {
            place.remove(&kept)?;
        } else if current.as_ref().map(|current| hash(current)) == ours {
            renameat(&place.directory, &*kept, &place.directory, &*place.name).map_err(said)?;
        } else {
            let beside = self.path.rsplit_once('/').map_or("", |(directory, _)| directory);
            return Ok(PutBack::Superseded(format!(
                "somebody else has changed {} since, so it is left as it is; the version before is {beside}/{kept}",
                self.path
            )));
        }
        fsync(&place.directory).map_err(said)?;
        Ok(PutBack::Done)
    }

    fn edited(&self, previous: &[u8]) -> Result<Vec<u8>, String> {
        let replacements = match &self.edit {
            Edit::Content(content) => return Ok(content.clone().into_bytes()),
            Edit::Replacements(replacements) => replacements,
        };
        let mut text = std::str::from_utf8(previous).map_err(|_| "it is not UTF-8 text")?.to_owned();
        for (number, (from, to)) in replacements.iter().enumerate() {
            if !text.contains(from.as_str()) {
                // The text may be a secret, so it is told by its place.
                return Err(format!("it does not contain the text of replacement {}", number + 1));
            }
            text = text.replace(from.as_str(), to);
        }
        Ok(text.into_bytes())
    }

    fn tried<T>(&self, what: &str, outcome: Result<T, String>) -> Result<T, String> {
        outcome.map_err(|reason| format!("{what} {}: {reason}", self.path))
    }
}

/// A directory that was reached without following any symbolic link, and the name of a file in it.
struct Place {
    directory: OwnedFd,
    name: String,
}

impl Place {
    fn open(path: &str) -> Result<Self, String> {
        let (parents, name) = path.rsplit_once('/').ok_or("it is not an absolute path")?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut directory = rustix::fs::open("/", flags, Mode::empty()).map_err(said)?;
        for part in parents.split('/').filter(|part| !part.is_empty()) {
            directory = openat(&directory, part, flags, Mode::empty()).map_err(|error| match error {
                Errno::LOOP | Errno::NOTDIR => {
                    format!("{part} on the way is no directory, or a symbolic link")
                }
                error => format!("{part}: {}", said(error)),
            })?;
        }
        Ok(Self { directory, name: name.to_owned() })
    }

    /// What the previous version and the new one are called while they are not in their place.
    fn names(&self, id: OrderId) -> (String, String) {
        (format!(".{}.kept-{id}", self.name), format!(".{}.new-{id}", self.name))
    }

    /// The content of a regular file; none when it is not there.
    fn read(&self, name: &str) -> Result<Option<(Vec<u8>, rustix::fs::Stat)>, String> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(&self.directory, name, flags, Mode::empty()) {
            Ok(file) => file,
            Err(Errno::NOENT) => return Ok(None),
            Err(Errno::LOOP) => return Err("it is a symbolic link, which is not followed".into()),
            Err(error) => return Err(said(error)),
        };
        let status = fstat(&file).map_err(said)?;
        if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
            return Err("it is no regular file".into());
        }
        let mut content = Vec::new();
        let read = std::fs::File::from(file).take(MOST_BYTES + 1).read_to_end(&mut content);
        match read {
            Ok(length) if length as u64 > MOST_BYTES => Err(format!("it has more than {MOST_BYTES} bytes")),
            Ok(_) => Ok(Some((content, status))),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error.to_string()),
        }
    }

    fn remove(&self, name: &str) -> Result<(), String> {
        match unlinkat(&self.directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(said(error)),
        }
    }
}

fn said(error: Errno) -> String {
    std::io::Error::from(error).to_string()
}

fn hash(content: &[u8]) -> String {
    Sha256::digest(content).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
