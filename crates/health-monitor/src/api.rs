//! The HTTP API: the routes of the contract over the view, and the request to heal.

mod availability;
mod bodies;
mod configuration;
mod events;
mod evidence;
mod guards;
mod heal;
mod heartbeat;
mod history;
mod incidents;
mod notifications;
mod paging;
mod recoveries;
mod status;
mod sweep;

use std::sync::Arc;

use axum::Router;
use prometheus_client::registry::Registry;
use shared::clock::Clock;
use shared::config::Holding;
use shared::elasticsearch::Shipping;
use shared::engine::Handle;
use shared::http::events::Events;
use shared::http::probes::Readiness;
use shared::http::{Foundation, Problem, foundation, metrics, probes};
use tokio::sync::{Mutex, watch};
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Specification;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::supervisor::Supervisor;
use crate::perform::Performer;

pub use sweep::Sweep;

/// What the handlers work with.
#[derive(Clone)]
pub struct Api {
    /// The way to the engine.
    pub engine: Handle<Supervisor>,
    /// Looks at platforms before a request to heal is decided.
    pub performer: Performer,
    /// Checks on demand, one sweep at a time.
    pub sweep: Arc<Sweep>,
    /// Streams of recorded facts.
    pub events: Events,
    /// The time.
    pub clock: Arc<Clock>,
    /// How the shipping to Elasticsearch fares; none where it is switched off.
    pub shipping: Option<watch::Receiver<Shipping>>,
    /// The configuration that holds.
    pub configuration: watch::Receiver<Arc<Holding>>,
    /// Whoever holds it tries the channels out; one at a time.
    pub test_turn: Arc<Mutex<()>>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "health-monitor",
        description = "Watches services, heals the ones that fail, and proves the recovery.",
        license(name = "MIT", identifier = "MIT")
    ),
    tags(
        (name = "services", description = "What is watched, and how it is"),
        (name = "history", description = "What failed, and what was done about it"),
        (name = "healing", description = "Ask for a recovery"),
        (name = "operations", description = "For whoever runs the daemon")
    )
)]
struct Document;

/// The route that an ingest token is enough for.
pub const HEARTBEAT: &str = "/heartbeat/{service}";

/// The route that tells how everything is set up, and so is not for everybody once there are tokens.
pub const CONFIGURATION: &str = "/config";

fn routes_of_the_daemon() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(status::health))
        .routes(routes!(status::check_services))
        .routes(routes!(status::service_status))
        .routes(routes!(status::statistics))
        .routes(routes!(history::error_history))
        .routes(routes!(history::recovery_history))
        .routes(routes!(recoveries::recoveries))
        .routes(routes!(recoveries::recovery))
        .routes(routes!(incidents::incidents))
        .routes(routes!(incidents::incident))
        .routes(routes!(events::events))
        .routes(routes!(evidence::evidence))
        .routes(routes!(heal::trigger_heal))
        .routes(routes!(heartbeat::heartbeat))
        .routes(routes!(guards::pause_all))
        .routes(routes!(guards::pause))
        .routes(routes!(guards::maintenance_of_all))
        .routes(routes!(guards::maintenance))
        .routes(routes!(guards::resume_all))
        .routes(routes!(guards::resume))
        .routes(routes!(guards::reset))
        .routes(routes!(configuration::configuration))
        .routes(routes!(notifications::notifications))
        .routes(routes!(notifications::test_notifications))
        .routes(routes!(openapi))
}

/// The whole router of the daemon, with the foundation's limits and rules around it.
pub fn router(api: Api, readiness: Readiness, registry: Arc<Registry>, settings: Foundation) -> Router {
    let (router, _) = routes_of_the_daemon().split_for_parts();
    let router = router
        .with_state(api)
        .merge(probes::router::<()>(readiness))
        .merge(metrics::router::<()>(registry))
        .fallback(async || Problem::not_found("No such route: GET /openapi.json lists them."));
    foundation(router, settings)
}

/// The OpenAPI document, generated from the handlers.
pub fn specification() -> Specification {
    let readiness = Readiness::new(Vec::new);
    routes_of_the_daemon()
        .merge(probes::router(readiness))
        .merge(metrics::router(Arc::new(Registry::default())))
        .into_openapi()
}

/// This document.
#[utoipa::path(get, path = "/openapi.json", tag = "operations",
    responses((status = 200, description = "The OpenAPI document of this API", body = Object)))]
async fn openapi() -> axum::Json<Specification> {
    axum::Json(specification())
}
