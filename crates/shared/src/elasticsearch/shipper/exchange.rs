//! What the shipper asks for, and what comes back to it.

use super::Item;
use crate::clock::Timestamp;

/// Why nothing can be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) enum Trouble {
    /// The server cannot be reached, or fails; it may be back by itself.
    Down(String),
    /// The server does not want us, or lacks something: somebody has to do something.
    Held(String),
}

/// What has come of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) enum Sent {
    /// It was answered document by document.
    Answered(Vec<Item>),
    /// It is too large, or something in it cannot be read.
    TooMuch {
        /// Whether its size is to blame.
        is_size: bool,
        /// In a sentence.
        reason: String,
    },
    /// The server has too much to do.
    Busy,
    /// No whole answer came: it may have been too much for the way.
    Unanswered(String),
    /// It was not answered, or not as a bulk request is.
    Failed(Trouble),
}

/// What is to be done next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) enum Step {
    /// Find out whether the server is ready: templates, and indices that were there before.
    Prepare,
    /// Read the journal after this chunk, about so many bytes; it ends with the chunk `last`.
    Read { after: u64, last: u64, bytes: usize },
    /// Send a request.
    Send(Request),
    /// Note that everything up to this chunk has arrived.
    Advance(u64),
    /// Nothing before this moment, unless something comes back or is recorded.
    Wait(Option<Timestamp>),
}

/// One bulk request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(in super::super) struct Request {
    pub(in super::super) batch: u64,
    pub(in super::super) documents: usize,
    pub(in super::super) body: Vec<u8>,
}
