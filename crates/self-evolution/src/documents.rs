//! Recorded facts as the documents that Elasticsearch gets: reported usage one document an event, changes and their
//! rollbacks in a stream of their own, everything else in a third.

mod fields;

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::elasticsearch::{Document, Envelope, Event, Head, Stream};

use crate::domain::change::{Change, Phase};
use crate::domain::fact::{Fact, Judged, RolledBack, UsageRecorded};
use crate::domain::usage::report::Details;

/// Reported usage.
const USAGE: &str = "self-evolution-usage";
/// Changes and rollbacks.
const OPTIMIZATIONS: &str = "self-evolution-optimizations";
/// Everything else that was recorded.
const EVENTS: &str = "self-evolution-events";

/// The streams that facts are shipped into.
pub const STREAMS: [Stream; 3] = [
    Stream { name: USAGE, properties: fields::usage, version: 2 },
    Stream { name: OPTIMIZATIONS, properties: fields::optimizations, version: 3 },
    Stream { name: EVENTS, properties: fields::events, version: 1 },
];

/// The documents of a line of the journal: one, or as many as there are events in it. A fact of another version, which
/// cannot be read, is shipped as the text that it is. None when it is no line of a journal, which the log tells.
pub fn documents(line: &[u8]) -> Vec<Document> {
    let read =
        serde_json::from_slice(line).and_then(|Envelope { id, at }| match serde_json::from_slice(line) {
            Ok(Fact::Usage(recorded)) => usage(&id, at, &recorded),
            Ok(fact) => {
                let (stream, body) = body(at, &fact)?;
                Ok(vec![Document { stream, id, at, body: serde_json::to_vec(&body)? }])
            }
            Err(error) => {
                let body =
                    head(at, "unreadable", EVENTS, "unreadable", None).with_unreadable(line, &error)?;
                Ok(vec![Document { stream: EVENTS, id, at, body: serde_json::to_vec(&body)? }])
            }
        });
    read.unwrap_or_else(|error| {
        tracing::error!(%error, "a line of the journal cannot be read, and is not shipped");
        Vec::new()
    })
}

/// One document an event; its identity is that of the fact with its place behind.
fn usage(id: &str, recorded_at: Timestamp, recorded: &UsageRecorded) -> serde_json::Result<Vec<Document>> {
    let mut details = recorded.details.iter().peekable();
    let mut documents = Vec::with_capacity(recorded.events.len());
    for (place, event) in (0_u32..).zip(&recorded.events) {
        let details = details.next_if(|(of, _)| *of == place).map(|(_, details)| &**details);
        let Some((service, endpoint)) = recorded.keys.get(event.key as usize) else { continue };
        let at = event.at(recorded_at);
        let is_error = event.status_code >= 400;
        let outcome = if is_error { "failure" } else { "success" };
        let body = UsageDocument {
            head: head(at, "usage_data", USAGE, "usage", Some(outcome)),
            service,
            endpoint,
            response_time: event.response_time,
            status_code: event.status_code,
            is_error,
            errors: is_error.into(),
            details,
        };
        documents.push(Document {
            stream: USAGE,
            id: format!("{id}-{place:04x}"),
            at,
            body: serde_json::to_vec(&body)?,
        });
    }
    Ok(documents)
}

fn head(
    at: Timestamp,
    kind: &'static str,
    stream: &'static str,
    action: impl Into<Cow<'static, str>>,
    outcome: Option<&'static str>,
) -> Head {
    let (dataset, action) = (stream.into(), action.into());
    Head::new(at, kind, Event { kind: "event", module: "self-evolution", dataset, action, outcome })
}

/// A request that a service has answered.
#[derive(Serialize)]
struct UsageDocument<'a> {
    #[serde(flatten)]
    head: Head,
    service: &'a str,
    endpoint: &'a str,
    response_time: f64,
    status_code: u16,
    is_error: bool,
    /// The same as a number: what charts take means of.
    errors: u8,
    #[serde(flatten)]
    details: Option<&'a Details>,
}

/// The stream and the document of a fact that is no usage.
fn body(at: Timestamp, fact: &Fact) -> serde_json::Result<(&'static str, Value)> {
    match fact {
        Fact::ChangeBegun(change) => Ok((OPTIMIZATIONS, change_made(at, "begin", "unknown", change)?)),
        Fact::ChangeApplied(change) => Ok((OPTIMIZATIONS, change_made(at, "apply", "success", change)?)),
        Fact::ChangeJudged(judged) => Ok((OPTIMIZATIONS, self::judged(at, judged)?)),
        Fact::ChangeRolledBack(rolled_back) => Ok((OPTIMIZATIONS, self::rolled_back(at, rolled_back)?)),
        Fact::EvolutionStarted { .. }
        | Fact::Usage(_)
        | Fact::EndpointFound { .. }
        | Fact::EndpointFolded { .. }
        | Fact::RouteMerged { .. }
        | Fact::Analysed(_)
        | Fact::Recommendation { .. }
        | Fact::ChangeEnded(_)
        | Fact::TrialBegan { .. }
        | Fact::ArmsSwapped { .. }
        | Fact::PreviousDiscarded(_)
        | Fact::RollbackBegun(_)
        | Fact::RollbackFailed(_)
        | Fact::SettingsDelivered { .. }
        | Fact::Paused(_)
        | Fact::Resumed => Ok((EVENTS, event(at, fact)?)),
    }
}

fn change_made(
    at: Timestamp,
    action: &'static str,
    outcome: &'static str,
    change: &Change,
) -> serde_json::Result<Value> {
    let head = head(at, "optimization", OPTIMIZATIONS, action, Some(outcome));
    head.with(json!({
        "action": action,
        "service": change.baseline.service,
        "recommendation": change.recommendation,
        "result": change.result,
        "trigger": change.trigger,
        "changes": change.changes,
        "version": change.version,
        "platform": change.platform,
        "baseline": change.baseline,
        "estimated_improvement_percent": change.recommendation.estimated_improvement * 100.0,
    }))
}

fn rolled_back(
    at: Timestamp,
    RolledBack { rollback, recommendation }: &RolledBack,
) -> serde_json::Result<Value> {
    let head = head(at, "optimization", OPTIMIZATIONS, "rollback", Some("success"));
    head.with(json!({
        "action": "rollback",
        "service": rollback.service,
        "recommendation": recommendation,
        "result": rollback,
        "baseline": rollback.baseline_restored,
        "reason": rollback.reason,
    }))
}

fn judged(
    at: Timestamp,
    Judged { recommendation_id, service, verdict, phase, kind, estimated_improvement }: &Judged,
) -> serde_json::Result<Value> {
    let outcome = match phase {
        Phase::Kept => "success",
        Phase::Inconclusive => "unknown",
        Phase::Unjudged
        | Phase::Applying
        | Phase::Settling
        | Phase::Verifying
        | Phase::RollingBack
        | Phase::RollbackFailed
        | Phase::RolledBack
        | Phase::Failed
        | Phase::Superseded => "failure",
    };
    let percent = |part: f64| part * 100.0;
    let head = head(at, "optimization", OPTIMIZATIONS, "verdict", Some(outcome));
    head.with(json!({
        "action": "verdict",
        "service": service,
        "recommendation": {
            "id": recommendation_id, "type": kind, "target_service": service,
            "estimated_improvement": estimated_improvement
        },
        "verdict": verdict,
        "phase": phase,
        "estimated_improvement_percent": estimated_improvement.map(percent),
        "measured_improvement_percent": verdict.comparison.map(|numbers| percent(numbers.improvement)),
        "reason": verdict.reason,
    }))
}

/// Any other fact: its own members behind those that every document has.
fn event(at: Timestamp, fact: &Fact) -> serde_json::Result<Value> {
    let members = serde_json::to_value(fact)?;
    let kind = members["type"].as_str().unwrap_or_default().to_owned();
    head(at, "", EVENTS, kind, None).with(members)
}

#[cfg(test)]
mod tests;
