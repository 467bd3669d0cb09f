//! What Prometheus reads: the view, as numbers.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
use shared::elasticsearch::ShippingCollector;
use shared::engine::Handle;
use shared::http::metrics::{counter, gauge, gauges};
use shared::leadership::Leadership;

use crate::domain::change::Phase;
use crate::domain::evolution::Evolution;
use crate::domain::recommendation::Status;

/// Every metric of the daemon, as `/metrics` names it.
pub const NAMES: [&str; 19] = [
    "http_server_request_duration_seconds",
    "self_evolution_analyses_total",
    "self_evolution_build_info",
    "self_evolution_changes",
    "self_evolution_elasticsearch_documents_total",
    "self_evolution_elasticsearch_up",
    "self_evolution_endpoints",
    "self_evolution_journal_bytes",
    "self_evolution_journal_writable",
    "self_evolution_leading",
    "self_evolution_oldest_unshipped_seconds",
    "self_evolution_optimizations_applied_total",
    "self_evolution_paused",
    "self_evolution_recommendations",
    "self_evolution_rollback_failures_total",
    "self_evolution_rollbacks_total",
    "self_evolution_usage_events_recorded_total",
    "self_evolution_usage_events_total",
    "self_evolution_verdicts_total",
];

/// What became of the usage that was reported to this process.
#[derive(Clone, Debug, Default)]
pub struct UsageCounters {
    accepted: Counter,
    rejected: Counter,
    refused: Counter,
}

impl UsageCounters {
    /// So many events were recorded.
    pub fn accepted(&self, events: usize) {
        self.accepted.inc_by(events as u64);
    }

    /// So many events were wrong.
    pub fn rejected(&self, events: usize) {
        self.rejected.inc_by(events as u64);
    }

    /// A request came at a bad moment; how many events it had is not known.
    pub fn refused(&self) {
        self.refused.inc();
    }
}

/// Registers the metrics that are not read from the view. Gives the counters of usage.
pub fn register(registry: &mut Registry, leadership: &Leadership) -> UsageCounters {
    leadership.register(registry, "self-evolution");
    let counters = Family::<Vec<(&'static str, &'static str)>, Counter>::default();
    // Looked up once, because every report counts.
    let counter = |outcome| counters.get_or_create(&vec![("outcome", outcome)]).clone();
    let usage = UsageCounters {
        accepted: counter("accepted"),
        rejected: counter("rejected"),
        refused: counter("refused"),
    };
    let help = "Usage events by outcome; of refused requests one event is counted";
    registry.register("self_evolution_usage_events", help, counters);
    let build = Family::<Vec<(&'static str, &'static str)>, Gauge>::default();
    build.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))]).set(1);
    registry.register("self_evolution_build_info", "The version that runs", build);
    usage
}

/// Reads the view whenever it is asked.
struct ViewCollector {
    engine: Handle<Evolution>,
}

impl fmt::Debug for ViewCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewCollector")
    }
}

impl Collector for ViewCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let view = self.engine.view();
        let encoder = &mut encoder;
        let recommendations = Status::ALL.map(|status| {
            (status.as_str(), i64::try_from(view.recommendations.count(status)).unwrap_or(i64::MAX))
        });
        let help = "Recommendations by status";
        gauges(encoder, "self_evolution_recommendations", help, "status", recommendations.into_iter())?;
        let changes = Phase::ALL.map(|phase| {
            let count = view.changes.iter().filter(|change| change.phase == phase).count();
            (phase.as_str(), i64::try_from(count).unwrap_or(i64::MAX))
        });
        gauges(encoder, "self_evolution_changes", "Changes by phase", "phase", changes.into_iter())?;
        let endpoints = i64::try_from(view.endpoints).unwrap_or(i64::MAX);
        gauge(encoder, "self_evolution_endpoints", "Endpoints that are told apart", endpoints)?;
        let help = "Whether changes are held back";
        gauge(encoder, "self_evolution_paused", help, i64::from(view.pause.is_some()))?;
        let totals = view.totals;
        for (name, help, number) in [
            (
                "self_evolution_usage_events_recorded",
                "Usage events recorded since the first start",
                totals.events,
            ),
            ("self_evolution_analyses", "Analyses since the first start", totals.analyses),
            ("self_evolution_optimizations_applied", "Changes made since the first start", totals.applied),
            ("self_evolution_verdicts", "Changes judged since the first start", totals.judged),
            (
                "self_evolution_rollback_failures",
                "Tries to take a change back that failed since the first start",
                totals.rollback_failures,
            ),
            ("self_evolution_rollbacks", "Changes taken back since the first start", totals.rolled_back),
        ] {
            counter(encoder, name, help, number)?;
        }
        let journal = self.engine.journal();
        let bytes = i64::try_from(journal.bytes).unwrap_or(i64::MAX);
        gauge(encoder, "self_evolution_journal_bytes", "Bytes that the journal uses", bytes)?;
        let writable = i64::from(journal.failure.is_none());
        gauge(encoder, "self_evolution_journal_writable", "Whether facts can be recorded", writable)
    }
}

/// Registers what is read from elsewhere whenever it is asked: the views, and the shipping where there is one.
pub fn collect(
    mut registry: Registry,
    engine: Handle<Evolution>,
    shipping: Option<ShippingCollector>,
) -> Arc<Registry> {
    registry.register_collector(Box::new(ViewCollector { engine }));
    if let Some(shipping) = shipping {
        registry.register_collector(Box::new(shipping));
    }
    Arc::new(registry)
}
