//! What both daemons stand on.
//!
//! The idea is one loop: events go into a pure [`engine::Decider`], the facts that it decides are recorded in
//! the [`journal`] first, and only then the work is started. Everything else here is an edge of that loop.

pub mod backoff;
pub mod cli;
pub mod clock;
pub mod config;
pub mod daemon;
pub mod descriptors;
pub mod elasticsearch;
pub mod engine;
pub mod http;
pub mod journal;
pub mod kibana;
pub mod leadership;
pub mod order;
pub mod platform;
pub mod post;
pub mod redact;
pub mod shipping;
pub mod telemetry;
