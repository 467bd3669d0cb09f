//! What the answers do: documents arrive, are sent again, or die; the server is well, slow, or in trouble.

use super::batch::{Fate, Pending};
use super::{
    BACKOFF, Connection, HELD, Item, LEAST_BYTES, MOST_PARALLEL, Sent, Shipper, Timestamp, Totals, Trouble,
};

/// A document over which the server fails again and again is held for the cause.
const MOST_TRIES: u32 = 10;

/// A document that the server does not take: identity and reason.
pub(in super::super) type Refused = (String, String);

/// What an answer says beside each document's fate.
#[derive(Default)]
struct Heard {
    is_busy: bool,
    held: Option<String>,
    refused: Vec<Refused>,
}

impl Shipper {
    /// A request has come back. Gives the documents that the server did not take.
    pub(in super::super) fn sent(
        &mut self,
        batch: u64,
        outcome: Sent,
        now: Timestamp,
        chance: f64,
    ) -> Vec<Refused> {
        let Some(place) = self.batches.iter().position(|known| known.id == batch) else { return Vec::new() };
        self.batches[place].returned();
        if !matches!(outcome, Sent::Answered(_)) {
            self.totals.retried += self.batches[place].len() as u64;
        }
        match outcome {
            Sent::Answered(items) => return self.answered(place, items, now, chance),
            Sent::TooMuch { is_size, reason } => return self.too_much(place, is_size, reason, now, chance),
            Sent::Busy => self.slow_down(now, chance),
            Sent::Unanswered(reason) => {
                // A slow way may never carry it whole.
                self.bytes = (self.batches[place].bytes() / 2).clamp(LEAST_BYTES, self.bytes);
                self.halve(place);
                self.fail(Trouble::Down(reason), now, chance);
            }
            Sent::Failed(trouble) => self.fail(trouble, now, chance),
        }
        Vec::new()
    }

    fn answered(&mut self, place: usize, items: Vec<Item>, now: Timestamp, chance: f64) -> Vec<Refused> {
        let mut heard = Heard::default();
        let (batch, totals) = (&mut self.batches[place], &mut self.totals);
        let tries = batch.tries();
        batch.keep(items, |pending, item| judge(pending, item, tries, totals, &mut heard));
        if let Some(reason) = heard.held {
            self.fail(Trouble::Held(reason), now, chance);
        } else if heard.is_busy {
            self.slow_down(now, chance);
        } else {
            self.succeed();
        }
        heard.refused
    }

    /// Halves what was too much; a single document that is too much dies. One that is dead already is short and well
    /// formed, so that it is not to blame.
    fn too_much(
        &mut self,
        place: usize,
        is_size: bool,
        reason: String,
        now: Timestamp,
        chance: f64,
    ) -> Vec<Refused> {
        if is_size {
            self.most_bytes = (self.batches[place].bytes() / 2).clamp(LEAST_BYTES, self.most_bytes);
            self.bytes = self.bytes.min(self.most_bytes);
        }
        if self.halve(place) {
            return Vec::new();
        }
        let batch = &mut self.batches[place];
        match batch.take_one() {
            Some(last) if last.is_dead() => {
                batch.push(last);
                self.fail(Trouble::Held(reason), now, chance);
                Vec::new()
            }
            Some(last) => {
                let refused = vec![(last.document.id.clone(), reason.clone())];
                batch.push(last.died(reason));
                refused
            }
            None => Vec::new(),
        }
    }

    /// Makes two batches of one, if it has more than one document.
    fn halve(&mut self, place: usize) -> bool {
        let is_divisible = self.batches[place].len() > 1;
        if is_divisible {
            self.next_batch += 1;
            let second = self.batches[place].split(self.next_batch);
            self.batches.insert(place + 1, second);
        }
        is_divisible
    }

    pub(super) fn succeed(&mut self) {
        self.failures = 0;
        self.connection = Connection::Up;
        self.bytes = (self.bytes * 2).min(self.most_bytes);
        self.parallel = if self.is_behind { (self.parallel + 1).min(MOST_PARALLEL) } else { 1 };
    }

    fn slow_down(&mut self, now: Timestamp, chance: f64) {
        self.failures = self.failures.saturating_add(1);
        self.parallel = 1;
        self.not_before = now + BACKOFF.after(self.failures, chance);
    }

    pub(super) fn fail(&mut self, trouble: Trouble, now: Timestamp, chance: f64) {
        self.slow_down(now, chance);
        self.is_prepared = false;
        let since = match &self.connection {
            Connection::Down { since, .. } | Connection::Held { since, .. } => *since,
            Connection::Unknown | Connection::Up => now,
        };
        self.connection = match trouble {
            Trouble::Down(reason) => Connection::Down { since, reason },
            Trouble::Held(reason) => {
                self.not_before = now + HELD.after(self.failures, chance);
                Connection::Held { since, reason }
            }
        };
    }
}

/// What becomes of one document.
fn judge(pending: &Pending, item: Item, tries: u32, totals: &mut Totals, heard: &mut Heard) -> Fate {
    match item {
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
        Item::Refused(reason) | Item::Held(reason) if pending.is_dead() => stays_held(reason, totals, heard),
        Item::Refused(reason) => dies(pending, reason, heard),
        Item::Held(reason) => stays_held(reason, totals, heard),
        Item::Failed(reason) if tries >= MOST_TRIES && !pending.is_dead() => dies(pending, reason, heard),
        Item::Busy | Item::Failed(_) => {
            totals.retried += 1;
            heard.is_busy = true;
            Fate::Stays
        }
    }
}

fn dies(pending: &Pending, reason: String, heard: &mut Heard) -> Fate {
    heard.refused.push((pending.document.id.clone(), reason.clone()));
    Fate::Dies(reason)
}

fn stays_held(reason: String, totals: &mut Totals, heard: &mut Heard) -> Fate {
    totals.retried += 1;
    heard.held = Some(reason);
    Fate::Stays
}
