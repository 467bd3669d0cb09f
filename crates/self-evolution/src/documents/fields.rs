//! The fields of the streams: what can be searched, counted and charted. Other members are kept and not looked at.

use serde_json::{Map, Value, json};

/// Longer words are kept and cannot be searched for; a term may not have more than 32,766 bytes.
const KEYWORD: u32 = 1_024;

fn keyword() -> Value {
    json!({"type": "keyword", "ignore_above": KEYWORD})
}

fn date() -> Value {
    json!({"type": "date"})
}

fn number() -> Value {
    json!({"type": "double"})
}

fn count() -> Value {
    json!({"type": "long"})
}

fn flag() -> Value {
    json!({"type": "boolean"})
}

fn text() -> Value {
    json!({"type": "text"})
}

/// The fields of every stream, and these.
fn with(own: Value) -> Value {
    let mut service = keyword();
    service["fields"] = json!({"name": keyword()});
    let mut fields = Map::from_iter([
        ("@timestamp".to_owned(), date()),
        ("timestamp".to_owned(), date()),
        ("type".to_owned(), keyword()),
        ("service".to_owned(), service),
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

/// Of `self-evolution-usage`.
pub(super) fn usage() -> Value {
    with(json!({
        "endpoint": keyword(),
        "response_time": number(),
        "status_code": count(),
        "is_error": flag(),
        "method": keyword(),
        "event_id": keyword(),
        "trace_id": keyword(),
        "variant": keyword()
    }))
}

fn recommendation() -> Value {
    json!({"properties": {
        "id": keyword(), "type": keyword(), "target_service": keyword(), "priority": keyword(),
        "status": keyword(), "estimated_improvement": number(), "description": text(),
        "confidence": keyword(), "detector": keyword(), "created_at": date()
    }})
}

/// Of `self-evolution-optimizations`.
pub(super) fn optimizations() -> Value {
    let metrics = json!({"properties": {
        "avg_response_time": number(), "error_rate": number(), "throughput": count()
    }});
    with(json!({
        "action": keyword(),
        "trigger": keyword(),
        "version": count(),
        "reason": text(),
        "estimated_improvement_percent": number(),
        "recommendation": recommendation(),
        "result": {"properties": {"success": flag(), "action": keyword(), "details": text()}},
        "baseline": {"properties": {"service": keyword(), "timestamp": date(), "metrics": metrics}}
    }))
}

/// Of `self-evolution-events`.
pub(super) fn events() -> Value {
    with(json!({
        "recommendation": recommendation(),
        "patterns": count(),
        "endpoint": keyword(),
        "instance": keyword(),
        "version": keyword(),
        "reason": text()
    }))
}
