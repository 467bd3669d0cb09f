//! Measures every request that is answered, and logs it.

use std::net::IpAddr;

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::response::Response;
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tokio::time::Instant;

use super::access;

/// Upper bounds in seconds. Most answers come from memory in under 5 ms; a check of all services takes as long
/// as the slowest of them, 10 s at most; 30 s is the limit of a request.
const BUCKETS: [f64; 11] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 2.5, 10.0, 30.0];

/// The route of requests that match none: their paths are without number and belong to the client.
const UNMATCHED: &str = "unmatched";

/// The histogram of the HTTP side; clones share it.
#[derive(Clone, Debug)]
pub struct HttpMetrics {
    duration: Family<Labels, Histogram, fn() -> Histogram>,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct Labels {
    method: &'static str,
    route: String,
    status: u16,
}

impl HttpMetrics {
    /// Registers `http_server_request_duration_seconds{method,route,status}`.
    pub fn register(registry: &mut Registry) -> Self {
        let constructor: fn() -> Histogram = || Histogram::new(BUCKETS);
        let duration = Family::new_with_constructor(constructor);
        registry.register(
            "http_server_request_duration_seconds",
            "Time from the head of a request to the head of its response",
            duration.clone(),
        );
        Self { duration }
    }
}

/// Put on a response to a mutation that comes so often that a line in the log for each would drown the others.
#[derive(Clone, Copy, Debug)]
pub struct Frequent;

/// Measures one request. One whose client went away before the answer is not counted.
pub(super) async fn observe(
    metrics: &HttpMetrics,
    request: Request,
    next: impl AsyncFnOnce(Request) -> Response,
) -> Response {
    let started = Instant::now();
    let method = known_method(request.method());
    let is_mutation = !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS);
    let route = request
        .extensions()
        .get::<MatchedPath>()
        .map_or_else(|| UNMATCHED.to_owned(), |path| path.as_str().to_owned());
    let peer = access::peer(&request).map(|peer: IpAddr| tracing::field::display(peer));
    let response = next(request).await;
    let duration = started.elapsed();
    let status = response.status().as_u16();
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    // Whoever changes something leaves a line, refused or not; reading is too frequent for that.
    let is_frequent = response.extensions().get::<Frequent>().is_some();
    if is_mutation && !is_frequent {
        tracing::info!(method, route, status, duration_ms, peer, "request answered");
    } else {
        tracing::debug!(method, route, status, duration_ms, peer, "request answered");
    }
    metrics.duration.get_or_create(&Labels { method, route, status }).observe(duration.as_secs_f64());
    response
}

/// The method as a label: any token may be sent as a method, so the others share one name.
fn known_method(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invented_method_is_other() {
        assert_eq!(known_method(&Method::PATCH), "PATCH");
        assert_eq!(known_method(&Method::from_bytes(b"BREW").unwrap()), "OTHER");
    }
}
