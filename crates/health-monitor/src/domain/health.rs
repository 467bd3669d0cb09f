//! From readings to health: rise and fall, hard and soft.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

use super::policy::ServicePolicy;
use super::reading::{Class, Reading, Severity};

/// The health of a service, as far as probes tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum HealthState {
    /// Not known yet: neither up nor down.
    #[default]
    Unknown,
    /// Passes.
    Healthy,
    /// Fails, not often enough to act; or passes again, not often enough to trust.
    Suspect,
    /// Failed often enough to act.
    Unhealthy,
}

/// Health with the counters behind it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Health {
    /// The state.
    pub state: HealthState,
    /// Since when it is in this state.
    pub since: Timestamp,
    /// Consecutive failures of any severity.
    pub failures: u32,
    /// Those among them that were hard.
    pub hard: u32,
    /// Those among them that were soft.
    pub soft: u32,
    /// The newest of them that spoke of configuration; any other failure begins the count anew.
    pub configuration: u32,
    /// Consecutive passes since the last failure or action.
    pub passes: u32,
    /// When the first failure of the present trouble began.
    pub failed_at: Option<Timestamp>,
}

impl Health {
    /// The health after one more reading. A reading that is our own fault changes nothing.
    pub fn after(&self, reading: &Reading, policy: &ServicePolicy) -> Self {
        match reading.class {
            Class::Pass | Class::Degraded => self.after_pass(reading, policy),
            Class::Fail(severity) => self.after_failure(reading, severity, policy),
            Class::Error => self.clone(),
        }
    }

    fn after_pass(&self, reading: &Reading, policy: &ServicePolicy) -> Self {
        let passes = self.passes.saturating_add(1);
        let state = match self.state {
            HealthState::Unknown | HealthState::Healthy => HealthState::Healthy,
            HealthState::Suspect | HealthState::Unhealthy if passes >= policy.rise => HealthState::Healthy,
            unsettled @ (HealthState::Suspect | HealthState::Unhealthy) => unsettled,
        };
        let failed_at = if state == HealthState::Healthy { None } else { self.failed_at };
        Self {
            state,
            since: self.since_if(state, reading),
            failures: 0,
            hard: 0,
            configuration: 0,
            soft: 0,
            passes,
            failed_at,
        }
    }

    fn after_failure(&self, reading: &Reading, severity: Severity, policy: &ServicePolicy) -> Self {
        let (hard, soft, configuration) = match severity {
            Severity::Hard => (self.hard.saturating_add(1), self.soft, 0),
            Severity::Soft => (self.hard, self.soft.saturating_add(1), 0),
            // The service answers, so whatever failed hard before is over.
            Severity::Configuration => (0, 0, self.configuration.saturating_add(1)),
        };
        let failures = self.failures.saturating_add(1);
        let mut next = Self { failures, hard, soft, configuration, passes: 0, ..self.clone() };
        let is_down = next.calls_for_action(policy) || next.is_misconfigured(policy);
        next.state = if self.state == HealthState::Unhealthy || is_down {
            HealthState::Unhealthy
        } else {
            HealthState::Suspect
        };
        next.since = self.since_if(next.state, reading);
        if self.failures == 0 && self.state != HealthState::Unhealthy {
            next.failed_at = Some(reading.started_at);
        }
        next
    }

    fn since_if(&self, state: HealthState, reading: &Reading) -> Timestamp {
        if state == self.state { self.since } else { reading.finished_at }
    }

    /// Whether the failures speak of configuration, and are as many as it takes to say so.
    pub fn is_misconfigured(&self, policy: &ServicePolicy) -> bool {
        self.configuration >= policy.fall
    }

    /// Whether the failures are of the kind, and as many, that an action may mend.
    pub fn calls_for_action(&self, policy: &ServicePolicy) -> bool {
        self.hard >= policy.fall || self.hard + self.soft >= policy.fall_soft
    }

    /// Whether the next readings decide something, so that probes should come faster: suspect, or rising.
    pub fn is_unsettled(&self) -> bool {
        match self.state {
            HealthState::Suspect => true,
            HealthState::Unhealthy => self.passes > 0,
            HealthState::Unknown | HealthState::Healthy => false,
        }
    }
}
