//! What one turn has decided, until it is recorded.

use std::sync::Arc;

use super::handle::{Reply, Unhandled};
use super::{Decider, Decision};

/// What one turn has decided so far.
pub(super) struct Turn<D: Decider> {
    pub(super) decision: Decision<D>,
    pub(super) answers: Vec<Answered<D>>,
}

/// A caller, and what it will be told once the turn is recorded.
pub(super) type Answered<D> = (Reply<<D as Decider>::Answer>, Option<<D as Decider>::Answer>);

impl<D: Decider> Turn<D> {
    pub(super) fn add(&mut self, decision: Decision<D>, reply: Option<Reply<D::Answer>>) {
        self.decision.facts.extend(decision.facts);
        self.decision.work.extend(decision.work);
        self.answers.extend(reply.map(|reply| (reply, decision.answer)));
    }
}

/// Tells callers that nothing of what they asked was done.
pub(super) fn refuse<A>(callers: impl IntoIterator<Item = Reply<A>>, reason: &Arc<str>) {
    for reply in callers {
        reply.send(Err(Unhandled::Journal(Arc::clone(reason))));
    }
}
