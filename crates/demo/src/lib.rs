//! Stand-in services with fault knobs, and the demonstration that breaks them.
//!
//! [`stand_in`] is a service that misbehaves on demand, [`unit`] keeps one as a process that can be restarted,
//! and [`demonstration`] tells how health-monitor heals them.

pub mod cli;
pub mod daemon;
pub mod demonstration;
pub mod instance;
pub mod stand_in;
pub mod terminal;
pub mod unit;
mod whole_file;
