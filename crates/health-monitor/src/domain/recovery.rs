//! One attempt to recover a service, from the decision to the proof.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::{Action, FileChange, OrderId, ServiceName, Stage, Target};

use super::evidence::EvidenceLink;
use super::guard::GuardInputs;
use super::reading::ErrorEntry;

/// Who wanted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// The failures of the service.
    Automatic,
    /// A request.
    Manual,
}

impl Trigger {
    /// Both, for what is asked for by trigger.
    pub const ALL: [Self; 2] = [Self::Automatic, Self::Manual];

    /// The word that API, documents and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::Manual => "manual",
        }
    }
}

/// How far a recovery is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// One last look, on a fresh connection, whether anything needs doing.
    Preflight,
    /// The order is with the platform.
    Acting,
    /// The platform has answered; probes have to prove it.
    Verifying,
    /// The verdict is in; what was kept of before is discarded or put back.
    Concluding,
    /// Over; the outcome says how.
    Finished,
}

/// How a recovery ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The action was carried out, and the service passes its probes again.
    Recovered,
    /// The action was carried out, and the service still fails at the end of the verification.
    NotRecovered,
    /// The platform did not carry the action out.
    ActionFailed,
    /// The service passes again although no action took effect.
    SelfRecovered,
    /// A guard held it back; nothing was done.
    Suppressed,
    /// Something else came first: somebody else changed the instance, or we were interrupted before acting.
    Superseded,
    /// Whether the action took effect could not be found out.
    UnknownOutcome,
}

impl Outcome {
    /// Every outcome, for what is listed or counted by outcome.
    pub const ALL: [Self; 7] = [
        Self::Recovered,
        Self::NotRecovered,
        Self::ActionFailed,
        Self::SelfRecovered,
        Self::Suppressed,
        Self::Superseded,
        Self::UnknownOutcome,
    ];

    /// The word that API, documents and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Recovered => "recovered",
            Self::NotRecovered => "not_recovered",
            Self::ActionFailed => "action_failed",
            Self::SelfRecovered => "self_recovered",
            Self::Suppressed => "suppressed",
            Self::Superseded => "superseded",
            Self::UnknownOutcome => "unknown_outcome",
        }
    }
}

/// What holds a recovery back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Guard {
    /// A service is only observed at first: after the daemon's own start, and after it was added.
    Observing,
    /// The failures speak of configuration, which a restart does not mend.
    Configuration,
    /// The last look before acting failed through our own fault.
    OwnFault,
    /// Our own network is gone.
    OwnNetwork,
    /// Many services went down together; they are healed one at a time.
    Storm,
    /// As many recoveries are under way, or were made lately, as are allowed.
    Budget,
    /// No recovery backend reaches the service.
    Backend,
    /// The last attempt is too recent.
    CoolDown,
    /// Too many attempts within an hour.
    Quarantine,
    /// It changes between passing and failing all the time.
    Flapping,
    /// Somebody else keeps replacing its instance.
    Churn,
    /// A person paused healing.
    Paused,
    /// A person announced work on it.
    Maintenance,
    /// Somebody had it stopped, and that is respected.
    OperatorStop,
    /// The platform says that it is to be as it is: a rollout is on its way, or nothing of it is to run.
    Intent,
    /// A service that it needs is down.
    Dependency,
    /// The instance was changed by somebody else and is still starting.
    StartPeriod,
    /// The healing mode is dry run or observe.
    Mode,
    /// A recovery of the service is under way already.
    InFlight,
}

impl Guard {
    /// Every guard, for what is listed or counted by guard.
    pub const ALL: [Self; 19] = [
        Self::Observing,
        Self::Configuration,
        Self::OwnFault,
        Self::OwnNetwork,
        Self::Storm,
        Self::Budget,
        Self::Backend,
        Self::CoolDown,
        Self::Quarantine,
        Self::Flapping,
        Self::Churn,
        Self::Paused,
        Self::Maintenance,
        Self::OperatorStop,
        Self::Intent,
        Self::Dependency,
        Self::StartPeriod,
        Self::Mode,
        Self::InFlight,
    ];

    /// The word that API, documents and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Observing => "observing",
            Self::Configuration => "configuration",
            Self::OwnFault => "own_fault",
            Self::OwnNetwork => "own_network",
            Self::Storm => "storm",
            Self::Budget => "budget",
            Self::Backend => "backend",
            Self::CoolDown => "cool_down",
            Self::Quarantine => "quarantine",
            Self::Flapping => "flapping",
            Self::Churn => "churn",
            Self::Paused => "paused",
            Self::Maintenance => "maintenance",
            Self::OperatorStop => "operator_stop",
            Self::Intent => "intent",
            Self::Dependency => "dependency",
            Self::StartPeriod => "start_period",
            Self::Mode => "mode",
            Self::InFlight => "in_flight",
        }
    }

    /// Whether its end comes from elsewhere than from the service itself.
    pub fn is_shared(self) -> bool {
        match self {
            Self::OwnNetwork
            | Self::Storm
            | Self::Budget
            | Self::Paused
            | Self::Maintenance
            | Self::Intent
            | Self::Dependency => true,
            Self::Observing
            | Self::Configuration
            | Self::OwnFault
            | Self::Backend
            | Self::CoolDown
            | Self::Quarantine
            | Self::Flapping
            | Self::Churn
            | Self::OperatorStop
            | Self::StartPeriod
            | Self::Mode
            | Self::InFlight => false,
        }
    }
}

/// One attempt to recover a service. The whole record is written again at each phase; times that have not come
/// are null.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Recovery {
    /// Identity; also the idempotency key towards the platform.
    #[schema(value_type = String, format = Uuid)]
    pub recovery_id: OrderId,
    /// The incident that it belongs to. A request that was refused while there was none stands for itself: its own
    /// identity.
    #[schema(value_type = String, format = Uuid)]
    pub incident_id: OrderId,
    /// Which service.
    #[schema(value_type = String)]
    pub service: ServiceName,
    /// Who wanted it.
    pub trigger: Trigger,
    /// What is done.
    pub action: Action,
    /// What it is done to.
    pub target: Target,
    /// How far it is.
    pub phase: Phase,
    /// How it ended; null until then.
    pub outcome: Option<Outcome>,
    /// Why it ended so, or what is known so far, in a sentence.
    pub reason: Option<String>,
    /// What held it back; null when nothing did.
    pub guard: Option<Guard>,
    /// What that guard went by; null when nothing held it back.
    #[serde(default)]
    pub guard_inputs: Option<Box<GuardInputs>>,
    /// True when only the healing mode kept it from acting.
    pub would_act: bool,
    /// When the first failing probe began.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub failed_at: Option<Timestamp>,
    /// When the failures were enough.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub detected_at: Option<Timestamp>,
    /// When this attempt was decided.
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Timestamp,
    /// When the platform accepted the order.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub accepted_at: Option<Timestamp>,
    /// When the instance was first seen to be another one.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub instance_changed_at: Option<Timestamp>,
    /// When enough probes had passed.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verified_at: Option<Timestamp>,
    /// When it was over.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub finished_at: Option<Timestamp>,
    /// From the first failure to the proof, in seconds; null for a service that had not failed.
    pub time_to_recover_seconds: Option<f64>,
    /// Whether the platform may have done something: counts towards quarantine.
    pub has_acted: bool,
    /// The how-manieth attempt of the incident, from 1.
    pub attempt: u32,
    /// The step of the ladder that it takes, from 1.
    #[serde(default)]
    pub step: usize,
    /// Actions of earlier steps that were passed over because they have seldom helped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Action>,
    /// Consecutive failures when it was decided.
    pub failure_count: u32,
    /// The last five errors before it.
    pub recent_errors: Vec<ErrorEntry>,
    /// What was seen right before the action.
    #[serde(default)]
    pub evidence: Option<EvidenceLink>,
    /// Consecutive passes that prove the recovery.
    pub passes: u32,
    /// Identity of the instance before the action, where the platform can tell.
    pub instance_before: Option<String>,
    /// Identity of the instance after the action, where the platform can tell.
    pub instance_after: Option<String>,
    /// Whether the platform can tell one instance from another.
    pub tells_instances: bool,
    /// What the proof has given, for an action that keeps what was before until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Outcome>,
    /// The file that was changed, for an action that changes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<FileChange>,
    /// How often it was ordered to discard what was kept, or to put it back.
    #[serde(default)]
    pub conclusion_tries: u32,
    /// Why the last of these orders was not carried out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion_error: Option<String>,
    /// When that is ordered again unless it has been done.
    #[serde(default)]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub conclude_at: Option<Timestamp>,
    /// The next attempt is not made before this.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub not_before: Option<Timestamp>,
    /// When the verification ends.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub verify_until: Option<Timestamp>,
}

impl Recovery {
    /// Whether it is a request that was refused while there was no incident.
    pub fn stands_alone(&self) -> bool {
        self.recovery_id == self.incident_id
    }

    /// From when on a passing probe proves something: the instance must have changed, or, where the platform
    /// cannot tell instances apart, the order must have been answered.
    pub fn passes_count_from(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Verifying if self.tells_instances => self.instance_changed_at,
            Phase::Verifying => Some(self.accepted_at.unwrap_or(self.started_at)),
            Phase::Preflight | Phase::Acting | Phase::Concluding | Phase::Finished => None,
        }
    }

    /// Whether it may have put something aside that has to be removed or put back.
    pub fn keeps_something(&self) -> bool {
        self.has_acted && self.action.keeps_previous()
    }

    /// Until when its end lets nothing else begin: something was just put back, or an order may still be with the
    /// platform although nobody waits for it any more.
    pub fn rests_until(&self) -> Option<Timestamp> {
        let is_abandoned = self.has_acted && self.outcome == Some(Outcome::Superseded);
        self.not_before.filter(|_| is_abandoned || self.verdict.is_some())
    }

    /// Whether the verdict is that the service is well.
    pub fn is_well(&self) -> bool {
        matches!(self.verdict, Some(Outcome::Recovered | Outcome::SelfRecovered))
    }

    /// What the verdict asks for.
    pub fn conclusion(&self) -> Stage {
        if self.is_well() { Stage::Keep } else { Stage::Revert }
    }
}
