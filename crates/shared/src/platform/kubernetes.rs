//! Heals workloads of a Kubernetes cluster through its API server.

pub mod access;
mod anew;
mod configure;
mod events;
mod evict;
pub mod failure;
mod kept;
pub mod locate;
mod logs;
mod look;
pub mod ownership;
mod pods;
mod rollout;
mod variables;
pub mod workload;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::timeout;

pub use self::access::Access;
pub use self::events::WATCH;
pub use self::failure::{Failure, Fault, MissingRight};
use self::locate::{Found, Wanted};
pub use self::workload::{InvalidWorkload, Workload, WorkloadKind};
use super::{InvalidPlatform, Variables, not_ours};
use crate::clock::{Clock, Timestamp};
use crate::order::{Action, Observed, Order, Performed, ServiceName, Stage, Standing, Unreachable};

/// How long an order may take, looks included: it has ended before another instance can lead.
pub const ORDER_LIMIT: Duration = access::WRITE_LIMIT;
/// How long a workload that was found is taken for that of the service without another look.
const KNOWN_FOR: Duration = Duration::from_secs(30);

/// What an update of the configuration changes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KubernetesUpdate {
    /// The ConfigMap whose keys are changed; without one, variables of the workload's container.
    pub config_map: Option<String>,
    /// Keys or variables to set and to remove.
    pub variables: Variables,
}

/// Which workload heals a service, and how its API server is reached.
#[derive(Clone, Debug)]
pub struct KubernetesSettings {
    /// The way to the API server, one for all services.
    pub access: Access,
    /// The workload: `deployment/web` or `shop/deployment/web`; none for what the address leads to.
    pub workload: Option<String>,
    /// The host of the service's address.
    pub host: Option<String>,
    /// What an update of the configuration changes.
    pub update: Option<KubernetesUpdate>,
    /// How long a container may take until it is ready for the first time; later it hangs, and does not only start.
    pub start_period: Duration,
}

/// The workload of one service.
#[derive(Debug)]
pub struct Kubernetes {
    access: Access,
    wanted: Wanted,
    update: Option<KubernetesUpdate>,
    start_period: Duration,
    clock: Clock,
    known: Mutex<Option<(Workload, Timestamp)>>,
}

/// Whether an order has come to its first write: from then on nobody can say that nothing happened.
#[derive(Debug, Default)]
struct Attempt {
    begun: AtomicBool,
}

impl Attempt {
    fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    fn has_begun(&self) -> bool {
        self.begun.load(Ordering::Relaxed)
    }
}

impl Kubernetes {
    /// Checks the settings; connects to nothing.
    pub fn new(service: &ServiceName, settings: &KubernetesSettings) -> Result<Self, InvalidPlatform> {
        if let Some(text) = &settings.workload {
            Workload::parse(text, "default")
                .map_err(|error| InvalidPlatform { reason: error.to_string() })?;
        }
        let wanted = Wanted {
            service: service.as_str().to_owned(),
            workload: settings.workload.clone(),
            host: settings.host.clone(),
        };
        let (access, update) = (settings.access.clone(), settings.update.clone());
        let clock = Clock::starting_after(Timestamp::default());
        let start_period = settings.start_period;
        Ok(Self { access, wanted, update, start_period, clock, known: Mutex::default() })
    }

    /// What orders are aimed at, as far as the settings tell.
    pub(super) fn name(&self) -> &str {
        self.wanted.workload.as_deref().unwrap_or(&self.wanted.service)
    }

    /// The workload of the service. While the pods are gone that lead to it, the one that was found before.
    pub async fn workload(&self) -> Result<Workload, Unreachable> {
        let mut known = self.known.lock().await;
        let now = self.clock.now();
        if let Some((workload, at)) = known.as_ref().filter(|(_, at)| now < *at + KNOWN_FOR) {
            tracing::trace!(%workload, %at, "known");
            return Ok(workload.clone());
        }
        let workload = match (self.wanted.find(&self.access).await?, known.take()) {
            (Found::Guessed(_), Some((before, _))) => before,
            (Found::Certain(workload) | Found::Guessed(workload), _) => workload,
        };
        *known = Some((workload.clone(), now));
        Ok(workload)
    }

    /// The workload is looked for anew next time.
    async fn forget(&self) {
        *self.known.lock().await = None;
    }

    /// Looks at the workload and its pods, within 3 s.
    pub(super) async fn inspect(&self) -> Result<Observed, Unreachable> {
        match timeout(access::LOOK_LIMIT, self.look()).await {
            Ok(look) => Ok(look?.observed()),
            Err(_) => {
                let seconds = access::LOOK_LIMIT.as_secs();
                let reason = format!("look at {}: no answer within {seconds} s", self.name());
                Err(Unreachable { reason })
            }
        }
    }

    /// What there is of an order whose end is not known.
    pub(super) async fn examine(&self, order: &Order) -> Result<Standing, Unreachable> {
        match order.action {
            Action::Recreate => self.examine_rollout(order.id).await,
            Action::UpdateConfiguration => self.examine_update(order.id).await,
            Action::Restart | Action::Webhook => Ok(Standing::Untouched),
        }
    }

    /// Carries an order out, within 4 s.
    pub(super) async fn perform(&self, order: &Order) -> Performed {
        let attempt = Attempt::default();
        match timeout(ORDER_LIMIT, self.carry_out(&attempt, order)).await {
            Ok(performed) => performed,
            Err(_) => {
                let (action, seconds) = (order.action.as_str(), ORDER_LIMIT.as_secs());
                let reason = format!("{action} {}: not done within {seconds} s", self.name());
                if attempt.has_begun() {
                    Performed::Unknown { reason: format!("{reason}; it may have been carried out") }
                } else {
                    Performed::NotRun { reason }
                }
            }
        }
    }

    async fn carry_out(&self, attempt: &Attempt, order: &Order) -> Performed {
        match (order.action, order.stage) {
            (Action::Restart, _) => self.restart(attempt, order.id).await,
            (Action::Recreate, Stage::Act) => self.recreate(attempt, order.id).await,
            // The template is as it was but for the moment at which the pods were made anew.
            (Action::Recreate, Stage::Keep | Stage::Revert) => {
                Performed::AcceptedAs { how: "there is nothing to put back or to remove".to_owned() }
            }
            (Action::UpdateConfiguration, stage) => self.update(attempt, order.id, stage).await,
            (Action::Webhook, _) => not_ours("Kubernetes", order.action),
        }
    }
}
