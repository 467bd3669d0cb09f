//! Alerts as the second version of Alertmanager's API takes them.

use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Timestamp;

use crate::domain::notification::alarm::{AlarmSeverity, Scope};
use crate::domain::notification::{Notification, NotificationKind};

/// Where alerts are posted, below the address of the Alertmanager.
pub(super) const PATH: &str = "/api/v2/alerts";

/// An alert that is not renewed is over after this: four renewals may fail, as Prometheus has it.
const LASTS: Duration = Duration::from_secs(300);

/// The alerts of one message. An alert is known by its labels and its begin; when it ends is counted from the moment
/// of sending, so that what is sent late does not arrive as over.
pub(super) fn body(notification: &Notification, now: Timestamp) -> serde_json::Result<String> {
    let ends_at = match notification.kind {
        NotificationKind::Firing | NotificationKind::Reminder => now + LASTS,
        NotificationKind::Resolved => notification.ended_at.unwrap_or(now),
    };
    let mut alerts = vec![alert(notification, notification.severity, ends_at)];
    // With another severity it is another alert.
    if let Some(former) = notification.former_severity {
        alerts.push(alert(notification, former, notification.ended_at.unwrap_or(now)));
    }
    serde_json::to_string(&alerts)
}

/// The alerts of everything that lasts.
pub(super) fn lasting(lasting: &[Notification], now: Timestamp) -> serde_json::Result<String> {
    let alerts: Vec<Value> = lasting.iter().map(|one| alert(one, one.severity, now + LASTS)).collect();
    serde_json::to_string(&alerts)
}

fn alert(notification: &Notification, severity: AlarmSeverity, ends_at: Timestamp) -> Value {
    let mut labels = json!({
        "alertname": name(notification.scope),
        "job": "health-monitor",
        "severity": severity.as_str(),
    });
    if let Some(service) = &notification.service {
        labels["service"] = service.as_str().into();
    }
    if let Some(instance) = &notification.instance {
        labels["instance"] = instance.as_str().into();
    }
    // There can be several at once.
    if notification.scope == Scope::Services {
        labels["incident_id"] = notification.incident_id.to_string().into();
    }
    json!({
        "labels": labels,
        "annotations": {
            "summary": notification.title,
            "description": notification.text,
            "incident_id": notification.incident_id,
        },
        "startsAt": notification.since,
        "endsAt": ends_at.max(notification.since),
    })
}

fn name(scope: Scope) -> &'static str {
    match scope {
        Scope::Service => "ServiceDown",
        Scope::Services => "ServicesDown",
        Scope::Storm => "ServiceStorm",
        Scope::Budget => "RecoveryBudgetSpent",
        Scope::OwnNetwork => "OwnNetworkGone",
        Scope::Test => "NotificationTest",
    }
}
