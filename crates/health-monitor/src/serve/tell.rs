//! Recorded facts as log lines: each reads alone, with the same fields everywhere.

use crate::domain::fact::{Fact, ServiceError};
use crate::domain::health::HealthState;
use crate::domain::incident::Incident;
use crate::domain::recovery::{Guard, Outcome, Phase, Recovery};

/// Logs one recorded fact.
pub(super) fn fact(fact: &Fact) {
    match fact {
        Fact::MonitorStarted { .. } => tracing::info!("the journal is replayed; decisions begin"),
        Fact::ServiceError(failure) => self::failure(failure),
        Fact::ServicePass { service, health, .. } if health.state == HealthState::Healthy => {
            tracing::info!(%service, passes = health.passes, "service is healthy");
        }
        Fact::ServicePass { service, health, .. } => {
            tracing::info!(%service, passes = health.passes, "probe passed");
        }
        Fact::InstanceSeen { service, instance } => tracing::info!(%service, instance, "instance seen"),
        Fact::Incident(incident) => self::incident(incident),
        Fact::Recovery(recovery) => self::recovery(recovery),
        Fact::ServiceStable { service } => tracing::info!(%service, "service is stable: attempts forgotten"),
    }
}

/// Failures up to the one that makes the service unhealthy; what follows repeats them and is there on demand.
fn failure(failure: &ServiceError) {
    let ServiceError { service, error, is_counted, health, .. } = failure;
    let failures = health.failures;
    if failure.is_repeated {
        tracing::debug!(%service, %error, failures, counted = is_counted, "probe failed");
    } else {
        tracing::info!(%service, %error, failures, counted = is_counted, "probe failed");
    }
}

fn incident(incident: &Incident) {
    let (service, incident_id) = (&incident.service, incident.incident_id);
    match incident.ended_at {
        None if incident.attempts == 0 => tracing::warn!(%service, %incident_id, "incident opened"),
        None => tracing::debug!(%service, %incident_id, attempts = incident.attempts, "incident goes on"),
        Some(_) => tracing::info!(%service, %incident_id, attempts = incident.attempts, "incident ended"),
    }
}

fn recovery(recovery: &Recovery) {
    let Recovery { service, recovery_id, incident_id, attempt, .. } = recovery;
    let (action, reason) = (recovery.action.as_str(), recovery.reason.as_deref());
    match recovery.phase {
        Phase::Preflight => {
            tracing::info!(%service, %recovery_id, %incident_id, attempt, "looking once more before acting");
        }
        Phase::Acting => {
            let (aimed_at, trigger) = (recovery.target.to_string(), recovery.trigger.as_str());
            tracing::warn!(%service, %recovery_id, %incident_id, attempt, trigger, action, aimed_at, reason, "acting");
        }
        Phase::Verifying => {
            let instance = recovery.instance_after.as_deref().unwrap_or(if recovery.tells_instances {
                "not another one yet"
            } else {
                "cannot be told apart"
            });
            tracing::info!(%service, %recovery_id, attempt, instance, reason, "verifying");
        }
        Phase::Finished => finished(recovery),
    }
}

fn finished(recovery: &Recovery) {
    let Recovery { service, recovery_id, attempt, .. } = recovery;
    let (action, reason) = (recovery.action.as_str(), recovery.reason.as_deref());
    match recovery.outcome {
        Some(Outcome::Recovered) => {
            let seconds = recovery.time_to_recover_seconds;
            tracing::info!(%service, %recovery_id, attempt, action, time_to_recover_seconds = seconds, "recovered");
        }
        Some(outcome @ (Outcome::SelfRecovered | Outcome::Superseded)) => {
            tracing::info!(%service, %recovery_id, outcome = outcome.as_str(), reason, "nothing was done");
        }
        Some(Outcome::Suppressed) => {
            let guard = recovery.guard.map(Guard::as_str);
            let what = if recovery.would_act { "would act" } else { "held back" };
            tracing::info!(%service, %recovery_id, action, guard, reason, "{what}");
        }
        Some(outcome @ (Outcome::NotRecovered | Outcome::ActionFailed | Outcome::UnknownOutcome)) => {
            let outcome = outcome.as_str();
            tracing::warn!(%service, %recovery_id, attempt, action, outcome, reason, "the attempt did not help");
        }
        None => {}
    }
}
