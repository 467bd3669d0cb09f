//! Endpoints with more than 1,000 requests in the window.

use super::{Detector, Issue, Seen, Signs};
use crate::domain::recommendation::{Kind, Priority};

/// Requests in the window above which there are many.
const MANY: u64 = 1_000;
/// What scaling took away where it was tried: the constant of the system that this one follows.
const PRIOR: f64 = 0.2;

/// Finds endpoints that are asked often.
pub struct HighTraffic;

impl Detector for HighTraffic {
    fn detect(&self, seen: &Seen<'_>) -> Option<Issue> {
        let requests = seen.counters.requests;
        if requests <= MANY {
            return None;
        }
        let description = format!(
            "High traffic detected ({requests} requests). Consider horizontal scaling or load balancing."
        );
        Some(Issue {
            name: "high_traffic",
            kind: Kind::Scaling,
            priority: Priority::Medium,
            severity: requests as f64,
            prior_improvement: PRIOR,
            description,
            signs: Signs::default(),
        })
    }
}
