//! How the holder of a lease tells an instance that cannot see the lease any more to let go of the journal: by a file
//! beside it.
//!
//! Whoever is cut off from the API server goes on with watching, and does not act. It cannot learn there that another
//! instance leads, but the directory of the journal, which only one of them can have open, is common to both.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Claims the journal of a directory for this instance. The last claim replaces those before.
pub(super) fn lay(directory: &Path, claimant: &str) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let beside = directory.join(format!("claim.{}", std::process::id()));
    fs::write(&beside, claimant)?;
    fs::rename(beside, path(directory))
}

/// Who has claimed the journal since it was opened; none where nobody has, or it cannot be read.
pub(super) fn claimant(directory: &Path) -> Option<String> {
    fs::read_to_string(path(directory)).ok().filter(|claimant| !claimant.is_empty())
}

/// Takes one's own claim back.
pub(super) fn clear(directory: &Path, own: &str) -> io::Result<()> {
    if claimant(directory).as_deref() == Some(own) { clear_all(directory) } else { Ok(()) }
}

/// Has done with the claims of others: whoever holds the lease need not let go.
pub(super) fn clear_others(directory: &Path, own: &str) -> io::Result<()> {
    if claimant(directory).as_deref() == Some(own) { Ok(()) } else { clear_all(directory) }
}

/// Has done with all claims: whoever holds the lease has opened the journal.
pub(super) fn clear_all(directory: &Path) -> io::Result<()> {
    match fs::remove_file(path(directory)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        cleared => cleared,
    }
}

fn path(directory: &Path) -> PathBuf {
    directory.join("claim")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_claim_counts_until_it_is_cleared() {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("data");
        assert_eq!(claimant(&data), None);
        clear_all(&data).unwrap();
        for name in ["health-monitor-b", "health-monitor-c"] {
            lay(&data, name).unwrap();
        }
        clear(&data, "health-monitor-b").unwrap();
        clear_others(&data, "health-monitor-c").unwrap();
        assert_eq!(claimant(&data).as_deref(), Some("health-monitor-c"));
        clear(&data, "health-monitor-c").unwrap();
        assert_eq!(claimant(&data), None);
        lay(&data, "health-monitor-b").unwrap();
        clear_others(&data, "health-monitor-c").unwrap();
        assert_eq!(claimant(&data), None);
    }
}
