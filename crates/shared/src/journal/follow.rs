//! Following the journal: every document once and in order, from any point that it still holds, then as they come.

use std::collections::VecDeque;

use tokio::sync::watch;

use super::{Chunk, DocumentId, JournalError, Reader, Status};

/// Bytes of documents that are read at once, so that a follower far behind takes no more memory than one that is not.
const READ: usize = 256 * 1_024;

/// One who reads along. It reads when it is asked for the next document and not before: one that is slow lags behind,
/// and holds nobody up.
pub struct Follower {
    reader: Reader,
    status: watch::Receiver<Status>,
    /// The chunk that was read last.
    seq: u64,
    waiting: VecDeque<Vec<u8>>,
    /// Something is missing before what waits.
    has_gap: bool,
}

/// What comes next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Followed {
    /// A document: one JSON object with `_id` and `@timestamp`.
    Document(Vec<u8>),
    /// Documents before the next one are no longer in the journal.
    Gap,
}

impl Follower {
    /// Follows from now on.
    pub fn new(reader: Reader, status: watch::Receiver<Status>) -> Self {
        let seq = status.borrow().last_seq;
        Self { reader, status, seq, waiting: VecDeque::new(), has_gap: false }
    }

    /// Follows from the document after this one. When the journal no longer holds it, that comes first as a gap, then
    /// everything that is left; when it never held it, what comes from now on.
    pub async fn after(mut self, id: DocumentId) -> Result<Self, JournalError> {
        self.waiting.clear();
        if id.seq == 0 || id.seq > self.status.borrow().last_seq {
            self.has_gap = true;
            return Ok(self);
        }
        // One byte is less than any chunk has, and one chunk is always given.
        let first = self.reader.after(id.seq - 1, 1).await?.into_iter().next();
        self.seq = id.seq;
        match first.filter(|chunk| chunk.seq == id.seq) {
            // The hole is found where reading begins.
            None => self.seq = id.seq - 1,
            Some(chunk) => match rest_after(&chunk, id) {
                Some(rest) => self.waiting = rest,
                // Another journal's: nothing of this one was seen.
                None => {
                    self.seq = self.status.borrow().last_seq;
                    self.has_gap = true;
                }
            },
        }
        Ok(self)
    }

    /// The next document, as soon as there is one. May be dropped while it waits, and asked again. Fails when the
    /// journal is closed.
    pub async fn next(&mut self) -> Result<Followed, JournalError> {
        loop {
            if std::mem::take(&mut self.has_gap) {
                return Ok(Followed::Gap);
            }
            if let Some(document) = self.waiting.pop_front() {
                return Ok(Followed::Document(document));
            }
            let seq = self.seq;
            let newest = self.status.wait_for(|status| status.last_seq > seq).await;
            let newest = newest.map_err(|_| JournalError::Closed)?.last_seq;
            let mut chunks = self.reader.after(seq, READ).await?;
            // Numbers have no holes but those of what was trimmed or cannot be read.
            self.has_gap = chunks.first().is_none_or(|first| first.seq != seq + 1);
            let hole = chunks.windows(2).position(|pair| pair[1].seq != pair[0].seq + 1);
            chunks.truncate(hole.map_or(chunks.len(), |last| last + 1));
            self.seq = chunks.last().map_or(newest, |chunk| chunk.seq);
            self.waiting = chunks.iter().flat_map(Chunk::documents).map(<[u8]>::to_vec).collect();
        }
    }
}

/// The documents of a chunk after this one; none when it is not among them.
fn rest_after(chunk: &Chunk, id: DocumentId) -> Option<VecDeque<Vec<u8>>> {
    let head = format!(r#"{{"_id":"{id}""#);
    let mut documents = chunk.documents();
    documents.find(|document| document.starts_with(head.as_bytes()))?;
    Some(documents.map(<[u8]>::to_vec).collect())
}

#[cfg(test)]
mod tests;
