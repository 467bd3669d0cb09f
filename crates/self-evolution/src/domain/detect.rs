//! Finding what is slow, failing or overloaded: one detector a file, none with a state of its own.

pub mod change_point;
mod error_burn;
mod high_errors;
mod high_traffic;
mod latency_regression;
mod load;
pub mod look;
mod seen;
mod slow_response;
mod traffic_change;

use std::ops::Range;
use std::sync::Arc;

use shared::clock::Timestamp;

use super::evidence::{Burn, Evidence, Figures, Interval};
use super::fact::Dropped;
use super::recommendation::{Kind, Priority};
use super::statistics::benjamini_hochberg::largest_discovery;
use super::window::bucket::Counters;
use super::window::shape::{HOUR, Slot};
use super::window::{Key, UNMATCHED};

pub use error_burn::ErrorBurn;
use latency_regression::Compared;
use load::Load;
pub use load::{Errors, Times, UnderLoad};
use traffic_change::{Spans, Traffic, TrafficChange};

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
    /// What the load of the service has to do with it; none where nobody can say, or it does not matter.
    pub under_load: Option<UnderLoad>,
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
    /// Services that are asked much less than at the same time yesterday.
    pub dropped: Vec<Dropped>,
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
        let mut whole = Whole::new(look);
        for key in keys {
            self.endpoint(look, key, &mut whole);
        }
        self.traffic(look, keys, &whole);
        let times = whole.has(Kind::Scaling).then(|| whole.load.times()).flatten().map(UnderLoad::Times);
        let errors =
            whole.has(Kind::Reliability).then(|| whole.load.errors()).flatten().map(UnderLoad::Errors);
        let found = self.detected.findings[first.0..].iter_mut();
        let compared = self.compared[first.1..].iter_mut().filter_map(|(_, finding)| finding.as_mut());
        for finding in found.chain(compared) {
            finding.requests_of_service = whole.requests;
            finding.under_load = match finding.issue.kind {
                Kind::Scaling => times.clone(),
                Kind::Reliability => errors.clone(),
                Kind::Performance => None,
            };
        }
    }

    /// Looks at an endpoint, and adds it to what is known of the service as a whole.
    fn endpoint(&mut self, look: &Look, key: &Key<'_>, whole: &mut Whole) {
        self.buckets.clear();
        let seen = Seen::read(look, key, &mut self.buckets);
        let requests = seen.counters.requests;
        whole.requests += requests;
        self.detected.patterns += usize::from(requests > 0);
        // What is no endpoint can be neither cached nor scaled.
        if **key.endpoint == *UNMATCHED {
            return;
        }
        whole.traffic_of(&seen);
        if requests < LEAST_REQUESTS {
            return;
        }
        let mut found: Vec<_> = DETECTORS.iter().filter_map(|detector| detector.detect(&seen)).collect();
        let comparison = match latency_regression::compare(&seen) {
            None => None,
            Some(Compared::Pending(issue)) => {
                found.push(issue);
                None
            }
            Some(Compared::Tested(p, issue)) => Some((p, issue)),
        };
        whole.load_of(&seen, &found);
        self.detected.over.extend(over(&seen, &found));
        self.detected.findings.extend(findings(&seen, found));
        if let Some((p, issue)) = comparison {
            self.compared.push((p, findings(&seen, issue).pop()));
        }
    }

    /// Compares how often a service is asked with yesterday. The endpoints that it is asked for most speak for a rise.
    fn traffic(&mut self, look: &Look, keys: &[Key<'_>], whole: &Whole) {
        let (Some(spans), Some(Key { service, .. })) = (&whole.spans, keys.first()) else { return };
        let is_known = look.window.since(service).is_some_and(|since| since <= spans.yesterday.start);
        let change = whole.traffic.change().filter(|_| is_known);
        match change {
            Some(TrafficChange::Rise(p)) => {
                let issue = whole.traffic.issue(spans, p);
                for key in keys {
                    self.buckets.clear();
                    let seen = Seen::read(look, key, &mut self.buckets);
                    let requests = seen.total(&spans.today).requests;
                    if **key.endpoint != *UNMATCHED && requests * 10 >= whole.traffic.today.requests {
                        self.compared
                            .extend(findings(&seen, [issue.clone()]).into_iter().map(|one| (p, Some(one))));
                    }
                }
            }
            Some(TrafficChange::Drop) => {
                let Traffic { today, yesterday } = whole.traffic;
                let (requests, requests_yesterday) = (today.requests, yesterday.requests);
                self.detected.dropped.push(Dropped {
                    service: Arc::clone(service),
                    requests,
                    requests_yesterday,
                });
            }
            None => {}
        }
        if !matches!(change, Some(TrafficChange::Rise(_))) {
            let pending = look.pending.get(*service).into_iter().flatten();
            let of_traffic = pending.filter(|evidence| evidence.detector == traffic_change::NAME);
            self.detected.over.extend(of_traffic.map(|evidence| Over {
                service: Arc::clone(service),
                endpoint: Arc::clone(&evidence.endpoint),
                detector: traffic_change::NAME,
            }));
        }
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

/// What is known of a service as a whole.
struct Whole {
    /// Requests in the window.
    requests: u64,
    load: Load,
    /// What is wrong with it.
    kinds: Vec<Kind>,
    spans: Option<Spans>,
    traffic: Traffic,
}

impl Whole {
    fn new(look: &Look) -> Self {
        let (load, spans) = (Load::until(look.now), Spans::of(look));
        Self { requests: 0, load, kinds: Vec::new(), spans, traffic: Traffic::default() }
    }

    fn traffic_of(&mut self, seen: &Seen<'_>) {
        if let Some(spans) = &self.spans {
            self.traffic.today.merge(&seen.total(&spans.today));
            self.traffic.yesterday.merge(&seen.total(&spans.yesterday));
        }
    }

    fn load_of(&mut self, seen: &Seen<'_>, found: &[Issue]) {
        let kinds: Vec<Kind> = found.iter().map(|issue| issue.kind).collect();
        self.load.add(seen.buckets, &kinds);
        self.kinds.extend(kinds);
    }

    fn has(&self, kind: Kind) -> bool {
        self.kinds.contains(&kind)
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
            // What is slow for the whole window may have begun to be in it.
            let leap = || seen.leap().map(|slot| seen.look.begin(slot));
            let onset = if issue.kind == Kind::Performance { leap() } else { None };
            Evidence { detector: issue.name.to_owned(), onset, ..known.clone() }
        };
        let last_hour = seen.total(&((seen.now() + 1).saturating_sub(HOUR)..seen.look.within.end));
        Finding {
            service: Arc::clone(seen.service),
            issue,
            evidence,
            requests: seen.counters.requests,
            last_hour,
            requests_of_service: 0,
            under_load: None,
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
