//! A simulated world around the pure core: services that fail, a platform that restarts them, a journal, crashes.
//!
//! Scenarios and the simulation drive the same world; time passes only when they say so.

pub mod beats;
pub mod configuration;
pub mod describe;
pub mod engine;
pub mod evolution;
pub mod golden;
pub mod host;
mod invariants;
pub mod kibana;
mod people;
mod replay;
mod senses;
pub mod told;
pub mod world;
