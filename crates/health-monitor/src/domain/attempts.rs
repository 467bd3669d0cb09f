//! The attempts at one service: what its guard counts, and where it stands on its ladder.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

use super::ladder::Position;
use super::recovery::Recovery;

/// Attempts are counted within this span.
pub const ATTEMPTS_WITHIN: Duration = Duration::from_secs(3_600);

/// What the guard of a service counts.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Attempts {
    /// When attempts were started, within the last hour, oldest first.
    pub started: VecDeque<Timestamp>,
    /// Attempts since the service was last stable.
    pub consecutive: u32,
    /// The next one is not made before this.
    pub not_before: Option<Timestamp>,
    /// Since when no more are made.
    pub quarantined_at: Option<Timestamp>,
    /// When the last one was started.
    pub last: Option<Timestamp>,
    /// Where the next one stands on the ladder.
    #[serde(default)]
    pub position: Position,
}

impl Attempts {
    /// Attempts started within `span` before `now`.
    pub fn within(&self, now: Timestamp, span: Duration) -> usize {
        self.started.iter().filter(|started| **started + span > now).count()
    }

    /// Whether there is anything that lasting health would clear.
    pub fn is_clear(&self) -> bool {
        self.started.is_empty() && self.consecutive == 0 && self.quarantined_at.is_none()
    }

    /// Counts one that is being started.
    pub fn start(&mut self, recovery: &Recovery) {
        let hour_ago = recovery.started_at - ATTEMPTS_WITHIN;
        self.started.retain(|started| *started > hour_ago);
        self.started.push_back(recovery.started_at);
        self.consecutive += 1;
        self.not_before = recovery.not_before;
        self.last = Some(recovery.started_at);
    }
}
