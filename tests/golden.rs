//! Golden transcripts: what a script gives has to be what was recorded.
//!
//! `UPDATE_GOLDEN=1` writes the transcripts anew; read the difference.

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Plays every script of a folder of this one, as many at once as there are processors.
///
/// # Panics
/// Where there is none, or a transcript is another than the recorded one.
pub fn check_all(folder: &str, play: impl Fn(&str) -> String + Sync) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let read = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut scripts: Vec<_> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "scenario"));
    scripts.sort();
    assert!(!scripts.is_empty());
    let next = AtomicUsize::new(0);
    let check_some = || {
        let taken = std::iter::from_fn(|| scripts.get(next.fetch_add(1, Ordering::Relaxed)));
        taken.filter_map(|script| check(script, &play).err()).collect::<Vec<String>>()
    };
    let at_once = std::thread::available_parallelism().map_or(1, NonZero::get);
    let mut wrong: Vec<String> = std::thread::scope(|scope| {
        let checking: Vec<_> = (0..at_once).map(|_| scope.spawn(check_some)).collect();
        checking.into_iter().flat_map(|one| one.join().expect("a scenario panicked")).collect()
    });
    wrong.sort();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(script: &Path, play: impl Fn(&str) -> String + Sync) -> Result<(), String> {
    let golden = script.with_extension("golden");
    let text = std::fs::read_to_string(script).map_err(|error| format!("{}: {error}", script.display()))?;
    // What it says is on standard error; only here it is known which script it was.
    let transcript = catch_unwind(AssertUnwindSafe(|| play(&text)))
        .map_err(|_| format!("{}: it panics", script.display()))?;
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&golden, &transcript).map_err(|error| format!("{}: {error}", golden.display()))?;
    }
    let expected = std::fs::read_to_string(&golden).unwrap_or_default();
    if transcript == expected {
        return Ok(());
    }
    let line = transcript.lines().zip(expected.lines()).position(|(a, b)| a != b);
    let line = line.unwrap_or_else(|| transcript.lines().count().min(expected.lines().count()));
    Err(format!(
        "{}: line {} differs\n  golden: {}\n  now:    {}",
        golden.display(),
        line + 1,
        expected.lines().nth(line).unwrap_or("(ends)"),
        transcript.lines().nth(line).unwrap_or("(ends)"),
    ))
}
