//! Recorded facts as the documents that Elasticsearch gets: each fact is one document, in one of four streams.
//!
//! `health-monitor-errors` and `health-monitor-recovery` hold what they always held and nothing else, so that whoever
//! counts their documents counts failures and recoveries. Minutes of checks and all other facts have streams of their
//! own.

mod fields;

use serde::Serialize;
use serde_json::Value;
use shared::clock::Timestamp;
use shared::elasticsearch::{Document, Envelope, Event, Head, Stream};

use crate::domain::fact::{Fact, ServiceError};
use crate::domain::reading::{Severity, Status};
use crate::domain::recovery::{Outcome, Phase, Recovery};
use crate::domain::rollup::CheckRollup;

/// Failing probes.
const ERRORS: &str = "health-monitor-errors";
/// Recoveries that are over, refused ones among them.
const RECOVERY: &str = "health-monitor-recovery";
/// Checks by service and minute.
const CHECKS: &str = "health-monitor-checks";
/// Everything else that was recorded.
const EVENTS: &str = "health-monitor-events";

/// The streams that facts are shipped into.
pub const STREAMS: [Stream; 4] = [
    Stream { name: ERRORS, properties: fields::errors, version: 1 },
    Stream { name: RECOVERY, properties: fields::recovery, version: 1 },
    Stream { name: CHECKS, properties: fields::checks, version: 1 },
    Stream { name: EVENTS, properties: fields::events, version: 2 },
];

/// The one document of a line of the journal. None when it is no such line.
pub fn documents(line: &[u8]) -> Vec<Document> {
    document(line).into_iter().collect()
}

/// The document of a line of the journal. A fact of another version, which cannot be read, is shipped as the text that
/// it is. None when not even the line is one of a journal, which the log tells.
fn document(line: &[u8]) -> Option<Document> {
    let read = serde_json::from_slice(line).and_then(|Envelope { id, at }| {
        let (stream, body) = match serde_json::from_slice(line) {
            Ok(fact) => body(at, &fact)?,
            Err(error) => (
                EVENTS,
                serde_json::to_vec(
                    &head(at, "unreadable", EVENTS, "unreadable", None).with_unreadable(line, &error)?,
                )?,
            ),
        };
        Ok(Document { stream, id, at, body })
    });
    match read {
        Ok(document) => Some(document),
        Err(error) => {
            tracing::error!(%error, "a line of the journal cannot be read, and is not shipped");
            None
        }
    }
}

/// The stream and the document of a fact.
fn body(at: Timestamp, fact: &Fact) -> serde_json::Result<(&'static str, Vec<u8>)> {
    Ok(match fact {
        Fact::ServiceError(error) => (ERRORS, serde_json::to_vec(&ErrorDocument::new(at, error))?),
        Fact::Recovery(recovery) if recovery.phase == Phase::Finished => {
            (RECOVERY, serde_json::to_vec(&recovered(at, fact, recovery)?)?)
        }
        Fact::CheckRollup(minute) => (CHECKS, serde_json::to_vec(&CheckDocument::new(at, minute))?),
        Fact::MonitorStarted { .. }
        | Fact::ServicePass { .. }
        | Fact::InstanceSeen { .. }
        | Fact::Incident(_)
        | Fact::Evidence(_)
        | Fact::Recovery(_)
        | Fact::ServiceStable { .. }
        | Fact::Reconfigured(_)
        | Fact::ServiceWatched { .. }
        | Fact::OwnNetwork(_)
        | Fact::Storm(_)
        | Fact::BudgetTripped(_)
        | Fact::Flapping { .. }
        | Fact::OperatorStop { .. }
        | Fact::Intent { .. }
        | Fact::RequestKeyed(_)
        | Fact::Pause(_)
        | Fact::Resumed { .. }
        | Fact::GuardReset { .. }
        | Fact::Alarm(_)
        | Fact::Notification(_) => (EVENTS, serde_json::to_vec(&event(at, fact)?)?),
    })
}

fn head(
    at: Timestamp,
    kind: &'static str,
    stream: &str,
    action: &str,
    outcome: Option<&'static str>,
) -> Head {
    let dataset = stream.replacen("health-monitor-", "health-monitor.", 1).into();
    let ecs_kind = if stream == CHECKS { "metric" } else { "event" };
    let action = action.to_owned().into();
    Head::new(at, kind, Event { kind: ecs_kind, module: "health-monitor", dataset, action, outcome })
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
            head: head(at, "service_error", ERRORS, "probe_failed", Some("failure")),
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

/// A recovery that is over: all its members, the contract's words in place of ours where they differ, and every
/// duration as a number.
fn recovered(at: Timestamp, fact: &Fact, recovery: &Recovery) -> serde_json::Result<Value> {
    let action = recovery.action.as_str();
    let outcome = recovery.outcome.map(ecs_outcome);
    let mut body = head(at, "auto_healing", RECOVERY, action, outcome).with(fact)?;
    body["type"] = "auto_healing".into();
    body["action"] = "auto_heal".into();
    body["healing_action"] = action.into();
    body["target"] = recovery.target.to_string().into();
    body["detection_seconds"] = seconds(recovery.failed_at, recovery.detected_at).into();
    body["action_seconds"] = seconds(Some(recovery.started_at), recovery.accepted_at).into();
    body["verification_seconds"] = seconds(recovery.accepted_at, recovery.verified_at).into();
    Ok(body)
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
            head: head(at, "check_rollup", CHECKS, "checked", None),
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
    let kind = serde_json::to_value(fact)?["type"].as_str().unwrap_or_default().to_owned();
    head(at, "", EVENTS, &kind, None).with(fact)
}

#[cfg(test)]
mod tests;
