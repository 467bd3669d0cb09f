//! Listens to the Docker Engine: what happens to a container has its service looked at now, and not at its next slot; who
//! stops one is remembered; and containers that come and go have the labels looked at.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use shared::backoff::Backoff;
use shared::engine::{Handle, Unhandled};
use shared::platform::{ContainerEvent, DockerEvents};
use tokio::sync::watch;
use tokio::time::timeout;

use super::hints::Hints;
use crate::domain::supervisor::{Event, Supervisor};
use crate::perform::Performer;

/// Events that come within this time of the first are taken together.
const TOGETHER: Duration = Duration::from_millis(20);
/// Events that are taken together at most.
const AT_ONCE: usize = 1_000;
/// Pauses before a stream is opened again that could not be.
const RETRY: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
/// A stream is opened anew after this long: a connection that has died without a word tells nothing.
const FRESH: Duration = Duration::from_secs(600);

/// Why nothing more is heard.
enum Unheard {
    Unreachable(String),
    /// An event could not be handed on, and has to be told again.
    Missed,
    ShuttingDown,
}

/// How far the events of an engine were handed on, in nanoseconds by its clock.
#[derive(Default)]
struct Position {
    /// Events after this are asked for.
    after: i64,
    /// Events up to this were hints before.
    heard: i64,
}

/// Where events go.
pub(super) struct Listener {
    /// Whose containers matter, under the configuration that holds.
    pub(super) hints: watch::Receiver<Arc<Hints>>,
    /// Who decides.
    pub(super) engine: Handle<Supervisor>,
    /// Who looks at containers.
    pub(super) performer: Performer,
    /// Counts the reasons to look at the labels of all containers.
    pub(super) looks: watch::Sender<u64>,
}

impl Listener {
    /// Listens to the engine of the configuration that holds, for ever.
    pub(super) async fn run(self) {
        let mut changes = self.hints.clone();
        let mut position = Position::default();
        loop {
            let hints = Arc::clone(&changes.borrow_and_update());
            let is_another = |other: &Arc<Hints>| **other != *hints;
            let has_ended = match hints.engine() {
                Some(host) => tokio::select! {
                    changed = changes.wait_for(is_another) => changed.is_err(),
                    () = self.listen(host.as_deref(), &mut position) => true,
                },
                None => changes.wait_for(is_another).await.is_err(),
            };
            if has_ended {
                return;
            }
            let is_elsewhere = changes.borrow().engine() != hints.engine();
            // What was told of a service before it was watched has to be told again.
            let heard = if is_elsewhere { 0 } else { position.heard };
            position = Position { after: 0, heard };
        }
    }

    /// Hands on what the engine tells, until the daemon ends. Without a Docker Engine it tries again at a growing pace.
    async fn listen(&self, host: Option<&str>, position: &mut Position) {
        let mut failures = 0;
        let mut has_warned = false;
        loop {
            let heard = position.heard;
            match timeout(FRESH, self.follow(host, position)).await {
                // Asked again without a pause.
                Err(_) => failures = 0,
                Ok(Ok(())) => {
                    tracing::info!("the Docker Engine tells no more events; asking again");
                    // One that tells nothing at all may not be allowed to.
                    failures = if position.heard > heard { 1 } else { failures + 1 };
                }
                Ok(Err(Unheard::Unreachable(reason))) => {
                    tracing::debug!(reason, "no events from the Docker Engine");
                    failures += 1;
                }
                Ok(Err(Unheard::Missed)) => failures += 1,
                Ok(Err(Unheard::ShuttingDown)) => return,
            }
            let is_deaf = failures > 1 && self.hints.borrow().respects_stops();
            if is_deaf && !has_warned {
                tracing::warn!(
                    "the Docker Engine tells no events, so who stops a container is not known: RESPECT_OPERATOR_STOP cannot be heeded meanwhile"
                );
            }
            has_warned = is_deaf;
            if failures > 0 {
                tokio::time::sleep(RETRY.after(failures, rand::random())).await;
            }
        }
    }

    /// Follows the events until they end.
    async fn follow(&self, host: Option<&str>, position: &mut Position) -> Result<(), Unheard> {
        let unreachable = |reason: String| Unheard::Unreachable(reason);
        let events = DockerEvents::new(host).map_err(|error| unreachable(error.to_string()))?;
        let events = events.follow(position.after).await.map_err(|error| unreachable(error.reason))?;
        tracing::debug!("listening for the events of the Docker Engine");
        // Whatever came or went while nobody listened.
        self.have_labels_looked_at();
        self.look_at_what_stands_stopped().await?;
        let mut events = pin!(events);
        while let Some(first) = events.next().await {
            let told = together(first, events.as_mut()).await;
            let hints = Arc::clone(&self.hints.borrow());
            if hints.change_who_asks(&told) {
                self.have_labels_looked_at();
            }
            for event in hints.meaning(&told, position.heard) {
                self.hand_on(event).await?;
            }
            let last = told.iter().map(|event| event.at_nanos).max().unwrap_or_default();
            *position = Position { after: position.after.max(last), heard: position.heard.max(last) };
        }
        Ok(())
    }

    async fn hand_on(&self, event: Event) -> Result<(), Unheard> {
        let is_hint = matches!(event, Event::Hinted { .. });
        match self.engine.ask(event).await {
            Ok(_) => Ok(()),
            // A hint that is lost only costs time.
            Err(Unhandled::Overloaded | Unhandled::Journal(_)) if is_hint => Ok(()),
            Err(Unhandled::Overloaded | Unhandled::Journal(_)) => Err(Unheard::Missed),
            Err(Unhandled::ShuttingDown) => Err(Unheard::ShuttingDown),
        }
    }

    /// Containers that stood stopped when nobody listened may have been started since, longer ago than the engine remembers.
    async fn look_at_what_stands_stopped(&self) -> Result<(), Unheard> {
        let hints = Arc::clone(&self.hints.borrow());
        let view = self.engine.view();
        for service in hints.services() {
            let stands_stopped = view.state.service(service).is_some_and(|one| one.operator_stop.is_some());
            if stands_stopped
                && self.performer.inspect(service).await.is_ok_and(|one| one.running == Some(true))
            {
                let service = service.clone();
                self.hand_on(Event::StoppedNoLonger { service, container: None, at: view.at }).await?;
            }
        }
        Ok(())
    }

    fn have_labels_looked_at(&self) {
        self.looks.send_modify(|looks| *looks += 1);
    }
}

/// This event and those that come right after it.
async fn together(
    first: ContainerEvent,
    mut events: Pin<&mut impl Stream<Item = ContainerEvent>>,
) -> Vec<ContainerEvent> {
    let mut told = vec![first];
    let more = async {
        while told.len() < AT_ONCE {
            let Some(event) = events.next().await else { return };
            told.push(event);
        }
    };
    // The time is up, or there are enough.
    let _ = timeout(TOGETHER, more).await;
    told
}
