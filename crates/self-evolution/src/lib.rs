//! Learns from the usage of services, changes what is slow or failing, and takes back what does not help.
//!
//! [`domain`] decides; everything else is an edge: [`api`] towards services and people, [`documents`] towards
//! Elasticsearch, [`metrics`] towards Prometheus.

pub mod api;
mod backtest;
pub mod cli;
pub mod config;
pub mod documents;
pub mod domain;
mod ingest;
pub mod metrics;
mod perform;
pub mod platforms;
mod run;
mod serve;

pub use run::run;
