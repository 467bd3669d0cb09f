//! The daemon: puts the parts together and runs them.

mod reload;
mod tell;

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::registry::Registry;
use shared::cli::Exit;
use shared::clock::Clock;
use shared::config::{Holding, Sources};
use shared::daemon::{self, Begun, Daemon};
use shared::elasticsearch::{Shipping, Source};
use shared::engine::{Engine, Handle};
use shared::http::access::Access;
use shared::http::events::Events;
use shared::http::probes::{Check, Readiness};
use shared::http::{Foundation, HttpMetrics};
use shared::journal::Unshipped;
use shared::leadership::Leadership;
use shared::{shipping, telemetry};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::api::{self, Api, Budget, Parts, SettingsFeed};
use crate::config::{Config, Loading, SETTINGS};
use crate::documents::{STREAMS, documents};
use crate::domain::change::Phase;
use crate::domain::evolution::Evolution;
use crate::domain::view::View;
use crate::metrics;
use crate::perform::perform;
use crate::platforms::Platforms;

use reload::Reload;

/// Facts that a checkpoint covers are kept this long.
const RETENTION: Duration = Duration::from_secs(30 * 86_400);
/// How long a shutdown waits for orders that are with a platform; the next start looks at what came of longer ones.
const DRAIN: Duration = Duration::from_secs(30);

/// Runs until a signal asks to stop. A start that fails is told on standard error and in the log.
/// `sources` are where the configuration came from, and where it is read again.
pub(crate) async fn serve(loading: Loading, sources: Sources) -> Exit {
    let (log_format, version) = (loading.config.foundation.log_format, env!("CARGO_PKG_VERSION"));
    if let Err(error) = telemetry::init(log_format, "self-evolution", version) {
        tracing::debug!(%error, "logs go where they went before");
    }
    for warning in &loading.warnings {
        tracing::warn!("{warning}");
    }
    match start_and_run(loading, sources).await {
        Ok(()) => Exit::Ok,
        Err(error) => {
            tracing::error!("{error:#}");
            Exit::Failed
        }
    }
}

async fn start_and_run(loading: Loading, sources: Sources) -> anyhow::Result<()> {
    let Loading { config, warnings, effective } = loading;
    let hang_ups = daemon::hang_ups()?;
    let Config { foundation, policy, .. } = &config;
    let begun = daemon::begin(foundation, "self-evolution", RETENTION, Unshipped::IsKept).await?;
    let Some(Begun { listener, tenure, journal }) = begun else { return Ok(()) };
    let clock = Arc::new(Clock::starting_after(journal.status().borrow().last_at));
    let holding = Holding::new(&SETTINGS, effective, &warnings, clock.now());
    let (holds, configuration) = watch::channel(Arc::new(holding));
    let (stop, stopped) = watch::channel(false);
    let events = Events::new(journal.reader(), journal.status(), stopped);
    let source = Source { journal: journal.clone(), documents, streams: &STREAMS };
    let shipping = match foundation.elasticsearch_enabled {
        true => Some(shipping::start(&foundation.elasticsearch, source, &clock)?),
        false => None,
    };
    let collector = shipping::collector("self_evolution", &shipping, &journal, &clock);
    let core = Evolution::new(policy.clone(), clock.now());
    let (actions, configured) = watch::channel(Arc::clone(&config.actions));
    let platforms = Platforms::new(configured, tenure.leadership());
    let sights = platforms.sights();
    let perform = Arc::new(move |work| perform(work, platforms.clone()));
    let (engine, handle) = Engine::new(core, journal, Arc::clone(&clock), perform, tell::fact).await?;
    announce(&config, &listener, &handle);

    let mut registry = Registry::default();
    let counters = metrics::register(&mut registry, &tenure.leadership());
    let http_metrics = HttpMetrics::register(&mut registry);
    let registry = metrics::collect(registry, handle.clone(), collector);
    let access = api::with_rules(Access::new(&foundation.access));
    let (checked, shipped, leadership) = (handle.clone(), shipping.clone(), tenure.leadership());
    let readiness = Readiness::new(move || checks(&checked, shipped.as_ref(), &leadership));
    let (settings, keep_settings) = SettingsFeed::new(handle.clone());
    let api = Api::from(Parts {
        engine: handle,
        budget: Budget::default(),
        counters,
        shape: policy.shape,
        settings,
        sights,
        events,
        clock: Arc::clone(&clock),
        shipping,
        configuration,
    });
    let reload = Reload {
        engine: api.engine.clone(),
        access: access.clone(),
        clock,
        sources,
        running: config.clone(),
        holding: holds,
        actions,
    };
    let router = api::router(api, readiness.clone(), registry, Foundation::new(access, http_metrics));
    let mut background = JoinSet::new();
    background.spawn(keep_settings);
    background.spawn(reload.at(hang_ups));
    Daemon { engine, listener, router, readiness, background, stop, tenure, drain: DRAIN }.run().await?;
    Ok(())
}

/// The first line of the log.
fn announce(config: &Config, listener: &TcpListener, engine: &Handle<Evolution>) {
    let Config { foundation, policy, .. } = config;
    let address = listener
        .local_addr()
        .map_or_else(|_| foundation.bind_address.to_string(), |address| address.to_string());
    let elasticsearch = if foundation.elasticsearch_enabled {
        foundation.elasticsearch.url.to_string()
    } else {
        "off".to_owned()
    };
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        address,
        window_hours = policy.shape.window_hours,
        analysis_interval_seconds = policy.analysis_interval.as_secs_f64(),
        auto_apply = policy.auto_apply,
        changes_may_be_requested_by = foundation.access.requested_by(),
        data_dir = %foundation.data_dir.display(),
        journal_bytes = engine.journal().bytes,
        elasticsearch,
        "collecting usage"
    );
}

/// The checks of readiness.
fn checks(
    engine: &Handle<Evolution>,
    shipping: Option<&watch::Receiver<Shipping>>,
    leadership: &Leadership,
) -> Vec<Check> {
    let journal = engine.journal();
    let cursor = journal.cursor;
    let mut checks = vec![Check::of_journal(journal)];
    checks.extend(leadership.readiness());
    checks.extend(shipping.map(|shipping| shipping::check(&shipping.borrow(), cursor)));
    let view = engine.view();
    let detail = match (&view.pause, &view.analysed) {
        (Some(pause), _) => match pause.until {
            Some(until) => format!("paused until {until}"),
            None => "paused until POST /resume".to_owned(),
        },
        (None, Some((at, analysed))) => format!("last analysis at {at}, the next at {}", analysed.next_at),
        (None, None) => "no analysis so far".to_owned(),
    };
    checks.push(Check {
        name: "changes",
        ok: view.pause.is_none(),
        is_required: false,
        detail: Some(detail),
    });
    checks.push(rollbacks(&view));
    checks
}

/// Whether everything can be taken back that is to be.
fn rollbacks(view: &View) -> Check {
    let failed = view.changes.open().filter(|change| change.phase == Phase::RollbackFailed);
    let sentences: Vec<String> = failed
        .map(|change| {
            let (service, id) = (&change.baseline.service, &change.recommendation_id);
            let undo = change.platform.as_ref().and_then(|platform| platform.undo.as_ref());
            let reason = undo.and_then(|undo| undo.failure.as_deref()).unwrap_or_default();
            format!("the change {id} of {service} could not be taken back: {reason}")
        })
        .collect();
    let detail = if sentences.is_empty() { "none has failed".to_owned() } else { sentences.join("; ") };
    Check { name: "rollbacks", ok: sentences.is_empty(), is_required: false, detail: Some(detail) }
}
