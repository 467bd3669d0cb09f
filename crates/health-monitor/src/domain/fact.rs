//! What is recorded. Each fact is one JSON document; the state is what replaying all of them gives.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::order::ServiceName;

use super::evidence::Evidence;
use super::flapping::Flapping;
use super::fleet::{Pause, Storm, Tripped};
use super::health::Health;
use super::idempotency::KeyedRequest;
use super::incident::Incident;
use super::intent::Intended;
use super::network::Isolation;
use super::notification::Notification;
use super::notification::alarm::Alarm;
use super::operator_stop::OperatorStop;
use super::reading::{Severity, Status};
use super::reconfiguration::Reconfiguration;
use super::recovery::{Guard, Recovery};
use super::rollup::CheckRollup;

/// One recorded fact. A fact carries what was decided, never what to decide, so that replaying it does not
/// depend on the settings of the day.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Fact {
    /// The daemon began to decide: it was started, or its journal could be written again.
    MonitorStarted {
        /// Version of the daemon.
        version: Arc<str>,
    },
    /// A probe of a service failed.
    ServiceError(ServiceError),
    /// A probe of a service passed, and that changed something.
    ServicePass {
        /// Which service.
        service: ServiceName,
        /// How long the probe took, in seconds.
        response_time: f64,
        /// Whether it counts towards the proof of the recovery that is being verified.
        is_proof: bool,
        /// The health after it.
        health: Health,
    },
    /// What the checks of a service gave within one minute.
    CheckRollup(CheckRollup),
    /// The instance of a service was seen to be another one than before.
    InstanceSeen {
        /// Which service.
        service: ServiceName,
        /// Its identity.
        instance: String,
        /// Whether our own action made it.
        #[serde(default)]
        is_ours: bool,
    },
    /// A request began a recovery, and had a key.
    RequestKeyed(KeyedRequest),
    /// An incident began, changed or ended.
    Incident(Incident),
    /// What was seen of a service right before it was acted upon.
    Evidence(Box<Evidence>),
    /// A recovery began, went on or ended.
    Recovery(Box<Recovery>),
    /// A service has been healthy for long enough: attempts, back-off and quarantine are forgotten.
    ServiceStable {
        /// Which service.
        service: ServiceName,
    },
    /// The settings were changed while the daemon ran.
    Reconfigured(Reconfiguration),
    /// A service that was watched no longer is, or is again.
    ServiceWatched {
        /// Which service.
        service: ServiceName,
        /// Whether it is watched from now on.
        is_watched: bool,
    },
    /// Our own network went away or came back.
    OwnNetwork(Isolation),
    /// Many services went down together, or most are up again.
    Storm(Storm),
    /// The budget of actions was spent.
    BudgetTripped(Tripped),
    /// A service began to change between passing and failing, or ceased to.
    Flapping {
        /// Which service.
        service: ServiceName,
        /// What was seen; null when it ceased.
        flapping: Option<Flapping>,
    },
    /// Somebody else than us had a container of a service stopped, or started it again.
    OperatorStop {
        /// Which service.
        service: ServiceName,
        /// What stands stopped; null when nothing does any more.
        stop: Option<OperatorStop>,
    },
    /// The platform tells that somebody wants a service as it is, or no longer does.
    Intent {
        /// Which service.
        service: ServiceName,
        /// What for; null when it is over.
        intended: Option<Intended>,
    },
    /// A person holds healing back.
    Pause(Pause),
    /// A person lets healing go on.
    Resumed {
        /// Which service; null for what held all.
        service: Option<ServiceName>,
    },
    /// A person has ended what a guard was holding on to.
    GuardReset {
        /// Which guard.
        guard: Guard,
        /// Of which service; null for a guard of all.
        service: Option<ServiceName>,
        /// Why, in the words of whoever asked.
        reason: Option<String>,
    },
    /// Something that people are told of began, became worse or is over.
    Alarm(Box<Alarm>),
    /// A message to people was decided, is being sent, or has come to its end.
    Notification(Box<Notification>),
}

impl Fact {
    /// The service that it is about; none when it is about all.
    pub fn service(&self) -> Option<&ServiceName> {
        match self {
            Self::ServiceError(error) => Some(&error.service),
            Self::CheckRollup(minute) => Some(&minute.service),
            Self::RequestKeyed(request) => Some(&request.service),
            Self::ServicePass { service, .. }
            | Self::InstanceSeen { service, .. }
            | Self::ServiceStable { service }
            | Self::ServiceWatched { service, .. }
            | Self::Flapping { service, .. }
            | Self::OperatorStop { service, .. }
            | Self::Intent { service, .. } => Some(service),
            Self::Incident(incident) => Some(&incident.service),
            Self::Evidence(evidence) => Some(&evidence.service),
            Self::Recovery(recovery) => Some(&recovery.service),
            Self::Pause(pause) => pause.service.as_ref(),
            Self::Notification(notification) => notification.service.as_ref(),
            Self::Resumed { service } | Self::GuardReset { service, .. } => service.as_ref(),
            Self::MonitorStarted { .. }
            | Self::Reconfigured(_)
            | Self::OwnNetwork(_)
            | Self::Storm(_)
            | Self::Alarm(_)
            | Self::BudgetTripped(_) => None,
        }
    }
}

/// A failing probe.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ServiceError {
    /// Which service.
    pub service: ServiceName,
    /// The contract's word for it.
    pub status: Status,
    /// What was wrong.
    pub error: Arc<str>,
    /// How serious it is.
    pub severity: Severity,
    /// Whether it counted towards an action; it does not while an action is being carried out or verified.
    pub is_counted: bool,
    /// Whether the service was unhealthy before it already.
    pub is_repeated: bool,
    /// The health after it.
    pub health: Health,
}
