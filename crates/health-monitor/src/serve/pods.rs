//! Watches the pods of a cluster: what happens to one has its service looked at now, and not at its next slot.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::select_all;
use futures_util::{Stream, StreamExt};
use shared::backoff::Backoff;
use shared::engine::{Handle, Unhandled};
use shared::order::{ServiceName, Unreachable};
use shared::platform::PlatformSettings;
use shared::platform::kubernetes::{Access, WATCH, Workload};
use tokio::sync::watch;
use tokio::time::timeout;

use super::hints::Hints;
use crate::config::Config;
use crate::domain::supervisor::{Event, Supervisor};
use crate::perform::Performer;

/// Changes that come within this time of the first are taken together.
const TOGETHER: Duration = Duration::from_millis(20);
/// Changes that are taken together at most.
const AT_ONCE: usize = 1_000;
/// Pauses before a watch is begun again that could not be, or that ended.
const RETRY: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
/// Services whose pods are watched: finding the workload of each costs a few questions, every time a watch begins.
const SERVICES: usize = 500;

/// Whose pods are watched.
#[derive(Clone, Default, PartialEq, Eq)]
pub(super) struct Clustered {
    access: Option<Access>,
    services: Vec<ServiceName>,
}

impl Clustered {
    /// The services that this configuration heals through Kubernetes.
    pub(super) fn new(config: &Config) -> Self {
        let (mut access, mut services) = (None, Vec::new());
        for (name, settings) in &config.platforms {
            if let PlatformSettings::Kubernetes(kubernetes) = settings {
                access.get_or_insert_with(|| kubernetes.access.clone());
                services.push(name.clone());
            }
        }
        services.truncate(SERVICES);
        Self { access, services }
    }
}

/// Why no pod is watched any longer.
enum Unwatched {
    Because(String),
    ShuttingDown,
}

/// Where hints go.
pub(super) struct PodWatch {
    /// Whose pods matter, under the configuration that holds.
    pub(super) hints: watch::Receiver<Arc<Hints>>,
    /// Who decides.
    pub(super) engine: Handle<Supervisor>,
    /// Who finds workloads.
    pub(super) performer: Performer,
}

impl PodWatch {
    /// Watches the pods of the configuration that holds, for ever.
    pub(super) async fn run(self) {
        let mut changes = self.hints.clone();
        loop {
            let clustered = changes.borrow_and_update().clustered().clone();
            let is_another = |other: &Arc<Hints>| *other.clustered() != clustered;
            let has_ended = match &clustered.access {
                Some(access) => tokio::select! {
                    changed = changes.wait_for(is_another) => changed.is_err(),
                    () = self.listen(access, &clustered.services) => true,
                },
                None => changes.wait_for(is_another).await.is_err(),
            };
            if has_ended {
                return;
            }
        }
    }

    /// Hands on what the API server tells, until the daemon ends. While it tells nothing, it is asked at a growing pace.
    async fn listen(&self, access: &Access, services: &[ServiceName]) {
        let mut failures = 0;
        loop {
            let mut has_heard = false;
            match self.follow(access, services, &mut has_heard).await {
                Ok(()) => failures = if has_heard { 1 } else { failures + 1 },
                Err(Unwatched::ShuttingDown) => return,
                Err(Unwatched::Because(reason)) => {
                    if failures == 0 {
                        tracing::warn!(
                            "{reason}; meanwhile it is seen at the next probe, and not at once, when a pod dies"
                        );
                    }
                    failures += 1;
                }
            }
            tokio::time::sleep(RETRY.after(failures, rand::random())).await;
        }
    }

    /// Follows the pods of all namespaces in use, until one of the watches ends. Whole watches go by without a change: that
    /// is no failure, so it counts as having heard something when the API server has ended one by itself.
    async fn follow(
        &self,
        access: &Access,
        services: &[ServiceName],
        has_heard: &mut bool,
    ) -> Result<(), Unwatched> {
        let workloads = self.workloads(services).await?;
        let namespaces: BTreeSet<&str> = workloads.keys().map(|one| one.namespace.as_str()).collect();
        let ends = futures_util::stream::iter([None]);
        let mut watches = Vec::new();
        for namespace in namespaces {
            let changes = access.pod_changes(namespace).await;
            let changes = changes.map_err(|failure| Unwatched::Because(failure.to_string()))?;
            watches.push(Box::pin(changes.map(Some).chain(ends.clone())));
        }
        tracing::debug!(namespaces = watches.len(), "watching the pods");
        let mut changes = pin!(select_all(watches));
        let heard = async {
            while let Some(Some(first)) = changes.next().await {
                *has_heard = true;
                let (changed, goes_on) = together(first, changes.as_mut()).await;
                let hinted: BTreeSet<&ServiceName> =
                    changed.iter().filter_map(|one| workloads.get(one)).flatten().collect();
                for service in hinted {
                    match self.engine.ask(Event::Hinted { service: service.clone() }).await {
                        // A hint that is lost only costs time.
                        Ok(_) | Err(Unhandled::Overloaded | Unhandled::Journal(_)) => {}
                        Err(Unhandled::ShuttingDown) => return Err(Unwatched::ShuttingDown),
                    }
                }
                if !goes_on {
                    break;
                }
            }
            Ok(())
        };
        match timeout(WATCH, heard).await {
            Ok(ended) => ended,
            Err(_) => {
                *has_heard = true;
                Ok(())
            }
        }
    }

    /// The services by their workloads. The error says why there is none at all.
    async fn workloads(
        &self,
        services: &[ServiceName],
    ) -> Result<BTreeMap<Workload, Vec<ServiceName>>, Unwatched> {
        let mut found = BTreeMap::<Workload, Vec<ServiceName>>::new();
        let mut unfound = None;
        for service in services {
            match self.performer.workload(service).await {
                Some(Ok(workload)) => found.entry(workload).or_default().push(service.clone()),
                Some(Err(Unreachable { reason })) => unfound = Some(reason),
                None => {}
            }
        }
        match unfound {
            Some(reason) if found.is_empty() => Err(Unwatched::Because(reason)),
            Some(reason) => {
                tracing::debug!(reason, "the pods of a service are not watched");
                Ok(found)
            }
            None => Ok(found),
        }
    }
}

/// This change and those that come right after it, and whether the watch goes on.
async fn together(
    first: Workload,
    mut changes: Pin<&mut impl Stream<Item = Option<Workload>>>,
) -> (BTreeSet<Workload>, bool) {
    let (mut changed, mut goes_on) = (BTreeSet::from([first]), true);
    let more = async {
        for _ in 1..AT_ONCE {
            match changes.next().await {
                Some(Some(workload)) => drop(changed.insert(workload)),
                Some(None) | None => {
                    goes_on = false;
                    return;
                }
            }
        }
    };
    // The time is up, or there are enough.
    let _ = timeout(TOGETHER, more).await;
    (changed, goes_on)
}
