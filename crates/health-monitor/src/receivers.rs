//! Those who are told: how each kind of channel is spoken to, and what its answers mean.

mod alertmanager;
mod slack;
mod webhook;

use std::fmt;
use std::time::Duration;

use reqwest::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use shared::clock::Timestamp;
use shared::post::{InvalidRecipient, Message, Posted, Recipient};

use crate::domain::notification::channel::ChannelKind;
use crate::domain::notification::{Delivery, Notification};

/// How long a receiver may take to answer; it only has to take the message.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Alerts in one request at most.
const BATCH: usize = 200;

/// Where the messages of a channel go.
#[derive(Clone)]
pub struct ReceiverSettings {
    /// What is spoken there.
    pub kind: ChannelKind,
    /// The address; it may be a credential.
    pub url: SecretString,
    /// The key that signs the messages.
    pub secret: Option<SecretString>,
}

/// Leaves out the address, which can be a credential.
impl fmt::Debug for ReceiverSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReceiverSettings").field("kind", &self.kind).finish_non_exhaustive()
    }
}

/// One receiver, ready for use.
#[derive(Debug)]
pub struct Receiver {
    kind: ChannelKind,
    recipient: Recipient,
}

impl Receiver {
    /// Checks address and secret; connects to nothing.
    pub fn new(settings: &ReceiverSettings) -> Result<Self, InvalidRecipient> {
        let ReceiverSettings { kind, url, secret } = settings;
        let recipient = Recipient::new(url.expose_secret(), secret.as_ref(), TIMEOUT)?;
        let recipient = match kind {
            ChannelKind::Webhook | ChannelKind::Slack => recipient,
            ChannelKind::Alertmanager => recipient.at(alertmanager::PATH),
        };
        Ok(Self { kind: *kind, recipient })
    }

    /// Sends one message once.
    pub async fn deliver(&self, notification: &Notification, now: Timestamp) -> Delivery {
        let body = match self.kind {
            ChannelKind::Webhook => webhook::body(notification),
            ChannelKind::Slack => slack::body(notification),
            ChannelKind::Alertmanager => alertmanager::body(notification, now),
        };
        self.post(&notification.notification_id, body, now).await
    }

    /// Tells again of everything that lasts.
    pub async fn renew(&self, lasting: &[Notification], now: Timestamp) -> Delivery {
        for batch in lasting.chunks(BATCH) {
            let delivery = self.post("renewal", alertmanager::lasting(batch, now), now).await;
            if delivery != Delivery::Delivered {
                return delivery;
            }
        }
        Delivery::Delivered
    }

    async fn post(&self, id: &str, body: serde_json::Result<String>, now: Timestamp) -> Delivery {
        let body = match body {
            Ok(body) => body,
            Err(error) => {
                return Delivery::Refused { reason: format!("the message cannot be written: {error}") };
            }
        };
        let seconds = now.as_millis() / 1_000;
        let posted = self.recipient.post(Message { id, seconds, body: &body }).await;
        meaning(self.recipient.host(), posted)
    }
}

/// What an answer says of the message, and whether it is worth sending it again.
fn meaning(host: &str, posted: Posted) -> Delivery {
    let (status, text, retry_after) = match posted {
        Posted::NotSent(reason) => {
            return Delivery::Failed { reason: format!("{host}: {reason}"), may_have_arrived: false };
        }
        Posted::Unanswered(reason) => {
            return Delivery::Failed { reason: format!("{host}: {reason}"), may_have_arrived: true };
        }
        Posted::Answered { status, text, retry_after } => (status, text, retry_after),
    };
    let reason = format!("{host} answered {}{text}", status.as_u16());
    if status.is_success() {
        return Delivery::Delivered;
    }
    match status {
        StatusCode::TOO_MANY_REQUESTS => Delivery::Deferred { reason, after: retry_after },
        StatusCode::SERVICE_UNAVAILABLE if retry_after.is_some() => {
            Delivery::Deferred { reason, after: retry_after }
        }
        StatusCode::REQUEST_TIMEOUT => Delivery::Failed { reason, may_have_arrived: false },
        _ if status.is_server_error() => Delivery::Failed { reason, may_have_arrived: true },
        _ if status.is_redirection() => Delivery::Refused {
            reason: format!("{reason}; redirects are not followed, set the URL to the final address"),
        },
        _ => Delivery::Refused { reason },
    }
}

#[cfg(test)]
mod tests;
