//! Tries the settings on usage of the past: the daemon's own core under simulated time, on a file instead of requests.
//!
//! [`reading`] makes turns of lines, [`changes`] knows what was done meanwhile, [`simulation`] lets the core live through
//! both, [`telling`] writes what it decides. [`run`] is the edge.

mod changes;
mod command;
mod counts;
mod reading;
mod run;
mod simulation;
mod telling;

#[cfg(test)]
mod tests;

pub(crate) use command::{NAME, command};
pub(crate) use run::backtest;
