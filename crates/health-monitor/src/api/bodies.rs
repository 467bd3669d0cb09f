//! The bodies of the answers: the contract's members, and ours beside them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use shared::clock::Timestamp;
use shared::order::OrderId;
use utoipa::ToSchema;

use super::availability::Availability;
use crate::domain::effect::Effect;
use crate::domain::fleet::{Pause, Storm, Tripped};
use crate::domain::guard::GuardInputs;
use crate::domain::network::{Isolation, Witness};
use crate::domain::reading::{ErrorEntry, Reading, Severity, Status};
use crate::domain::recovery::{Guard, Recovery};
use crate::domain::view::{View, Watched};

/// `GET /health`.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthBody {
    /// Always `healthy`: an answer is the proof.
    pub(super) status: &'static str,
    /// `health-monitor`.
    pub(super) service: &'static str,
    /// Now.
    #[schema(value_type = String, format = DateTime)]
    pub(super) timestamp: Timestamp,
    /// Whether documents are meant to go to Elasticsearch.
    pub(super) elasticsearch_enabled: bool,
}

/// What was last seen of one service.
#[derive(Serialize, ToSchema)]
pub(super) struct ServiceStatus {
    /// Its name.
    pub(super) service: String,
    /// The contract's word for the last probe.
    pub(super) status: Status,
    /// How long the probe took, in seconds; only when it passed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) response_time: Option<f64>,
    /// What was wrong; of a degraded pass what is about to be. Only then.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub(super) error: Option<Arc<str>>,
    /// When the probe ended.
    #[schema(value_type = String, format = DateTime)]
    pub(super) timestamp: Timestamp,
    /// The address of the service.
    pub(super) url: String,
    /// The class of the probe's result: pass, degraded, fail, error. `error` is the monitor's own fault and is never counted.
    #[schema(example = "pass")]
    pub(super) class: &'static str,
    /// How serious a failure is: hard, soft, configuration; null for any other class.
    pub(super) severity: Option<Severity>,
    /// The state of the service: unknown, healthy, suspect, unhealthy, recovering, verifying, quarantined,
    /// flapping, blocked, paused, maintenance.
    pub(super) state: &'static str,
    /// Consecutive failures.
    pub(super) failures: u32,
    /// Slots that were missed because the probe before was still under way.
    pub(super) missed_checks: u64,
    /// The incident that is open.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub(super) incident_id: Option<OrderId>,
    /// The recovery that is under way.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub(super) recovery_id: Option<OrderId>,
    /// Why nothing is being done about a service that fails.
    pub(super) held: Option<Held>,
}

/// Why nothing is being done.
#[derive(Serialize, ToSchema)]
pub(super) struct Held {
    /// Which guard.
    pub(super) guard: Guard,
    /// A sentence: why, and what ends it.
    pub(super) reason: String,
    /// When it ends by itself, if it does.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) until: Option<Timestamp>,
    /// What it was decided by.
    pub(super) inputs: Option<Box<GuardInputs>>,
}

impl ServiceStatus {
    /// A service as the view has it, with the given reading.
    pub(super) fn new(watched: &Watched<'_>, reading: &Reading) -> Self {
        let service = watched.service;
        Self {
            service: watched.policy.name.to_string(),
            status: reading.status,
            response_time: reading.passes().then(|| reading.response_time().as_secs_f64()),
            error: reading.error.clone(),
            timestamp: reading.finished_at,
            url: watched.policy.url.clone(),
            class: reading.class.as_str(),
            severity: reading.class.severity(),
            state: watched.state().as_str(),
            failures: service.map_or(0, |service| service.health.failures),
            missed_checks: watched.latest.missed,
            incident_id: service.and_then(|s| s.incident.as_ref()).map(|incident| incident.incident_id),
            recovery_id: service.and_then(|s| s.recovery.as_ref()).map(|recovery| recovery.recovery_id),
            held: watched.held().map(|refusal| Held {
                guard: refusal.guard,
                reason: refusal.reason,
                until: refusal.until,
                inputs: refusal.inputs,
            }),
        }
    }
}

/// `GET /statistics`.
#[derive(Serialize, ToSchema)]
pub(super) struct Statistics {
    /// Services that are watched.
    pub(super) total_services: usize,
    /// Those whose last probe passed.
    pub(super) healthy_services: usize,
    /// All others, never checked ones among them.
    pub(super) unhealthy_services: usize,
    /// Consecutive failures by service.
    pub(super) failure_counts: BTreeMap<String, u32>,
    /// When the last probe ended; null before the first.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(super) last_check: Option<Timestamp>,
    /// Mean time to recover over all proven recoveries, in seconds; null before the first.
    pub(super) mean_time_to_recover_seconds: Option<f64>,
    /// Finished recoveries by outcome.
    pub(super) recoveries: BTreeMap<&'static str, u64>,
    /// Services with an open incident.
    pub(super) open_incidents: usize,
    /// Probes that failed through the monitor's own fault since its start; not counted against any service.
    pub(super) own_faults: u64,
    /// How much of the time each service was up, by service.
    pub(super) availability: BTreeMap<String, Availability>,
    /// The same over all services.
    pub(super) availability_total: Availability,
    /// How often each action has helped each service within 30 days; a step that helped in fewer than half of at
    /// least four attempts is skipped.
    pub(super) effectiveness: BTreeMap<String, BTreeMap<&'static str, Effect>>,
    /// What holds all services back, or would.
    pub(super) guards: Guards,
}

/// The guards across services.
#[derive(Serialize, ToSchema)]
pub(super) struct Guards {
    /// Our own network is gone; null while it is there.
    own_network: Option<Isolation>,
    /// What the witnesses of our own network last said; empty before they were first asked.
    witnesses: Vec<Witness>,
    /// Many services went down together; null in calm times.
    storm: Option<Storm>,
    /// The budget of actions is spent, and a person has to reset it; null while it is not.
    budget_tripped: Option<Tripped>,
    /// Actions within the last ten minutes.
    actions_within_ten_minutes: usize,
    /// Recoveries under way.
    recoveries_under_way: usize,
    /// Healing of all services is held back by a person; null when it is not.
    pause: Option<Pause>,
    /// Services that are held back, by guard.
    held: BTreeMap<&'static str, usize>,
}

impl Guards {
    /// The guards as the view has them.
    pub(super) fn of(view: &View) -> Self {
        let fleet = &view.state.fleet;
        let mut held = BTreeMap::new();
        for watched in view.services() {
            if let Some(refusal) = watched.held() {
                *held.entry(refusal.guard.as_str()).or_default() += 1;
            }
        }
        Self {
            own_network: fleet.isolation.clone(),
            witnesses: view.witnesses.to_vec(),
            storm: fleet.storm.clone(),
            budget_tripped: fleet.tripped.clone(),
            actions_within_ten_minutes: fleet
                .actions_after(view.at - view.policy.fleet.budget_within)
                .count(),
            recoveries_under_way: view
                .services()
                .filter(|watched| watched.service.is_some_and(|service| service.recovery.is_some()))
                .count(),
            pause: fleet.pause.clone().filter(|pause| view.at < pause.until),
            held,
        }
    }
}

/// `GET /error-history`.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum ErrorHistory {
    /// Of all services that have errors.
    All {
        /// By service, oldest first, at most the last 100 each.
        all_services: BTreeMap<String, Vec<ErrorEntry>>,
    },
    /// Of one service.
    One {
        /// Its name, as asked for.
        service: String,
        /// Oldest first, at most the last 100.
        errors: Vec<ErrorEntry>,
    },
}

/// `GET /recovery-history`.
#[derive(Serialize, ToSchema)]
pub(super) struct RecoveryHistory {
    /// When the last recovery of each service was attempted.
    #[schema(value_type = BTreeMap<String, String>)]
    pub(super) last_recovery_times: BTreeMap<String, Timestamp>,
    /// The last 1,000 that are over, then those under way; newest last. Refusals of guards are among them.
    #[schema(value_type = Vec<Recovery>)]
    pub(super) recoveries: Vec<Arc<Recovery>>,
}

/// `POST /trigger-heal/{service}`.
#[derive(Serialize, ToSchema)]
pub(super) struct Triggered {
    /// `Auto-healing triggered for <service>`.
    pub(super) message: String,
    /// Now.
    #[schema(value_type = String, format = DateTime)]
    pub(super) timestamp: Timestamp,
    /// Identity of the recovery, as `/recovery-history` shows it.
    #[schema(value_type = String, format = Uuid)]
    pub(super) recovery_id: OrderId,
}
