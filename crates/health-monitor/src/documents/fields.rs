//! The fields of the streams: what can be searched, counted and charted. Other members are kept and not looked at.
//!
//! Names of the Elastic Common Schema that would collide with the contract's flat ones are there as sub-fields:
//! `service.name`, `error.message`.

use serde_json::{Map, Value, json};

/// Longer words are kept and cannot be searched for; a term may not have more than 32,766 bytes.
const KEYWORD: u32 = 1_024;

fn keyword() -> Value {
    json!({"type": "keyword", "ignore_above": KEYWORD})
}

fn date() -> Value {
    json!({"type": "date"})
}

fn seconds() -> Value {
    json!({"type": "double"})
}

fn count() -> Value {
    json!({"type": "long"})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

/// A word that is also known by the name that the Elastic Common Schema has for it.
fn also(name: &str, field: Value) -> Value {
    let mut word = keyword();
    word["fields"] = json!({name: field});
    word
}

fn service() -> Value {
    also("name", keyword())
}

/// The fields of every stream, and these.
fn with(own: Value) -> Value {
    let mut fields = Map::from_iter([
        ("@timestamp".to_owned(), date()),
        ("timestamp".to_owned(), date()),
        ("type".to_owned(), keyword()),
        ("service".to_owned(), service()),
        ("ecs".to_owned(), json!({"properties": {"version": keyword()}})),
        (
            "event".to_owned(),
            json!({"properties": {
                "kind": keyword(), "module": keyword(), "dataset": keyword(),
                "action": keyword(), "outcome": keyword()
            }}),
        ),
    ]);
    if let Value::Object(own) = own {
        fields.extend(own);
    }
    Value::Object(fields)
}

/// Of `health-monitor-errors`.
pub(super) fn errors() -> Value {
    with(json!({
        "status": keyword(),
        "error": also("message", json!({"type": "text"})),
        "severity": keyword(),
        "is_counted": flag(),
        "is_repeated": flag(),
        "failures": count()
    }))
}

/// Of `health-monitor-recovery`.
pub(super) fn recovery() -> Value {
    with(json!({
        "action": keyword(),
        "failure_count": count(),
        "recent_errors": {"properties": {"timestamp": date(), "error": keyword(), "status": keyword()}},
        "recovery_id": keyword(),
        "incident_id": keyword(),
        "trigger": keyword(),
        "healing_action": keyword(),
        "target": keyword(),
        "outcome": keyword(),
        "reason": also("text", json!({"type": "text"})),
        "guard": keyword(),
        "would_act": flag(),
        "has_acted": flag(),
        "attempt": count(),
        "step": count(),
        "skipped": keyword(),
        "not_before": date(),
        "failed_at": date(),
        "detected_at": date(),
        "started_at": date(),
        "accepted_at": date(),
        "instance_changed_at": date(),
        "verified_at": date(),
        "finished_at": date(),
        "time_to_recover_seconds": seconds(),
        "detection_seconds": seconds(),
        "action_seconds": seconds(),
        "verification_seconds": seconds(),
        "instance_before": keyword(),
        "instance_after": keyword()
    }))
}

/// Of `health-monitor-checks`.
pub(super) fn checks() -> Value {
    with(json!({
        "from": date(),
        "seconds": count(),
        "checks_total": count(),
        "checks_failed": count(),
        "checks_error": count(),
        "up": {"type": "double"},
        "observed_seconds": seconds(),
        "up_seconds": seconds(),
        "response_time_avg": seconds(),
        "response_time_p95": seconds(),
        "response_time_max": seconds(),
        "state": keyword()
    }))
}

/// Of `health-monitor-events`: what most facts have in common.
pub(super) fn events() -> Value {
    with(json!({
        "incident_id": keyword(),
        "recovery_id": keyword(),
        "phase": keyword(),
        "cause": keyword(),
        "kind": keyword(),
        "alarm_id": keyword(),
        "notification_id": keyword(),
        "channel": keyword(),
        "channel_kind": keyword(),
        "scope": keyword(),
        "status": keyword(),
        "severity": keyword(),
        "title": keyword(),
        "guard": keyword(),
        "reason": also("text", json!({"type": "text"})),
        "instance": keyword(),
        "version": keyword(),
        "since": date(),
        "until": date(),
        "failed_at": date(),
        "detected_at": date(),
        "ended_at": date(),
        "attempts": count()
    }))
}
