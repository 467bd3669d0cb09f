//! Gives every error response the one error body, whoever made the response.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::FutureExt;

use super::observe::Frequent;
use super::problem::Problem;
use super::request_id::RequestId;

/// The longest plain text of a bare error response that is kept as its detail, in bytes. The framework's
/// rejections are one sentence; anything longer is not one.
const DETAIL_LIMIT: usize = 1_024;

/// Put into the extensions of an error response whose body is meant as it is: a page for a browser, the lines
/// of a readiness probe.
#[derive(Clone, Copy, Debug)]
pub struct DeliberateBody;

/// Turns every error response into a problem that names its request.
pub(super) async fn give_error_bodies(
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let path = request.uri().path().to_owned();
    let request_id = request.extensions().get::<RequestId>().cloned();
    let response = next(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    if !is_error || response.extensions().get::<DeliberateBody>().is_some() {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let problem = match parts.extensions.remove::<Problem>() {
        Some(problem) => problem,
        None => Problem::new(status, sentence(status, &parts.headers, body).await),
    };
    let named = problem.for_request(&path, request_id.as_ref().map(RequestId::as_str));
    let mut response = named.into_response();
    keep_headers(response.headers_mut(), &parts.headers);
    if let Some(frequent) = parts.extensions.remove::<Frequent>() {
        response.extensions_mut().insert(frequent);
    }
    response
}

/// Headers such as `Allow` survive; those that describe the old body do not.
fn keep_headers(headers: &mut HeaderMap, old: &HeaderMap) {
    for (name, value) in old {
        let describes_body = name == header::CONTENT_LENGTH
            || name == header::CONTENT_TYPE
            || name == header::CONTENT_ENCODING
            || name == header::TRANSFER_ENCODING;
        if !describes_body && !headers.contains_key(name) {
            headers.insert(name, value.clone());
        }
    }
}

/// What the framework said, when a client may read it, else what the status means.
async fn sentence(status: StatusCode, headers: &HeaderMap, body: Body) -> String {
    let is_text =
        headers.get(header::CONTENT_TYPE).is_some_and(|value| value.as_bytes().starts_with(b"text/plain"));
    if status.is_client_error()
        && is_text
        && let Ok(bytes) = axum::body::to_bytes(body, DETAIL_LIMIT).await
        && let Ok(text) = std::str::from_utf8(&bytes)
        && !text.trim().is_empty()
    {
        return text.trim().to_owned();
    }
    meaning(status).to_owned()
}

fn meaning(status: StatusCode) -> &'static str {
    match status {
        StatusCode::NOT_FOUND => "There is nothing at this path.",
        StatusCode::METHOD_NOT_ALLOWED => {
            "This path does not take this method; the Allow header names those it takes."
        }
        StatusCode::PAYLOAD_TOO_LARGE => "The body is larger than this server takes.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The body must be JSON: send Content-Type: application/json.",
        StatusCode::SERVICE_UNAVAILABLE => "The server cannot take this request now; try again shortly.",
        other if other.is_server_error() => {
            "The request failed inside the server; its log names the cause under this request id."
        }
        other => other.canonical_reason().unwrap_or("The request was refused."),
    }
}

/// Answers for a handler that panics; the cause goes to the log only.
pub(super) async fn answer_panics(answering: impl Future<Output = Response>) -> Response {
    // What the request has shared with others is behind locks that a panic poisons, or atomic.
    AssertUnwindSafe(answering).catch_unwind().await.unwrap_or_else(|cause| panic_problem(&*cause))
}

fn panic_problem(cause: &(dyn Any + Send)) -> Response {
    let cause = cause
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| cause.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no text");
    tracing::error!(cause, "a request handler panicked");
    Problem::internal().into_response()
}
