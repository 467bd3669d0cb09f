//! Small files that are read while they are written.

use std::fs;
use std::io;
use std::path::Path;

/// Writes a file so that a reader finds the old text or the new one, whole.
pub(crate) fn replace_file(path: &Path, text: &str) -> io::Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, text)?;
    fs::rename(&new, path)
}
