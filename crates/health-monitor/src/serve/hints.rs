//! Hints of the Docker Engine: what happens to a container has its service looked at now, and not at its next slot; and
//! containers that come and go have the labels looked at.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use shared::backoff::Backoff;
use shared::engine::{Handle, Unhandled};
use shared::order::ServiceName;
use shared::platform::{ContainerEvent, DockerEvents, PlatformSettings};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::{Config, ENABLING};
use crate::domain::policy::ProbeKind;
use crate::domain::supervisor::{Event, Supervisor};

/// Events that come within this time of the first are one hint for each service.
const TOGETHER: Duration = Duration::from_millis(20);
/// Events that are taken together at most.
const AT_ONCE: usize = 1_000;
/// Pauses before a stream is opened again that could not be.
const RETRY: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
/// A stream is opened anew after this long: a connection that has died without a word tells nothing.
const FRESH: Duration = Duration::from_secs(600);

/// Whose containers are listened for.
pub(super) struct Hints {
    host: Option<String>,
    project: Option<String>,
    /// Services by the name of their containers.
    services: BTreeMap<String, Vec<ServiceName>>,
    /// Whether containers are watched that ask for it by their labels.
    heeds_labels: bool,
}

/// Why there are no hints.
enum NoHints {
    Unreachable(String),
    ShuttingDown,
}

/// Where hints go.
pub(super) struct Listener {
    /// Whose containers matter, under the configuration that holds.
    pub(super) hints: watch::Receiver<Arc<Hints>>,
    /// Who probes them.
    pub(super) engine: Handle<Supervisor>,
    /// Counts the reasons to look at the labels of all containers.
    pub(super) looks: watch::Sender<u64>,
}

impl Hints {
    /// Listens for the containers of this configuration.
    pub(super) fn new(config: &Config) -> Self {
        let mut services = BTreeMap::<String, Vec<ServiceName>>::new();
        let mut project = None;
        for policy in &config.policy.services {
            let container = match (&policy.probe, config.platforms.get(&policy.name)) {
                (ProbeKind::Docker(containers), _) => {
                    project.clone_from(&containers.project);
                    &containers.container
                }
                (_, Some(PlatformSettings::Docker(docker))) => {
                    project.clone_from(&docker.project);
                    &docker.container
                }
                (_, Some(_) | None) => continue,
            };
            services.entry(container.clone()).or_default().push(policy.name.clone());
        }
        Self { host: config.docker_host.clone(), project, services, heeds_labels: config.docker_labels }
    }

    /// The engine that is listened to, if there is anything to hear.
    fn engine(&self) -> Option<&Option<String>> {
        (self.heeds_labels || !self.services.is_empty()).then_some(&self.host)
    }

    fn services_of(&self, event: &ContainerEvent) -> Vec<ServiceName> {
        if !event.is_of_health() {
            return Vec::new();
        }
        let names = [event.service.as_deref(), Some(event.name.as_str())];
        let known = names.into_iter().flatten().filter(|name| event.is_about(name, self.project.as_deref()));
        known.filter_map(|name| self.services.get(name)).flatten().cloned().collect()
    }

    fn changes_who_asks(&self, event: &ContainerEvent) -> bool {
        self.heeds_labels && event.is_of_presence() && ENABLING.iter().any(|label| event.has_label(label))
    }
}

impl Listener {
    /// Listens to the engine of the configuration that holds, for ever.
    pub(super) async fn run(self) {
        let mut changes = self.hints.clone();
        loop {
            let engine = changes.borrow_and_update().engine().cloned();
            let is_elsewhere = |hints: &Arc<Hints>| hints.engine().cloned() != engine;
            let has_ended = match &engine {
                Some(host) => tokio::select! {
                    changed = changes.wait_for(is_elsewhere) => changed.is_err(),
                    () = self.listen(host.as_deref()) => true,
                },
                None => changes.wait_for(is_elsewhere).await.is_err(),
            };
            if has_ended {
                return;
            }
        }
    }

    /// Hands on what the engine tells, until the daemon ends. Without a Docker Engine it tries again at a growing pace:
    /// hints make the daemon faster, and it works without them.
    async fn listen(&self, host: Option<&str>) {
        let mut failures = 0;
        loop {
            match timeout(FRESH, self.follow(host)).await {
                // Asked again without a pause.
                Err(_) => failures = 0,
                Ok(Ok(())) => {
                    tracing::info!("the Docker Engine tells no more events; asking again");
                    failures = 1;
                }
                Ok(Err(NoHints::Unreachable(reason))) => {
                    tracing::debug!(reason, "no hints from the Docker Engine");
                    failures += 1;
                }
                Ok(Err(NoHints::ShuttingDown)) => return,
            }
            if failures > 0 {
                tokio::time::sleep(RETRY.after(failures, rand::random())).await;
            }
        }
    }

    /// Follows the events until they end.
    async fn follow(&self, host: Option<&str>) -> Result<(), NoHints> {
        let unreachable = |reason: String| NoHints::Unreachable(reason);
        let events = DockerEvents::new(host).map_err(|error| unreachable(error.to_string()))?;
        let events = events.follow().await.map_err(|error| unreachable(error.reason))?;
        tracing::debug!("listening for the events of the Docker Engine");
        // Whatever came or went while nobody listened.
        self.have_labels_looked_at();
        let mut events = pin!(events);
        while let Some(first) = events.next().await {
            for service in self.hinted(first, events.as_mut()).await {
                match self.engine.ask(Event::Hinted { service }).await {
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
        mut events: Pin<&mut impl Stream<Item = ContainerEvent>>,
    ) -> BTreeSet<ServiceName> {
        let hints = Arc::clone(&self.hints.borrow());
        let (mut hinted, mut are_labels_stale) = (BTreeSet::new(), false);
        let mut heed = |event: &ContainerEvent| {
            hinted.extend(hints.services_of(event));
            are_labels_stale |= hints.changes_who_asks(event);
        };
        heed(&first);
        let more = async {
            for _ in 0..AT_ONCE {
                let Some(event) = events.next().await else { return };
                heed(&event);
            }
        };
        // The time is up, or there are enough.
        let _ = timeout(TOGETHER, more).await;
        if are_labels_stale {
            self.have_labels_looked_at();
        }
        hinted
    }

    fn have_labels_looked_at(&self) {
        self.looks.send_modify(|looks| *looks += 1);
    }
}
