//! Orders posted to a receiver.

use std::fmt;

use serde::Serialize;

use super::{InvalidPlatform, WebhookSettings};
use crate::clock::Timestamp;
use crate::order::{Action, Order, OrderId, Performed, ServiceName};
use crate::post::{self, Posted, Recipient};

/// A receiver of orders.
pub struct Webhook {
    recipient: Recipient,
}

/// The address may hold a token, so only its host is shown.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("host", &self.recipient.host())
            .field("timeout", &self.recipient.timeout())
            .finish_non_exhaustive()
    }
}

/// What a receiver gets.
#[derive(Serialize)]
struct Message<'a> {
    r#type: &'static str,
    action: &'static str,
    service: &'a ServiceName,
    recovery_id: OrderId,
    incident_id: OrderId,
    attempt: u32,
    timestamp: Timestamp,
}

impl Webhook {
    /// Checks address and secret; connects to nothing.
    pub fn new(settings: &WebhookSettings) -> Result<Self, InvalidPlatform> {
        let recipient = Recipient::new(&settings.url, settings.secret.as_ref(), settings.timeout);
        let invalid = |error| InvalidPlatform { reason: format!("the webhook's {error}") };
        Ok(Self { recipient: recipient.map_err(invalid)? })
    }

    /// Host, and port where it is not the usual one.
    pub(super) fn host(&self) -> &str {
        self.recipient.host()
    }

    /// Posts an order and reads what the status says of it.
    pub(super) async fn perform(&self, order: &Order) -> Performed {
        if order.action.keeps_previous() {
            return super::not_ours("a webhook", order.action);
        }
        let tried = match order.action {
            Action::Webhook => format!("call for help with service {} at {}", order.service, self.host()),
            Action::Restart | Action::Recreate | Action::UpdateConfiguration => {
                let action = order.action.as_str();
                format!("post the order to {action} service {} to {}", order.service, self.host())
            }
        };
        let body = match message(order) {
            Ok(body) => body,
            Err(error) => {
                return Performed::NotRun { reason: format!("{tried}: cannot write the message: {error}") };
            }
        };
        let seconds = order.at.as_millis() / 1_000;
        let id = order.id.to_string();
        outcome(&tried, self.recipient.post(post::Message { id: &id, seconds, body: &body }).await)
    }
}

fn message(order: &Order) -> serde_json::Result<String> {
    serde_json::to_string(&Message {
        r#type: match order.action {
            Action::Webhook => "escalation",
            Action::Restart | Action::Recreate | Action::UpdateConfiguration => "order",
        },
        action: order.action.as_str(),
        service: &order.service,
        recovery_id: order.id,
        incident_id: order.incident_id,
        attempt: order.attempt,
        timestamp: order.at,
    })
}

fn outcome(tried: &str, posted: Posted) -> Performed {
    let (status, text) = match posted {
        Posted::NotSent(reason) => return Performed::NotRun { reason: format!("{tried}: {reason}") },
        Posted::Unanswered(cause) => {
            return Performed::Unknown { reason: format!("{tried}: {cause}; it may have been carried out") };
        }
        Posted::Answered { status, text, .. } => (status, text),
    };
    let answered = format!("{tried}: it answered {}{text}", status.as_u16());
    if status.is_success() {
        Performed::Accepted
    } else if status.is_server_error() {
        Performed::Failed { reason: answered }
    } else if status.is_redirection() {
        let reason =
            format!("{answered}; redirects are not followed, set the webhook's URL to the final address");
        Performed::NotRun { reason }
    } else {
        Performed::NotRun { reason: answered }
    }
}

#[cfg(test)]
mod tests;
