//! What became of the lines of a file, counted.

use serde::Serialize;

/// Lines that are named one by one with what is wrong with them; the others are counted.
const MOST_NAMED: usize = 10;

/// A line that was not taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(super) struct BadLine {
    /// Its number, from 1.
    pub(super) line: u64,
    /// What is wrong with it.
    pub(super) reason: String,
}

/// Numbers of lines.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub(super) struct Counts {
    /// Lines that are not blank.
    pub(super) lines: u64,
    /// Of these, taken.
    pub(super) taken: u64,
    /// Of these, not taken because they are no such object.
    pub(super) rejected: u64,
    /// Of these, not taken because their time does not fit that of the lines around them.
    pub(super) out_of_order: u64,
    /// The first that were not taken.
    pub(super) bad: Vec<BadLine>,
}

impl Counts {
    /// A line is not what it has to be.
    pub(super) fn reject(&mut self, line: u64, reason: String) {
        self.rejected += 1;
        self.name(line, reason);
    }

    /// The time of a line does not fit.
    pub(super) fn misplace(&mut self, line: u64, reason: String) {
        self.out_of_order += 1;
        self.name(line, reason);
    }

    fn name(&mut self, line: u64, reason: String) {
        if self.bad.len() < MOST_NAMED {
            self.bad.push(BadLine { line, reason });
        }
    }

    /// Lines that were not taken and are not named.
    pub(super) fn unnamed(&self) -> u64 {
        self.rejected + self.out_of_order - self.bad.len() as u64
    }
}
