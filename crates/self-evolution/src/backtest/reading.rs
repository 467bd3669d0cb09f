//! Lines of usage become turns: what was reported within one bucket, handled at the time of its latest event.
//!
//! Time is that of the lines, as if each request was reported at once. It never goes back: what comes later than the daemon
//! would take it is out of order. One line that lies far ahead of its neighbours does not move it either.

use std::time::Duration;

use shared::clock::Timestamp;

use super::counts::Counts;
use crate::domain::usage::report::{Checked, MOST_EVENTS, Reporting};
use crate::domain::usage::{RawEvent, Report};
use crate::domain::window::shape::Shape;

/// Times of other centuries are mistakes: 2000 to 2100.
const EARLIEST: Timestamp = Timestamp::from_micros(946_684_800 * 1_000_000);
const LATEST: Timestamp = Timestamp::from_micros(4_102_444_800 * 1_000_000);

/// What the core handles at once.
#[derive(Debug)]
pub(super) struct Turn {
    /// When.
    pub(super) at: Timestamp,
    /// What was reported.
    pub(super) report: Report,
}

/// Reads line after line.
pub(super) struct Reading {
    shape: Shape,
    reporting: Reporting,
    /// The latest time so far.
    clock: Option<Timestamp>,
    /// Far ahead of everything before it, until the next line says whether that is so.
    held: Option<Held>,
    number: u64,
    turns: Vec<Turn>,
    /// Events in them.
    ready: usize,
    counts: Counts,
}

struct Held {
    number: u64,
    at: Timestamp,
    line: Vec<u8>,
}

/// Why a line is not taken.
enum Bad {
    Wrong(String),
    Misplaced(String),
}

impl Reading {
    /// Nothing was read.
    pub(super) fn new(shape: Shape) -> Self {
        Self {
            shape,
            reporting: reporting(shape),
            clock: None,
            held: None,
            number: 0,
            turns: Vec::new(),
            ready: 0,
            counts: Counts::default(),
        }
    }

    /// Takes the next line.
    pub(super) fn line(&mut self, line: &[u8]) {
        self.number += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        self.counts.lines += 1;
        match self.take(line) {
            Ok(()) => {}
            Err(Bad::Wrong(reason)) => self.counts.reject(self.number, reason),
            Err(Bad::Misplaced(reason)) => self.counts.misplace(self.number, reason),
        }
    }

    /// A line was too long to be read.
    pub(super) fn overlong(&mut self, longest: usize) {
        self.number += 1;
        self.counts.lines += 1;
        self.counts.reject(self.number, format!("it has more than {longest} bytes"));
    }

    /// The turns that are complete.
    pub(super) fn turns(&mut self) -> Vec<Turn> {
        self.ready = 0;
        std::mem::take(&mut self.turns)
    }

    /// Events of the turns that are complete.
    pub(super) fn ready(&self) -> usize {
        self.ready
    }

    /// Nothing comes any more. A last line that nobody confirms is believed where the window still reaches back to what was
    /// before it.
    pub(super) fn finish(mut self) -> (Vec<Turn>, Counts) {
        let window = Duration::from_secs(u64::from(self.shape.window_hours) * 3_600);
        if let Some(held) = self.held.take() {
            match self.clock {
                Some(clock) if held.at.since(clock) > window => self.disbelieve(&held),
                Some(_) | None => self.believe(&held),
            }
        }
        self.complete();
        (self.turns, self.counts)
    }

    fn take(&mut self, line: &[u8]) -> Result<(), Bad> {
        let event = read(line)?;
        let checked = Checked::of(&event).map_err(|reason| Bad::Wrong(reason.to_string()))?;
        let at = checked.at.ok_or_else(|| Bad::Wrong("missing: timestamp".into()))?;
        if !(EARLIEST..LATEST).contains(&at) {
            return Err(Bad::Wrong("timestamp is not between the years 2000 and 2100".into()));
        }
        let tolerance = self.shape.tolerance();
        if let Some(held) = self.held.take() {
            if at + tolerance >= held.at {
                self.believe(&held);
            } else {
                self.disbelieve(&held);
            }
        }
        let clock = *self.clock.get_or_insert(at);
        if clock.since(at) > tolerance {
            let (seconds, allowed) = (clock.since(at).as_secs(), tolerance.as_secs());
            let reason =
                format!("timestamp is {seconds} seconds before an earlier line's, and {allowed} are allowed");
            return Err(Bad::Misplaced(reason));
        }
        if at.since(clock) > tolerance {
            self.held = Some(Held { number: self.number, at, line: line.to_vec() });
            return Ok(());
        }
        self.add(checked, at);
        Ok(())
    }

    fn add(&mut self, event: Checked<'_>, at: Timestamp) {
        let clock = self.clock.map_or(at, |clock| clock.max(at));
        let is_next = self.clock.is_some_and(|before| self.shape.slot(before) != self.shape.slot(clock));
        if is_next || self.reporting.len() == MOST_EVENTS {
            self.complete();
        }
        self.clock = Some(clock);
        self.reporting.take(event);
        self.counts.taken += 1;
    }

    fn complete(&mut self) {
        if let Some(at) = self.clock.filter(|_| !self.reporting.is_empty()) {
            let reporting = std::mem::replace(&mut self.reporting, reporting(self.shape));
            self.ready += reporting.len();
            self.turns.push(Turn { at, report: reporting.finish() });
        }
    }

    fn believe(&mut self, held: &Held) {
        // It was read and checked before.
        if let Ok(event) = read(&held.line)
            && let Ok(checked) = Checked::of(&event)
        {
            self.add(checked, held.at);
        }
    }

    fn disbelieve(&mut self, held: &Held) {
        let seconds = self.clock.map_or(0, |clock| held.at.since(clock).as_secs());
        let reason = format!("timestamp is {seconds} seconds ahead of the lines before and after it");
        self.counts.misplace(held.number, reason);
    }
}

fn read(line: &[u8]) -> Result<RawEvent<'_>, Bad> {
    serde_json::from_slice(line).map_err(|error| Bad::Wrong(format!("not JSON: {error}")))
}

fn reporting(shape: Shape) -> Reporting {
    // What is timely is decided here.
    Reporting::new(EARLIEST, shape.tolerance())
}
