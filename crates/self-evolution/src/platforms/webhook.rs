//! Changes posted to a receiver, and read back from it where it tells.

use serde::Serialize;
use serde_json::Value;
use shared::clock::Timestamp;
use shared::post::{Message, Posted, Recipient};

use super::{WebhookMeans, values};
use crate::domain::order::{Inspection, Order, Sight, Written};
use crate::domain::playbook::action_of;
use crate::domain::setting::SettingChange;

/// What a receiver gets.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    stage: &'static str,
    action: &'static str,
    service: &'a str,
    key: &'a str,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    recommendation_id: &'a str,
    change_id: String,
    timestamp: Timestamp,
}

/// What the receiver says it has.
pub(super) async fn see(means: &WebhookMeans, look: &Inspection) -> Sight {
    let Some(url) = &means.read_url else { return Sight::Blind };
    let recipient = match Recipient::new(url, None, means.timeout) {
        Ok(recipient) => recipient,
        Err(error) => return Sight::Unreachable(error.to_string()),
    };
    match recipient.fetch().await {
        Ok(answer) => match values::sight(&answer, &look.keys) {
            Sight::Unreachable(reason) => Sight::Unreachable(tried(look, &recipient, &reason)),
            sight @ (Sight::Values(_)
            | Sight::Owned(_)
            | Sight::Several(_)
            | Sight::Partial
            | Sight::Gone(_)
            | Sight::Blind) => sight,
        },
        Err(reason) => Sight::Unreachable(tried(look, &recipient, &reason)),
    }
}

fn tried(look: &Inspection, recipient: &Recipient, reason: &str) -> String {
    format!("read {} of {} at {}: {reason}", look.keys.join(", "), look.service, recipient.host())
}

/// Posts an order; what the status says of it.
pub(super) async fn write(means: &WebhookMeans, order: &Order) -> Written {
    let recipient = match Recipient::new(&means.url, means.secret.as_ref(), means.timeout) {
        Ok(recipient) => recipient,
        Err(error) => return Written::NotRun(error.to_string()),
    };
    let [SettingChange { key, before, after }] = order.changes.as_slice() else {
        return Written::NotRun("a webhook changes one value at a time".to_owned());
    };
    let host = recipient.host();
    let tried = format!("post the change of {key} of {} to {host}", order.service);
    let body = serde_json::to_string(&Body {
        r#type: "change",
        stage: order.stage.as_str(),
        action: action_of(order.kind),
        service: &order.service,
        key,
        before: before.as_ref(),
        after: after.as_ref(),
        recommendation_id: order.recommendation_id.as_str(),
        change_id: order.change.to_string(),
        timestamp: order.at,
    });
    let body = match body {
        Ok(body) => body,
        Err(error) => return Written::NotRun(format!("{tried}: the message cannot be written: {error}")),
    };
    let message = Message { id: &order.key(), seconds: order.given_at.as_millis() / 1_000, body: &body };
    match recipient.post(message).await {
        Posted::NotSent(reason) => Written::NotRun(format!("{tried}: {reason}")),
        Posted::Unanswered(cause) => {
            Written::Unknown(format!("{tried}: {cause}; it may have been carried out"))
        }
        Posted::Answered { status, .. } if status.is_success() => Written::Done,
        Posted::Answered { status, text, .. } if status.is_server_error() => {
            Written::Failed(format!("{tried}: it answered {}{text}", status.as_u16()))
        }
        Posted::Answered { status, text, .. } => {
            Written::NotRun(format!("{tried}: it answered {}{text}", status.as_u16()))
        }
    }
}
