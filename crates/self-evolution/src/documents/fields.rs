//! The fields of the streams: what can be searched, counted and charted. Other members are kept and not looked at.

use serde_json::{Value, json};
use shared::elasticsearch::fields::{count, date, flag, keyword, number, text, with};

/// Of `self-evolution-usage`.
pub(super) fn usage() -> Value {
    with(json!({
        "endpoint": keyword(),
        "response_time": number(),
        "status_code": count(),
        "is_error": flag(),
        "errors": count(),
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
    let comparison = json!({"properties": {
        "improvement": number(), "mean_before": number(), "mean_after": number(),
        "error_rate_before": number(), "error_rate_after": number(),
        "requests_before": count(), "requests_after": count()
    }});
    with(json!({
        "action": keyword(),
        "trigger": keyword(),
        "version": count(),
        "reason": text(),
        "estimated_improvement_percent": number(),
        "measured_improvement_percent": number(),
        "phase": keyword(),
        "verdict": {"properties": {
            "outcome": keyword(), "objective": keyword(), "comparison": comparison
        }},
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
