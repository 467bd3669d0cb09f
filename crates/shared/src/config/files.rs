//! The files that configuration is read from, each read once.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::{ExposeSecret, SecretString};

/// Largest file that holds one value; Kubernetes and Docker take no larger secret than 1 MiB, and a list of tokens is far
/// below this.
const MAX_VALUE: u64 = 64 * 1024;

/// What was read. Clones share it, so that whoever reads the same sources again gets the same configuration, whatever
/// has become of the files.
#[derive(Clone, Default)]
pub struct Files(Arc<Mutex<Known>>);

/// The texts; none of a file that was not there when it was looked for.
type Known = BTreeMap<PathBuf, Option<SecretString>>;

/// Shows nothing of what was read.
impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Files")
    }
}

impl Files {
    /// The text of a file that holds one value; the error is a sentence.
    pub fn value(&self, path: &str) -> Result<SecretString, String> {
        let text = self.text(Path::new(path.trim()), MAX_VALUE);
        let text = text.map_err(|reason| format!("the file {reason}"))?;
        if text.expose_secret().trim().is_empty() {
            return Err("the file is empty".into());
        }
        Ok(text)
    }

    /// The same of a file that need not be there; none where it is not.
    pub(super) fn value_if_there(&self, path: &str) -> Option<Result<SecretString, String>> {
        let there = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match known.get(Path::new(path)) {
                Some(text) => text.is_some(),
                None if Path::new(path).exists() => true,
                None => {
                    known.insert(path.into(), None);
                    false
                }
            }
        };
        there.then(|| self.value(path))
    }

    /// The text of a file of at most so many bytes; the error is a sentence without its subject.
    pub(super) fn text(&self, path: &Path, most: u64) -> Result<SecretString, String> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(Some(text)) = known.get(path)
            && text.expose_secret().len() as u64 <= most
        {
            return Ok(text.clone());
        }
        let text = SecretString::from(read(path, most)?);
        known.insert(path.to_owned(), Some(text.clone()));
        Ok(text)
    }
}

fn read(path: &Path, most: u64) -> Result<String, String> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most + 1).read_to_end(&mut bytes))
        .map_err(|error| format!("cannot be read: {error}"))?;
    if bytes.len() as u64 > most {
        return Err(format!("must be at most {most} bytes long"));
    }
    String::from_utf8(bytes).map_err(|_| "must be UTF-8 text".to_owned())
}
