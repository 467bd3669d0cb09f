//! Where lines come from: a file, a compressed file, the standard input.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::Path;

use flate2::read::MultiGzDecoder;

use super::position::Position;
use super::tail::{Step, Tail};

/// The first bytes of what gzip has written.
const GZIP: [u8; 2] = [0x1f, 0x8b];

/// An open input.
pub(crate) enum Input {
    /// Bytes that come and do not come back.
    Stream(Box<dyn Read + Send>),
    /// A file, followed or not.
    Tail(Tail),
}

impl Input {
    /// The standard input.
    pub(crate) fn standard() -> Self {
        Self::Stream(Box::new(io::stdin()))
    }

    /// A file that is read once, compressed or not.
    pub(crate) fn file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if !file.metadata()?.is_file() {
            // Nothing of a pipe can be read twice.
            return Ok(Self::Stream(Box::new(file)));
        }
        let mut first = [0; 2];
        let is_gzip = file.read_exact_at(&mut first, 0).is_ok() && first == GZIP;
        match is_gzip {
            true => Ok(Self::Stream(Box::new(MultiGzDecoder::new(file)))),
            false => Ok(Self::Tail(Tail::open(path, false, None)?.0)),
        }
    }

    /// Reads what there is.
    pub(crate) fn step(&mut self, buffer: &mut [u8]) -> io::Result<Step> {
        match self {
            Self::Stream(stream) => loop {
                match stream.read(buffer) {
                    Ok(0) => return Ok(Step::End),
                    Ok(length) => return Ok(Step::Read(length)),
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Err(error),
                }
            },
            Self::Tail(tail) => tail.step(buffer),
        }
    }

    /// Where the line that begins at this offset is.
    pub(super) fn position(&self, offset: u64) -> Option<Position> {
        match self {
            Self::Stream(_) => None,
            Self::Tail(tail) => tail.position(offset),
        }
    }

    /// The inode of the file that is read.
    pub(super) fn inode(&self) -> Option<u64> {
        match self {
            Self::Stream(_) => None,
            Self::Tail(tail) => tail.inode(),
        }
    }

    /// How far a file is read; of others 0.
    pub(super) fn offset(&self) -> u64 {
        match self {
            Self::Stream(_) => 0,
            Self::Tail(tail) => tail.offset(),
        }
    }

    /// How many bytes there are, where that is known.
    pub(crate) fn length(&self) -> Option<u64> {
        match self {
            Self::Stream(_) => None,
            Self::Tail(tail) => Some(tail.length()),
        }
    }

    /// Something that went wrong and is worth telling, once.
    pub(super) fn complaint(&mut self) -> Option<String> {
        match self {
            Self::Stream(_) => None,
            Self::Tail(tail) => tail.complaint(),
        }
    }
}
