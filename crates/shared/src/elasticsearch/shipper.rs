//! What is read, sent, sent again and noted as arrived: decided here, carried out elsewhere.
//!
//! Chunks of the journal become batches in their order. Several batches may be under way; a chunk counts as arrived
//! when every document up to its end has. Nothing is ever given up because a server is away, full or refuses us: only a
//! document that is itself to blame goes to the index of the dead, with the reason.

mod batch;
mod exchange;
mod results;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::bulk::Item;
use super::indices::day;
use super::{Document, bulk};
use crate::backoff::Backoff;
use crate::clock::Timestamp;

use batch::{Batch, Pending};
pub(super) use exchange::{Request, Sent, Step, Trouble};

/// Bytes of one request, before the server says that it takes less.
const MOST_BYTES: usize = 5 * 1024 * 1024;
/// Documents of one request.
const MOST_DOCUMENTS: usize = 5_000;
/// A server that takes less than this is not asked with less.
const LEAST_BYTES: usize = 64 * 1024;
/// Requests under way at a time, at most.
const MOST_PARALLEL: usize = 4;
/// Bytes that wait in memory to be sent, beyond which nothing more is read.
const MOST_WAITING: usize = 2 * MOST_BYTES;
/// Pause between two readings of the journal that it takes to gather a batch, when little comes.
const GATHER: Duration = Duration::from_secs(1);
/// Waits after failures.
const BACKOFF: Backoff = Backoff { first: Duration::from_millis(500), longest: Duration::from_secs(60) };
/// While the server holds everything back, it is asked again this often.
const HELD: Backoff = Backoff { first: Duration::from_secs(10), longest: Duration::from_secs(60) };

/// How the server is, as far as is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Connection {
    /// Not asked yet.
    Unknown,
    /// It takes documents.
    Up,
    /// It cannot be reached, or fails.
    Down {
        /// Since when.
        since: Timestamp,
        /// Why, in a sentence.
        reason: String,
    },
    /// It answers, and takes nothing before somebody changes something.
    Held {
        /// Since when.
        since: Timestamp,
        /// Why, and what to do about it, in a sentence.
        reason: String,
    },
}

/// What has been shipped since the start of the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Documents that arrived.
    pub shipped: u64,
    /// Documents that had arrived before.
    pub existing: u64,
    /// Documents that were not taken, and are kept in the index of the dead.
    pub dead: u64,
    /// Times that a document was to be sent again.
    pub retried: u64,
}

/// The state of the shipping.
#[derive(Debug)]
pub(super) struct Shipper {
    connection: Connection,
    plain: BTreeSet<&'static str>,
    batches: VecDeque<Batch>,
    next_batch: u64,
    /// Whether the server was found ready since it last failed.
    is_prepared: bool,
    /// The last chunk that was read, that has arrived, and that was noted as arrived.
    read_to: u64,
    arrived_to: u64,
    noted_to: u64,
    /// The day up to which the templates were seen to be there.
    prepared_for: String,
    is_preparing: bool,
    /// Whether the journal had more than one reading took.
    is_behind: bool,
    next_read: Timestamp,
    not_before: Timestamp,
    failures: u32,
    parallel: usize,
    /// Bytes of the next batches, and the most that the server takes.
    bytes: usize,
    most_bytes: usize,
    totals: Totals,
}

impl Shipper {
    /// Begins after the chunk up to which everything has arrived.
    pub(super) fn new(arrived_to: u64) -> Self {
        Self {
            connection: Connection::Unknown,
            plain: BTreeSet::new(),
            batches: VecDeque::new(),
            next_batch: 0,
            is_prepared: false,
            read_to: arrived_to,
            arrived_to,
            noted_to: arrived_to,
            prepared_for: String::new(),
            is_preparing: false,
            is_behind: false,
            next_read: Timestamp::default(),
            not_before: Timestamp::default(),
            failures: 0,
            parallel: 1,
            bytes: MOST_BYTES,
            most_bytes: MOST_BYTES,
            totals: Totals::default(),
        }
    }

    /// How the server is.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What has been shipped since the start of the process.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// Up to which chunk everything has arrived.
    pub(super) fn arrived_to(&self) -> u64 {
        self.arrived_to
    }

    /// What to do next, while the journal ends with the chunk `last`. Every step but [`Step::Wait`] is to be
    /// carried out before the next question, or started where its result is told later.
    pub(super) fn next(&mut self, now: Timestamp, last: u64) -> Step {
        self.settle();
        if self.arrived_to > self.noted_to {
            return Step::Advance(self.arrived_to);
        }
        if self.is_preparing {
            return Step::Wait(None);
        }
        if now < self.not_before {
            return Step::Wait(Some(self.not_before));
        }
        if self.is_prepared { self.next_while_prepared(now, last) } else { self.prepare() }
    }

    /// The journal has taken down that everything up to this chunk has arrived.
    pub(super) fn noted(&mut self, seq: u64) {
        self.noted_to = seq;
    }

    fn next_while_prepared(&mut self, now: Timestamp, last: u64) -> Step {
        let in_flight = self.in_flight();
        // One that comes back again and again must not hold up the others.
        let ready = self.batches.iter().enumerate().filter(|(_, batch)| batch.is_ready());
        let next = ready.min_by_key(|(_, batch)| batch.tries()).map(|(place, _)| place);
        if let Some(place) = next.filter(|_| in_flight < self.parallel) {
            // The first document of a day makes its index, and that needs the template.
            if self.batches[place].newest_day() > self.prepared_for {
                return self.prepare();
            }
            let request = self.batches[place].send(&self.plain);
            return Step::Send(request);
        }
        let has_more = self.read_to < last && self.waiting_bytes() < MOST_WAITING;
        if has_more && (self.is_behind || now >= self.next_read) {
            return Step::Read { after: self.read_to, last, bytes: self.bytes };
        }
        Step::Wait(has_more.then_some(self.next_read))
    }

    /// Asks once nothing is under way any more, so that what comes back is about the server as it is now.
    fn prepare(&mut self) -> Step {
        if self.in_flight() > 0 {
            return Step::Wait(None);
        }
        self.is_preparing = true;
        Step::Prepare
    }

    /// The server was asked: which streams have a plain index, or why nothing can be sent.
    pub(super) fn prepared(
        &mut self,
        outcome: Result<BTreeSet<&'static str>, Trouble>,
        now: Timestamp,
        chance: f64,
    ) {
        self.is_preparing = false;
        match outcome {
            Ok(plain) => {
                self.plain = plain;
                self.is_prepared = true;
                let newest = self.batches.iter().map(Batch::newest_day).max().unwrap_or_default();
                self.prepared_for = day(now).max(newest);
                // A server that answers questions and takes no documents is not well before it has taken some.
                if self.failures == 0 || self.batches.is_empty() {
                    self.succeed();
                }
            }
            Err(trouble) => self.fail(trouble, now, chance),
        }
    }

    /// The journal was read up to `last` at most: chunks with the documents that their facts give, oldest first.
    pub(super) fn read(&mut self, mut chunks: Vec<(u64, Vec<Document>)>, last: u64, now: Timestamp) {
        self.next_read = now + GATHER;
        if chunks.is_empty() {
            // What was there is trimmed or damaged; nothing waits for it.
            chunks.push((last, Vec::new()));
        }
        let mut bytes = 0;
        let mut batch = self.new_batch();
        for (seq, documents) in chunks {
            for document in documents {
                bytes += document.body.len();
                if batch.is_full(&document) {
                    let full = std::mem::replace(&mut batch, self.new_batch());
                    self.batches.push_back(full);
                }
                batch.push(Pending::new(document));
            }
            batch.ends = Some(seq);
            self.read_to = seq;
        }
        self.batches.push_back(batch);
        self.is_behind = bytes >= self.bytes / 2;
    }

    fn new_batch(&mut self) -> Batch {
        self.next_batch += 1;
        Batch::new(self.next_batch, (self.bytes, MOST_DOCUMENTS))
    }

    /// Batches without documents are done; chunks arrive in their order.
    fn settle(&mut self) {
        while self.batches.front().is_some_and(Batch::is_done) {
            let ends = self.batches.pop_front().and_then(|batch| batch.ends);
            self.arrived_to = ends.map_or(self.arrived_to, |seq| seq.max(self.arrived_to));
        }
    }

    fn in_flight(&self) -> usize {
        self.batches.iter().filter(|batch| batch.is_in_flight()).count()
    }

    fn waiting_bytes(&self) -> usize {
        self.batches.iter().map(Batch::bytes).sum()
    }
}

#[cfg(test)]
mod tests;
