//! Recorded facts as log lines: each reads alone, with the same fields everywhere.

use shared::order::ServiceName;

use crate::domain::fact::{Fact, ServiceError};
use crate::domain::fleet::Storm;
use crate::domain::health::HealthState;
use crate::domain::incident::Incident;
use crate::domain::intent::Intended;
use crate::domain::network::Isolation;
use crate::domain::notification::alarm::Alarm;
use crate::domain::notification::{Notification, NotificationStatus};
use crate::domain::operator_stop::OperatorStop;
use crate::domain::reconfiguration::Reconfiguration;
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
        Fact::RequestKeyed(request) => {
            let (service, recovery_id) = (&request.service, request.recovery_id);
            tracing::debug!(%service, %recovery_id, "asked for under an idempotency key");
        }
        Fact::CheckRollup(minute) => {
            let (service, up, checks) = (&minute.service, minute.up, minute.checks_total);
            tracing::debug!(%service, up, checks, state = minute.state.as_str(), "a minute of checks");
        }
        Fact::InstanceSeen { service, instance, is_ours } => {
            tracing::info!(%service, instance, ours = is_ours, "instance seen");
        }
        Fact::Incident(incident) => self::incident(incident),
        Fact::Evidence(evidence) => {
            let (service, recovery_id) = (&evidence.service, evidence.recovery_id);
            tracing::info!(%service, %recovery_id, summary = evidence.seen.summary(), "evidence taken");
        }
        Fact::Recovery(recovery) => self::recovery(recovery),
        Fact::ServiceStable { service } => tracing::info!(%service, "service is stable: attempts forgotten"),
        Fact::Flapping { service, flapping: Some(flapping) } => {
            tracing::warn!(%service, percent = flapping.percent, "service is flapping: it is not restarted");
        }
        Fact::Flapping { service, flapping: None } => tracing::info!(%service, "service is steady again"),
        Fact::OperatorStop { service, stop } => operator_stop(service, stop.as_ref()),
        Fact::Intent { service, intended } => self::intended(service, intended.as_ref()),
        Fact::Reconfigured(change) => reconfigured(change),
        Fact::ServiceWatched { service, is_watched } => watched(service, *is_watched),
        Fact::OwnNetwork(isolation) => own_network(isolation),
        Fact::Storm(storm) => self::storm(storm),
        Fact::BudgetTripped(tripped) => {
            let (actions, within_seconds) = (tripped.actions, tripped.within_seconds);
            tracing::error!(actions, within_seconds, "the budget of actions is spent: POST /reset/budget");
        }
        Fact::Pause(pause) => {
            let (kind, until, reason) = (pause.kind.as_str(), pause.until, pause.reason.as_deref());
            let service = name_of(pause.service.as_ref());
            tracing::warn!(service, kind, %until, reason, "healing is held back by a person");
        }
        Fact::Resumed { service } => {
            tracing::info!(service = name_of(service.as_ref()), "healing goes on");
        }
        Fact::GuardReset { guard, service, reason } => {
            let (guard, service, reason) = (guard.as_str(), name_of(service.as_ref()), reason.as_deref());
            tracing::warn!(service, guard, reason, "guard reset by a person");
        }
        Fact::Alarm(alarm) => self::alarm(alarm),
        Fact::Notification(notification) => self::notification(notification),
    }
}

fn watched(service: &ServiceName, is_watched: bool) {
    if is_watched {
        tracing::info!(%service, "service is watched again");
    } else {
        tracing::info!(%service, "service is no longer watched");
    }
}

fn intended(service: &ServiceName, intended: Option<&Intended>) {
    match intended {
        Some(Intended { intent, .. }) => {
            tracing::warn!(%service, ?intent, "the platform says that it is to be as it is");
        }
        None => tracing::info!(%service, "the platform no longer says that it is to be as it is"),
    }
}

fn operator_stop(service: &ServiceName, stop: Option<&OperatorStop>) {
    match stop {
        Some(OperatorStop { stopped_at, containers, .. }) => {
            let containers = containers.join(" ");
            tracing::warn!(%service, containers, %stopped_at, "somebody had the container stopped");
        }
        None => tracing::info!(%service, "no container stands stopped by hand any more"),
    }
}

fn alarm(alarm: &Alarm) {
    let (alarm_id, scope, severity) = (alarm.alarm_id, alarm.scope.as_str(), alarm.severity.as_str());
    let (service, services) = (alarm.services.first().map(ServiceName::as_str), alarm.services.len());
    match alarm.ended_at {
        None => tracing::warn!(%alarm_id, scope, severity, service, services, "people are to be told"),
        Some(_) => tracing::info!(%alarm_id, scope, service, services, "what people were told of is over"),
    }
}

fn notification(one: &Notification) {
    let (id, channel, kind) = (&one.notification_id, &one.channel, one.kind.as_str());
    let (title, attempts, reason) = (&one.title, one.attempts, one.reason.as_deref());
    match one.status {
        NotificationStatus::Queued if attempts == 0 => {
            tracing::debug!(notification_id = id, %channel, kind, title, "notification queued");
        }
        NotificationStatus::Queued => {
            tracing::warn!(notification_id = id, %channel, kind, attempts, reason, "notification not taken, sent again later");
        }
        NotificationStatus::Sending => {
            tracing::debug!(notification_id = id, %channel, kind, attempts, "notification is being sent");
        }
        NotificationStatus::Delivered => {
            tracing::info!(notification_id = id, %channel, kind, title, attempts, "notification delivered");
        }
        NotificationStatus::GivenUp | NotificationStatus::Dropped => {
            let status = one.status.as_str();
            tracing::error!(notification_id = id, %channel, kind, title, status, attempts, reason, "notification not delivered");
        }
        NotificationStatus::Cancelled => {
            tracing::info!(notification_id = id, %channel, kind, title, reason, "notification cancelled");
        }
    }
}

fn reconfigured(change: &Reconfiguration) {
    let (added, removed, changed) = (change.added.told(), change.removed.told(), change.changed.told());
    let (services, fleet_changed) = (change.services, change.is_fleet_changed);
    let notifications_changed = change.are_notifications_changed;
    tracing::info!(
        services,
        added,
        removed,
        changed,
        fleet_changed,
        notifications_changed,
        "another configuration holds"
    );
}

fn own_network(isolation: &Isolation) {
    if isolation.ended_at.is_none() {
        let unreachable = isolation.lost();
        tracing::error!(unreachable, "our own network is gone: nothing is counted or done");
    } else {
        tracing::info!("our own network is back");
    }
}

fn storm(storm: &Storm) {
    let (down, eligible) = (storm.down, storm.eligible);
    if storm.ended_at.is_none() {
        tracing::error!(down, eligible, "storm: services are healed one at a time");
    } else {
        tracing::info!(down, eligible, "the storm is over");
    }
}

fn name_of(service: Option<&ServiceName>) -> &str {
    service.map_or("all", |service| service.as_str())
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
        Phase::Concluding => {
            let (stage, tries) = (recovery.conclusion().as_str(), recovery.conclusion_tries);
            let error = recovery.conclusion_error.as_deref();
            tracing::info!(%service, %recovery_id, attempt, action, stage, tries, error, reason, "concluding");
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
