//! The detector of leaps on the Numenta Anomaly Benchmark, read from the folder that `NAB_DIR` names (a clone of its
//! repository). `NAB_DIR=… cargo bench --package self-evolution --bench nab`

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use self_evolution::domain::detect::change_point::leaps;

#[path = "nab/score.rs"]
mod score;

use score::{Window, normalised, score};

/// Files with their anomalies: the first and the last time of each.
type Labels = BTreeMap<String, Vec<(String, String)>>;

/// Values with their places.
type Points = Vec<(usize, f64)>;

type Failure = Box<dyn std::error::Error>;

#[expect(clippy::print_stderr, reason = "it is what there is to say")]
fn main() -> ExitCode {
    let Some(folder) = std::env::var_os("NAB_DIR") else {
        eprintln!(
            "NAB_DIR names no folder: clone the Numenta Anomaly Benchmark, which is not part of this project, and set it"
        );
        return ExitCode::FAILURE;
    };
    match run(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{}: {error}", folder.to_string_lossy());
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the figures are the output")]
fn run(folder: &Path) -> Result<(), Failure> {
    let labels: Labels =
        serde_json::from_str(&std::fs::read_to_string(folder.join("labels/combined_windows.json"))?)?;
    let (mut of_folder, mut points) = (BTreeMap::<String, (f64, usize)>::new(), 0);
    for (file, windows) in &labels {
        let (times, values) = read(&folder.join("data").join(file))?;
        let windows =
            windows.iter().map(|window| window_of(&times, window)).collect::<Result<Vec<_>, _>>()?;
        let of_file = score(values.len(), &windows, &leaps(&values));
        points += values.len();
        let name = file.split('/').next().unwrap_or_default();
        let sum = of_folder.entry(name.to_owned()).or_default();
        *sum = (sum.0 + of_file, sum.1 + windows.len());
    }
    for (name, (score, windows)) in &of_folder {
        println!("{name:<24} {score:>8.2} of {windows}");
    }
    let (score, windows) =
        of_folder.values().fold((0.0, 0), |(score, windows), one| (score + one.0, windows + one.1));
    println!("{} files, {points} points, {windows} anomalies", labels.len());
    println!("standard profile: {:.2}", normalised(score, windows));
    Ok(())
}

/// The times of a file, and its values with their places.
fn read(path: &Path) -> Result<(Vec<String>, Points), Failure> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let (mut times, mut values) = (Vec::new(), Vec::new());
    for (place, line) in text.lines().skip(1).enumerate() {
        let (time, value) = line.split_once(',').ok_or_else(|| format!("{}: {line}", path.display()))?;
        times.push(time.to_owned());
        values.push((place, value.trim().parse()?));
    }
    Ok((times, values))
}

/// The places of the first and the last point of an anomaly. Times are compared as texts, to the second.
fn window_of(times: &[String], (first, last): &(String, String)) -> Result<Window, Failure> {
    let seconds = |text: &str| text.get(..19).unwrap_or(text).to_owned();
    let (first, last) = (seconds(first), seconds(last));
    let begin = times.iter().position(|time| seconds(time) >= first);
    let end = times.iter().rposition(|time| seconds(time) <= last);
    Ok(begin.zip(end).ok_or_else(|| format!("no point lies between {first} and {last}"))?)
}
