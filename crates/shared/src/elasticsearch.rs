//! Shipping of recorded facts to Elasticsearch, exactly once in effect.
//!
//! The journal is the spool. Its facts become [`Document`]s with an identity that never changes, and each is created
//! in the index of its own day, so that a document that is sent again, after a lost answer or a crash of either
//! side, is refused as existing and never doubled. `shipper` decides what is read, sent and noted as arrived, and is
//! pure; [`ship()`] carries it out.

mod bulk;
mod connection;
pub mod fields;
mod head;
mod indices;
mod metrics;
mod retention;
mod setup;
mod ship;
mod shipper;

use crate::clock::Timestamp;

pub(crate) use connection::{Answer, shortened};
pub use connection::{Client, Credentials, ElasticsearchSettings, InvalidSettings};
pub use head::{Envelope, Event, Head};
pub use indices::Stream;
pub use metrics::ShippingCollector;
pub use setup::{Change, Planned, SetupError, plan, setup};
pub use ship::{Shipping, Source, ship};
pub use shipper::{Connection, Totals};

/// A fact as Elasticsearch gets it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Document {
    /// The name under which it is found: the alias over the indices of all days.
    pub stream: &'static str,
    /// Its identity, which never changes.
    pub id: String,
    /// When the fact was recorded; decides the index, so it never changes either.
    pub at: Timestamp,
    /// A JSON object.
    pub body: Vec<u8>,
}
