//! What a pure core looks like to the engine.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Timestamp;

/// The pure core of a daemon: owns the state, gets time as an argument, does no I/O, cannot fail.
///
/// Durable state changes in [`Decider::apply`] only; the deciding functions apply each fact that they return.
pub trait Decider: Send + 'static {
    /// What happened in the world.
    type Event: Send + 'static;
    /// What a caller who sent an event is told.
    type Answer: Send + 'static;
    /// What is recorded: one JSON object each.
    type Fact: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What is to be done once the facts are recorded.
    type Work: Send + 'static;
    /// What the API, the metrics and the pages read.
    type View: Send + Sync + 'static;
    /// What replaying all facts gives; written to the journal as a checkpoint. Cloning it must be cheap.
    type State: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;

    /// Changes the state by one recorded fact. Live operation and replay both go through here.
    fn apply(&mut self, at: Timestamp, fact: &Self::Fact);
    /// Decides what follows from an event.
    fn handle(&mut self, event: Self::Event, now: Timestamp) -> Decision<Self>;
    /// Decides what follows from the passing of time.
    fn wake(&mut self, now: Timestamp) -> Decision<Self>;
    /// Decides what follows from having been interrupted: called once after each rebuilding of the state.
    fn restarted(&mut self, now: Timestamp) -> Decision<Self>;
    /// When [`Decider::wake`] wants to be called next.
    fn next_wakeup(&self) -> Option<Timestamp>;
    /// A snapshot for readers; must be cheap.
    fn view(&self, now: Timestamp) -> Self::View;
    /// The state as a checkpoint holds it.
    fn state(&self) -> &Self::State;
    /// Replaces the state: by a checkpoint's, or by the state before the first fact.
    fn restore(&mut self, state: Option<Self::State>);
    /// Whether a clean shutdown waits for this work; other work is dropped.
    fn must_finish(work: &Self::Work) -> bool;
    /// The facts of one commit, which are applied already, as those that are recorded: fewer where one can say the same
    /// as several that follow one another. Applying these must give the same state.
    fn condense(facts: Vec<Self::Fact>) -> Vec<Self::Fact> {
        facts
    }
}

/// What a decider answers to an event: facts to record, then work to do.
#[derive(Debug)]
pub struct Decision<D: Decider + ?Sized> {
    /// To be recorded, in this order; already applied to the state.
    pub facts: Vec<D::Fact>,
    /// To be started once the facts are durable.
    pub work: Vec<D::Work>,
    /// For the caller who sent the event.
    pub answer: Option<D::Answer>,
}

impl<D: Decider + ?Sized> Default for Decision<D> {
    fn default() -> Self {
        Self { facts: Vec::new(), work: Vec::new(), answer: None }
    }
}
