//! Messages posted to a receiver that somebody else runs, signed as the Standard Webhooks specification says
//! (standardwebhooks.com).

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use sha2::Sha256;

use crate::platform::{QUOTED, one_line};
use crate::redact::redact;

/// How much of a receiver's answer is read to explain a refusal.
const ANSWER_LIMIT: usize = 4 * 1024;

/// How much of an answer is read that is asked for.
const FETCHED_LIMIT: usize = 64 * 1024;

/// Where messages are posted to, and how they are signed.
pub struct Recipient {
    url: Url,
    host: String,
    key: Option<SecretSlice<u8>>,
    timeout: Duration,
}

/// The address may hold a token, so only its host is shown.
impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recipient")
            .field("host", &self.host)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

/// An address or a secret that cannot be used: which of them, and why. Repeats neither.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidRecipient(String);

/// One message.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// Identity: the same however often it is sent.
    pub id: &'a str,
    /// Seconds since 1970 that are signed with it; receivers refuse what is old.
    pub seconds: u64,
    /// What it says, as JSON.
    pub body: &'a str,
}

/// What became of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Posted {
    /// There was an answer.
    Answered {
        /// Its status.
        status: StatusCode,
        /// The beginning of its body as `: text`, in one line and without secrets; empty after a success.
        text: String,
        /// When the receiver wants the next try, if it says so in seconds.
        retry_after: Option<Duration>,
    },
    /// It was certainly not sent. Why.
    NotSent(String),
    /// It may have been received. What happened instead of an answer.
    Unanswered(String),
}

impl Recipient {
    /// Checks address and secret; connects to nothing.
    pub fn new(
        url: &str,
        secret: Option<&SecretString>,
        timeout: Duration,
    ) -> Result<Self, InvalidRecipient> {
        let url = Url::parse(url).map_err(|error| InvalidRecipient(format!("URL is not valid: {error}")))?;
        if !matches!(url.scheme(), "http" | "https") {
            let scheme = url.scheme();
            let reason = format!("URL begins with {scheme}:, only http: and https: can be posted to");
            return Err(InvalidRecipient(reason));
        }
        let Some(host) = url.host_str() else {
            return Err(InvalidRecipient("URL names no host".into()));
        };
        let host = url.port().map_or_else(|| host.into(), |port| format!("{host}:{port}"));
        let key = secret.map(signing_key).transpose()?;
        Ok(Self { url, host, key, timeout })
    }

    /// The same at another path below its address.
    #[must_use]
    pub fn at(mut self, path: &str) -> Self {
        let below = format!("{}{path}", self.url.path().trim_end_matches('/'));
        self.url.set_path(&below);
        self
    }

    /// Host, and port where it is not the usual one.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// How long a message may take at most.
    pub fn timeout(&self) -> Duration {
        self.timeout
    }

    /// Posts a message once.
    pub async fn post(&self, message: Message<'_>) -> Posted {
        let sent = match self.request(message) {
            Ok(request) => request.send().await,
            Err(reason) => return Posted::NotSent(reason),
        };
        match sent {
            Ok(response) => self.answered(response).await,
            Err(error) => self.unsent(error),
        }
    }

    /// Asks once what is there, without a secret. The error says what happened instead of a good answer.
    pub async fn fetch(&self) -> Result<String, String> {
        let mut response = match self.client()?.get(self.url.clone()).send().await {
            Ok(response) => response,
            Err(error) => {
                return Err(match self.unsent(error) {
                    Posted::NotSent(reason) | Posted::Unanswered(reason) => reason,
                    Posted::Answered { status, .. } => format!("it answered {}", status.as_u16()),
                });
            }
        };
        let status = response.status();
        if !status.is_success() {
            return Err(format!("it answered {}{}", status.as_u16(), self.quoted(response).await));
        }
        let mut body = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if body.len() + chunk.len() <= FETCHED_LIMIT => {
                    body.extend_from_slice(&chunk)
                }
                Ok(Some(_)) => return Err(format!("its answer is longer than {FETCHED_LIMIT} bytes")),
                Ok(None) => break,
                Err(error) => return Err(format!("its answer broke off: {}", causes(&error.without_url()))),
            }
        }
        String::from_utf8(body).map_err(|_| "its answer is not UTF-8".to_owned())
    }

    fn request(&self, message: Message<'_>) -> Result<reqwest::RequestBuilder, String> {
        let Message { id, seconds, body } = message;
        let seconds = seconds.to_string();
        let mut request = self.client()?.post(self.url.clone()).header(CONTENT_TYPE, "application/json");
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", signature(key, id, &seconds, body)?);
        }
        let request = request.header("webhook-id", id).header("idempotency-key", id);
        Ok(request.header("webhook-timestamp", seconds).body(body.to_owned()))
    }

    /// A client for one message. Messages are rare, and over a kept connection that the receiver closes at that
    /// moment nobody would know whether the message arrived. Half of the time is for connecting: what fails in it
    /// has certainly not been sent. The environment's proxy is for the way out, not for the message to a neighbour.
    fn client(&self) -> Result<Client, String> {
        Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .connect_timeout(self.timeout / 2)
            .timeout(self.timeout)
            .build()
            .map_err(|error| format!("cannot make a client: {}", causes(&error)))
    }

    async fn answered(&self, response: Response) -> Posted {
        let (status, retry_after) = (response.status(), retry_after(response.headers()));
        let text = if status.is_success() { String::new() } else { self.quoted(response).await };
        Posted::Answered { status, text, retry_after }
    }

    /// The beginning of the answer as `: text`; empty where it has none or breaks off. Some servers repeat the path that
    /// they do not know, and a path can be a credential.
    async fn quoted(&self, mut response: Response) -> String {
        let mut body = Vec::new();
        while let Ok(Some(chunk)) = response.chunk().await {
            body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_LIMIT - body.len())]);
            if body.len() == ANSWER_LIMIT {
                break;
            }
        }
        let mut text = String::from_utf8_lossy(&body).into_owned();
        let own = [self.url.path().trim_matches('/'), self.url.query().unwrap_or_default()];
        for part in own.into_iter().filter(|part| !part.is_empty()) {
            text = text.replace(part, "***");
        }
        let text: String = one_line(redact(&text).as_bytes()).chars().take(QUOTED).collect();
        if text.is_empty() { text } else { format!(": {text}") }
    }

    fn unsent(&self, error: reqwest::Error) -> Posted {
        let error = error.without_url();
        if error.is_connect() || error.is_builder() {
            let causes = causes(&error);
            return Posted::NotSent(format!("no connection: {causes}; check that the receiver runs"));
        }
        Posted::Unanswered(if error.is_timeout() {
            format!("no answer within {} s", self.timeout.as_secs_f32())
        } else {
            format!("the connection ended without an answer: {}", causes(&error))
        })
    }
}

/// Seconds only: a date would be by the receiver's clock.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
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

fn signing_key(secret: &SecretString) -> Result<SecretSlice<u8>, InvalidRecipient> {
    let invalid = |reason: &str| InvalidRecipient(reason.into());
    let secret = secret.expose_secret();
    let key = match secret.strip_prefix("whsec_") {
        Some(encoded) => STANDARD
            .decode(encoded)
            .map_err(|_| invalid("secret begins with whsec_, but what follows is not base64"))?,
        None => secret.as_bytes().to_vec(),
    };
    if key.is_empty() {
        return Err(invalid("secret is empty; leave it out to sign nothing"));
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
mod tests {
    use super::*;

    #[test]
    fn the_specifications_own_example_is_signed_as_published() {
        let key = signing_key(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).unwrap();
        let body = r#"{"test": 2432232314}"#;
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(signed.unwrap(), "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_path_is_put_below_the_address() {
        let at = |url: &str| {
            let recipient = Recipient::new(url, None, Duration::from_secs(1)).unwrap();
            recipient.at("/api/v2/alerts").url.to_string()
        };
        assert_eq!(at("http://alerts:9093"), "http://alerts:9093/api/v2/alerts");
        assert_eq!(at("http://proxy/alertmanager/"), "http://proxy/alertmanager/api/v2/alerts");
    }
}
