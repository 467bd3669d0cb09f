//! How the shipping fares, as numbers for Prometheus.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use tokio::sync::watch;

use super::ship::Shipping;
use super::shipper::Connection;
use crate::clock::Clock;
use crate::journal::Status;

/// Reads how the shipping fares whenever it is asked.
pub struct ShippingCollector {
    /// What the names of the metrics begin with: `health_monitor`.
    pub prefix: &'static str,
    /// How the shipping fares.
    pub shipping: watch::Receiver<Shipping>,
    /// How the journal fares.
    pub journal: watch::Receiver<Status>,
    /// The time.
    pub clock: Arc<Clock>,
}

impl fmt::Debug for ShippingCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShippingCollector")
    }
}

impl Collector for ShippingCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Shipping { connection, totals, oldest_waiting } = self.shipping.borrow().clone();
        let dropped = self.journal.borrow().cursor.dropped;
        let name = format!("{}_elasticsearch_documents", self.prefix);
        let mut family = encoder.encode_descriptor(
            &name,
            "Documents for Elasticsearch by what became of them; dropped counts since the journal was made",
            None,
            MetricType::Counter,
        )?;
        for (result, number) in [
            ("shipped", totals.shipped),
            ("existing", totals.existing),
            ("retried", totals.retried),
            ("dead", totals.dead),
            ("dropped", dropped),
        ] {
            ConstCounter::new(number).encode(family.encode_family(&[("result", result)])?)?;
        }
        let name = format!("{}_elasticsearch_up", self.prefix);
        let help = "Whether Elasticsearch takes documents";
        let metric = encoder.encode_descriptor(&name, help, None, MetricType::Gauge)?;
        ConstGauge::new(i64::from(connection == Connection::Up)).encode(metric)?;
        let name = format!("{}_oldest_unshipped", self.prefix);
        let help = "Age of the oldest fact that has not arrived";
        let waiting = oldest_waiting.map_or(0.0, |at| self.clock.now().since(at).as_secs_f64());
        let metric = encoder.encode_descriptor(&name, help, Some(&Unit::Seconds), MetricType::Gauge)?;
        ConstGauge::new(waiting).encode(metric)
    }
}
