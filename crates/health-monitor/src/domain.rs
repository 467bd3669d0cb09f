//! The pure core: every decision of the daemon, as functions of state, event and time.

pub mod attempts;
pub mod availability;
pub mod census;
pub mod container;
pub mod dependency;
pub mod effect;
pub mod evidence;
pub mod expected;
pub mod fact;
pub mod flapping;
pub mod fleet;
pub mod guard;
pub mod health;
pub mod incident;
pub mod ladder;
pub mod network;
pub mod pages;
pub mod policy;
pub mod reading;
pub mod recovery;
pub mod rollup;
pub mod schedule;
pub mod state;
pub mod supervisor;
pub mod totals;
pub mod view;
