//! Finding what is slow, failing or overloaded: one detector a file, none with a state of its own.

mod high_errors;
mod high_traffic;
mod slow_response;

use std::ops::Range;
use std::sync::Arc;

use super::recommendation::{Evidence, Kind, Priority};
use super::window::bucket::Counters;
use super::window::series::Series;
use super::window::shape::Slot;
use super::window::{Key, UNMATCHED, Window};

pub use high_errors::HighErrors;
pub use high_traffic::HighTraffic;
pub use slow_response::SlowResponse;

/// Requests of an endpoint in the window below which nothing is said about it.
pub const LEAST_REQUESTS: u64 = 10;

/// What is wrong with an endpoint.
#[derive(Clone, PartialEq, Debug)]
pub struct Issue {
    /// Its name; part of the recommendation's identity.
    pub name: &'static str,
    /// What it is about.
    pub kind: Kind,
    /// How much it matters.
    pub priority: Priority,
    /// How bad it is, to compare endpoints with the same issue.
    pub severity: f64,
    /// Which part of the trouble the usual change took away elsewhere.
    pub prior_improvement: f64,
    /// What was seen, and what could be done.
    pub description: String,
}

/// An issue, where it was found, and what was seen there.
#[derive(Clone, PartialEq, Debug)]
pub struct Finding {
    /// The service.
    pub service: Arc<str>,
    /// The issue.
    pub issue: Issue,
    /// What was seen.
    pub evidence: Evidence,
}

/// Looks at one endpoint within a window.
pub trait Detector: Sync {
    /// What is wrong with an endpoint; none when all is well.
    fn detect(&self, seen: &Seen<'_>) -> Option<Issue>;
}

/// All detectors.
pub const DETECTORS: [&dyn Detector; 3] = [&SlowResponse, &HighErrors, &HighTraffic];

/// What a detector looks at: one endpoint within the window.
pub struct Seen<'a> {
    endpoint: &'a Arc<str>,
    series: &'a Series,
    within: &'a Range<Slot>,
    /// What was counted.
    pub counters: Counters,
}

impl Seen<'_> {
    fn evidence(&self) -> Evidence {
        let total = self.series.total(self.within);
        let quantile = |part| total.times.quantile(part).unwrap_or_default();
        Evidence {
            endpoint: Arc::clone(self.endpoint),
            requests: total.counters.requests,
            errors: total.counters.errors(),
            error_rate: total.counters.error_rate().unwrap_or_default(),
            mean_response_time: total.counters.mean().unwrap_or_default(),
            p50: quantile(0.5),
            p95: quantile(0.95),
            p99: quantile(0.99),
        }
    }
}

/// Everything that is to be said about a window, and how many endpoints were looked at.
pub fn detect(window: &Window, within: &Range<Slot>) -> (Vec<Finding>, usize) {
    let mut findings = Vec::new();
    let mut patterns = 0;
    for Key { service, endpoint, series } in window.keys() {
        let counters = series.counters(within);
        if counters.requests == 0 {
            continue;
        }
        patterns += 1;
        // What is no endpoint can be neither cached nor scaled.
        if counters.requests < LEAST_REQUESTS || **endpoint == *UNMATCHED {
            continue;
        }
        let seen = Seen { endpoint, series, within, counters };
        let issues: Vec<_> = DETECTORS.iter().filter_map(|detector| detector.detect(&seen)).collect();
        if !issues.is_empty() {
            let evidence = seen.evidence();
            findings.extend(issues.into_iter().map(|issue| Finding {
                service: Arc::clone(service),
                issue,
                evidence: evidence.clone(),
            }));
        }
    }
    (findings, patterns)
}
