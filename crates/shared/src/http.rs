//! The HTTP foundation: limits, access, request ids, problem bodies.
//!
//! A daemon builds its router, wraps it with [`foundation`], and gives it to [`serve`].

pub mod access;
mod error_bodies;
pub mod events;
mod extract;
pub mod limits;
pub mod metrics;
mod observe;
pub mod probes;
mod problem;
mod rate_limit;
mod request_id;
mod serve;
mod timeout;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use tokio::sync::Semaphore;

pub use error_bodies::DeliberateBody;
pub use extract::{Json, Query};
pub use observe::{Frequent, HttpMetrics};
pub use problem::{PROBLEM_JSON, Problem, ProblemBody};
pub use request_id::{RequestId, X_REQUEST_ID};
pub use serve::{BindError, Drained, ServeSettings, bind, serve};

use access::Access;

/// What every route of a daemon stands on.
#[derive(Clone)]
pub struct Foundation {
    /// Who may change something.
    pub access: Access,
    /// Where durations are counted.
    pub metrics: HttpMetrics,
    /// The largest request body, in bytes.
    pub body_limit: usize,
    /// How long a request may take until its response begins.
    pub request_timeout: Duration,
    /// Requests that may be in work at once.
    pub max_in_flight: usize,
}

impl Foundation {
    /// The limits of [`limits`].
    pub fn new(access: Access, metrics: HttpMetrics) -> Self {
        Self {
            access,
            metrics,
            body_limit: limits::BODY,
            request_timeout: limits::REQUEST_TIMEOUT,
            max_in_flight: limits::IN_FLIGHT,
        }
    }
}

/// Wraps the whole router of a daemon: call it last, when every route and the fallback are there.
///
/// The order, from the outside in, and why:
/// 1. the request id, so that all that follows logs and answers under it;
/// 2. the measurement, so that refused requests count too;
/// 3. the error bodies, which see what every step below answers;
/// 4. panics become answers while there is still somebody to give them a body;
/// 5. the load limit, because even a refusal by access costs a digest;
/// 6. access, before a byte of the body is read;
/// 7. the timeout, which counts the reading of the body;
/// 8. the body limit, which wraps the body that the handler reads; what an extractor of the framework reads has the
///    framework's own limit of 2 MB as well.
pub fn foundation(router: Router, settings: Foundation) -> Router {
    let in_flight = Semaphore::new(settings.max_in_flight);
    router.layer(from_fn_with_state(Arc::new(Ground { settings, in_flight }), stand))
}

/// The settings, and how many requests are in work.
struct Ground {
    settings: Foundation,
    in_flight: Semaphore,
}

/// All the steps, one inside the other as one future: a layer of the router for each would copy all that it wraps, and
/// allocate twice, at every request.
async fn stand(State(ground): State<Arc<Ground>>, request: Request, next: Next) -> Response {
    let Ground { settings, in_flight } = &*ground;
    let Foundation { access, metrics, body_limit, request_timeout, max_in_flight: _ } = settings;
    let limited = |request| limits::limit_body(*body_limit, request, |request| next.run(request));
    let timed = |request| timeout::end_slow_requests(*request_timeout, request, limited);
    let allowed = |request| access::guard(access, request, timed);
    let bounded = |request| limits::shed_load(in_flight, request, allowed);
    let unbroken = |request| error_bodies::answer_panics(bounded(request));
    let explained = |request| error_bodies::give_error_bodies(request, unbroken);
    let measured = |request| observe::observe(metrics, request, explained);
    request_id::identify(request, measured).await
}

#[cfg(test)]
mod test_support;
#[cfg(test)]
mod tests;
