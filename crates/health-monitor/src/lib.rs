//! Watches services, heals the ones that fail, and proves the recovery.
//!
//! [`domain`] decides; everything else is an edge: [`probe`] and [`perform`] towards the services and their
//! platforms, [`api`] and [`metrics`] towards people and Prometheus.

pub mod api;
mod check;
pub mod cli;
pub mod config;
pub mod documents;
pub mod domain;
mod labels;
pub mod metrics;
pub mod perform;
pub mod probe;
pub mod receivers;
mod run;
mod serve;

pub use run::run;
