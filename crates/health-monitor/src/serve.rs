//! The daemon: puts the parts together, runs them, and takes them down in order.

mod announce;
mod descriptors;
mod discovery;
mod hints;
mod reachability;
mod shipping;
mod signals;
mod tell;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::http::Method;
use prometheus_client::registry::Registry;
use shared::clock::Clock;
use shared::config::Sources;
use shared::engine::Engine;
use shared::http::access::{Access, Role};
use shared::http::probes::Readiness;
use shared::http::{self, Foundation, HttpMetrics, ServeSettings};
use shared::journal::{self, Writer};
use shared::order::ServiceName;
use shared::platform::{Platform, PlatformSettings};
use shared::telemetry;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::{self, Api, Events, Sweep};
use crate::cli::Exit;
use crate::config::{Config, Loading};
use crate::domain::supervisor::Supervisor;
use crate::metrics;
use crate::perform::{Means, Performer};
use crate::probe::{Probes, Sentinels};

use hints::Hints;
use reachability::Reachability;

/// Facts that a checkpoint covers are kept this long.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
/// How long a shutdown waits for an order that is with a platform. Docker kills a container 10 s after it has asked
/// it to stop; what is not finished by then is settled at the next start.
const DRAIN: Duration = Duration::from_secs(8);

/// Runs until a signal asks to stop. A start that fails is told on standard error and in the log.
pub(crate) async fn serve(loading: Loading, sources: Sources) -> Exit {
    if let Err(error) =
        telemetry::init(loading.config.log_format, "health-monitor", env!("CARGO_PKG_VERSION"))
    {
        tracing::debug!(%error, "logs go where they went before");
    }
    let Loading { config, warnings, effective } = discovery::with_labels(loading, &sources).await;
    // With many services it is larger than the rest of the daemon.
    drop(effective);
    for warning in &warnings {
        tracing::warn!("{warning}");
    }
    match start_and_run(config).await {
        Ok(()) => Exit::Ok,
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::Failed
        }
    }
}

async fn start_and_run(config: Config) -> anyhow::Result<()> {
    descriptors::make_room(config.policy.max_in_flight);
    let journal = open_journal(&config)?;
    let clock = Arc::new(Clock::starting_after(journal.status().borrow().last_at));
    let listener = http::bind(config.bind_address).await?;
    let mut registry = Registry::default();
    let durations = metrics::register(&mut registry);
    let http_metrics = HttpMetrics::register(&mut registry);

    let probes = Probes::new(&config.policy, Arc::clone(&clock))?;
    let means = Means { platforms: made(&config.platforms)?, escalations: made(&config.escalations)? };
    let sentinels = Sentinels::new(config.sentinels.clone(), &config.policy);
    let performer = Performer::new(probes, means, sentinels, durations);
    let (stop, stopped) = watch::channel(false);
    let events = Events::new(journal.reader(), journal.status(), stopped);
    let supervisor = Supervisor::new(config.policy.clone(), clock.now());
    let perform = performer.clone().into_perform();
    let shipping = shipping::start(&config, &journal, &clock)?;
    let collector = shipping::collector(&shipping, &journal, &clock);
    let (engine, handle) = Engine::new(supervisor, journal, Arc::clone(&clock), perform, tell::fact).await?;
    announce::started(&config, &listener, &handle);

    let registry = metrics::collect(&mut registry, handle.clone(), collector);
    let reachability = Reachability::new(&config);
    let (hints, engine_handle) = (Hints::new(&config), handle.clone());
    let readiness = Readiness::new({
        let (engine, reachability, shipping) = (handle.clone(), reachability.clone(), shipping.clone());
        move || announce::checks(&engine, &reachability, shipping.as_ref())
    });
    let api = Api { engine: handle, performer, sweep: Arc::new(Sweep::default()), events, clock, shipping };
    let access = Access::new(&config.access).require(Method::POST, api::HEARTBEAT, Role::Ingest);
    let router = api::router(api, readiness.clone(), registry, Foundation::new(access, http_metrics));
    let mut background = JoinSet::new();
    background.spawn(reachability.watch());
    background.spawn(hints.watch(engine_handle));
    run(engine, listener, router, readiness, background, stop).await
}

fn made(
    settings: &BTreeMap<ServiceName, PlatformSettings>,
) -> anyhow::Result<BTreeMap<ServiceName, Platform>> {
    settings.iter().map(|(service, one)| Ok((service.clone(), Platform::new(service, one)?))).collect()
}

fn open_journal(config: &Config) -> anyhow::Result<Writer> {
    let writer = Writer::open(&journal::Settings {
        directory: config.data_dir.clone(),
        durability: config.durability,
        max_bytes: config.journal_max_bytes,
        retention: RETENTION,
        ships: config.elasticsearch_enabled,
    })?;
    if let Some(report) = &writer.status().borrow().salvaged {
        tracing::error!("{report}");
    }
    Ok(writer)
}

/// Runs everything. The order of the end: not ready, no more requests, the work that must finish, the journal.
async fn run(
    engine: Engine<Supervisor>,
    listener: tokio::net::TcpListener,
    router: axum::Router,
    readiness: Readiness,
    mut background: JoinSet<()>,
    stop: watch::Sender<bool>,
) -> anyhow::Result<()> {
    let stopped = stop.subscribe();
    let until_stopped = || {
        let mut stopped = stopped.clone();
        // The sender lives as long as this function.
        async move { drop(stopped.wait_for(|stopped| *stopped).await) }
    };
    let serving = tokio::spawn(http::serve(listener, router, ServeSettings::default(), until_stopped()));
    let mut engine = tokio::spawn(engine.run(until_stopped(), DRAIN));
    let signal = tokio::select! {
        signal = signals::first() => signal?,
        // Only a defect ends it before it is asked to; going on would show a state that nobody keeps.
        ended = &mut engine => anyhow::bail!("the engine ended by itself: {ended:?}"),
    };
    tracing::info!(
        signal,
        "stopping: no new requests, running work is finished; a second signal ends at once"
    );
    readiness.begin_shutdown();
    stop.send_replace(true);
    signals::exit_at_the_next();
    background.abort_all();
    serving.await?;
    engine.await?;
    tracing::info!("stopped");
    Ok(())
}
