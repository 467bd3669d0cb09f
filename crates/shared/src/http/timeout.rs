//! Ends requests that take too long, and says whose fault it was.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, SizeHint};

use super::problem::Problem;

/// Answers 408 when the body of the request did not arrive in time, 503 when the answer was not ready. The
/// body of a response may take longer: an event stream has no end.
pub(super) async fn end_slow_requests(
    limit: Duration,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let awaits_client = Arc::new(AtomicBool::new(false));
    let request = request.map(|body| Body::new(Watched { body, awaits_client: Arc::clone(&awaits_client) }));
    if let Ok(response) = tokio::time::timeout(limit, next(request)).await {
        return response;
    }
    let seconds = limit.as_secs_f64();
    if awaits_client.load(Ordering::Relaxed) {
        let error = format!("The body of the request did not arrive within {seconds} s.");
        return Problem::request_timeout(error).into_response();
    }
    tracing::warn!(limit_ms = limit.as_millis(), "a request was given up: its handler took too long");
    let error = format!(
        "The answer was not ready within {seconds} s. What was asked for may still be done, so look before you ask again."
    );
    Problem::unavailable(error, None).into_response()
}

/// A request body that tells whether its reader waits for the client.
struct Watched {
    body: Body,
    awaits_client: Arc<AtomicBool>,
}

impl HttpBody for Watched {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(cx);
        self.awaits_client.store(polled.is_pending(), Ordering::Relaxed);
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
