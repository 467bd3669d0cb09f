//! Events on their way to the daemon, with how far the log was read when they were made.

use super::position::Position;
use super::tally::Tally;

/// The most events of one request.
pub(super) const MOST_EVENTS: usize = 1_000;
/// The most bytes of one request; the daemon takes four times as many.
pub(super) const MOST_BYTES: usize = 1_024 * 1_024;
/// The most events that a reader hands over at once, so that a request is nearly full.
pub(super) const PIECE: usize = 250;

/// Events in the order of their lines.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Batch {
    /// The events, one a line.
    pub(super) body: Vec<u8>,
    /// How many.
    pub(super) events: usize,
    /// The lines that were looked at for them.
    pub(super) tally: Tally,
    /// How far the log is done with once they are recorded; none where that is not kept.
    pub(super) position: Option<Position>,
    /// Bytes of the input that were read so far.
    pub(super) read: u64,
}

impl Batch {
    /// Whether this one and what follows fit into one request.
    pub(super) fn fits(&self, next: &Self) -> bool {
        self.events + next.events <= MOST_EVENTS && self.body.len() + next.body.len() <= MOST_BYTES
    }

    /// Whether nothing is to be waited for.
    pub(super) fn is_full(&self) -> bool {
        self.events + PIECE > MOST_EVENTS || self.body.len() > MOST_BYTES / 2
    }

    /// Takes what follows.
    pub(super) fn append(&mut self, next: Self) {
        self.body.extend_from_slice(&next.body);
        self.events += next.events;
        self.tally.add(&next.tally);
        self.position = next.position.or_else(|| self.position.take());
        self.read = next.read;
    }
}
