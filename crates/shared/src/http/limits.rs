//! How much the HTTP side takes at once: every bound with its reason.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{MatchedPath, Request};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use http_body_util::Limited;
use tokio::sync::Semaphore;

use super::probes::{LIVEZ, READYZ};
use super::problem::Problem;

/// The largest request body, in bytes. The largest legitimate body is a usage report of a few hundred bytes.
pub const BODY: usize = 64 * 1_024;

/// How long a request may take until its response begins. The slowest route waits 10 s for a probed service.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests that may be in work at once; the next is refused at once instead of queued, because a client that
/// waits in a queue gives up and comes back. With 64 KiB bodies this bounds their memory at 16 MiB.
pub const IN_FLIGHT: usize = 256;

/// The longest header section, in bytes. Browsers with many cookies stay under 16 KiB.
pub const HEADER_SECTION: usize = 32 * 1_024;

/// The most header fields in a request. Browsers behind proxies send about 30.
pub const HEADER_FIELDS: usize = 64;

/// How long a client may take to send a header section, and how long a connection may stay idle.
pub const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a client may leave its answer unread. Kubernetes and browsers read at once; a stalled link recovers
/// within a few TCP retransmissions.
pub const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client that still sends after its answer is listened to. A close with unread bytes resets the
/// connection, and the reset can overtake the answer; many clients send all of a body before they read.
pub const LINGER: Duration = Duration::from_secs(2);

/// Connections that are open at once; more wait in the kernel's backlog. The usual limit of file descriptors
/// in a container is 1,048,576, on a host 1,024 soft: the accept loop copes when it is lower.
pub const CONNECTIONS: usize = 1_024;

/// Streams that one HTTP/2 connection may have open at once.
pub const HTTP2_STREAMS: u32 = 64;

/// How often a quiet HTTP/2 connection is pinged.
pub const HTTP2_PING_INTERVAL: Duration = Duration::from_secs(20);

/// How long the answer to such a ping may take.
pub const HTTP2_PING_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a shutdown waits for running requests. Kubernetes kills 30 s after it asked to stop, and the
/// journal needs some of that.
pub const DRAIN: Duration = Duration::from_secs(10);

/// What a refused client is told to wait: most requests take milliseconds.
const SHED_RETRY: Duration = Duration::from_secs(1);

/// Refuses what is over the number of permits. The probes pass, or an overload would look like a dead process
/// and restart it, which does not lower the load.
pub(super) async fn shed_load(
    in_flight: &Semaphore,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let is_probe =
        request.extensions().get::<MatchedPath>().is_some_and(|path| matches!(path.as_str(), LIVEZ | READYZ));
    if is_probe {
        return next(request).await;
    }
    let Ok(_permit) = in_flight.try_acquire() else {
        let error = "The server is at its limit of requests in work; try again shortly.";
        return Problem::unavailable(error, Some(SHED_RETRY)).into_response();
    };
    next(request).await
}

/// Refuses a body that says that it is too long, and lets one that turns out to be fail where it is read.
pub(super) async fn limit_body(
    limit: usize,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if length.is_some_and(|length| length > limit as u64) {
        return Problem::payload_too_large("The body is larger than this server takes.").into_response();
    }
    next(request.map(|body| Body::new(Limited::new(body, limit)))).await
}
