//! What Prometheus reads: the view, as numbers.

mod availability;
mod notifications;

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Registry, Unit};
use shared::elasticsearch::ShippingCollector;
use shared::engine::Handle;
use shared::http::metrics::{counter, counters, gauge, gauges};
use shared::leadership::Leadership;
use shared::order::Action;

use crate::domain::recovery::{Guard, Outcome};
use crate::domain::supervisor::Supervisor;

/// Every metric of the daemon, as `/metrics` names it.
pub const NAMES: [&str; 23] = [
    "health_monitor_availability_ratio",
    "health_monitor_build_info",
    "health_monitor_check_duration_seconds",
    "health_monitor_checks_total",
    "health_monitor_elasticsearch_documents_total",
    "health_monitor_elasticsearch_up",
    "health_monitor_fleet_availability_ratio",
    "health_monitor_healing_actions_total",
    "health_monitor_healing_suppressed_total",
    "health_monitor_journal_bytes",
    "health_monitor_journal_writable",
    "health_monitor_leading",
    "health_monitor_mean_time_between_failures_seconds",
    "health_monitor_mean_time_to_recover_seconds",
    "health_monitor_missed_checks_total",
    "health_monitor_notifications_total",
    "health_monitor_notifications_waiting",
    "health_monitor_oldest_unshipped_seconds",
    "health_monitor_recovery_duration_seconds",
    "health_monitor_service_failures",
    "health_monitor_service_up",
    "health_monitor_steps_skipped_total",
    "http_server_request_duration_seconds",
];

/// Upper bounds of the buckets of a probe's duration, in seconds; the default time limit is 10 s.
const CHECK_SECONDS: [f64; 12] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Registers the metrics of the daemon that are not read from the view. Gives the histogram of probes.
pub fn register(registry: &mut Registry, leadership: &Leadership) -> Histogram {
    leadership.register(registry, "health-monitor");
    let durations = Histogram::new(CHECK_SECONDS);
    let help = "How long probes took";
    registry.register_with_unit("health_monitor_check_duration", help, Unit::Seconds, durations.clone());
    let build = Family::<Vec<(&'static str, &'static str)>, Gauge>::default();
    build.get_or_create(&vec![("version", env!("CARGO_PKG_VERSION"))]).set(1);
    registry.register("health_monitor_build_info", "The version that runs", build);
    durations
}

/// Reads the view whenever it is asked.
pub struct ViewCollector {
    engine: Handle<Supervisor>,
}

impl fmt::Debug for ViewCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ViewCollector")
    }
}

impl ViewCollector {
    /// A collector over the views of an engine.
    pub fn new(engine: Handle<Supervisor>) -> Self {
        Self { engine }
    }
}

impl Collector for ViewCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let view = self.engine.view();
        let up = view.services().filter_map(|watched| {
            let reading = watched.latest.reading.as_ref()?;
            Some((watched.policy.name.as_str(), i64::from(reading.passes())))
        });
        gauges(&mut encoder, "health_monitor_service_up", "Whether the last probe passed", "service", up)?;
        let failures = view.services().map(|watched| {
            let failures = watched.service.map_or(0, |service| service.health.failures);
            (watched.policy.name.as_str(), i64::from(failures))
        });
        let help = "Consecutive failures";
        gauges(&mut encoder, "health_monitor_service_failures", help, "service", failures)?;
        let checks = view.checks;
        let by_result = [
            ("pass", checks.pass),
            ("degraded", checks.degraded),
            ("fail", checks.fail),
            ("error", checks.error),
        ];
        counters(&mut encoder, "health_monitor_checks", "Probes by result", "result", by_result)?;
        let missed = view.latest.iter().map(|latest| latest.missed).sum();
        counter(&mut encoder, "health_monitor_missed_checks", "Slots without a probe", missed)?;
        let totals = &view.state.totals;
        let help = "Finished recoveries by action and outcome";
        let mut family =
            encoder.encode_descriptor("health_monitor_healing_actions", help, None, MetricType::Counter)?;
        // Also those that have not come yet: the step from nothing to the first one would be no increase.
        for (action, outcome) in
            Action::ALL.into_iter().flat_map(|a| Outcome::ALL.map(|outcome| (a, outcome)))
        {
            let number = totals.outcomes.get(&action).and_then(|by_outcome| by_outcome.get(&outcome));
            let labels = [("action", action.as_str()), ("outcome", outcome.as_str())];
            ConstCounter::new(number.copied().unwrap_or(0)).encode(family.encode_family(&labels)?)?;
        }
        let guards = Guard::ALL.map(|g| (g.as_str(), totals.suppressed.get(&g).copied().unwrap_or(0)));
        let help = "Recoveries held back by reason";
        counters(&mut encoder, "health_monitor_healing_suppressed", help, "reason", guards)?;
        availability::encode(&view, &mut encoder)?;
        let skipped = Action::ALL.map(|a| (a.as_str(), totals.skipped.get(&a).copied().unwrap_or(0)));
        let help = "Steps passed over because they have seldom helped";
        counters(&mut encoder, "health_monitor_steps_skipped", help, "action", skipped)?;
        notifications::encode(&view, &mut encoder)?;
        self.encode_recovery_and_journal(encoder)
    }
}

impl ViewCollector {
    fn encode_recovery_and_journal(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let view = self.engine.view();
        let totals = &view.state.totals;
        let help = "From the first failure to the proof of recovery";
        let name = "health_monitor_recovery_duration";
        let mut metric =
            encoder.encode_descriptor(name, help, Some(&Unit::Seconds), MetricType::Histogram)?;
        let buckets = totals.buckets();
        metric.encode_histogram::<[(&str, &str); 0]>(
            totals.seconds_to_recover,
            totals.timed,
            &buckets,
            None,
        )?;
        let journal = self.engine.journal();
        let bytes = i64::try_from(journal.bytes).unwrap_or(i64::MAX);
        gauge(&mut encoder, "health_monitor_journal_bytes", "Bytes that the journal uses", bytes)?;
        let writable = i64::from(journal.failure.is_none());
        gauge(&mut encoder, "health_monitor_journal_writable", "Whether facts can be recorded", writable)
    }
}

/// Registers what is read from elsewhere whenever it is asked: the views, and the shipping where there is one.
pub fn collect(
    registry: &mut Registry,
    engine: Handle<Supervisor>,
    shipping: Option<ShippingCollector>,
) -> Arc<Registry> {
    registry.register_collector(Box::new(ViewCollector::new(engine)));
    if let Some(shipping) = shipping {
        registry.register_collector(Box::new(shipping));
    }
    Arc::new(std::mem::take(registry))
}
