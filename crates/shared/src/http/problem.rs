//! The one error body of the API: RFC 9457 members with `error` and `request_id` beside them.

use std::borrow::Cow;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value};

/// The media type of every error body.
pub const PROBLEM_JSON: HeaderValue = HeaderValue::from_static("application/problem+json");

/// Why a request was not carried out: the error of every handler.
///
/// [`super::foundation`] fills in `request_id` and `instance`, so a handler need not know them.
#[derive(Clone, Debug)]
pub struct Problem {
    // On the heap, because this is the error half of every handler's result.
    inner: Box<Inner>,
}

#[derive(Clone, Debug)]
struct Inner {
    status: StatusCode,
    body: ProblemBody,
    headers: HeaderMap,
}

/// What a client reads when a request was not carried out (RFC 9457).
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
#[schema(as = Problem)]
pub struct ProblemBody {
    /// Stable relative URI of the kind of problem; `about:blank` when the status says it all.
    #[serde(rename = "type")]
    #[schema(value_type = String, example = "about:blank")]
    pub kind: Cow<'static, str>,
    /// The kind of problem in a few words; the same for every occurrence.
    #[schema(value_type = String, example = "Not Found")]
    pub title: Cow<'static, str>,
    /// The HTTP status code.
    #[schema(example = 404)]
    pub status: u16,
    /// What went wrong this time and what to do about it: a sentence.
    pub detail: String,
    /// The path that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// What went wrong: a sentence. Clients of the first version read this member.
    #[schema(example = "Service not found")]
    pub error: String,
    /// Identity of the request; the log has it too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// Members that only this kind of problem has.
    #[serde(flatten)]
    #[schema(ignore)]
    pub extra: Map<String, Value>,
}

impl Problem {
    /// A problem of this status; `error` is a sentence and becomes the detail too.
    pub fn new(status: StatusCode, error: impl Into<String>) -> Self {
        let error = error.into();
        let body = ProblemBody {
            kind: Cow::Borrowed("about:blank"),
            title: Cow::Borrowed(status.canonical_reason().unwrap_or("Error")),
            status: status.as_u16(),
            detail: error.clone(),
            instance: None,
            error,
            request_id: None,
            extra: Map::new(),
        };
        Self { inner: Box::new(Inner { status, body, headers: HeaderMap::new() }) }
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// 401: no token, or a wrong one; asks for a bearer token.
    pub fn unauthorized(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, error)
            .with_header(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))
    }

    /// 403: understood, and not allowed.
    pub fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    /// 404: there is no such thing.
    pub fn not_found(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// 405: the path does not take this method. `allow` names those it takes: `GET, HEAD`.
    pub fn method_not_allowed(error: impl Into<String>, allow: &'static str) -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, error)
            .with_header(header::ALLOW, HeaderValue::from_static(allow))
    }

    /// 408: the client did not send its request in time.
    pub fn request_timeout(error: impl Into<String>) -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, error)
    }

    /// 409: the state of the thing does not allow it now.
    pub fn conflict(error: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, error)
    }

    /// 413: the body is larger than this route takes.
    pub fn payload_too_large(error: impl Into<String>) -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, error)
    }

    /// 415: the body has another content type than this route takes.
    pub fn unsupported_media_type(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, error)
    }

    /// 422: well-formed, and its values make no sense.
    pub fn unprocessable(error: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, error)
    }

    /// 423: held back on purpose, by a pause or a cool-down.
    pub fn locked(error: impl Into<String>) -> Self {
        Self::new(StatusCode::LOCKED, error)
    }

    /// 429: too many; may be sent again after this long.
    pub fn too_many_requests(error: impl Into<String>, retry_after: Duration) -> Self {
        Self::new(StatusCode::TOO_MANY_REQUESTS, error).with_retry_after(retry_after)
    }

    /// 503: what this needs is not there now; may be sent again after this long, when that is known.
    pub fn unavailable(error: impl Into<String>, retry_after: Option<Duration>) -> Self {
        let problem = Self::new(StatusCode::SERVICE_UNAVAILABLE, error);
        match retry_after {
            Some(wait) => problem.with_retry_after(wait),
            None => problem,
        }
    }

    /// 500: our fault. Takes no text, because causes belong in the log and not in an answer.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "The request failed inside the server; its log names the cause under this request id.",
        )
    }

    /// Names the kind of problem by a stable relative URI and its title.
    pub fn with_kind(mut self, kind: &'static str, title: &'static str) -> Self {
        self.inner.body.kind = Cow::Borrowed(kind);
        self.inner.body.title = Cow::Borrowed(title);
        self
    }

    /// Says more in `detail` than in `error`, whose text existing clients compare.
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.inner.body.detail = detail.into();
        self
    }

    /// Adds a member of its own. A name that RFC 9457 or this API defines is ignored.
    pub fn with_member(mut self, name: &str, value: impl Into<Value>) -> Self {
        const DEFINED: [&str; 7] = ["type", "title", "status", "detail", "instance", "error", "request_id"];
        if !DEFINED.contains(&name) {
            self.inner.body.extra.insert(name.to_owned(), value.into());
        }
        self
    }

    /// Sets `Retry-After`, in whole seconds, rounded up, at least one.
    pub fn with_retry_after(self, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        self.with_header(header::RETRY_AFTER, HeaderValue::from(seconds.max(1)))
    }

    /// Sets a response header.
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.inner.headers.insert(name, value);
        self
    }

    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.inner.status
    }

    /// The body as a client will read it, but for what the foundation fills in.
    pub fn body(&self) -> &ProblemBody {
        &self.inner.body
    }

    /// Names the request that this answers.
    pub(super) fn for_request(mut self, path: &str, request_id: Option<&str>) -> Self {
        let body = &mut self.inner.body;
        body.instance.get_or_insert_with(|| path.to_owned());
        body.request_id = request_id.map(str::to_owned);
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Inner { status, body, headers } = (*self.inner).clone();
        let mut response = (status, headers, Json(body)).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, PROBLEM_JSON);
        // Kept beside the bytes, so that the outer layer can add the request without parsing them again.
        response.extensions_mut().insert(self);
        response
    }
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.inner.status.as_u16(), self.inner.body.detail)
    }
}

impl std::error::Error for Problem {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_error_becomes_the_detail_unless_more_is_said() {
        let plain = Problem::not_found("Service not found");
        assert_eq!(plain.body().detail, "Service not found");
        let longer = plain.with_detail("no service is named web; known: api");
        assert_eq!(longer.body().error, "Service not found");
        assert_eq!(longer.body().detail, "no service is named web; known: api");
    }

    #[test]
    fn retry_after_is_rounded_up_to_whole_seconds_and_at_least_one() {
        for (wait_ms, seconds) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (60_000, "60")] {
            let problem = Problem::too_many_requests("slow down", Duration::from_millis(wait_ms));
            assert_eq!(problem.inner.headers[header::RETRY_AFTER], seconds);
        }
    }

    #[test]
    fn an_added_member_cannot_replace_a_defined_one() {
        let problem = Problem::locked("paused").with_member("status", 200).with_member("until", "noon");
        let body = serde_json::to_value(problem.body()).unwrap();
        assert_eq!(body["status"], 423);
        assert_eq!(body["until"], "noon");
        assert_eq!(body["type"], "about:blank");
    }
}
