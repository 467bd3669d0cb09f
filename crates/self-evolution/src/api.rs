//! The HTTP API: the routes of the contract, and those beside them.

mod applying;
mod bodies;
mod calibration;
mod changes;
mod collect;
mod configuration;
mod control;
mod events;
mod ofrep;
mod recommendations;
mod settings;
mod status;

use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Method;
use prometheus_client::registry::Registry;
use shared::clock::Clock;
use shared::config::Holding;
use shared::elasticsearch::Shipping;
use shared::engine::{Handle, Unhandled};
use shared::http::access::{Access, Role};
use shared::http::events::Events;
use shared::http::probes::Readiness;
use shared::http::{Foundation, Problem, foundation, limits, metrics, probes};
use tokio::sync::watch;
use utoipa::OpenApi;
use utoipa::openapi::OpenApi as Specification;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::evolution::Evolution;
use crate::domain::window::shape::Shape;
use crate::metrics::UsageCounters;
use crate::platforms::Sights;

pub use collect::Budget;
pub use settings::SettingsFeed;

/// What the handlers work with; clones share it.
#[derive(Clone)]
pub struct Api(Arc<Parts>);

impl Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl From<Parts> for Api {
    fn from(parts: Parts) -> Self {
        Self(Arc::new(parts))
    }
}

/// The parts of an [`Api`].
pub struct Parts {
    /// The way to the engine.
    pub engine: Handle<Evolution>,
    /// How much usage may be in work at once.
    pub budget: Budget,
    /// What became of the usage that was reported.
    pub counters: UsageCounters,
    /// How the window divides time.
    pub shape: Shape,
    /// What services are told, for those who wait for a change.
    pub settings: SettingsFeed,
    /// What platforms have; there is no way from here to change it.
    pub sights: Sights,
    /// Streams of recorded facts.
    pub events: Events,
    /// The time.
    pub clock: Arc<Clock>,
    /// How the shipping to Elasticsearch fares; none where it is switched off.
    pub shipping: Option<watch::Receiver<Shipping>>,
    /// The configuration that holds.
    pub configuration: watch::Receiver<Arc<Holding>>,
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "self-evolution",
        description = "Learns from the usage of services, changes what is slow or failing, and takes back what does not help.",
        license(name = "MIT", identifier = "MIT")
    ),
    tags(
        (name = "usage", description = "What services report"),
        (name = "recommendations", description = "What is recommended, and what is done about it"),
        (name = "settings", description = "What services are told"),
        (name = "operations", description = "For whoever runs the daemon")
    )
)]
struct Document;

fn routes_of_the_daemon() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(status::health))
        .routes(routes!(recommendations::analyze))
        .routes(routes!(recommendations::recommendations))
        .routes(routes!(recommendations::recommendation))
        .routes(routes!(applying::apply_optimization))
        .routes(routes!(applying::rollback))
        .routes(routes!(recommendations::approve))
        .routes(routes!(recommendations::dismiss))
        .routes(routes!(changes::applied_optimizations))
        .routes(routes!(changes::rollback_history))
        .routes(routes!(changes::performance_baselines))
        .routes(routes!(changes::changes))
        .routes(routes!(changes::change))
        .routes(routes!(calibration::calibration))
        .routes(routes!(settings::all_settings))
        .routes(routes!(settings::settings))
        .routes(routes!(settings::setting))
        .routes(routes!(ofrep::evaluate))
        .routes(routes!(ofrep::evaluate_all))
        .routes(routes!(control::pause))
        .routes(routes!(control::resume))
        .routes(routes!(configuration::configuration))
        .routes(routes!(events::events))
        .routes(routes!(openapi))
        // Whatever is sent to these is a handful of words; usage, which is not, has a limit of its own.
        .layer(DefaultBodyLimit::max(limits::BODY))
        .routes(routes!(collect::collect_usage))
}

/// Who may call which route, beside the rule that a change needs an operator.
pub fn with_rules(access: Access) -> Access {
    access
        .welcome(Method::POST, "/collect-usage", Role::Ingest)
        .read(Method::POST, "/ofrep/v1/evaluate/flags")
        .read(Method::POST, "/ofrep/v1/evaluate/flags/{key}")
        .require(Method::GET, "/config", Role::Viewer)
}

/// The whole router of the daemon, with the foundation's limits and rules around it.
pub fn router(api: Api, readiness: Readiness, registry: Arc<Registry>, settings: Foundation) -> Router {
    let (router, _) = routes_of_the_daemon().split_for_parts();
    let router = router
        .with_state(api)
        .merge(probes::router::<()>(readiness))
        .merge(metrics::router::<()>(registry))
        .fallback(async || Problem::not_found("No such route: GET /openapi.json lists them."));
    foundation(router, Foundation { body_limit: collect::BODY, ..settings })
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

/// An event that was not handled, as a problem.
fn unhandled(error: Unhandled) -> Problem {
    let soon = Some(Duration::from_secs(5));
    match error {
        Unhandled::Journal(_) | Unhandled::Overloaded => Problem::unavailable(error.to_string(), soon),
        Unhandled::ShuttingDown => Problem::unavailable(error.to_string(), None),
    }
}
