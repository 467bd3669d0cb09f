//! Hints of the Docker Engine: what happens to a container has its service looked at now, and not at its next slot.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use rand::Rng;
use shared::engine::{Handle, Unhandled};
use shared::order::ServiceName;
use shared::platform::{ContainerEvent, DockerEvents, PlatformSettings};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::Config;
use crate::domain::policy::ProbeKind;
use crate::domain::supervisor::{Event, Supervisor};

/// Events that come within this time of the first are one hint for each service.
const TOGETHER: Duration = Duration::from_millis(20);
/// Events that are taken together at most.
const AT_ONCE: usize = 1_000;
/// Pause before the stream is opened again, the first time; it doubles.
const RETRY: Duration = Duration::from_secs(1);
/// Where the doubling ends.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// A stream is opened anew after this long: a connection that has died without a word tells nothing.
const FRESH: Duration = Duration::from_secs(600);

/// Whose containers are listened for.
pub(super) struct Hints {
    host: Option<String>,
    project: Option<String>,
    /// Services by the name of their containers.
    services: BTreeMap<String, Vec<ServiceName>>,
}

/// Why there are no hints.
enum NoHints {
    Unreachable(String),
    ShuttingDown,
}

/// Listens for the containers of the configuration that holds, for ever.
pub(super) async fn follow(mut hints: watch::Receiver<Arc<Hints>>, engine: Handle<Supervisor>) {
    loop {
        let current = Arc::clone(&hints.borrow_and_update());
        let has_ended = tokio::select! {
            changed = hints.changed() => changed.is_err(),
            () = current.watch(engine.clone()) => hints.changed().await.is_err(),
        };
        if has_ended {
            return;
        }
    }
}

impl Hints {
    /// Listens for the containers of this configuration.
    pub(super) fn new(config: &Config) -> Self {
        let (mut host, mut project) = (None, None);
        let mut services = BTreeMap::<String, Vec<ServiceName>>::new();
        for policy in &config.policy.services {
            let container = match (&policy.probe, config.platforms.get(&policy.name)) {
                (ProbeKind::Docker(containers), _) => {
                    (host, project) = (containers.host.clone(), containers.project.clone());
                    &containers.container
                }
                (_, Some(PlatformSettings::Docker(docker))) => {
                    (host, project) = (docker.host.clone(), docker.project.clone());
                    &docker.container
                }
                (_, Some(_) | None) => continue,
            };
            services.entry(container.clone()).or_default().push(policy.name.clone());
        }
        Self { host, project, services }
    }

    /// Tells the engine of the daemon, for ever. Without a Docker Engine it tries again at a growing pace: hints make
    /// the daemon faster, and it works without them.
    async fn watch(&self, engine: Handle<Supervisor>) {
        if self.services.is_empty() {
            return;
        }
        let mut pause = RETRY;
        loop {
            match timeout(FRESH, self.follow(&engine)).await {
                Err(_) => pause = RETRY,
                Ok(Ok(())) => {
                    tracing::info!("the Docker Engine tells no more events; asking again");
                    pause = RETRY;
                    rest(pause).await;
                }
                Ok(Err(NoHints::Unreachable(reason))) => {
                    tracing::debug!(reason, "no hints from the Docker Engine");
                    rest(pause).await;
                    pause = (pause * 2).min(RETRY_MAX);
                }
                Ok(Err(NoHints::ShuttingDown)) => return,
            }
        }
    }

    /// Follows the events until they end.
    async fn follow(&self, engine: &Handle<Supervisor>) -> Result<(), NoHints> {
        let unreachable = |reason: String| NoHints::Unreachable(reason);
        let events =
            DockerEvents::new(self.host.as_deref()).map_err(|error| unreachable(error.to_string()))?;
        let events = events.follow().await.map_err(|error| unreachable(error.reason))?;
        tracing::debug!("listening for the events of the Docker Engine");
        let mut events = pin!(events);
        while let Some(first) = events.next().await {
            for service in self.hinted(first, events.as_mut()).await {
                match engine.ask(Event::Hinted { service }).await {
                    // A hint that is lost only costs time.
                    Ok(_) | Err(Unhandled::Overloaded | Unhandled::Journal(_)) => {}
                    Err(Unhandled::ShuttingDown) => return Err(NoHints::ShuttingDown),
                }
            }
        }
        Ok(())
    }

    /// Whom this event, and those that come right after it, are about.
    async fn hinted(
        &self,
        first: ContainerEvent,
        mut events: std::pin::Pin<&mut impl Stream<Item = ContainerEvent>>,
    ) -> BTreeSet<ServiceName> {
        let mut hinted = BTreeSet::from_iter(self.services_of(&first));
        let more = async {
            for _ in 0..AT_ONCE {
                let Some(event) = events.next().await else { return };
                hinted.extend(self.services_of(&event));
            }
        };
        // The time is up, or there are enough.
        let _ = timeout(TOGETHER, more).await;
        hinted
    }

    fn services_of(&self, event: &ContainerEvent) -> Vec<ServiceName> {
        let names = [event.service.as_deref(), Some(event.name.as_str())];
        let known = names.into_iter().flatten().filter(|name| event.is_about(name, self.project.as_deref()));
        known.filter_map(|name| self.services.get(name)).flatten().cloned().collect()
    }
}

/// A pause with variation, so that many daemons do not come back in step.
async fn rest(pause: Duration) {
    let part = rand::rng().random_range(0.5..1.0);
    tokio::time::sleep(pause.mul_f64(part)).await;
}
