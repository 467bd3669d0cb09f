//! The way to a running engine.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot, watch};

use super::Decider;
use crate::journal::Status;

/// The event was not handled, and nothing of it was recorded or done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unhandled {
    /// The journal cannot be written.
    #[error("nothing is done without a record, and the journal cannot be written: {0}")]
    Journal(Arc<str>),
    /// More events wait than the engine takes.
    #[error("too many events are waiting to be handled; try again shortly")]
    Overloaded,
    /// The daemon is shutting down.
    #[error("the daemon is shutting down")]
    ShuttingDown,
}

type Outcome<A> = Result<Option<A>, Unhandled>;

/// Who waits for an answer, and the room that the event takes until then.
pub(super) struct Reply<A> {
    caller: oneshot::Sender<Outcome<A>>,
    room: Option<OwnedSemaphorePermit>,
}

impl<A> Reply<A> {
    /// A caller who has gone away does not need the answer, and the room is free in any case.
    pub(super) fn send(self, outcome: Outcome<A>) {
        drop(self.room);
        drop(self.caller.send(outcome));
    }
}

pub(super) struct Call<D: Decider> {
    pub(super) event: D::Event,
    pub(super) reply: Option<Reply<D::Answer>>,
}

/// The way to a running engine, for any number of callers.
pub struct Handle<D: Decider> {
    pub(super) calls: mpsc::Sender<Call<D>>,
    pub(super) view: watch::Receiver<Arc<D::View>>,
    pub(super) journal: watch::Receiver<Status>,
}

impl<D: Decider> Clone for Handle<D> {
    fn clone(&self) -> Self {
        Self { calls: self.calls.clone(), view: self.view.clone(), journal: self.journal.clone() }
    }
}

impl<D: Decider> Handle<D> {
    /// Sends an event and waits until its facts are durable. None when the decider has no answer to it.
    pub async fn ask(&self, event: D::Event) -> Result<Option<D::Answer>, Unhandled> {
        self.send(event, None).await
    }

    /// The same for an event that takes room in memory: the room is free again once the event is handled, which may be
    /// later than the caller waits.
    pub async fn ask_within(&self, room: OwnedSemaphorePermit, event: D::Event) -> Outcome<D::Answer> {
        self.send(event, Some(room)).await
    }

    async fn send(&self, event: D::Event, room: Option<OwnedSemaphorePermit>) -> Outcome<D::Answer> {
        let (caller, answer) = oneshot::channel();
        self.calls.try_send(Call { event, reply: Some(Reply { caller, room }) }).map_err(
            |error| match error {
                mpsc::error::TrySendError::Full(_) => Unhandled::Overloaded,
                mpsc::error::TrySendError::Closed(_) => Unhandled::ShuttingDown,
            },
        )?;
        // The engine answers everybody whose event it takes; it drops the others only when it ends.
        answer.await.unwrap_or(Err(Unhandled::ShuttingDown))
    }

    /// The present view.
    pub fn view(&self) -> Arc<D::View> {
        Arc::clone(&self.view.borrow())
    }

    /// Waits for the next view; an error means that the engine has ended.
    pub async fn changed(&mut self) -> Result<Arc<D::View>, Unhandled> {
        self.view.changed().await.map_err(|_| Unhandled::ShuttingDown)?;
        Ok(Arc::clone(&self.view.borrow_and_update()))
    }

    /// How the journal fares.
    pub fn journal(&self) -> Status {
        self.journal.borrow().clone()
    }

    /// What this says of how the journal fares, without a copy; it must be quick, because it holds up the journal.
    pub fn of_journal<T>(&self, look: impl FnOnce(&Status) -> T) -> T {
        look(&self.journal.borrow())
    }
}
