//! One identity per request: taken from the client or made, echoed, logged, and named in problems.

use std::sync::Arc;

use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use tracing::Instrument;

/// The header that carries the identity, in and out.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The longest identity taken from a client, in bytes: enough for every common scheme, too short to fill a log.
const LONGEST: usize = 128;

/// The identity of one request: 1 to 128 visible ASCII characters. Handlers find it among the extensions.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestId(Arc<str>);

impl RequestId {
    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The client's identity when it has the right form.
    fn accept(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(X_REQUEST_ID)?.to_str().ok()?;
        let well_formed = (1..=LONGEST).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
        well_formed.then(|| Self(text.into()))
    }

    /// A new identity: 64 random bits, enough to find one request in any log that is still kept.
    fn make() -> Self {
        Self(format!("{:016x}", rand::random::<u64>()).into())
    }
}

/// Gives the request its identity and runs the rest inside a span that carries it.
pub(super) async fn identify(mut request: Request, next: impl AsyncFnOnce(Request) -> Response) -> Response {
    let id = RequestId::accept(request.headers()).unwrap_or_else(RequestId::make);
    let span = tracing::info_span!("request", request_id = id.as_str(), trace_id = tracing::field::Empty);
    if let Some(trace_id) = trace_id(request.headers()) {
        span.record("trace_id", trace_id);
    }
    request.extensions_mut().insert(id.clone());
    let mut response = next(request).instrument(span).await;
    if let Ok(value) = HeaderValue::from_str(id.as_str()) {
        response.headers_mut().insert(X_REQUEST_ID, value);
    }
    response
}

/// The trace id of a W3C `traceparent` header: version, 32 hex digits, 16 hex digits, flags.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let text = headers.get("traceparent")?.to_str().ok()?;
    let mut fields = text.split('-');
    let (version, trace_id, parent_id, flags) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let well_formed = is_hex(version, 2)
        && version != "ff"
        && is_hex(trace_id, 32)
        && is_hex(parent_id, 16)
        && is_hex(flags, 2)
        && trace_id.bytes().any(|b| b != b'0')
        && parent_id.bytes().any(|b| b != b'0');
    well_formed.then_some(trace_id)
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepted(text: &[u8]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(X_REQUEST_ID, HeaderValue::from_bytes(text).unwrap());
        RequestId::accept(&headers).is_some()
    }

    #[test]
    fn a_request_id_of_1_to_128_visible_ascii_characters_is_taken() {
        assert!(accepted(b"a"));
        assert!(accepted(&[b'x'; 128]));
        assert!(!accepted(b""));
        assert!(!accepted(&[b'x'; 129]));
        assert!(!accepted(b"two words"));
        assert!(!accepted("\u{fc}".as_bytes()));
    }

    #[test]
    fn made_request_ids_differ() {
        assert_ne!(RequestId::make(), RequestId::make());
    }

    #[test]
    fn only_a_well_formed_traceparent_gives_a_trace_id() {
        let check = |text: &str, expected: Option<&str>| {
            let mut headers = HeaderMap::new();
            headers.insert("traceparent", HeaderValue::from_str(text).unwrap());
            assert_eq!(trace_id(&headers), expected, "{text}");
        };
        let id = "4bf92f3577b34da6a3ce929d0e0e4736";
        check(&format!("00-{id}-00f067aa0ba902b7-01"), Some(id));
        check(&format!("ff-{id}-00f067aa0ba902b7-01"), None);
        check(&format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32)), None);
        check("00-abc", None);
    }
}
