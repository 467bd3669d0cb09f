//! The body of an incoming webhook as Slack has it, and Mattermost and Rocket.Chat take it.

use serde_json::json;

use crate::domain::notification::{Notification, NotificationKind};

/// The same bytes for the same message, however often it is sent.
pub(super) fn body(notification: &Notification) -> serde_json::Result<String> {
    let Notification { kind, severity, title, text, since, .. } = notification;
    let word = match kind {
        NotificationKind::Firing => severity.as_str().to_uppercase(),
        NotificationKind::Reminder => format!("{}, reminder", severity.as_str().to_uppercase()),
        NotificationKind::Resolved => "RESOLVED".to_owned(),
    };
    let (title, text) = (escaped(title), escaped(text));
    let until = notification.ended_at.map(|at| format!(" until {at}")).unwrap_or_default();
    serde_json::to_string(&json!({ "text": format!("*{word}: {title}*\n{text}\nSince {since}{until}") }))
}

/// What strangers wrote must not become a link or wake everybody: Slack reads `<!channel>`, the others `@all`.
fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('@', "@\u{200b}")
}
