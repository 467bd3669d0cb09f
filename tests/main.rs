//! All tests that look at the daemons from outside their crates: one binary, so that it links once.

mod dashboards;
mod requests;
mod scenarios;
mod scenarios_evolution;
mod schedule;
mod simulation;
mod stories;
mod telling;
mod tidy;
