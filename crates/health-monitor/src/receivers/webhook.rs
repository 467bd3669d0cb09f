//! The body of a signed webhook.

use serde::Serialize;
use shared::clock::Timestamp;
use shared::order::{OrderId, ServiceName};

use crate::domain::notification::Notification;

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    id: &'a str,
    kind: &'static str,
    severity: &'static str,
    scope: &'static str,
    incident_id: OrderId,
    service: Option<&'a ServiceName>,
    services: &'a [ServiceName],
    count: usize,
    title: &'a str,
    text: &'a str,
    since: Timestamp,
    ended_at: Option<Timestamp>,
    timestamp: Timestamp,
    link: String,
}

/// The same bytes for the same message, however often it is sent.
pub(super) fn body(notification: &Notification) -> serde_json::Result<String> {
    serde_json::to_string(&Body {
        r#type: "notification",
        id: &notification.notification_id,
        kind: notification.kind.as_str(),
        severity: notification.severity.as_str(),
        scope: notification.scope.as_str(),
        incident_id: notification.incident_id,
        service: notification.service.as_ref(),
        services: &notification.services,
        count: notification.count,
        title: &notification.title,
        text: &notification.text,
        since: notification.since,
        ended_at: notification.ended_at,
        timestamp: notification.queued_at,
        link: link(notification),
    })
}

/// Where the API tells more.
fn link(notification: &Notification) -> String {
    match &notification.service {
        Some(service) => format!("/incidents?service={service}"),
        None => "/service-status".to_owned(),
    }
}
