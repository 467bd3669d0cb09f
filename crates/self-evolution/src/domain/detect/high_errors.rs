//! Answers of which more than a tenth are errors.

use super::{Detector, Issue, Seen, Signs};
use crate::domain::recommendation::{Kind, Priority};

/// Part of the answers above which there are many errors.
const MANY: f64 = 0.1;
/// Part of the answers above which users are turned away.
const VERY_MANY: f64 = 0.25;
/// What retries took away where they were tried: the constant of the system that this one follows.
const PRIOR: f64 = 0.5;

/// Finds endpoints that answer with errors.
pub struct HighErrors;

impl Detector for HighErrors {
    fn detect(&self, seen: &Seen<'_>) -> Option<Issue> {
        let rate = seen.counters.error_rate().filter(|rate| *rate > MANY)?;
        let priority = if rate > VERY_MANY { Priority::Critical } else { Priority::High };
        let percent = rate * 100.0;
        let description = format!(
            "High error rate detected ({percent:.1}%). Implement retry logic and improve error handling."
        );
        Some(Issue {
            name: "high_errors",
            kind: Kind::Reliability,
            priority,
            severity: rate,
            prior_improvement: PRIOR,
            description,
            signs: Signs::default(),
        })
    }
}
