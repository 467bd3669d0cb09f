//! What a refusal was decided by: the inputs of each guard, as members beside the sentence.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::{Intent, OrderId, ServiceName};

use super::super::health::HealthState;
use super::super::network::Witness;
use super::super::policy::Mode;
use super::super::recovery::{Guard, Phase};

/// The inputs that led a guard to refuse.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "guard", rename_all = "snake_case")]
pub enum GuardInputs {
    /// After its own start the daemon only observes for a while.
    Observing {
        /// Until when.
        #[schema(value_type = String, format = DateTime)]
        until: Timestamp,
    },
    /// The failures speak of configuration.
    Configuration {
        /// What the service answered.
        error: String,
    },
    /// The last look before acting failed through our own fault.
    OwnFault {
        /// What failed.
        error: String,
        /// Until when nothing is done.
        #[schema(value_type = String, format = DateTime)]
        until: Timestamp,
    },
    /// Our own network is gone.
    OwnNetwork {
        /// Since when.
        #[schema(value_type = String, format = DateTime)]
        since: Timestamp,
        /// What the witnesses said.
        witnesses: Vec<Witness>,
    },
    /// Many services went down together, and another one's turn it is.
    Storm {
        /// Since when the storm lasts.
        #[schema(value_type = String, format = DateTime)]
        since: Timestamp,
        /// Services that had gone down together.
        down: usize,
        /// Services that could have.
        eligible: usize,
        /// Whose turn it is.
        #[schema(value_type = String)]
        in_turn: ServiceName,
    },
    /// As many recoveries are under way, or were made lately, as are allowed.
    Budget(BudgetInputs),
    /// No recovery backend reaches the service.
    Backend {
        /// What the platform said; null when no backend is configured.
        error: Option<String>,
    },
    /// The last attempt is too recent.
    CoolDown {
        /// When the last attempt was started.
        #[schema(value_type = Option<String>, format = DateTime)]
        last_attempt_at: Option<Timestamp>,
        /// Attempts since the service was last stable; each doubles the wait.
        attempts: u32,
        /// How long is waited after that attempt, in whole seconds.
        wait_seconds: u64,
        /// Until when.
        #[schema(value_type = String, format = DateTime)]
        until: Timestamp,
    },
    /// Too many attempts within an hour.
    Quarantine {
        /// Since when no more are made; null when this refusal begins it.
        #[schema(value_type = Option<String>, format = DateTime)]
        since: Option<Timestamp>,
        /// Attempts within the span.
        attempts: usize,
        /// Attempts that are allowed within it.
        allowed: u32,
        /// The span in seconds.
        within_seconds: u64,
    },
    /// It changes between passing and failing all the time.
    Flapping {
        /// Since when.
        #[schema(value_type = String, format = DateTime)]
        since: Timestamp,
        /// Percent of its last results that differed from the one before, when it began.
        percent: u32,
    },
    /// Somebody else keeps replacing its instance.
    Churn {
        /// Changes of its instance by others within the span.
        changes: usize,
        /// Changes that are borne within it.
        allowed: usize,
        /// The span in seconds.
        within_seconds: u64,
        /// Until when.
        #[schema(value_type = String, format = DateTime)]
        until: Timestamp,
    },
    /// A person paused healing.
    Paused(PauseInputs),
    /// A person announced work.
    Maintenance(PauseInputs),
    /// Somebody had it stopped.
    OperatorStop {
        /// When, by the clock of the platform.
        #[schema(value_type = String, format = DateTime)]
        stopped_at: Timestamp,
        /// The containers that stand stopped.
        containers: Vec<String>,
    },
    /// The platform says that it is to be as it is.
    Intent {
        /// What for.
        intent: Intent,
        /// Since when we know it.
        #[schema(value_type = String, format = DateTime)]
        since: Timestamp,
        /// Until when a rollout is given time; null for what somebody has to end.
        #[schema(value_type = Option<String>, format = DateTime)]
        until: Option<Timestamp>,
    },
    /// A service that it needs is down, or has just come back.
    Dependency {
        /// Which one.
        #[schema(value_type = String)]
        needs: ServiceName,
        /// Its health.
        state: HealthState,
        /// Since when it is in that state.
        #[schema(value_type = String, format = DateTime)]
        since: Timestamp,
        /// Until when it is waited; null while that one is down.
        #[schema(value_type = Option<String>, format = DateTime)]
        until: Option<Timestamp>,
    },
    /// The instance was changed by somebody else and is still starting.
    StartPeriod {
        /// Until when it is given time.
        #[schema(value_type = String, format = DateTime)]
        until: Timestamp,
    },
    /// The healing mode does not act.
    Mode {
        /// The mode.
        mode: Mode,
    },
    /// A recovery of the service is under way already.
    InFlight {
        /// Which one.
        #[schema(value_type = String, format = Uuid)]
        recovery_id: OrderId,
        /// How far it is.
        phase: Phase,
    },
}

/// Which limit of the budget was reached.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "limit", rename_all = "snake_case")]
pub enum BudgetInputs {
    /// One recovery at a time within a failure domain.
    FailureDomain {
        /// The domain.
        failure_domain: String,
        /// Which service of it is being recovered.
        #[schema(value_type = String)]
        under_way: ServiceName,
    },
    /// Recoveries at a time.
    AtATime {
        /// Recoveries under way.
        under_way: usize,
        /// Recoveries that are allowed at a time.
        allowed: usize,
    },
    /// Actions within a span: a person has to reset it.
    Actions {
        /// Since when it is spent.
        #[schema(value_type = String, format = DateTime)]
        since: Timestamp,
        /// Actions within the span.
        actions: usize,
        /// Actions that are allowed within it.
        allowed: usize,
        /// The span in seconds.
        within_seconds: u64,
    },
    /// Share of the services that is acted upon within a span.
    Share {
        /// Services that were acted upon within the span.
        services: usize,
        /// Services that may be.
        allowed: usize,
        /// Services that the share is taken of.
        eligible: usize,
        /// The share in percent.
        percent: u32,
        /// The span in seconds.
        within_seconds: u64,
        /// Until when.
        #[schema(value_type = String, format = DateTime)]
        until: Timestamp,
    },
}

/// The will of a person.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PauseInputs {
    /// Which service it holds back; null for all.
    #[schema(value_type = Option<String>)]
    pub service: Option<ServiceName>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Until when.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Why, in the words of whoever asked.
    pub why: Option<String>,
}

impl GuardInputs {
    /// The guard whose inputs these are.
    pub fn guard(&self) -> Guard {
        match self {
            Self::Observing { .. } => Guard::Observing,
            Self::Configuration { .. } => Guard::Configuration,
            Self::OwnFault { .. } => Guard::OwnFault,
            Self::OwnNetwork { .. } => Guard::OwnNetwork,
            Self::Storm { .. } => Guard::Storm,
            Self::Budget(_) => Guard::Budget,
            Self::Backend { .. } => Guard::Backend,
            Self::CoolDown { .. } => Guard::CoolDown,
            Self::Quarantine { .. } => Guard::Quarantine,
            Self::Flapping { .. } => Guard::Flapping,
            Self::Churn { .. } => Guard::Churn,
            Self::Paused(_) => Guard::Paused,
            Self::Maintenance(_) => Guard::Maintenance,
            Self::OperatorStop { .. } => Guard::OperatorStop,
            Self::Intent { .. } => Guard::Intent,
            Self::Dependency { .. } => Guard::Dependency,
            Self::StartPeriod { .. } => Guard::StartPeriod,
            Self::Mode { .. } => Guard::Mode,
            Self::InFlight { .. } => Guard::InFlight,
        }
    }
}
