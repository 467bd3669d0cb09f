//! A simulated world around the pure core of self-evolution: services that answer and fetch, a platform, people, a journal,
//! crashes.
//!
//! Time passes only when a script says so.

pub mod describe;
pub mod fleet;
pub mod platform;
pub mod traffic;
pub mod world;
