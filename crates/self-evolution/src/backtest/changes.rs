//! Changes that were made meanwhile, as a file tells them.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::Deserialize;
use shared::clock::Timestamp;

use super::counts::Counts;
use crate::domain::playbook::{action_of, kind_of};
use crate::domain::recommendation::Kind;
use crate::domain::usage::report::MOST_TEXT;

/// Changes that a file may have.
pub(super) const MOST_CHANGES: usize = 10_000;

/// A change that somebody has made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Made {
    /// When.
    pub(super) at: Timestamp,
    /// To which service.
    pub(super) service: Arc<str>,
    /// What kind of change it was.
    pub(super) kind: Kind,
}

/// Changes, the earliest first.
#[derive(Debug, Default)]
pub(super) struct Changes {
    made: VecDeque<Made>,
    counts: Counts,
    number: u64,
}

#[derive(Deserialize)]
struct Written {
    at: Timestamp,
    service: String,
    action: String,
}

impl Changes {
    /// Takes the next line.
    pub(super) fn line(&mut self, line: &[u8]) {
        self.number += 1;
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        self.counts.lines += 1;
        match read(line) {
            Ok(_) if self.made.len() == MOST_CHANGES => {
                self.counts.reject(self.number, format!("there are {MOST_CHANGES} changes before it"));
            }
            Ok(made) => {
                self.counts.taken += 1;
                self.made.push_back(made);
            }
            Err(reason) => self.counts.reject(self.number, reason),
        }
    }

    /// A line was too long to be read.
    pub(super) fn overlong(&mut self, longest: usize) {
        self.number += 1;
        self.counts.lines += 1;
        self.counts.reject(self.number, format!("it has more than {longest} bytes"));
    }

    /// The changes in the order in which they were made, and what became of the lines.
    pub(super) fn finish(mut self) -> (VecDeque<Made>, Counts) {
        self.made.make_contiguous().sort_by_key(|made| made.at);
        (self.made, self.counts)
    }
}

fn read(line: &[u8]) -> Result<Made, String> {
    let Written { at, service, action } =
        serde_json::from_slice(line).map_err(|error| format!("not {{at, service, action}}: {error}"))?;
    let service = service.trim();
    if service.is_empty() || service.len() > MOST_TEXT {
        return Err(format!("service must have 1 to {MOST_TEXT} bytes"));
    }
    let kind = kind_of(&action).ok_or_else(|| {
        let known = Kind::ALL.map(action_of).join(", ");
        format!("action {action:?} is none of {known}")
    })?;
    Ok(Made { at, service: service.into(), kind })
}
