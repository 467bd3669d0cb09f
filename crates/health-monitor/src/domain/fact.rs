//! What is recorded. Each fact is one JSON document; the state is what replaying all of them gives.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::order::ServiceName;

use super::health::Health;
use super::incident::Incident;
use super::reading::{Severity, Status};
use super::recovery::Recovery;

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
    /// The instance of a service was seen to be another one than before.
    InstanceSeen {
        /// Which service.
        service: ServiceName,
        /// Its identity.
        instance: String,
    },
    /// An incident began, changed or ended.
    Incident(Incident),
    /// A recovery began, went on or ended.
    Recovery(Box<Recovery>),
    /// A service has been healthy for long enough: attempts, back-off and quarantine are forgotten.
    ServiceStable {
        /// Which service.
        service: ServiceName,
    },
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
