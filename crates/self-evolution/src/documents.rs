//! Recorded facts as the documents that Elasticsearch gets: reported usage one document an event, changes and their
//! rollbacks in a stream of their own, everything else in a third.

mod fields;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::elasticsearch::{Document, Stream};

use crate::domain::change::Change;
use crate::domain::fact::{Fact, RolledBack, UsageRecorded};
use crate::domain::usage::report::Details;

/// Reported usage.
const USAGE: &str = "self-evolution-usage";
/// Changes and rollbacks.
const OPTIMIZATIONS: &str = "self-evolution-optimizations";
/// Everything else that was recorded.
const EVENTS: &str = "self-evolution-events";

/// The version of the Elastic Common Schema whose names stand beside ours.
const ECS: &str = "8.11.0";

/// The streams that facts are shipped into.
pub const STREAMS: [Stream; 3] = [
    Stream { name: USAGE, properties: fields::usage, version: 1 },
    Stream { name: OPTIMIZATIONS, properties: fields::optimizations, version: 1 },
    Stream { name: EVENTS, properties: fields::events, version: 1 },
];

/// What the journal puts in front of every fact.
#[derive(Deserialize)]
struct Envelope {
    _id: String,
    #[serde(rename = "@timestamp")]
    at: Timestamp,
}

/// The documents of a line of the journal: one, or as many as there are events in it. A fact of another version, which
/// cannot be read, is shipped as the text that it is. None when it is no line of a journal, which the log tells.
pub fn documents(line: &[u8]) -> Vec<Document> {
    let read =
        serde_json::from_slice(line).and_then(|Envelope { _id: id, at }| {
            match serde_json::from_slice(line) {
                Ok(Fact::Usage(recorded)) => usage(&id, at, &recorded),
                Ok(fact) => {
                    let (stream, body) = body(at, &fact)?;
                    Ok(vec![Document { stream, id, at, body: serde_json::to_vec(&body)? }])
                }
                Err(error) => {
                    let body = unreadable(at, line, &error)?;
                    Ok(vec![Document { stream: EVENTS, id, at, body: serde_json::to_vec(&body)? }])
                }
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
            head: Head::new(at, "usage_data", USAGE, "usage", Some(outcome)),
            service,
            endpoint,
            response_time: event.response_time,
            status_code: event.status_code,
            is_error,
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
    dataset: &'static str,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
}

impl Head {
    fn new(
        at: Timestamp,
        kind: &'static str,
        stream: &'static str,
        action: &str,
        outcome: Option<&'static str>,
    ) -> Self {
        let event = Event {
            kind: "event",
            module: "self-evolution",
            dataset: stream,
            action: action.to_owned(),
            outcome,
        };
        Self { at, timestamp: at, r#type: kind, ecs: Ecs { version: ECS }, event }
    }
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
    #[serde(flatten)]
    details: Option<&'a Details>,
}

/// The stream and the document of a fact that is no usage.
fn body(at: Timestamp, fact: &Fact) -> serde_json::Result<(&'static str, Value)> {
    match fact {
        Fact::ChangeApplied(change) => Ok((OPTIMIZATIONS, applied(at, change)?)),
        Fact::ChangeRolledBack(rolled_back) => Ok((OPTIMIZATIONS, self::rolled_back(at, rolled_back)?)),
        Fact::EvolutionStarted { .. }
        | Fact::Usage(_)
        | Fact::EndpointFound { .. }
        | Fact::RouteMerged { .. }
        | Fact::Analysed(_)
        | Fact::Recommendation { .. }
        | Fact::SettingsDelivered { .. }
        | Fact::Paused(_)
        | Fact::Resumed => Ok((EVENTS, event(at, fact)?)),
    }
}

fn applied(at: Timestamp, change: &Change) -> serde_json::Result<Value> {
    let head = Head::new(at, "optimization", OPTIMIZATIONS, "apply", Some("success"));
    with_members(
        head,
        json!({
            "action": "apply",
            "service": change.baseline.service,
            "recommendation": change.recommendation,
            "result": change.result,
            "trigger": change.trigger,
            "changes": change.changes,
            "version": change.version,
            "baseline": change.baseline,
            "estimated_improvement_percent": change.recommendation.estimated_improvement * 100.0,
        }),
    )
}

fn rolled_back(
    at: Timestamp,
    RolledBack { rollback, recommendation }: &RolledBack,
) -> serde_json::Result<Value> {
    let head = Head::new(at, "optimization", OPTIMIZATIONS, "rollback", Some("success"));
    with_members(
        head,
        json!({
            "action": "rollback",
            "service": rollback.service,
            "recommendation": recommendation,
            "result": rollback,
            "baseline": rollback.baseline_restored,
            "reason": rollback.reason,
        }),
    )
}

/// Any other fact: its own members behind those that every document has.
fn event(at: Timestamp, fact: &Fact) -> serde_json::Result<Value> {
    let members = serde_json::to_value(fact)?;
    let kind = members["type"].as_str().unwrap_or_default().to_owned();
    with_members(Head::new(at, "", EVENTS, &kind, None), members)
}

fn unreadable(at: Timestamp, line: &[u8], error: &serde_json::Error) -> serde_json::Result<Value> {
    let reason = format!("the fact is of another version ({error})");
    let members = json!({"reason": reason, "payload": String::from_utf8_lossy(line)});
    with_members(Head::new(at, "unreadable", EVENTS, "unreadable", None), members)
}

fn with_members(head: Head, members: Value) -> serde_json::Result<Value> {
    let mut body = serde_json::to_value(head)?;
    if let (Value::Object(body), Value::Object(members)) = (&mut body, members) {
        body.extend(members);
    }
    Ok(body)
}

#[cfg(test)]
mod tests;
