//! Whether a change was worth making: what services answered before it against what they answered with it.
//!
//! Pure numbers in, a verdict out. When to ask, and what follows, is decided elsewhere.

mod compare;
mod crossover;
mod harm;
mod verdict;

pub use compare::{Comparison, Objective, Sample};
pub use crossover::{Crossover, Pair};
pub use harm::{harm, harm_beside};
pub use verdict::{Design, Outcome, Surroundings, Verdict, judge, judge_ab_test};

/// The chance of a verdict by accident that is accepted, for either direction.
pub const SIGNIFICANCE: f64 = 0.01;
/// The least improvement that is worth keeping a change for, as a part of what there was.
pub const LEAST_IMPROVEMENT: f64 = 0.15;
/// Buckets with requests that a verdict needs, before and after.
pub const LEAST_BUCKETS: usize = 20;
/// Spans of each half of an A/B test in which both groups have answered that a verdict needs.
pub const LEAST_PAIRS: usize = 10;
/// Requests that a verdict needs, before and after.
pub const LEAST_REQUESTS: u64 = 300;

#[cfg(test)]
mod tests;
