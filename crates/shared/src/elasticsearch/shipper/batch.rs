//! Documents that are sent together.

use std::collections::BTreeSet;

use serde_json::json;

use super::super::bulk::Item;
use super::super::indices::{day, index_of};
use super::{Document, Request, bulk};

/// So much of a document that was not taken is kept with the reason.
const MOST_PAYLOAD: usize = 32 * 1024;

/// A document that is still to arrive.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Pending {
    pub(super) document: Document,
    is_dead: bool,
}

/// What becomes of a document after an answer.
pub(super) enum Fate {
    /// It has arrived, or is lost.
    Gone,
    /// It is sent again.
    Stays,
    /// It goes to the index of the dead, for this reason.
    Dies(String),
}

impl Pending {
    pub(super) fn new(document: Document) -> Self {
        Self { document, is_dead: false }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.is_dead
    }

    /// The document as the index of the dead gets it: kept as text, cut where it is very long.
    pub(super) fn died(self, reason: String) -> Self {
        let Document { stream, id, at, body } = self.document;
        let whole = String::from_utf8_lossy(&body);
        let mut end = whole.len().min(MOST_PAYLOAD);
        while !whole.is_char_boundary(end) {
            end -= 1;
        }
        let body = json!({
            "@timestamp": at.to_string(),
            "type": "dead_letter",
            "index": stream,
            "reason": reason,
            "payload": &whole[..end],
            "is_cut": end < whole.len()
        });
        let document = Document { stream, id, at, body: body.to_string().into_bytes() };
        Self { document, is_dead: true }
    }

    fn size(&self) -> usize {
        // Index and identity stand in front of each document.
        self.document.body.len() + 128
    }
}

/// Documents that are sent together.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) id: u64,
    /// The last chunk that has arrived with this batch and all before it; none when its last chunk goes on in the
    /// next batch.
    pub(super) ends: Option<u64>,
    documents: Vec<Pending>,
    bytes: usize,
    most: (usize, usize),
    is_in_flight: bool,
    tries: u32,
}

impl Batch {
    pub(super) fn new(id: u64, (bytes, documents): (usize, usize)) -> Self {
        Self {
            id,
            ends: None,
            documents: Vec::new(),
            bytes: 0,
            most: (bytes, documents),
            is_in_flight: false,
            tries: 0,
        }
    }

    /// Whether this document needs another batch.
    pub(super) fn is_full(&self, document: &Document) -> bool {
        let (bytes, documents) = self.most;
        let is_too_large = self.bytes + document.body.len() > bytes;
        !self.documents.is_empty() && (self.documents.len() >= documents || is_too_large)
    }

    pub(super) fn push(&mut self, pending: Pending) {
        self.bytes += pending.size();
        self.documents.push(pending);
    }

    pub(super) fn len(&self) -> usize {
        self.documents.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn is_done(&self) -> bool {
        self.documents.is_empty() && !self.is_in_flight
    }

    pub(super) fn is_ready(&self) -> bool {
        !self.documents.is_empty() && !self.is_in_flight
    }

    pub(super) fn is_in_flight(&self) -> bool {
        self.is_in_flight
    }

    /// How often it was sent.
    pub(super) fn tries(&self) -> u32 {
        self.tries
    }

    /// The latest day of its documents.
    pub(super) fn newest_day(&self) -> String {
        let newest = self.documents.iter().map(|pending| pending.document.at).max();
        newest.map(day).unwrap_or_default()
    }

    /// The request that carries it; in flight from now on.
    pub(super) fn send(&mut self, plain: &BTreeSet<&'static str>) -> Request {
        self.is_in_flight = true;
        self.tries = self.tries.saturating_add(1);
        let mut body = Vec::with_capacity(self.bytes);
        for Pending { document, is_dead } in &self.documents {
            bulk::push(&mut body, &index_of(document, plain, *is_dead), &document.id, &document.body);
        }
        Request { batch: self.id, documents: self.documents.len(), body }
    }

    /// The request has come back, whatever became of it.
    pub(super) fn returned(&mut self) {
        self.is_in_flight = false;
    }

    /// Keeps what is still to arrive. There is one item for each document, in the same order.
    pub(super) fn keep(&mut self, items: Vec<Item>, mut judge: impl FnMut(&Pending, Item) -> Fate) {
        let sent = std::mem::take(&mut self.documents);
        self.bytes = 0;
        for (pending, item) in sent.into_iter().zip(items) {
            match judge(&pending, item) {
                Fate::Gone => {}
                Fate::Stays => self.push(pending),
                Fate::Dies(reason) => self.push(pending.died(reason)),
            }
        }
    }

    /// Gives the second half away, with the end of the last chunk.
    pub(super) fn split(&mut self, id: u64) -> Self {
        let mut second = Self::new(id, self.most);
        second.ends = self.ends.take();
        second.tries = self.tries;
        let half = self.documents.len() / 2;
        for pending in self.documents.drain(half..) {
            second.bytes += pending.size();
            second.documents.push(pending);
        }
        self.bytes -= second.bytes;
        second
    }

    /// Takes the last document out.
    pub(super) fn take_one(&mut self) -> Option<Pending> {
        let last = self.documents.pop()?;
        self.bytes -= last.size();
        Some(last)
    }
}
