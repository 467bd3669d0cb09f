//! Answers that take more than 2 seconds on average.

use super::{Detector, Issue, Seen, Signs};
use crate::domain::recommendation::{Kind, Priority};

/// Mean response time in seconds above which it is slow.
const SLOW: f64 = 2.0;
/// Mean response time in seconds above which it matters much.
const VERY_SLOW: f64 = 5.0;
/// What caching took away where it was tried: the constant of the system that this one follows.
const PRIOR: f64 = 0.3;

/// Finds endpoints whose answers take long.
pub struct SlowResponse;

impl Detector for SlowResponse {
    fn detect(&self, seen: &Seen<'_>) -> Option<Issue> {
        let mean = seen.counters.mean().filter(|mean| *mean > SLOW)?;
        let priority = if mean > VERY_SLOW { Priority::High } else { Priority::Medium };
        let description = format!(
            "High response time detected ({mean:.2}s). Consider adding caching or optimizing queries."
        );
        Some(Issue {
            name: "slow_response",
            kind: Kind::Performance,
            priority,
            severity: mean,
            prior_improvement: PRIOR,
            description,
            signs: Signs::default(),
        })
    }
}
