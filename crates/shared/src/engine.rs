//! The loop: decide, record, act.
//!
//! One task owns the [`Decider`]. Each turn takes everything that waits, lets the decider handle it with one
//! reading of the clock, records the facts of the whole turn in one commit, and only then publishes the view,
//! answers the callers and starts the work. That a record comes before its act is written here and nowhere
//! else.
//!
//! A commit that fails is treated as a crash that the process survives: the callers of the turn are told, the
//! state is rebuilt from the journal, and the decider decides anew, as it does after a restart.

mod decider;
mod handle;
mod turn;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinHandle, JoinSet};

use crate::clock::{Clock, Timestamp};
use crate::journal::{JournalError, Writer};

pub use decider::{Decider, Decision};
use handle::Call;
pub use handle::{Handle, Unhandled};
use turn::{Turn, refuse};

/// Carries out one piece of work and comes back with the event that tells the result.
pub type Perform<D> = Arc<dyn Fn(<D as Decider>::Work) -> Performing<D> + Send + Sync>;

/// Tells of a fact that has just been recorded: the log's way in.
pub type Tell<D> = fn(&<D as Decider>::Fact);

/// Work under way.
pub type Performing<D> = Pin<Box<dyn Future<Output = <D as Decider>::Event> + Send>>;

/// Events that may wait for the engine; senders of more have to wait themselves.
const QUEUE: usize = 4_096;
/// Events that one turn takes at most, so that a commit stays short.
const TURN: usize = 1_024;
/// How long after a failed commit the first further one is tried, and the longest pause between two.
const RETRY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));

/// A pause between two turns that is longer than this was no pause of ours: the host slept, or we were frozen.
/// Without that the engine turns at least once a second.
const SLEPT: Duration = Duration::from_secs(30);

/// The owner of a decider, its journal and its running work.
pub struct Engine<D: Decider> {
    decider: D,
    journal: Writer,
    clock: Arc<Clock>,
    perform: Perform<D>,
    tell: Tell<D>,
    calls: mpsc::Receiver<Call<D>>,
    view: watch::Sender<Arc<D::View>>,
    /// Work that a clean shutdown waits for.
    orders: JoinSet<D::Event>,
    /// Work that may be dropped at any time.
    errands: JoinSet<D::Event>,
    /// The state is being written down.
    checkpoint: Option<JoinHandle<()>>,
    turned_at: Timestamp,
    state: Condition,
}

/// Whether the engine can record, and so decide.
enum Condition {
    Working,
    /// The last commit failed.
    Failing {
        reason: Arc<str>,
        pause: Duration,
        needs_room: bool,
    },
    /// The journal is damaged or closed; only a new start helps.
    Lost,
}

impl<D: Decider> Engine<D> {
    /// Rebuilds the state from the journal. Nothing is decided or done before [`Engine::run`].
    pub async fn new(
        mut decider: D,
        journal: Writer,
        clock: Arc<Clock>,
        perform: Perform<D>,
        tell: Tell<D>,
    ) -> Result<(Self, Handle<D>), JournalError> {
        rebuild(&mut decider, &journal).await?;
        let now = clock.now();
        let (sender, calls) = mpsc::channel(QUEUE);
        let (view, receiver) = watch::channel(Arc::new(decider.view(now)));
        let handle = Handle { calls: sender, view: receiver, journal: journal.status() };
        let engine = Self {
            decider,
            journal,
            clock,
            perform,
            tell,
            calls,
            view,
            orders: JoinSet::new(),
            errands: JoinSet::new(),
            checkpoint: None,
            turned_at: now,
            state: Condition::Working,
        };
        Ok((engine, handle))
    }

    /// Runs until `shutdown` completes, then waits at most `drain` for the work that must finish, writes a
    /// checkpoint and closes the journal. Ends by itself when the journal is lost.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>, drain: Duration) {
        tokio::pin!(shutdown);
        if let Err(error) = self.restart().await {
            self.fail(&error, RETRY.0);
        }
        while !matches!(self.state, Condition::Lost) {
            tokio::select! {
                () = &mut shutdown => break,
                calls = self.wait() => match calls {
                    Some(calls) => self.turn(calls).await,
                    None => break,
                }
            }
        }
        self.drain(drain).await;
    }

    /// Waits for something to happen; none when nobody can call any more. While the journal fails, callers are
    /// refused and results are dropped, as a crash would.
    async fn wait(&mut self) -> Option<Vec<Call<D>>> {
        let pause = match &self.state {
            Condition::Failing { pause, .. } => *pause,
            Condition::Working | Condition::Lost => self.until_wakeup(),
        };
        let over = tokio::time::sleep(pause);
        tokio::pin!(over);
        loop {
            let mut waiting = Vec::new();
            tokio::select! {
                () = &mut over => return Some(waiting),
                taken = self.calls.recv_many(&mut waiting, TURN) => if taken == 0 { return None },
                Some(done) = self.orders.join_next() => waiting.extend(result(done)),
                Some(done) = self.errands.join_next() => waiting.extend(result(done)),
            }
            match &self.state {
                Condition::Failing { reason, .. } => {
                    refuse(waiting.into_iter().filter_map(|call| call.reply), reason);
                }
                Condition::Working | Condition::Lost => return Some(waiting),
            }
        }
    }

    fn until_wakeup(&self) -> Duration {
        // Without any deadline the engine still looks at the clock now and then; a wall clock may have stepped.
        const IDLE: Duration = Duration::from_secs(1);
        let now = self.clock.now();
        self.decider.next_wakeup().map_or(IDLE, |at| at.since(now).min(IDLE))
    }

    async fn turn(&mut self, mut waiting: Vec<Call<D>>) {
        if let Condition::Failing { pause, needs_room, .. } = self.state {
            return self.recover(pause, needs_room).await;
        }
        self.gather(&mut waiting).await;
        while waiting.len() < TURN {
            let Some(done) = self.orders.try_join_next().or_else(|| self.errands.try_join_next()) else {
                break;
            };
            waiting.extend(result(done));
        }
        let now = self.clock.now();
        let mut turn = Turn { decision: Decision::default(), answers: Vec::new() };
        if now.since(self.turned_at) > SLEPT {
            tracing::warn!(
                seconds = now.since(self.turned_at).as_secs(),
                "time has passed unseen; looking anew"
            );
            self.errands.abort_all();
            self.orders.abort_all();
            turn.add(self.decider.restarted(now), None);
        }
        for Call { event, reply } in waiting {
            let decision = self.decider.handle(event, now);
            turn.add(decision, reply);
        }
        if self.decider.next_wakeup().is_some_and(|at| at <= now) {
            let decision = self.decider.wake(now);
            turn.add(decision, None);
        }
        self.commit(turn, now).await;
        self.turned_at = self.clock.now();
    }

    /// Lets whoever is ready to call do so first, so that more of them share a commit: it takes as long as their tasks
    /// run, and no time when there are none.
    async fn gather(&mut self, waiting: &mut Vec<Call<D>>) {
        if !waiting.is_empty() {
            tokio::task::yield_now().await;
        }
        while waiting.len() < TURN
            && let Ok(call) = self.calls.try_recv()
        {
            waiting.push(call);
        }
    }

    /// The one place where a record comes before its act.
    async fn commit(&mut self, turn: Turn<D>, now: Timestamp) {
        let Turn { decision, answers } = turn;
        let facts = D::condense(decision.facts);
        match self.record(&facts, now).await {
            Ok(()) => {
                self.publish(now);
                for (reply, answer) in answers {
                    reply.send(Ok(answer));
                }
                self.start(decision.work);
            }
            Err(error) => {
                self.fail(&error, RETRY.0);
                refuse(answers.into_iter().map(|(reply, _)| reply), &error.to_string().into());
            }
        }
    }

    fn publish(&self, now: Timestamp) {
        self.view.send_replace(Arc::new(self.decider.view(now)));
    }

    fn start(&mut self, work: Vec<D::Work>) {
        for work in work {
            let running = if D::must_finish(&work) { &mut self.orders } else { &mut self.errands };
            running.spawn((self.perform)(work));
        }
    }

    async fn record(&mut self, facts: &[D::Fact], now: Timestamp) -> Result<(), JournalError> {
        if facts.is_empty() {
            return Ok(());
        }
        let appended = self.journal.append(now, facts).await?;
        facts.iter().for_each(self.tell);
        if appended.wants_checkpoint && self.checkpoint.as_ref().is_none_or(JoinHandle::is_finished) {
            self.checkpoint = Some(tokio::spawn(self.checkpoint()));
        }
        Ok(())
    }

    /// Writes down the state as it is after everything that was recorded so far; a snapshot of it, so that turns go on.
    fn checkpoint(&self) -> impl Future<Output = ()> + use<D> {
        let (journal, clock, state) =
            (self.journal.clone(), Arc::clone(&self.clock), self.decider.state().clone());
        let seq = journal.status().borrow().last_seq;
        async move {
            let began = clock.now();
            match journal.checkpoint(seq, state).await {
                Ok(bytes) => {
                    let milliseconds = clock.now().since(began).as_millis();
                    tracing::debug!(bytes, milliseconds, "checkpoint written");
                }
                // Without it the next start only takes longer, so the daemon goes on.
                Err(error) => tracing::warn!(%error, "the state could not be written down as a checkpoint"),
            }
        }
    }

    fn fail(&mut self, error: &JournalError, pause: Duration) {
        self.state = match error {
            JournalError::Closed | JournalError::Damaged(_) => Condition::Lost,
            JournalError::Full { .. } => {
                Condition::Failing { reason: reason(error), pause, needs_room: true }
            }
            JournalError::Locked { .. }
            | JournalError::Directory { .. }
            | JournalError::ReadOnly { .. }
            | JournalError::Format { .. }
            | JournalError::TooLarge { .. }
            | JournalError::Sqlite(_)
            | JournalError::Json(_) => Condition::Failing { reason: reason(error), pause, needs_room: false },
        };
        if pause == RETRY.0 {
            tracing::error!(%error, "the journal cannot be written; nothing is done until it can");
        }
        // What was under way is dropped, as a crash would; its results would speak of a state that is gone. An order
        // that went on would meet the one that is decided after looking at what it has done so far.
        self.errands.abort_all();
        self.orders.abort_all();
    }

    /// Goes on after a failed commit as after a crash: what was not recorded did not happen.
    async fn recover(&mut self, pause: Duration, needs_room: bool) {
        let outcome = match rebuild(&mut self.decider, &self.journal).await {
            Ok(()) => {
                if needs_room {
                    self.checkpoint().await;
                }
                self.restart().await
            }
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {
                tracing::info!("the journal can be written again");
                self.state = Condition::Working;
            }
            Err(error) => self.fail(&error, (pause * 2).min(RETRY.1)),
        }
        self.turned_at = self.clock.now();
    }

    /// Lets the decider decide from a state that was just rebuilt.
    async fn restart(&mut self) -> Result<(), JournalError> {
        let now = self.clock.now();
        let decision = self.decider.restarted(now);
        self.record(&decision.facts, now).await?;
        self.publish(now);
        self.start(decision.work);
        Ok(())
    }

    async fn drain(mut self, bound: Duration) {
        let over = tokio::time::sleep(bound);
        tokio::pin!(over);
        self.errands.abort_all();
        while !self.orders.is_empty() {
            tokio::select! {
                () = &mut over => {
                    let unfinished = self.orders.len();
                    tracing::warn!(unfinished, "work was still under way; the next start looks at reality");
                    break;
                }
                Some(done) = self.orders.join_next() => {
                    let now = self.clock.now();
                    let Some(call) = result::<D>(done) else { continue };
                    let decision = self.decider.handle(call.event, now);
                    // Only the facts: new work would not end before the daemon does.
                    if let Err(error) = self.record(&decision.facts, now).await {
                        // The state has it and the journal has not, so it must not become the checkpoint.
                        self.fail(&error, RETRY.0);
                        break;
                    }
                }
            }
        }
        self.orders.abort_all();
        if let Some(running) = self.checkpoint.take() {
            // It has told of its own failure.
            let _ = running.await;
        }
        if matches!(self.state, Condition::Working) {
            self.checkpoint().await;
        }
        if let Err(error) = self.journal.close().await {
            tracing::warn!(%error, "the journal did not close cleanly");
        }
    }
}

/// The result of a piece of work as an event; none when it was dropped or broke.
fn result<D: Decider>(done: Result<D::Event, tokio::task::JoinError>) -> Option<Call<D>> {
    match done {
        Ok(event) => Some(Call { event, reply: None }),
        Err(error) if error.is_cancelled() => None,
        Err(error) => {
            // The decider's own deadlines settle what was under way.
            tracing::error!(%error, "work ended without a result");
            None
        }
    }
}

fn reason(error: &JournalError) -> Arc<str> {
    error.to_string().into()
}

async fn rebuild<D: Decider>(decider: &mut D, journal: &Writer) -> Result<(), JournalError> {
    let replay = journal.replay::<D::State, D::Fact>().await?;
    decider.restore(replay.state);
    for (at, fact) in &replay.facts {
        decider.apply(*at, fact);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
