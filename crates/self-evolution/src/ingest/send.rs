//! Posts batches to the daemon, again and again while it may still take them.

use std::time::Duration;

use axum::body::Bytes;
use reqwest::{Client, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use shared::config::HttpUrl;

/// How long one request may take: the daemon answers once its disk has the events.
const LIMIT: Duration = Duration::from_secs(30);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(5);
/// No answer of the daemon is longer: it names a hundred rejections.
const LONGEST_ANSWER: usize = 256 * 1_024;
/// How much of a stranger's answer is shown.
const QUOTED: usize = 200;
/// No wait that an answer asks for is longer.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// The daemon that takes usage.
pub(super) struct Daemon {
    client: Client,
    url: String,
    token: Option<SecretString>,
    /// Its address, without what is secret in it.
    pub(super) name: String,
}

/// What became of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Outcome {
    /// The daemon has looked at every event.
    Answered {
        /// Those that are recorded.
        accepted: u64,
        /// Those that are not.
        rejected: u64,
        /// Why; of a hundred at most.
        reasons: Vec<String>,
    },
    /// It may be taken later.
    Later {
        /// Why not now.
        reason: String,
        /// When, as the daemon asks.
        after: Option<Duration>,
    },
    /// It will not be taken.
    Never(String),
}

#[derive(Deserialize)]
struct Answer {
    accepted: u64,
    rejected: u64,
    #[serde(default)]
    rejections: Vec<Rejection>,
}

#[derive(Deserialize)]
struct Rejection {
    reason: String,
}

impl Daemon {
    /// The daemon at this address.
    pub(super) fn new(url: &HttpUrl, token: Option<SecretString>) -> Result<Self, String> {
        let client = Client::builder().no_proxy().connect_timeout(CONNECT).timeout(LIMIT).build();
        let client = client.map_err(|error| format!("no HTTP client: {error}"))?;
        Ok(Self { client, url: format!("{}/collect-usage", url.expose()), token, name: url.to_string() })
    }

    /// Posts events, one a line.
    pub(super) async fn post(&self, body: Bytes) -> Outcome {
        let mut request = self.client.post(&self.url).header(header::CONTENT_TYPE, "application/x-ndjson");
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.expose_secret());
        }
        let response = match request.body(body).send().await {
            Ok(response) => response,
            Err(error) => return later(self.unreachable(error)),
        };
        let status = response.status();
        let after =
            response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
        let after = after.map(|seconds| Duration::from_secs(seconds).min(LONGEST_WAIT));
        match answer(response).await {
            Ok(answer) => outcome(status, after, &answer),
            Err(error) => later(self.unreachable(error)),
        }
    }

    fn unreachable(&self, error: reqwest::Error) -> String {
        let error = error.without_url();
        let innermost =
            std::iter::successors(Some(&error as &dyn std::error::Error), |e| (*e).source()).last();
        let reason = innermost.map_or_else(|| error.to_string(), ToString::to_string);
        format!("{} cannot be reached: {reason}", self.name)
    }
}

fn later(reason: String) -> Outcome {
    Outcome::Later { reason, after: None }
}

async fn answer(mut response: reqwest::Response) -> reqwest::Result<Vec<u8>> {
    let mut answer = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if answer.len() + chunk.len() > LONGEST_ANSWER {
            break;
        }
        answer.extend_from_slice(&chunk);
    }
    Ok(answer)
}

/// What an answer means.
fn outcome(status: StatusCode, after: Option<Duration>, answer: &[u8]) -> Outcome {
    let said = || format!("it answered {status}: {}", sentence(answer));
    match status {
        StatusCode::OK | StatusCode::BAD_REQUEST => match serde_json::from_slice::<Answer>(answer) {
            Ok(Answer { accepted, rejected, rejections }) => Outcome::Answered {
                accepted,
                rejected,
                reasons: rejections.into_iter().map(|rejection| rejection.reason).collect(),
            },
            Err(_) => Outcome::Never(format!("this is no self-evolution: {}", said())),
        },
        StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT => {
            Outcome::Later { reason: said(), after }
        }
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            Outcome::Never(format!("a token of the role ingest is needed (--token-file): {}", said()))
        }
        status if status.is_server_error() => Outcome::Later { reason: said(), after },
        _ => Outcome::Never(said()),
    }
}

/// The sentence of an error, or the beginning of whatever it is.
fn sentence(answer: &[u8]) -> String {
    let error = serde_json::from_slice::<serde_json::Value>(answer).ok();
    let error = error.as_ref().and_then(|body| body["error"].as_str());
    let text = error.map_or_else(|| String::from_utf8_lossy(answer).into_owned(), str::to_owned);
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(QUOTED).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(status: u16, answer: &str) -> Outcome {
        outcome(StatusCode::from_u16(status).unwrap(), Some(Duration::from_secs(3)), answer.as_bytes())
    }

    #[test]
    fn an_answer_for_each_event_is_counted_even_when_none_was_good() {
        let answer =
            r#"{"accepted":1,"rejected":2,"rejections":[{"index":0,"reason":"a"},{"index":1,"reason":"b"}]}"#;
        for status in [200, 400] {
            let reasons = vec!["a".to_owned(), "b".to_owned()];
            assert_eq!(of(status, answer), Outcome::Answered { accepted: 1, rejected: 2, reasons });
        }
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_said() {
        for status in [429, 500, 502, 503, 504, 408] {
            let Outcome::Later { after, reason } = of(status, r#"{"error":"full"}"#) else {
                panic!("{status}")
            };
            assert_eq!(after, Some(Duration::from_secs(3)));
            assert!(reason.ends_with("full"), "{reason}");
        }
        for (status, part) in [
            (401, "--token-file"),
            (403, "--token-file"),
            (404, "404"),
            (413, "413"),
            (200, "no self-evolution"),
        ] {
            let Outcome::Never(reason) = of(status, "<html>") else { panic!("{status}") };
            assert!(reason.contains(part) && reason.ends_with("<html>"), "{reason}");
        }
    }
}
