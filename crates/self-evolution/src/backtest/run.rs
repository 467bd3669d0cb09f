//! From the command line of `backtest` to an exit code.

use std::collections::VecDeque;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use clap::ArgMatches;
use shared::cli::Exit;
use shared::clock::{Clock, Timestamp};

use super::changes::{Changes, Made};
use super::counts::Counts;
use super::reading::{Reading, Turn};
use super::simulation::Simulation;
use super::telling::{Read, Telling};
use crate::domain::policy::Policy;
use crate::domain::window::shape::Shape;
use crate::ingest::{Input, LONGEST, Line, Lines, Step, Terminal};

/// Bytes that are read at once.
const CHUNK: usize = 256 * 1_024;
/// Events that are handed over together.
const PIECE: usize = 8_192;
/// Pieces that wait for the core.
const AHEAD: usize = 4;

/// Turns that were read, and how far.
struct Piece {
    turns: Vec<Turn>,
    bytes: u64,
}

/// Why it did not work, told already.
enum Failure {
    /// The operator has to say something else.
    Usage(String),
    /// Something is not as it has to be.
    Failed(String),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// Tries a policy on what the files tell. The error is one of writing to the terminal.
pub(crate) fn backtest(matches: &ArgMatches, policy: &Policy, out: &mut dyn Write) -> io::Result<Exit> {
    let (exit, reason) = match tried(matches, policy, out) {
        Ok(()) => return Ok(Exit::Ok),
        Err(Failure::Usage(reason)) => (Exit::Usage, reason),
        Err(Failure::Failed(reason)) => (Exit::Failed, reason),
    };
    writeln!(io::stderr(), "error: {reason}")?;
    Ok(exit)
}

fn tried(matches: &ArgMatches, policy: &Policy, out: &mut dyn Write) -> Result<(), Failure> {
    let path = |name: &str| matches.get_one::<std::path::PathBuf>(name).map(std::path::PathBuf::as_path);
    let (usage, changes) = (path("usage").unwrap_or(Path::new("-")), path("changes"));
    let is_standard = |path: &Path| path == Path::new("-");
    if is_standard(usage) && changes.is_some_and(is_standard) {
        return Err(Failure::Usage("--usage and --changes cannot both be the standard input".into()));
    }
    let (made, told_of_changes) = match changes {
        Some(path) => read_changes(path).map_err(|error| cannot_read(path, &error))?,
        None => Changes::default().finish(),
    };
    let input = open(usage).map_err(|error| cannot_read(usage, &error))?;
    let terminal = Terminal::new(input.length());
    let clock = Clock::starting_after(Timestamp::default());
    let begun = clock.now();
    let mut out = BufWriter::new(out);
    let (sender, pieces) = sync_channel(AHEAD);
    let shape = policy.shape;
    let reading =
        thread::Builder::new().name("reader".into()).spawn(move || read_usage(input, shape, &sender))?;
    let simulated = simulate(policy, made, pieces, &terminal, &mut out);
    terminal.finish();
    let simulated = simulated?;
    let read = reading.join().map_err(|_| Failure::Failed("the reader broke down".into()))?;
    let counts = read.map_err(|error| cannot_read(usage, &error))?;
    tell(&terminal, usage, &counts);
    changes.inspect(|path| tell(&terminal, path, &told_of_changes));
    let Some((from, ended)) = simulated else { return Err(Failure::Failed(nothing(&counts))) };
    ended.sum_up(&Read { from, usage: &counts, changes: &told_of_changes }, policy)?;
    out.flush()?;
    let seconds = clock.now().since(begun).as_secs_f64();
    let rate = counts.taken as f64 / seconds.max(1e-6);
    terminal.tell(&format!("{} events in {seconds:.1} s, {rate:.0} events/s", counts.taken));
    Ok(())
}

type Simulated<'a> = Option<(Timestamp, super::simulation::Ended<'a>)>;

/// Lets everything that is read happen; none where that is nothing.
fn simulate<'a>(
    policy: &Policy,
    made: VecDeque<Made>,
    pieces: Receiver<Piece>,
    terminal: &Terminal,
    out: &'a mut dyn Write,
) -> io::Result<Simulated<'a>> {
    let mut begin = Some((made, Telling::new(out)));
    let mut running: Option<(Timestamp, Simulation<'a>)> = None;
    let mut events = 0;
    for Piece { turns, bytes } in pieces {
        for turn in turns {
            events += turn.report.events.len() as u64;
            if let Some((made, telling)) = begin.take() {
                let first = turn.report.events.iter().filter_map(|event| event.at).min().unwrap_or(turn.at);
                running = Some((first, Simulation::begin(policy.clone(), first, made, telling)?));
            }
            if let Some((_, simulation)) = &mut running {
                simulation.turn(turn)?;
            }
        }
        terminal.reached(bytes, events);
    }
    running.map(|(first, simulation)| Ok((first, simulation.finish()?))).transpose()
}

fn open(path: &Path) -> io::Result<Input> {
    if path == Path::new("-") { Ok(Input::standard()) } else { Input::file(path) }
}

/// Hands every line on, with the bytes that were read so far, as long as it is wanted.
fn each_line(mut input: Input, mut each: impl FnMut(Line<'_>, u64) -> bool) -> io::Result<()> {
    let (mut lines, mut buffer) = (Lines::default(), vec![0; CHUNK]);
    let mut bytes = 0;
    loop {
        match input.step(&mut buffer)? {
            Step::Read(length) => {
                bytes += length as u64;
                lines.feed(&buffer[..length]);
                while let Some((_, line)) = lines.next() {
                    if !each(line, bytes) {
                        return Ok(());
                    }
                }
            }
            Step::Idle | Step::NextFile | Step::Cut => {}
            Step::End => {
                if let Some((_, line)) = lines.rest() {
                    each(line, bytes);
                }
                return Ok(());
            }
        }
    }
}

fn read_usage(input: Input, shape: Shape, pieces: &SyncSender<Piece>) -> io::Result<Counts> {
    let mut reading = Reading::new(shape);
    let mut read = 0;
    each_line(input, |line, bytes| {
        match line {
            Line::Whole(line) => reading.line(line),
            Line::TooLong => reading.overlong(LONGEST),
        }
        read = bytes;
        // Nobody takes them any more when writing has failed.
        reading.ready() < PIECE || pieces.send(Piece { turns: reading.turns(), bytes }).is_ok()
    })?;
    let (turns, counts) = reading.finish();
    drop(pieces.send(Piece { turns, bytes: read }));
    Ok(counts)
}

fn read_changes(path: &Path) -> io::Result<(VecDeque<Made>, Counts)> {
    let mut changes = Changes::default();
    each_line(open(path)?, |line, _| {
        match line {
            Line::Whole(line) => changes.line(line),
            Line::TooLong => changes.overlong(LONGEST),
        }
        true
    })?;
    Ok(changes.finish())
}

fn cannot_read(path: &Path, error: &io::Error) -> Failure {
    Failure::Failed(format!("{} cannot be read: {error}", path.display()))
}

/// Says which lines were not taken.
fn tell(terminal: &Terminal, path: &Path, counts: &Counts) {
    let path = path.display();
    for bad in &counts.bad {
        terminal.tell(&format!("{path}, line {}: {}", bad.line, bad.reason));
    }
    if counts.unnamed() > 0 {
        terminal.tell(&format!("{path}: and {} other lines that were not taken", counts.unnamed()));
    }
    if counts.out_of_order > 0 {
        let sort = "jq -s -c 'sort_by(.timestamp)[]'";
        terminal.tell(&format!(
            "{path}: {} lines are not in the order of their time: {sort} sorts them",
            counts.out_of_order
        ));
    }
}

/// Why nothing could be tried.
fn nothing(counts: &Counts) -> String {
    match counts.lines {
        0 => "there is no usage: it has a line for each request, as POST /collect-usage takes it".into(),
        lines => format!("none of {lines} lines is usage: see backtest --help for what a line has"),
    }
}
