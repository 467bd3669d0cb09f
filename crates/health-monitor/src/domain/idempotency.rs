//! Requests that are sent twice: a key says that the second is the first again, and not another one.
//!
//! The key of an attempt is recorded in the commit that records the attempt. A client that got no answer, because the
//! connection or the daemon broke off, sends the same again and is told of the attempt that was recorded, if it was. A
//! refusal did nothing, so it uses no key up: the same request may succeed later.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::{OrderId, ServiceName};

/// Keys are remembered this long, the usual span (Stripe's), and at most this many.
const REMEMBERED: Duration = Duration::from_secs(86_400);
const MOST: usize = 1_000;
/// The longest key, in characters.
const LONGEST: usize = 255;

/// What a client calls one request.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct IdempotencyKey(String);

/// The text is no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "an Idempotency-Key is 1 to {LONGEST} visible ASCII characters without quotes or backslashes, best a UUID, in quotes or not"
)]
pub struct InvalidKey;

impl IdempotencyKey {
    /// Reads a header: a string of RFC 9651, which is in quotes, as the draft of the header has it, or the bare key that many
    /// clients send.
    pub fn new(header: &str) -> Result<Self, InvalidKey> {
        let header = header.trim();
        let key = match header.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"').ok_or(InvalidKey)?,
            None => header,
        };
        let is_well_formed = (1..=LONGEST).contains(&key.len())
            && key.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\'));
        is_well_formed.then(|| Self(key.to_owned())).ok_or(InvalidKey)
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An attempt that was asked for under a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeyedRequest {
    /// What the client called it.
    pub key: IdempotencyKey,
    /// Which service was to be recovered.
    pub service: ServiceName,
    /// Why by force; null when it was not.
    pub forced: Option<String>,
    /// The attempt that it began.
    pub recovery_id: OrderId,
}

/// What is known about a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Known {
    /// The same request was made before, and began this attempt.
    Same(OrderId),
    /// It was given to another request.
    Another,
}

/// The keys of the last day.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Keys(VecDeque<(Timestamp, KeyedRequest)>);

impl Keys {
    /// Remembers the key of an attempt.
    pub(super) fn remember(&mut self, at: Timestamp, request: &KeyedRequest) {
        while self.0.front().is_some_and(|(then, _)| self.0.len() >= MOST || *then + REMEMBERED <= at) {
            self.0.pop_front();
        }
        self.0.push_back((at, request.clone()));
    }

    /// What is known about the key of a request; none when it is new, or was used too long ago.
    pub fn known(
        &self,
        key: &IdempotencyKey,
        service: &ServiceName,
        forced: Option<&str>,
        now: Timestamp,
    ) -> Option<Known> {
        let used = |(at, request): &&(Timestamp, KeyedRequest)| request.key == *key && *at + REMEMBERED > now;
        let (_, request) = self.0.iter().rev().find(used)?;
        let is_same = request.service == *service && request.forced.as_deref() == forced;
        Some(if is_same { Known::Same(request.recovery_id) } else { Known::Another })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(name: &str) -> ServiceName {
        ServiceName::new(name).unwrap()
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp::from_micros(0) + Duration::from_secs(seconds)
    }

    fn request(key: &str) -> KeyedRequest {
        let recovery_id = OrderId::at(at(1), 1);
        KeyedRequest {
            key: IdempotencyKey::new(key).unwrap(),
            service: name("web"),
            forced: None,
            recovery_id,
        }
    }

    #[test]
    fn a_key_is_read_with_quotes_and_without() {
        assert_eq!(IdempotencyKey::new("\"8e03978e\"").unwrap(), IdempotencyKey::new("8e03978e").unwrap());
        let long = "x".repeat(256);
        for wrong in ["", " ", "\"\"", "\"a", "a\"", "two words", "a\\b", "schlüssel", long.as_str()] {
            assert_eq!(IdempotencyKey::new(wrong), Err(InvalidKey), "{wrong}");
        }
    }

    #[test]
    fn a_key_means_the_same_request_for_a_day() {
        let mut keys = Keys::default();
        let first = request("a");
        keys.remember(at(0), &first);
        let known = |service, forced, seconds| keys.known(&first.key, &name(service), forced, at(seconds));
        assert_eq!(known("web", None, 86_399), Some(Known::Same(first.recovery_id)));
        assert_eq!(known("db", None, 1), Some(Known::Another));
        assert_eq!(known("web", Some("why"), 1), Some(Known::Another));
        assert_eq!(known("web", None, 86_400), None);
        assert_eq!(keys.known(&request("b").key, &name("web"), None, at(1)), None);
    }

    #[test]
    fn no_more_keys_are_kept_than_are_promised() {
        let mut keys = Keys::default();
        for number in 0..3_000 {
            keys.remember(at(number), &request(&number.to_string()));
        }
        assert_eq!(keys.0.len(), MOST);
        assert_eq!(keys.0[0].0, at(2_000));
        keys.remember(at(200_000), &request("later"));
        assert_eq!(keys.0.len(), 1);
    }
}
