//! What is read, sent, sent again and noted as arrived: decided here, carried out elsewhere.
//!
//! Chunks of the journal become batches in their order. Several batches may be under way; a chunk counts as arrived
//! when every document up to its end has. Nothing is ever given up because a server is away or full: only a
//! document that the server itself does not take goes to the index of the dead, with the reason.

mod batch;
mod exchange;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::bulk::Item;
use super::indices::day;
use super::{Document, bulk};
use crate::backoff::Backoff;
use crate::clock::Timestamp;

use batch::{Batch, Fate, Pending};
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
    /// Documents that not even the index of the dead took.
    pub lost: u64,
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
    bytes: usize,
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
            self.noted_to = self.arrived_to;
            return Step::Advance(self.arrived_to);
        }
        if self.is_preparing {
            return Step::Wait(None);
        }
        if now < self.not_before {
            return Step::Wait(Some(self.not_before));
        }
        match self.connection {
            Connection::Up => self.next_while_up(now, last),
            Connection::Unknown | Connection::Down { .. } | Connection::Held { .. } => self.prepare(),
        }
    }

    fn next_while_up(&mut self, now: Timestamp, last: u64) -> Step {
        let in_flight = self.in_flight();
        let ready = self.batches.iter().position(Batch::is_ready);
        if let Some(place) = ready.filter(|_| in_flight < self.parallel) {
            // The first document of a day makes its index, and that needs the template.
            let newest = self.batches[place].newest_day();
            if newest > self.prepared_for {
                self.prepared_for = newest;
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
                self.prepared_for = day(now).max(std::mem::take(&mut self.prepared_for));
                self.connection = Connection::Up;
                self.failures = 0;
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

    /// A request has come back. Gives the documents that the server did not take: identity and reason.
    pub(super) fn sent(
        &mut self,
        batch: u64,
        outcome: Sent,
        now: Timestamp,
        chance: f64,
    ) -> Vec<(String, String)> {
        let Some(place) = self.batches.iter().position(|known| known.id == batch) else { return Vec::new() };
        self.batches[place].returned();
        match outcome {
            Sent::Answered(items) => self.answered(place, items, now, chance),
            Sent::TooMuch { is_size, reason } => self.divide(place, is_size, reason),
            Sent::Busy => {
                self.totals.retried += self.batches[place].len() as u64;
                self.slow_down(now, chance);
                Vec::new()
            }
            Sent::Failed(trouble) => {
                self.totals.retried += self.batches[place].len() as u64;
                self.fail(trouble, now, chance);
                Vec::new()
            }
        }
    }

    fn answered(
        &mut self,
        place: usize,
        items: Vec<Item>,
        now: Timestamp,
        chance: f64,
    ) -> Vec<(String, String)> {
        let (mut is_busy, mut held, mut refused) = (false, None, Vec::new());
        let batch = &mut self.batches[place];
        let totals = &mut self.totals;
        batch.keep(items, |pending, item| match item {
            Item::Created if pending.is_dead() => {
                totals.dead += 1;
                Fate::Gone
            }
            Item::Created => {
                totals.shipped += 1;
                Fate::Gone
            }
            Item::Existing => {
                totals.existing += 1;
                Fate::Gone
            }
            Item::Busy(_) => {
                totals.retried += 1;
                is_busy = true;
                Fate::Stays
            }
            Item::Held(reason) => {
                totals.retried += 1;
                held = Some(reason);
                Fate::Stays
            }
            Item::Refused(reason) => {
                refused.push((pending.document.id.clone(), reason.clone()));
                if pending.is_dead() {
                    totals.lost += 1;
                    Fate::Gone
                } else {
                    Fate::Dies(reason)
                }
            }
        });
        if let Some(reason) = held {
            self.fail(Trouble::Held(reason), now, chance);
        } else if is_busy {
            self.slow_down(now, chance);
        } else {
            self.failures = 0;
            let most = if self.is_behind { MOST_PARALLEL } else { 1 };
            self.parallel = (self.parallel + 1).min(most).max(1);
        }
        refused
    }

    /// Halves what was too much; a single document that is too much dies.
    fn divide(&mut self, place: usize, is_size: bool, reason: String) -> Vec<(String, String)> {
        if is_size {
            self.bytes = (self.batches[place].bytes() / 2).clamp(LEAST_BYTES, self.bytes);
        }
        let batch = &mut self.batches[place];
        if batch.len() > 1 {
            self.next_batch += 1;
            let second = batch.split(self.next_batch);
            self.batches.insert(place + 1, second);
            return Vec::new();
        }
        let Some(last) = batch.take_one() else { return Vec::new() };
        let refused = vec![(last.document.id.clone(), reason.clone())];
        if last.is_dead() {
            self.totals.lost += 1;
        } else {
            batch.push(last.died(reason));
        }
        refused
    }

    fn slow_down(&mut self, now: Timestamp, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        self.parallel = 1;
        self.not_before = now + BACKOFF.after(self.failures, chance);
    }

    fn fail(&mut self, trouble: Trouble, now: Timestamp, chance: f64) {
        self.slow_down(now, chance);
        let (since, was_up) = match &self.connection {
            Connection::Down { since, .. } | Connection::Held { since, .. } => (*since, false),
            Connection::Unknown | Connection::Up => (now, true),
        };
        self.connection = match trouble {
            Trouble::Down(reason) => Connection::Down { since, reason },
            Trouble::Held(reason) => {
                let failures = if was_up { 1 } else { self.failures };
                self.not_before = now + HELD.after(failures, chance);
                Connection::Held { since, reason }
            }
        };
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
