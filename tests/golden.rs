//! Golden transcripts: what a script gives has to be what was recorded.
//!
//! `UPDATE_GOLDEN=1` writes the transcripts anew; read the difference.

use std::path::Path;

/// Plays every script of a folder of this one.
///
/// # Panics
/// Where there is none, or a transcript is another than the recorded one.
pub fn check_all(folder: &str, play: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let read = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut scripts: Vec<_> = read.filter_map(|entry| Some(entry.ok()?.path())).collect();
    scripts.retain(|path| path.extension().is_some_and(|extension| extension == "scenario"));
    scripts.sort();
    assert!(!scripts.is_empty());
    let wrong: Vec<String> = scripts.iter().filter_map(|script| check(script, &play).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(script: &Path, play: impl Fn(&str) -> String) -> Result<(), String> {
    let golden = script.with_extension("golden");
    let text = std::fs::read_to_string(script).map_err(|error| format!("{}: {error}", script.display()))?;
    let transcript = play(&text);
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
