//! Reads an input line by line on a thread of its own, and hands events over in pieces.

use std::io;
use std::time::Duration;

use shared::clock::Clock;
use tokio::sync::mpsc::Sender;

use super::batch::{Batch, MOST_BYTES, PIECE};
use super::entry::Skip;
use super::event::{Place, Reporter};
use super::format::{Format, Wanted, unknown};
use super::input::Input;
use super::lines::{Line, Lines};
use super::tail::Step;
use super::terminal::Terminal;

/// Bytes that are read at once.
const CHUNK: usize = 64 * 1_024;
/// Pause between two looks at a file that has nothing new.
const PAUSE: Duration = Duration::from_millis(100);

/// Why reading has ended before the end.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The operator has to say something about the log.
    Undecided(String),
    /// The input cannot be read.
    Broken(io::Error),
    /// Nobody takes the events any more.
    Unwanted,
}

impl From<io::Error> for Stopped {
    fn from(error: io::Error) -> Self {
        Self::Broken(error)
    }
}

/// A log that is read.
pub(super) struct Reader {
    /// Where the bytes come from.
    pub(super) input: Input,
    /// What the operator says about the format.
    pub(super) wanted: Wanted,
    /// What events are made of.
    pub(super) reporter: Reporter,
    /// Whether an unfinished last line waits for the next run.
    pub(super) keeps_rest: bool,
    /// Where pieces go.
    pub(super) pieces: Sender<Batch>,
    /// Where it is told what a person should know.
    pub(super) terminal: Terminal,
}

impl Reader {
    /// Reads to the end, or for ever where the input is followed.
    pub(super) fn run(mut self) -> Result<(), Stopped> {
        let clock = Clock::starting_after(shared::clock::Timestamp::default());
        let mut work = Work {
            lines: Lines::starting_at(self.input.offset()),
            format: None,
            piece: Batch::default(),
            read: 0,
            clock,
        };
        let mut buffer = vec![0; CHUNK];
        loop {
            match self.input.step(&mut buffer)? {
                Step::Read(length) => {
                    work.lines.feed(&buffer[..length]);
                    work.read += length as u64;
                    self.decide(&mut work)?;
                    self.lines(&mut work)?;
                }
                Step::Idle => self.rest()?,
                Step::NextFile => {
                    self.last(&mut work)?;
                    work.lines = Lines::default();
                }
                Step::Cut => {
                    self.terminal.tell("the log was cut: it is read from its beginning");
                    work.lines = Lines::default();
                }
                Step::End if self.keeps_rest => return Ok(()),
                Step::End => return self.last(&mut work),
            }
        }
    }

    fn rest(&mut self) -> Result<(), Stopped> {
        if let Some(complaint) = self.input.complaint() {
            self.terminal.tell(&complaint);
        }
        if self.pieces.is_closed() {
            return Err(Stopped::Unwanted);
        }
        std::thread::sleep(PAUSE);
        Ok(())
    }

    /// Finds the format out, if that is still to be done and the lines show it.
    fn decide(&self, work: &mut Work) -> Result<(), Stopped> {
        if work.format.is_some() {
            return Ok(());
        }
        let Some(format) = Format::of(&self.wanted, work.lines.ahead()).map_err(Stopped::Undecided)? else {
            return Ok(());
        };
        let names_service =
            work.lines.ahead().find_map(|line| format.read(line, |e| Ok(e.service.is_some())).ok());
        if self.reporter.service.is_none() && names_service == Some(false) {
            return Err(Stopped::Undecided(
                "the lines name no service: say --service NAME, or where it is with --field service=…".into(),
            ));
        }
        self.terminal.tell(&format!("reads {}", format.describe()));
        work.format = Some(format);
        Ok(())
    }

    fn lines(&self, work: &mut Work) -> Result<(), Stopped> {
        let now = work.clock.now();
        while let Some((offset, line)) = work.lines.next() {
            let place = self.input.inode().map(|inode| Place { inode, offset });
            let outcome = read(work.format.as_ref(), &self.reporter, line, place, now, &mut work.piece.body);
            count(&mut work.piece, outcome);
            if work.piece.events == PIECE || work.piece.body.len() > MOST_BYTES / 2 {
                self.hand_over(work)?;
            }
        }
        self.hand_over(work)
    }

    /// What stands at the end without an end of its own.
    fn last(&self, work: &mut Work) -> Result<(), Stopped> {
        if work.format.is_none() {
            // A log of a single line without an end shows its format only now.
            work.lines.feed(b"\n");
            self.decide(work)?;
            return self.lines(work);
        }
        let now = work.clock.now();
        if let Some((offset, line)) = work.lines.rest() {
            let place = self.input.inode().map(|inode| Place { inode, offset });
            let outcome = read(work.format.as_ref(), &self.reporter, line, place, now, &mut work.piece.body);
            count(&mut work.piece, outcome);
        }
        self.hand_over(work)
    }

    fn hand_over(&self, work: &mut Work) -> Result<(), Stopped> {
        if work.piece == Batch::default() {
            return Ok(());
        }
        let mut piece = std::mem::take(&mut work.piece);
        piece.position = self.input.position(work.lines.offset());
        piece.read = work.read;
        self.pieces.blocking_send(piece).map_err(|_| Stopped::Unwanted)
    }
}

/// What has been read and is not handed over.
struct Work {
    lines: Lines,
    format: Option<Format>,
    piece: Batch,
    read: u64,
    clock: Clock,
}

/// Makes an event of a line; none of a blank one.
fn read(
    format: Option<&Format>,
    reporter: &Reporter,
    line: Line<'_>,
    place: Option<Place>,
    now: shared::clock::Timestamp,
    out: &mut Vec<u8>,
) -> Option<Result<(), Skip>> {
    let line = match line {
        Line::Whole(line) if line.iter().all(u8::is_ascii_whitespace) => return None,
        Line::Whole(line) => line,
        Line::TooLong => return Some(Err(Skip::TooLong)),
    };
    let Some(format) = format else { return Some(Err(unknown(line))) };
    Some(format.read(line, |entry| reporter.write(&entry, place, now, out)))
}

fn count(piece: &mut Batch, outcome: Option<Result<(), Skip>>) {
    let Some(outcome) = outcome else { return };
    piece.tally.lines += 1;
    match outcome {
        Ok(()) => piece.events += 1,
        Err(skip) => piece.tally.skip(skip),
    }
}
