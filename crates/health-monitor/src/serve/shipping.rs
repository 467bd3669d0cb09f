//! The shipping to Elasticsearch beside the daemon's work, and what readiness says of it.

use std::sync::Arc;

use shared::clock::Clock;
use shared::elasticsearch::{Client, Connection, Shipping, ShippingCollector, Source, ship};
use shared::http::probes::Check;
use shared::journal::{Cursor, Writer};
use tokio::sync::watch;

use crate::config::Config;
use crate::documents::{STREAMS, document};

/// How the shipping fares; none where it is switched off.
pub(super) type Watched = Option<watch::Receiver<Shipping>>;

/// Begins to ship, unless that is switched off. It ends when the journal is closed.
pub(super) fn start(config: &Config, journal: &Writer, clock: &Arc<Clock>) -> anyhow::Result<Watched> {
    if !config.elasticsearch_enabled {
        return Ok(None);
    }
    let client = Client::new(&config.elasticsearch)?;
    let source = Source { journal: journal.clone(), document, streams: &STREAMS };
    let (publish, watched) = watch::channel(Shipping::default());
    tokio::spawn(ship(source, client, Arc::clone(clock), publish));
    Ok(Some(watched))
}

/// What Prometheus is told of it.
pub(super) fn collector(
    shipping: &Watched,
    journal: &Writer,
    clock: &Arc<Clock>,
) -> Option<ShippingCollector> {
    let (journal, clock) = (journal.status(), Arc::clone(clock));
    let shipping = shipping.clone()?;
    Some(ShippingCollector { prefix: "health_monitor", shipping, journal, clock })
}

/// The check of readiness. An outage does not make the daemon unready: what is recorded waits in the journal.
pub(super) fn check(shipping: &Shipping, cursor: Cursor) -> Check {
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
