//! The fields of the streams: what can be searched, counted and charted. Other members are kept and not looked at.

use serde_json::{Value, json};
use shared::elasticsearch::fields::{also, count, date, flag, keyword, number as seconds, text, with};

/// Of `health-monitor-errors`.
pub(super) fn errors() -> Value {
    with(json!({
        "status": keyword(),
        "error": also("message", text()),
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
        "reason": also("text", text()),
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
        "reason": also("text", text()),
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
