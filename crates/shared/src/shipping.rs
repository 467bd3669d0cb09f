//! The shipping to Elasticsearch beside the daemon's work, and what readiness says of it.

use std::sync::Arc;

use tokio::sync::watch;

use crate::clock::Clock;
use crate::elasticsearch::{
    Client, Connection, ElasticsearchSettings, InvalidSettings, Shipping, ShippingCollector, Source, ship,
};
use crate::http::probes::Check;
use crate::journal::{Cursor, Writer};

/// How the shipping fares; none where it is switched off.
pub type Watched = Option<watch::Receiver<Shipping>>;

/// Begins to ship to the server that these settings name. It ends when the journal is closed.
pub fn start(
    settings: &ElasticsearchSettings,
    source: Source,
    clock: &Arc<Clock>,
) -> Result<watch::Receiver<Shipping>, InvalidSettings> {
    let client = Client::new(settings)?;
    let (publish, watched) = watch::channel(Shipping::default());
    tokio::spawn(ship(source, client, settings.retention_days, Arc::clone(clock), publish));
    Ok(watched)
}

/// What Prometheus is told of it.
pub fn collector(
    prefix: &'static str,
    shipping: &Watched,
    journal: &Writer,
    clock: &Arc<Clock>,
) -> Option<ShippingCollector> {
    let (journal, clock) = (journal.status(), Arc::clone(clock));
    let shipping = shipping.clone()?;
    Some(ShippingCollector { prefix, shipping, journal, clock })
}

/// The check of readiness. An outage does not make the daemon unready: what is recorded waits in the journal.
pub fn check(shipping: &Shipping, cursor: Cursor) -> Check {
    let Shipping { connection, totals, oldest_waiting } = shipping;
    let waiting = oldest_waiting
        .map_or("nothing waits".to_owned(), |at| format!("the oldest fact that waits is of {at}"));
    let (ok, mut detail) = match connection {
        Connection::Unknown => (false, "not asked yet".to_owned()),
        Connection::Up => (true, format!("{} documents sent since the start, {waiting}", totals.shipped)),
        Connection::Down { since, reason } => (false, format!("away since {since}: {reason}; {waiting}")),
        Connection::Held { since, reason } => {
            (false, format!("takes nothing since {since}: {reason}; {waiting}"))
        }
    };
    for (number, what) in [
        (totals.dead, "were not taken and are kept in an index that ends in -dead"),
        (cursor.dropped, "had to make room in the journal before they arrived: raise JOURNAL_MAX_BYTES"),
    ] {
        if number > 0 {
            detail.push_str(&format!("; {number} {what}"));
        }
    }
    Check { name: "elasticsearch", ok: ok && cursor.dropped == 0, is_required: false, detail: Some(detail) }
}
