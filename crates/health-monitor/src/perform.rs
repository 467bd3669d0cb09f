//! Carries out the work that the core has decided, and comes back with what happened.

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus_client::metrics::histogram::Histogram;
use shared::engine::{Perform, Performing};
use shared::order::{Action, Observed, Order, ServiceName, Stage, Unreachable};
use shared::platform::Platform;

use crate::domain::network::Witness;
use crate::domain::reading::{Answer, Measured};
use crate::domain::supervisor::{Event, Supervisor, Work};
use crate::probe::{Probes, Sentinels};

/// The hands of the daemon: probes and platforms.
#[derive(Clone)]
pub struct Performer {
    probes: Arc<Probes>,
    means: Arc<Means>,
    sentinels: Arc<Sentinels>,
    durations: Histogram,
}

/// By which means services are acted upon.
#[derive(Debug, Default)]
pub struct Means {
    /// What restarts each service; one entry for every one of them.
    pub platforms: BTreeMap<ServiceName, Platform>,
    /// Who is called for help, for every service that has such a step.
    pub escalations: BTreeMap<ServiceName, Platform>,
}

impl Performer {
    /// Every service must have its probe and its platform; `durations` gets each probe's duration in seconds.
    pub fn new(probes: Probes, means: Means, sentinels: Sentinels, durations: Histogram) -> Self {
        let (probes, means) = (Arc::new(probes), Arc::new(means));
        Self { probes, means, sentinels: Arc::new(sentinels), durations }
    }

    /// The function that the engine calls for each piece of work.
    pub fn into_perform(self) -> Perform<Supervisor> {
        Arc::new(move |work| self.clone().start(work))
    }

    /// Each kind of work has a future of its own: thousands of probes are under way at once, and a probe must not take
    /// the room of an order.
    fn start(self, work: Work) -> Performing<Supervisor> {
        match work {
            Work::Probe { service } => Box::pin(async move {
                let measured = self.measure(&service).await;
                Event::Probed { service, measured }
            }),
            Work::Preflight { service, recovery_id, peers } => Box::pin(async move {
                let (measured, observed, witnesses) =
                    tokio::join!(self.measure(&service), self.inspect(&service), self.consult_if(peers));
                Event::Preflighted { service, recovery_id, measured, observed, witnesses }
            }),
            Work::Consult { peers } => Box::pin(async move {
                let witnesses = self.sentinels.ask(&peers).await;
                Event::Consulted { witnesses }
            }),
            Work::Inspect { service, recovery_id } => Box::pin(async move {
                let observed = self.inspect(&service).await;
                Event::Inspected { service, recovery_id, observed }
            }),
            Work::Examine(order) => Box::pin(async move {
                let standing = match self.means.platforms.get(&order.service) {
                    Some(platform) => platform.examine(&order).await,
                    None => Err(Unreachable { reason: format!("{} has no platform", order.service) }),
                };
                Event::Examined { service: order.service, recovery_id: order.id, standing }
            }),
            Work::Perform(order) => Box::pin(async move { self.perform(order).await }),
        }
    }

    /// Probes one service. One that has no probe counts as our own fault.
    pub async fn measure(&self, service: &ServiceName) -> Measured {
        let measured = self.probes.measure(service).await.unwrap_or_else(|| Measured {
            started_at: shared::clock::Timestamp::default(),
            finished_at: shared::clock::Timestamp::default(),
            answer: Answer::OwnFault(format!("{service} has no probe")),
            name_found_at: None,
        });
        self.durations.observe(measured.finished_at.since(measured.started_at).as_secs_f64());
        measured
    }

    /// Asks the platform of a service for its instance.
    pub async fn inspect(&self, service: &ServiceName) -> Result<Observed, Unreachable> {
        match self.means.platforms.get(service) {
            Some(platform) => platform.inspect(service).await,
            None => Err(Unreachable { reason: format!("{service} has no platform") }),
        }
    }

    /// Asks the witnesses of our own network, if there are peers to be asked with them.
    async fn consult_if(&self, peers: Option<Vec<ServiceName>>) -> Option<Vec<Witness>> {
        match peers {
            Some(peers) => Some(self.sentinels.ask(&peers).await),
            None => None,
        }
    }

    async fn perform(&self, order: Order) -> Event {
        let action = order.action.as_str();
        let stage = order.stage.as_str();
        tracing::debug!(service = %order.service, action, stage, recovery_id = %order.id, "order given");
        let platform = match order.action {
            Action::Webhook => self.means.escalations.get(&order.service),
            Action::Restart | Action::Recreate | Action::UpdateConfiguration => {
                self.means.platforms.get(&order.service)
            }
        };
        let performed = match platform {
            Some(platform) => platform.perform(&order).await,
            None => {
                let reason = format!("{} has nothing that could carry out {action}", order.service);
                shared::order::Performed::NotRun { reason }
            }
        };
        let observed = match order.stage {
            Stage::Revert => self.inspect(&order.service).await.ok(),
            Stage::Act | Stage::Keep => None,
        };
        let change = match self.means.platforms.get(&order.service) {
            Some(platform) if order.stage == Stage::Act => platform.change(&order).await,
            Some(_) | None => None,
        };
        let Order { id, service, stage, .. } = order;
        Event::Performed { service, recovery_id: id, stage, performed, change, observed }
    }
}
