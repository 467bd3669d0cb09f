//! Facts and work as lines that a person can read.

use health_monitor::domain::fact::Fact;
use health_monitor::domain::health::Health;
use health_monitor::domain::intent::Intended;
use health_monitor::domain::recovery::{Phase, Recovery};
use health_monitor::domain::rollup::CheckRollup;
use health_monitor::domain::supervisor::Work;
use shared::clock::Timestamp;
use shared::order::Stage;

use crate::told;

/// A moment as minutes and seconds since the start of the world.
pub fn moment(at: Timestamp) -> String {
    let tenths = at.since(Timestamp::from_micros(0)).as_millis() / 100;
    format!("{:02}:{:02}.{}", tenths / 600, tenths / 10 % 60, tenths % 10)
}

/// A fact as a line.
pub fn fact(fact: &Fact) -> String {
    match fact {
        Fact::MonitorStarted { .. } => "monitor started".into(),
        Fact::ServiceError(error) => {
            let counted = if error.is_counted { "" } else { " (not counted)" };
            format!("{} error: {}{counted} -> {}", error.service, error.error, health(&error.health))
        }
        Fact::ServicePass { service, health: after, .. } => format!("{service} pass -> {}", health(after)),
        Fact::CheckRollup(minute) => rollup_line(minute),
        Fact::RequestKeyed(request) => format!("{} request keyed {}", request.service, request.key.as_str()),
        Fact::InstanceSeen { service, instance, .. } => format!("{service} instance seen: {instance}"),
        Fact::Incident(incident) => match incident.ended_at {
            Some(_) => format!("{} incident ended", incident.service),
            None => format!("{} incident open, {} attempts", incident.service, incident.attempts),
        },
        Fact::Evidence(evidence) => format!("{} evidence: {}", evidence.service, evidence.seen.summary()),
        Fact::Recovery(recovery) => recovery_line(recovery),
        Fact::ServiceStable { service } => format!("{service} stable: attempts forgotten"),
        Fact::Flapping { service, flapping: Some(flapping) } => {
            format!("{service} flapping, {} % changes", flapping.percent)
        }
        Fact::Flapping { service, flapping: None } => format!("{service} steady again"),
        Fact::OperatorStop { service, stop: Some(stop) } => {
            format!(
                "{service} stopped by somebody at {}: {}",
                moment(stop.stopped_at),
                stop.containers.join(" ")
            )
        }
        Fact::OperatorStop { service, stop: None } => format!("{service} no longer stands stopped"),
        Fact::Intent { service, intended: Some(Intended { intent, since }) } => {
            format!("{service} is to be as it is since {}: {intent:?}", moment(*since))
        }
        Fact::Intent { service, intended: None } => format!("{service} need not be as it is any more"),
        Fact::Reconfigured(change) => {
            let parts = [
                ("added", change.added.told()),
                ("removed", change.removed.told()),
                ("changed", change.changed.told()),
                ("fleet", if change.is_fleet_changed { "changed".into() } else { String::new() }),
                (
                    "notifications",
                    if change.are_notifications_changed { "changed".into() } else { String::new() },
                ),
            ];
            let told = parts.iter().filter(|(_, names)| !names.is_empty());
            let told: Vec<String> = told.map(|(what, names)| format!("{what} {names}")).collect();
            format!("reconfigured: {}", if told.is_empty() { "as before".into() } else { told.join("; ") })
        }
        Fact::ServiceWatched { service, is_watched: true } => format!("{service} watched again"),
        Fact::ServiceWatched { service, is_watched: false } => format!("{service} no longer watched"),
        Fact::OwnNetwork(isolation) => match isolation.ended_at {
            None => format!("our own network is gone: {} not reached", isolation.lost()),
            Some(_) => "our own network is back".into(),
        },
        Fact::Storm(storm) => match storm.ended_at {
            None => format!("storm: {} of {} down", storm.down, storm.eligible),
            Some(_) => "storm over".into(),
        },
        Fact::BudgetTripped(tripped) => format!("budget tripped after {} actions", tripped.actions),
        Fact::Pause(pause) => {
            let of = pause.service.as_ref().map_or("all", |service| service.as_str());
            format!("{of} {} until {}", pause.kind.as_str(), moment(pause.until))
        }
        Fact::Resumed { service } => {
            format!("{} resumed", service.as_ref().map_or("all", |service| service.as_str()))
        }
        Fact::GuardReset { guard, service, .. } => {
            format!(
                "{} reset of {}",
                guard.as_str(),
                service.as_ref().map_or("all", |service| service.as_str())
            )
        }
        Fact::Alarm(alarm) => told::alarm(alarm),
        Fact::Notification(notification) => told::notification(notification),
    }
}

fn health(health: &Health) -> String {
    format!("{:?}, {} failures, {} passes", health.state, health.failures, health.passes).to_lowercase()
}

/// What a guard went by, as it is recorded; none for what no guard refused.
pub fn inputs(fact: &Fact) -> Option<String> {
    let Fact::Recovery(recovery) = fact else { return None };
    let inputs = recovery.guard_inputs.as_ref()?;
    let mut inputs = serde_json::to_value(inputs).unwrap_or_else(|error| panic!("{inputs:?}: {error}"));
    // Identities differ by design.
    if let Some(id) = inputs.get_mut("recovery_id") {
        *id = "…".into();
    }
    Some(format!("   by {inputs}"))
}

fn rollup_line(minute: &CheckRollup) -> String {
    let CheckRollup { service, from, checks_total, checks_failed, checks_error, .. } = minute;
    let (up, observed) = (minute.up_seconds, minute.observed_seconds);
    let (from, state) = (moment(*from), minute.state.as_str());
    format!(
        "{service} minute from {from}: up {up:.1} of {observed:.1} s, {checks_total} checks, {checks_failed} failed, {checks_error} our own fault, {state}"
    )
}

fn recovery_line(recovery: &Recovery) -> String {
    let phase = match recovery.phase {
        Phase::Preflight => "preflight".into(),
        Phase::Acting => "acting".into(),
        Phase::Verifying => match &recovery.instance_after {
            Some(instance) => format!("verifying {instance}"),
            None => "verifying".into(),
        },
        Phase::Concluding => {
            let (stage, tries) = (recovery.conclusion().as_str(), recovery.conclusion_tries);
            let error = recovery.conclusion_error.as_ref().map(|error| format!(", last {error}"));
            format!("concluding: {stage}, try {tries}{}", error.unwrap_or_default())
        }
        Phase::Finished => recovery.outcome.map_or("?", |outcome| outcome.as_str()).to_owned(),
    };
    let guard = recovery.guard.map(|guard| format!(" by {}", guard.as_str())).unwrap_or_default();
    let would = if recovery.would_act { ", would act" } else { "" };
    let reason = recovery.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let took = recovery.time_to_recover_seconds.map(|s| format!(" in {s:.1} s")).unwrap_or_default();
    format!("{} recovery {} {phase}{guard}{would}{took}{reason}", recovery.service, recovery.attempt)
}

/// A piece of work as a line; none for the scheduled probes, which would drown the rest.
pub fn work(work: &Work) -> Option<String> {
    match work {
        Work::Probe { .. } | Work::Inspect { .. } | Work::Look { .. } | Work::Consult { .. } => None,
        Work::Preflight { service, .. } => Some(format!("=> look at {service} once more")),
        Work::Notify(notification) => {
            Some(format!("=> send {} to {}", notification.kind.as_str(), notification.channel))
        }
        Work::Renew { channel, lasting } => Some(format!("=> renew {} alerts at {channel}", lasting.len())),
        Work::Examine(order) => {
            Some(format!("=> look what there is of {} {}", order.action.as_str(), order.service))
        }
        Work::Perform(order) => {
            let stage = match order.stage {
                Stage::Act => "",
                Stage::Keep => ": keep the new, discard the old",
                Stage::Revert => ": put the old back",
            };
            Some(format!("=> {} {}{stage}", order.action.as_str(), order.service))
        }
    }
}
