//! The daemon: puts the parts together, runs them, and takes them down in order.

mod announce;
mod discovery;
mod hints;
mod listener;
mod pods;
mod reachability;
mod reload;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use prometheus_client::registry::Registry;
use shared::cli::Exit;
use shared::clock::Clock;
use shared::config::{Holding, Sources};
use shared::daemon::{self, Begun, Daemon};
use shared::descriptors;
use shared::elasticsearch::Source;
use shared::engine::Engine;
use shared::http::access::{Access, Role};
use shared::http::events::Events;
use shared::http::probes::Readiness;
use shared::http::{Foundation, HttpMetrics};
use shared::journal::Unshipped;
use shared::shipping;
use shared::telemetry;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::{self, Api};
use crate::config::{Loading, SETTINGS};
use crate::documents::{STREAMS, documents};
use crate::domain::supervisor::Supervisor;
use crate::metrics;
use crate::perform::{Means, Performer};

use discovery::Discovery;
use hints::Hints;
use listener::Listener;
use pods::PodWatch;
use reachability::Reachability;
use reload::{Parts, reloading};

/// Facts that a checkpoint covers are kept this long.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
/// How long a shutdown waits for an order that is with a platform. Docker kills a container 10 s after it has asked
/// it to stop; what is not finished by then is settled at the next start.
const DRAIN: Duration = Duration::from_secs(8);

/// Runs until a signal asks to stop. A start that fails is told on standard error and in the log. `sources` are where
/// the configuration came from, and where it is read again.
pub(crate) async fn serve(loading: Loading, sources: Sources) -> Exit {
    if let Err(error) =
        telemetry::init(loading.config.foundation.log_format, "health-monitor", env!("CARGO_PKG_VERSION"))
    {
        tracing::debug!(%error, "logs go where they went before");
    }
    let mut discovery = Discovery::new(sources.clone());
    let loading = discovery.with_labels(loading, &sources).await;
    for warning in &loading.warnings {
        tracing::warn!("{warning}");
    }
    match start_and_run(loading, discovery).await {
        Ok(()) => Exit::Ok,
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::Failed
        }
    }
}

async fn start_and_run(loading: Loading, discovery: Discovery) -> anyhow::Result<()> {
    let Loading { config, warnings, effective } = loading;
    let hang_ups = daemon::hang_ups()?;
    descriptors::make_room(config.policy.max_in_flight);
    let begun = daemon::begin(&config.foundation, "health-monitor", RETENTION, Unshipped::MakesRoom).await?;
    let Some(Begun { listener, tenure, journal }) = begun else { return Ok(()) };
    let clock = Arc::new(Clock::starting_after(journal.status().borrow().last_at));
    let (holds, configuration) =
        watch::channel(Arc::new(Holding::new(&SETTINGS, effective, &warnings, clock.now())));
    let mut registry = Registry::default();
    let durations = metrics::register(&mut registry, &tenure.leadership());
    let http_metrics = HttpMetrics::register(&mut registry);

    let (stop, stopped) = watch::channel(false);
    let events = Events::new(journal.reader(), journal.status(), stopped);
    let performer = Performer::new(Means::new(&config, Arc::clone(&clock))?, tenure.leadership(), durations);
    let supervisor = Supervisor::new(Arc::clone(&config.policy), clock.now());
    let perform = performer.clone().into_perform();
    let source = Source { journal: journal.clone(), documents, streams: &STREAMS };
    let shipping = match config.foundation.elasticsearch_enabled {
        true => Some(shipping::start(&config.foundation.elasticsearch, source, &clock)?),
        false => None,
    };
    let collector = shipping::collector("health_monitor", &shipping, &journal, &clock);
    let (engine, handle) = Engine::new(supervisor, journal, Arc::clone(&clock), perform, tell::fact).await?;
    announce::started(&config, &listener, &handle);

    let registry = metrics::collect(&mut registry, handle.clone(), collector);
    let reachability = Reachability::new(&config);
    let access = Access::new(&config.foundation.access)
        .require(Method::POST, api::HEARTBEAT, Role::Ingest)
        .require(Method::GET, api::CONFIGURATION, Role::Viewer);
    let (hints, hinting) = watch::channel(Arc::new(Hints::new(&config)));
    let (looks, looking) = watch::channel(0);
    let watching = PodWatch { hints: hinting.clone(), engine: handle.clone(), performer: performer.clone() };
    let listening = Listener { hints: hinting, engine: handle.clone(), performer: performer.clone(), looks };
    let parts = Parts {
        engine: handle.clone(),
        performer: performer.clone(),
        access: access.clone(),
        reachability: reachability.clone(),
        hints,
        clock: Arc::clone(&clock),
    };
    let (reload, reloading) = reloading(config, holds, parts);
    let readiness = Readiness::new({
        let (engine, reachability, reload) = (handle.clone(), reachability.clone(), reload.clone());
        let (shipping, leadership) = (shipping.clone(), tenure.leadership());
        move || announce::checks(&engine, &reachability, &reload, shipping.as_ref(), &leadership)
    });
    let (sweep, test_turn) = (Arc::default(), Arc::default());
    let api = Api { engine: handle, performer, sweep, events, clock, shipping, configuration, test_turn };
    let router = api::router(api, readiness.clone(), registry, Foundation::new(access, http_metrics));
    let mut background = JoinSet::new();
    background.spawn(reachability.watch());
    background.spawn(listening.run());
    background.spawn(watching.run());
    background.spawn(reloading.run());
    background.spawn(discovery.run(hang_ups, looking, reload));
    Daemon { engine, listener, router, readiness, background, stop, tenure, drain: DRAIN }.run().await?;
    Ok(())
}
