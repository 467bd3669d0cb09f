//! Finding what is slow, failing or overloaded: one detector a file, none with a state of its own.

mod error_burn;
mod high_errors;
mod high_traffic;
mod latency_regression;
pub mod look;
mod seen;
mod slow_response;

use std::ops::Range;
use std::sync::Arc;

use shared::clock::Timestamp;

use super::evidence::{Burn, Evidence, Figures, Interval};
use super::recommendation::{Kind, Priority};
use super::statistics::benjamini_hochberg::largest_discovery;
use super::window::bucket::Counters;
use super::window::shape::{HOUR, Slot};
use super::window::{Key, UNMATCHED};

pub use error_burn::ErrorBurn;
pub use high_errors::HighErrors;
pub use high_traffic::HighTraffic;
pub use look::Look;
pub use seen::Seen;
pub use slow_response::SlowResponse;

/// Requests of an endpoint in the window below which nothing is said about it.
pub const LEAST_REQUESTS: u64 = 10;
/// Which part of what the tests of one analysis find may be an accident.
const FALSE_DISCOVERIES: f64 = 0.05;

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
    /// What it is judged by, beside what was counted in the window.
    pub signs: Signs,
}

/// What an issue is judged by; nothing of it where it is judged by the window alone.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Signs {
    /// The last slots, where it is not the window.
    pub slots: Option<Range<Slot>>,
    /// The slots that they are compared with.
    pub before: Option<Range<Slot>>,
    /// What was seen in them, where it is known from an analysis before.
    pub baseline: Option<Figures>,
    /// Which part of the response time has come on top.
    pub shift: Option<Interval>,
    /// The chance that it looks so bad, or worse, by accident.
    pub p: Option<f64>,
    /// How quickly errors use up what they may.
    pub burn: Option<Burn>,
    /// When it began.
    pub onset: Option<Timestamp>,
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
    /// Requests of the endpoint in the window.
    pub requests: u64,
    /// What it has answered in the last hour.
    pub last_hour: Counters,
    /// Requests of the whole service in the window.
    pub requests_of_service: u64,
}

/// What an analysis gives.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Detected {
    /// Everything that is to be said.
    pub findings: Vec<Finding>,
    /// Endpoints that were looked at.
    pub patterns: usize,
    /// What was pending, and is over.
    pub over: Vec<Over>,
}

/// That what a detector has found at an endpoint is over.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Over {
    /// The service.
    pub service: Arc<str>,
    /// The endpoint.
    pub endpoint: Arc<str>,
    /// The detector.
    pub detector: &'static str,
}

/// Looks at one endpoint within a window.
pub trait Detector: Sync {
    /// What is wrong with an endpoint; none when all is well.
    fn detect(&self, seen: &Seen<'_>) -> Option<Issue>;
}

/// The detectors that look at one endpoint by itself. `latency_regression` is not among them: whether what it finds is an
/// accident depends on how often it looked.
pub const DETECTORS: [&dyn Detector; 4] = [&SlowResponse, &HighErrors, &HighTraffic, &ErrorBurn];

/// Everything that is to be said of what there is to look at.
pub fn detect(look: &Look) -> Detected {
    let mut detecting = Detecting::default();
    let keys: Vec<_> = look.window.keys().collect();
    for of_service in keys.chunk_by(|a, b| Arc::ptr_eq(a.service, b.service)) {
        detecting.service(look, of_service);
    }
    detecting.finish()
}

/// An analysis under way.
#[derive(Default)]
struct Detecting {
    detected: Detected,
    /// The chance of every comparison, and the finding that it stands or falls with.
    compared: Vec<(f64, Option<Finding>)>,
    /// Room for the buckets of an endpoint.
    buckets: Vec<seen::Counted>,
}

impl Detecting {
    fn service(&mut self, look: &Look, keys: &[Key<'_>]) {
        let first = (self.detected.findings.len(), self.compared.len());
        let mut requests = 0;
        for key in keys {
            requests += self.endpoint(look, key);
        }
        let found = self.detected.findings[first.0..].iter_mut();
        let compared = self.compared[first.1..].iter_mut().filter_map(|(_, finding)| finding.as_mut());
        found.chain(compared).for_each(|finding| finding.requests_of_service = requests);
    }

    /// Looks at an endpoint, and gives its requests in the window.
    fn endpoint(&mut self, look: &Look, Key { service, endpoint, series }: &Key<'_>) -> u64 {
        let left_out = look.unverified.get(*service).map_or(&[][..], |slots| slots);
        self.buckets.clear();
        series.read(&look.read(), left_out, &mut self.buckets);
        let mut counters = Counters::default();
        let in_window = self.buckets.iter().filter(|(slots, _)| slots.start >= look.within.start);
        in_window.for_each(|(_, counted)| counters.merge(counted));
        if counters.requests == 0 {
            return 0;
        }
        self.detected.patterns += 1;
        // What is no endpoint can be neither cached nor scaled.
        if counters.requests < LEAST_REQUESTS || ***endpoint == *UNMATCHED {
            return counters.requests;
        }
        let buckets = &self.buckets;
        let seen = Seen { look, service, endpoint, series, left_out, buckets, counters };
        let mut found: Vec<_> = DETECTORS.iter().filter_map(|detector| detector.detect(&seen)).collect();
        let compared = latency_regression::compare(&seen);
        let comparison = match compared {
            None => None,
            Some(latency_regression::Compared::Pending(issue)) => {
                found.push(issue);
                None
            }
            Some(latency_regression::Compared::Tested(p, issue)) => Some((p, issue)),
        };
        self.detected.over.extend(over(&seen, &found));
        self.detected.findings.extend(findings(&seen, found));
        if let Some((p, issue)) = comparison {
            self.compared.push((p, findings(&seen, issue).pop()));
        }
        counters.requests
    }

    fn finish(self) -> Detected {
        let Self { mut detected, compared, .. } = self;
        let chances: Vec<f64> = compared.iter().map(|(p, _)| *p).collect();
        let largest = largest_discovery(&chances, FALSE_DISCOVERIES).unwrap_or(0.0);
        let found = compared.into_iter().filter(|(p, _)| *p <= largest);
        detected.findings.extend(found.filter_map(|(_, finding)| finding));
        detected
    }
}

/// Issues of an endpoint with what was seen there.
fn findings(seen: &Seen<'_>, issues: impl IntoIterator<Item = Issue>) -> Vec<Finding> {
    let mut of_window: Option<Evidence> = None;
    let finding = |issue: Issue| {
        let evidence = if issue.signs.slots.is_some() {
            seen.evidence(issue.name, &issue.signs)
        } else {
            // It takes a while, and is the same for all that look at the window.
            let known = of_window.get_or_insert_with(|| seen.evidence(issue.name, &issue.signs));
            Evidence { detector: issue.name.to_owned(), ..known.clone() }
        };
        let last_hour = seen.total(&((seen.now() + 1).saturating_sub(HOUR)..seen.look.within.end));
        Finding {
            service: Arc::clone(seen.service),
            issue,
            evidence,
            requests: seen.counters.requests,
            last_hour,
            requests_of_service: 0,
        }
    };
    issues.into_iter().map(finding).collect()
}

/// What was pending because of an endpoint, and is not found any more although enough was seen to find it.
fn over(seen: &Seen<'_>, found: &[Issue]) -> Vec<Over> {
    let names = [
        (latency_regression::NAME, latency_regression::is_over as fn(&Seen<'_>) -> bool),
        (error_burn::NAME, error_burn::is_over),
    ];
    let is_pending = |name: &str| seen.pending(name).is_some();
    let is_found = |name: &str| found.iter().any(|issue| issue.name == name);
    let over =
        names.into_iter().filter(|(name, is_over)| is_pending(name) && !is_found(name) && is_over(seen));
    over.map(|(detector, _)| Over {
        service: Arc::clone(seen.service),
        endpoint: Arc::clone(seen.endpoint),
        detector,
    })
    .collect()
}
