//! Orders posted to a receiver, signed as the Standard Webhooks specification says (standardwebhooks.com).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::CONTENT_TYPE;
use reqwest::redirect::Policy;
use reqwest::{Client, Response, Url};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use serde::Serialize;
use sha2::Sha256;

use super::{InvalidPlatform, QUOTED, WebhookSettings, one_line};
use crate::clock::Timestamp;
use crate::order::{Action, Order, OrderId, Performed, ServiceName};
use crate::redact::redact;

/// How much of a receiver's answer is read to explain a refusal.
const ANSWER_LIMIT: usize = 4 * 1024;

/// A receiver of orders.
pub struct Webhook {
    url: Url,
    host: String,
    key: Option<SecretSlice<u8>>,
    timeout: Duration,
}

/// The address may hold a token, so only its host is shown.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook")
            .field("host", &self.host)
            .field("timeout", &self.timeout)
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
        let invalid = |reason: String| InvalidPlatform { reason };
        let url = Url::parse(&settings.url)
            .map_err(|error| invalid(format!("the webhook's URL is not valid: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(invalid(format!(
                "the webhook's URL begins with {}:, only http: and https: can be posted to",
                url.scheme()
            )));
        }
        let Some(host) = url.host_str() else {
            return Err(invalid("the webhook's URL names no host".into()));
        };
        let host = url.port().map_or_else(|| host.into(), |port| format!("{host}:{port}"));
        let key = settings.secret.as_ref().map(signing_key).transpose()?;
        Ok(Self { url, host, key, timeout: settings.timeout })
    }

    /// Host, and port where it is not the usual one.
    pub(super) fn host(&self) -> &str {
        &self.host
    }

    /// Posts an order and reads what the status says of it.
    pub(super) async fn perform(&self, order: &Order) -> Performed {
        if order.action.keeps_previous() {
            return super::not_ours("a webhook", order.action);
        }
        let tried = match order.action {
            Action::Webhook => format!("call for help with service {} at {}", order.service, self.host),
            Action::Restart | Action::Recreate | Action::UpdateConfiguration => {
                let action = order.action.as_str();
                format!("post the order to {action} service {} to {}", order.service, self.host)
            }
        };
        let sent = match self.request(order) {
            Ok(request) => request.send().await,
            Err(reason) => {
                return Performed::NotRun { reason: format!("{tried}: {reason}") };
            }
        };
        match sent {
            Ok(response) => outcome(&tried, response).await,
            Err(error) => self.unsent(&tried, error),
        }
    }

    fn request(&self, order: &Order) -> Result<reqwest::RequestBuilder, String> {
        let body = serde_json::to_string(&Message {
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
        .map_err(|error| format!("cannot write the message: {error}"))?;
        let id = order.id.to_string();
        let seconds = (order.at.as_millis() / 1_000).to_string();
        let mut request = self.client()?.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", signature(key, &id, &seconds, &body)?);
        }
        Ok(request.header("webhook-id", id).header("webhook-timestamp", seconds).body(body))
    }

    /// A client for one order. Orders are rare, and over a kept connection that the receiver closes at that
    /// moment nobody would know whether the order arrived. Half of the time is for connecting: what fails in it
    /// has certainly not been sent. The environment's proxy is for the way out, not for the order to a neighbour.
    fn client(&self) -> Result<Client, String> {
        Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(self.timeout / 2)
            .timeout(self.timeout)
            .build()
            .map_err(|error| format!("cannot make a client: {}", causes(&error)))
    }

    fn unsent(&self, tried: &str, error: reqwest::Error) -> Performed {
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            return Performed::NotRun {
                reason: format!("{tried}: no connection: {}; check that the receiver runs", causes(&error)),
            };
        }
        let cause = if error.is_timeout() {
            format!("no answer within {} s", self.timeout.as_secs_f32())
        } else {
            format!("the connection ended without an answer: {}", causes(&error))
        };
        Performed::Unknown { reason: format!("{tried}: {cause}; it may have been carried out") }
    }
}

async fn outcome(tried: &str, response: Response) -> Performed {
    let status = response.status();
    if status.is_success() {
        return Performed::Accepted;
    }
    let answered = format!("{tried}: it answered {}{}", status.as_u16(), quoted(response).await);
    if status.is_server_error() {
        Performed::Failed { reason: answered }
    } else if status.is_redirection() {
        let reason =
            format!("{answered}; redirects are not followed, set the webhook's URL to the final address");
        Performed::NotRun { reason }
    } else {
        Performed::NotRun { reason: answered }
    }
}

/// The beginning of the answer as `: text`; empty where it has none or breaks off.
async fn quoted(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_LIMIT - body.len())]);
        if body.len() == ANSWER_LIMIT {
            break;
        }
    }
    let body = redact(&String::from_utf8_lossy(&body)).into_owned();
    let text: String = one_line(body.as_bytes()).chars().take(QUOTED).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

/// An error with what is behind it; the outermost sentence of the HTTP client alone says nothing.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

fn signing_key(secret: &SecretString) -> Result<SecretSlice<u8>, InvalidPlatform> {
    let invalid = |reason: &str| InvalidPlatform { reason: reason.into() };
    let secret = secret.expose_secret();
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| {
            invalid("the webhook's secret begins with whsec_, but what follows is not base64")
        })?,
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err(invalid("the webhook's secret is empty; leave it out to send unsigned orders"));
    }
    Ok(key.into())
}

fn signature(key: &SecretSlice<u8>, id: &str, seconds: &str, body: &str) -> Result<String, String> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key.expose_secret())
        .map_err(|error| format!("cannot sign with this secret: {error}"))?;
    for part in [id, ".", seconds, ".", body] {
        mac.update(part.as_bytes());
    }
    Ok(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
}

#[cfg(test)]
mod tests;
