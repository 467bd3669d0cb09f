//! Recorded facts as the documents that Elasticsearch gets: each fact is one document, in one of four streams.
//!
//! `health-monitor-errors` and `health-monitor-recovery` hold what they always held and nothing else, so that whoever
//! counts their documents counts failures and recoveries. Minutes of checks and all other facts have streams of their
//! own.

mod fields;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use shared::clock::Timestamp;
use shared::elasticsearch::{Document, Stream};
use shared::order::OrderId;

use crate::domain::fact::{Fact, ServiceError};
use crate::domain::reading::{ErrorEntry, Severity, Status};
use crate::domain::recovery::{Guard, Outcome, Phase, Recovery};
use crate::domain::rollup::CheckRollup;

/// Failing probes.
const ERRORS: &str = "health-monitor-errors";
/// Recoveries that are over, refused ones among them.
const RECOVERY: &str = "health-monitor-recovery";
/// Checks by service and minute.
const CHECKS: &str = "health-monitor-checks";
/// Everything else that was recorded.
const EVENTS: &str = "health-monitor-events";

/// The version of the Elastic Common Schema whose names stand beside ours.
const ECS: &str = "8.11.0";

/// The streams that facts are shipped into.
pub const STREAMS: [Stream; 4] = [
    Stream { name: ERRORS, properties: fields::errors, version: 1 },
    Stream { name: RECOVERY, properties: fields::recovery, version: 1 },
    Stream { name: CHECKS, properties: fields::checks, version: 1 },
    Stream { name: EVENTS, properties: fields::events, version: 1 },
];

/// What the journal puts in front of every fact.
#[derive(Deserialize)]
struct Envelope {
    _id: String,
    #[serde(rename = "@timestamp")]
    at: Timestamp,
}

/// The document of a line of the journal. None when the line cannot be read, which the log tells.
pub fn document(line: &[u8]) -> Option<Document> {
    match read(line) {
        Ok(document) => Some(document),
        Err(error) => {
            tracing::error!(%error, "a recorded fact cannot be read, and is not shipped");
            None
        }
    }
}

fn read(line: &[u8]) -> serde_json::Result<Document> {
    let Envelope { _id: id, at } = serde_json::from_slice(line)?;
    let fact: Fact = serde_json::from_slice(line)?;
    let (stream, body) = match &fact {
        Fact::ServiceError(error) => (ERRORS, serde_json::to_vec(&ErrorDocument::new(at, error))?),
        Fact::Recovery(recovery) if recovery.phase == Phase::Finished => {
            (RECOVERY, serde_json::to_vec(&RecoveryDocument::new(at, recovery))?)
        }
        Fact::CheckRollup(minute) => (CHECKS, serde_json::to_vec(&CheckDocument::new(at, minute))?),
        Fact::MonitorStarted { .. }
        | Fact::ServicePass { .. }
        | Fact::InstanceSeen { .. }
        | Fact::Incident(_)
        | Fact::Recovery(_)
        | Fact::ServiceStable { .. }
        | Fact::OwnNetwork(_)
        | Fact::Storm(_)
        | Fact::BudgetTripped(_)
        | Fact::Flapping { .. }
        | Fact::Pause(_)
        | Fact::Resumed { .. }
        | Fact::GuardReset { .. } => (EVENTS, serde_json::to_vec(&event(at, &fact)?)?),
    };
    Ok(Document { stream, id, at, body })
}

/// What every document has.
#[derive(Serialize)]
struct Head {
    #[serde(rename = "@timestamp")]
    at: Timestamp,
    timestamp: Timestamp,
    r#type: &'static str,
    ecs: Ecs,
    event: Event,
}

#[derive(Serialize)]
struct Ecs {
    version: &'static str,
}

#[derive(Serialize)]
struct Event {
    kind: &'static str,
    module: &'static str,
    dataset: String,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

impl Head {
    fn new(
        at: Timestamp,
        kind: &'static str,
        stream: &str,
        action: &str,
        outcome: Option<&'static str>,
    ) -> Self {
        let dataset = stream.replacen("health-monitor-", "health-monitor.", 1);
        let ecs_kind = if stream == CHECKS { "metric" } else { "event" };
        let event =
            Event { kind: ecs_kind, module: "health-monitor", dataset, action: action.to_owned(), outcome };
        Self { at, timestamp: at, r#type: kind, ecs: Ecs { version: ECS }, event }
    }
}

/// A failing probe.
#[derive(Serialize)]
struct ErrorDocument<'a> {
    #[serde(flatten)]
    head: Head,
    service: &'a str,
    status: Status,
    error: &'a str,
    severity: Severity,
    is_counted: bool,
    is_repeated: bool,
    failures: u32,
}

impl<'a> ErrorDocument<'a> {
    fn new(at: Timestamp, error: &'a ServiceError) -> Self {
        Self {
            head: Head::new(at, "service_error", ERRORS, "probe_failed", Some("failure")),
            service: error.service.as_str(),
            status: error.status,
            error: &error.error,
            severity: error.severity,
            is_counted: error.is_counted,
            is_repeated: error.is_repeated,
            failures: error.health.failures,
        }
    }
}

/// A recovery that is over: the members of the contract, then ours, with every duration as a number.
#[derive(Serialize)]
struct RecoveryDocument<'a> {
    #[serde(flatten)]
    head: Head,
    service: &'a str,
    action: &'static str,
    failure_count: u32,
    recent_errors: &'a [ErrorEntry],
    recovery_id: OrderId,
    incident_id: OrderId,
    trigger: &'static str,
    healing_action: &'static str,
    target: String,
    outcome: Option<&'static str>,
    reason: Option<&'a str>,
    guard: Option<&'static str>,
    would_act: bool,
    has_acted: bool,
    attempt: u32,
    failed_at: Option<Timestamp>,
    detected_at: Option<Timestamp>,
    started_at: Timestamp,
    accepted_at: Option<Timestamp>,
    instance_changed_at: Option<Timestamp>,
    verified_at: Option<Timestamp>,
    finished_at: Option<Timestamp>,
    time_to_recover_seconds: Option<f64>,
    detection_seconds: Option<f64>,
    action_seconds: Option<f64>,
    verification_seconds: Option<f64>,
    instance_before: Option<&'a str>,
    instance_after: Option<&'a str>,
}

impl<'a> RecoveryDocument<'a> {
    fn new(at: Timestamp, recovery: &'a Recovery) -> Self {
        let action = recovery.action.as_str();
        Self {
            head: Head::new(at, "auto_healing", RECOVERY, action, recovery.outcome.map(ecs_outcome)),
            service: recovery.service.as_str(),
            action: "auto_heal",
            failure_count: recovery.failure_count,
            recent_errors: &recovery.recent_errors,
            recovery_id: recovery.recovery_id,
            incident_id: recovery.incident_id,
            trigger: recovery.trigger.as_str(),
            healing_action: action,
            target: recovery.target.to_string(),
            outcome: recovery.outcome.map(Outcome::as_str),
            reason: recovery.reason.as_deref(),
            guard: recovery.guard.map(Guard::as_str),
            would_act: recovery.would_act,
            has_acted: recovery.has_acted,
            attempt: recovery.attempt,
            failed_at: recovery.failed_at,
            detected_at: recovery.detected_at,
            started_at: recovery.started_at,
            accepted_at: recovery.accepted_at,
            instance_changed_at: recovery.instance_changed_at,
            verified_at: recovery.verified_at,
            finished_at: recovery.finished_at,
            time_to_recover_seconds: recovery.time_to_recover_seconds,
            detection_seconds: seconds(recovery.failed_at, recovery.detected_at),
            action_seconds: seconds(Some(recovery.started_at), recovery.accepted_at),
            verification_seconds: seconds(recovery.accepted_at, recovery.verified_at),
            instance_before: recovery.instance_before.as_deref(),
            instance_after: recovery.instance_after.as_deref(),
        }
    }
}

fn seconds(from: Option<Timestamp>, to: Option<Timestamp>) -> Option<f64> {
    Some(to?.since(from?).as_secs_f64())
}

/// The words that the Elastic Common Schema has for outcomes.
fn ecs_outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Recovered | Outcome::SelfRecovered => "success",
        Outcome::NotRecovered | Outcome::ActionFailed => "failure",
        Outcome::Suppressed | Outcome::Superseded | Outcome::UnknownOutcome => "unknown",
    }
}

/// The checks of a service within a minute.
#[derive(Serialize)]
struct CheckDocument<'a> {
    #[serde(flatten)]
    head: Head,
    service: &'a str,
    from: Timestamp,
    seconds: u32,
    checks_total: u32,
    checks_failed: u32,
    checks_error: u32,
    up: Option<f64>,
    observed_seconds: f64,
    up_seconds: f64,
    response_time_avg: Option<f64>,
    response_time_p95: Option<f64>,
    response_time_max: Option<f64>,
    state: &'static str,
}

impl<'a> CheckDocument<'a> {
    fn new(at: Timestamp, minute: &'a CheckRollup) -> Self {
        let times = minute.response_time;
        Self {
            head: Head::new(at, "check_rollup", CHECKS, "checked", None),
            service: minute.service.as_str(),
            from: minute.from,
            seconds: minute.seconds,
            checks_total: minute.checks_total,
            checks_failed: minute.checks_failed,
            checks_error: minute.checks_error,
            up: minute.up,
            observed_seconds: minute.observed_seconds,
            up_seconds: minute.up_seconds,
            response_time_avg: times.map(|times| times.avg),
            response_time_p95: times.map(|times| times.p95),
            response_time_max: times.map(|times| times.max),
            state: minute.state.as_str(),
        }
    }
}

/// Any other fact: its own members behind those that every document has.
fn event(at: Timestamp, fact: &Fact) -> serde_json::Result<Value> {
    let members = serde_json::to_value(fact)?;
    let kind = members.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    let head = serde_json::to_value(Head::new(at, "", EVENTS, &kind, None))?;
    let (Value::Object(mut body), Value::Object(members)) = (head, members) else {
        return Ok(Value::Object(Map::new()));
    };
    body.extend(members);
    Ok(Value::Object(body))
}

#[cfg(test)]
mod tests;
