//! The Kibana dashboards of `docs/kibana/dashboards.ndjson`: written here in words, built into saved objects, read back as
//! Kibana reads them, checked, and translated into the searches that they stand for.
//!
//! The daemons embed the built file. `UPDATE_GOLDEN=1` writes it anew (see `tests/dashboards.rs`).

mod charts;
mod columns;
mod health_monitor;
pub mod kql;
pub mod lint;
pub mod read;
mod saved_objects;
pub mod search;
mod self_evolution;

use shared::elasticsearch::Stream;

pub use saved_objects::built;

/// The streams of both daemons: what data views may be on, and the fields that there are.
pub fn streams() -> Vec<Stream> {
    let mut streams = ::health_monitor::documents::STREAMS.to_vec();
    streams.extend(::self_evolution::documents::STREAMS);
    streams
}
