//! From the command line of `ingest` to an exit code.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;
use std::thread::{self, JoinHandle};

use clap::ArgMatches;
use shared::cli::Exit;
use shared::clock::{Clock, Timestamp};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::{self, Receiver};
use tokio::sync::watch;

use super::batch::Batch;
use super::input::Input;
use super::options::{Options, token};
use super::reader::{Reader, Stopped};
use super::send::Daemon;
use super::sending::Sending;
use super::tail::Tail;
use super::tally::Tally;
use super::terminal::Terminal;

/// Pieces that wait while a request is under way: two requests' worth.
const AHEAD: usize = 8;
/// Events that a dry run shows.
const SHOWN: usize = 10;

/// Why it did not work.
enum Failure {
    /// The operator has to say something else.
    Usage(String),
    /// Something is not as it has to be.
    Failed(String),
}

/// Reports what a log tells. The error is one of writing.
pub(crate) fn ingest(matches: &ArgMatches, out: &mut dyn Write) -> io::Result<Exit> {
    match ingested(matches, out) {
        Ok(exit) => Ok(exit),
        Err(Failure::Usage(reason)) => {
            writeln!(io::stderr(), "error: {reason}")?;
            Ok(Exit::Usage)
        }
        Err(Failure::Failed(reason)) => {
            writeln!(io::stderr(), "error: {reason}")?;
            Ok(Exit::Failed)
        }
    }
}

fn ingested(matches: &ArgMatches, out: &mut dyn Write) -> Result<Exit, Failure> {
    let options = Options::of(matches).map_err(Failure::Usage)?;
    let token = token(matches.get_one::<PathBuf>("token-file"), std::env::var("API_TOKEN").ok());
    let daemon = Daemon::new(&options.url, token.map_err(Failure::Usage)?).map_err(Failure::Failed)?;
    let input = open(&options).map_err(|error| Failure::Failed(error.to_string()))?;
    let length = input.length().filter(|_| !options.follow && !options.dry_run);
    let terminal = Terminal::new(length);
    let (sender, pieces) = mpsc::channel(AHEAD);
    let reader = Reader {
        input,
        wanted: options.wanted,
        reporter: options.reporter,
        keeps_rest: options.state.is_some(),
        pieces: sender,
        terminal: terminal.clone(),
    };
    let reading = thread::Builder::new().name("reader".into()).spawn(|| reader.run());
    let reading = reading.map_err(|error| Failure::Failed(error.to_string()))?;
    if options.dry_run {
        let most = if options.all { usize::MAX } else { SHOWN };
        return show(most, pieces, reading, &terminal, &mut BufWriter::new(out));
    }
    let clock = Clock::starting_after(Timestamp::default());
    let begun = clock.now();
    let (stopping, stop) = watch::channel(false);
    let state = options.state;
    let mut sending =
        Sending { daemon, state, wait: options.wait, terminal, stop, clock, tally: Tally::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let sent = runtime.map_err(|error| Failure::Failed(error.to_string()))?.block_on(async {
        let stopping = stop_at_signals(stopping).map_err(|error| error.to_string())?;
        let sent = sending.run(pieces).await;
        stopping.abort();
        sent
    });
    sending.terminal.finish();
    // A reader that waits for input is left alone.
    let read = if sent.is_ok() && !*sending.stop.borrow() { ended(reading) } else { Ok(()) };
    if let Err(Failure::Usage(_)) = read {
        return read.map(|()| Exit::Usage);
    }
    let took = sending.clock.now().since(begun);
    let told = write!(out, "{}", sending.tally.summary(took)).and_then(|()| out.flush());
    sent.map_err(Failure::Failed)?;
    read?;
    told.map_err(|error| Failure::Failed(error.to_string()))?;
    match sending.tally.advice() {
        Some(advice) if !options.follow && sending.tally.is_fruitless() => {
            Err(Failure::Failed(advice.into()))
        }
        None if !options.follow && sending.tally.is_fruitless() => {
            Err(Failure::Failed("no event was taken".into()))
        }
        Some(_) | None => Ok(Exit::Ok),
    }
}

fn open(options: &Options) -> io::Result<Input> {
    let Some(log) = &options.log else { return Ok(Input::standard()) };
    let told = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", log.display()));
    let position = match &options.state {
        None if !options.follow => return Input::file(log).map_err(told),
        None => None,
        Some(state) => {
            if !options.dry_run {
                state.probe()?;
            }
            state.load()?
        }
    };
    let (tail, is_found) = Tail::open(log, options.follow, position.as_ref()).map_err(told)?;
    if !is_found {
        let log = log.display();
        writeln!(
            io::stderr(),
            "{log} is not the file that was reported last: it is read from its beginning"
        )?;
    }
    Ok(Input::Tail(tail))
}

/// Prints so many events, the first.
fn show(
    most: usize,
    mut pieces: Receiver<Batch>,
    reading: JoinHandle<Result<(), Stopped>>,
    terminal: &Terminal,
    out: &mut dyn Write,
) -> Result<Exit, Failure> {
    let mut shown = 0;
    let mut tally = Tally::default();
    while shown < most
        && let Some(piece) = pieces.blocking_recv()
    {
        tally.add(&piece.tally);
        for line in piece.body.split_inclusive(|byte| *byte == b'\n').take(most - shown) {
            out.write_all(line).map_err(|error| Failure::Failed(error.to_string()))?;
            shown += 1;
        }
    }
    out.flush().map_err(|error| Failure::Failed(error.to_string()))?;
    if shown < most {
        ended(reading)?;
    }
    for (skip, number) in &tally.skipped {
        terminal.tell(&format!("skipped {number}: {skip}"));
    }
    match tally.advice() {
        Some(advice) if shown == 0 => Err(Failure::Failed(advice.into())),
        Some(_) | None => Ok(Exit::Ok),
    }
}

/// How reading has ended.
fn ended(reading: JoinHandle<Result<(), Stopped>>) -> Result<(), Failure> {
    match reading.join() {
        Ok(Ok(()) | Err(Stopped::Unwanted)) => Ok(()),
        Ok(Err(Stopped::Undecided(reason))) => Err(Failure::Usage(reason)),
        Ok(Err(Stopped::Broken(error))) => Err(Failure::Failed(format!("the log cannot be read: {error}"))),
        Err(_) => Err(Failure::Failed("the reader broke down".into())),
    }
}

/// The first signal asks to end, the second ends at once.
fn stop_at_signals(stopping: watch::Sender<bool>) -> io::Result<tokio::task::JoinHandle<()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(tokio::spawn(async move {
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            if stopping.send_replace(true) {
                std::process::exit(i32::from(Exit::Failed.code()));
            }
        }
    }))
}
