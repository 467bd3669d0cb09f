//! When a change is judged, and on what: the spans before and after it, and what happened beside it.
//!
//! Every length is counted in buckets, so that it scales with their length.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use shared::clock::Timestamp;

use super::change::{Change, Changes, Trial};
use super::judge::{
    Comparison, LEAST_BUCKETS, LEAST_REQUESTS, Objective, Outcome, Sample, Surroundings, Verdict, harm, judge,
};
use super::setting::{ServiceSettings, Settings};
use super::statistics::shift::median;
use super::window::Window;
use super::window::bucket::Counters;
use super::window::shape::{FINE, Shape, Slot};

/// A change settles so long at least, and at most.
const SETTLING: Range<Slot> = 5..10;
/// It settles so long once every instance has it.
const AFTER_DELIVERY: Slot = 2;
/// The buckets before a change that it is compared with.
const BEFORE: Slot = 60;
/// The buckets of a trial, and of each prolongation.
const TRIAL: Slot = 30;
/// A trial ends so long after the change at the latest: what was before it is known by the bucket until then.
const LATEST: Slot = FINE - BEFORE - 5;
/// So many buckets after the end of a trial its last reports have arrived.
const LATE_REPORTS: Slot = 1;
/// Services that were not touched and are looked at.
const MOST_OTHERS: usize = 20;
/// The chance of an accident above which another service has not moved.
const MOVED: f64 = 0.05;

/// One change, and everything that its verdict depends on.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The change.
    pub change: &'a Change,
    /// All changes, of this service and of others.
    pub changes: &'a Changes,
    /// What was seen.
    pub window: &'a Window,
    /// What services are told, and who has fetched it.
    pub settings: &'a Settings,
}

impl Case<'_> {
    fn shape(&self) -> Shape {
        self.window.shape()
    }

    fn after(&self, at: Timestamp, buckets: Slot) -> Timestamp {
        at + self.shape().length(buckets)
    }

    /// When the change has settled: once every instance that is known has had it for a while.
    pub fn settles_at(&self) -> Timestamp {
        let at = self.change.applied_at;
        let (least, most) = (self.after(at, SETTLING.start), self.after(at, SETTLING.end));
        let delivered = self.known_settings().and_then(|settings| delivered_to_all(settings, self.change));
        delivered.map_or(most, |at| self.after(at, AFTER_DELIVERY).clamp(least, most))
    }

    fn known_settings(&self) -> Option<&Arc<ServiceSettings>> {
        self.settings.of(&self.change.baseline.service)
    }

    /// Whether any instance of the service has fetched it.
    pub fn is_delivered(&self) -> bool {
        let has_it = |settings: &Arc<ServiceSettings>| {
            settings.deliveries.values().any(|delivery| delivery.version >= self.change.version)
        };
        self.known_settings().is_some_and(has_it)
    }

    /// The trial that begins now.
    pub fn trial(&self, now: Timestamp) -> Trial {
        let shape = self.shape();
        Trial { since: now, until: shape.begin(shape.slot(now) + 1 + TRIAL) }
    }

    /// When a trial is over: its last reports have arrived by then.
    pub fn is_over_at(&self, trial: Trial) -> Timestamp {
        self.after(trial.until, LATE_REPORTS)
    }

    /// The same trial with a later end, where too little was seen in it and more can still be compared.
    pub fn prolonged(&self, trial: Trial) -> Option<Trial> {
        let latest = self.after(self.change.applied_at, LATEST);
        let until = self.after(trial.until, TRIAL).min(latest);
        (is_thin(&self.with_it(trial)) && until > trial.until).then_some(Trial { until, ..trial })
    }

    /// Why there is nothing to compare the change with.
    pub fn is_without_past(&self, now: Timestamp) -> Option<Verdict> {
        let before = self.before();
        is_thin(&before).then(|| {
            let nothing = Surroundings::default();
            judge(self.objective(), &before, &Sample::default(), nothing, now)
        })
    }

    /// Why the change is to be taken back at once.
    pub fn harm(&self, now: Timestamp) -> Option<Verdict> {
        let (shape, service) = (self.shape(), &self.change.baseline.service);
        let all =
            |within: &Range<Slot>| Sample::new(self.window.by_slot(service, within, |_| true).into_values());
        let since = shape.slot(self.change.applied_at) + 1;
        let reason = harm(&all(&self.slots_before()), &all(&(since..shape.slot(now))))?;
        Some(self.without_numbers(Outcome::Harmful, format!("harmful: {reason}"), now))
    }

    /// A verdict that needs no comparison.
    pub fn without_numbers(&self, outcome: Outcome, reason: String, now: Timestamp) -> Verdict {
        Verdict::without_numbers(outcome, reason, self.objective(), now)
    }

    /// The verdict at the end of a trial.
    pub fn judge(&self, trial: Trial, now: Timestamp) -> Verdict {
        let (before, after) = (self.before(), self.with_it(trial));
        judge(self.objective(), &before, &after, self.surroundings(trial), now)
    }

    fn objective(&self) -> Objective {
        Objective::of(self.change.recommendation.r#type)
    }

    fn slots_before(&self) -> Range<Slot> {
        let applied = self.shape().slot(self.change.applied_at);
        applied.saturating_sub(BEFORE)..applied
    }

    fn slots_with_it(&self, trial: Trial) -> Range<Slot> {
        let shape = self.shape();
        shape.slot(trial.since) + 1..shape.slot(trial.until)
    }

    fn before(&self) -> Sample {
        self.sample(&self.slots_before())
    }

    fn with_it(&self, trial: Trial) -> Sample {
        self.sample(&self.slots_with_it(trial))
    }

    /// What was answered at the endpoints that the recommendation was about.
    fn sample(&self, within: &Range<Slot>) -> Sample {
        let evidence = &self.change.recommendation.evidence;
        let is_wanted = |endpoint: &str| evidence.iter().any(|one| *one.endpoint == *endpoint);
        Sample::new(self.window.by_slot(&self.change.baseline.service, within, is_wanted).into_values())
    }

    fn surroundings(&self, trial: Trial) -> Surroundings {
        let mut others: Vec<f64> = self.others(trial).collect();
        others.sort_by(f64::total_cmp);
        Surroundings {
            mix_distance: self.mix_distance(trial),
            others: others.len(),
            others_improvement: median(&others),
        }
    }

    /// Half the sum of how far the part of each endpoint in all requests has moved (the distance in total variation).
    fn mix_distance(&self, trial: Trial) -> f64 {
        let service = &self.change.baseline.service;
        let parts = |within: &Range<Slot>| -> BTreeMap<&str, f64> {
            let requests = |endpoint: &Arc<str>| -> u64 {
                let of = |series: &super::window::series::Series| {
                    series.by_slot(within).map(|(_, counters)| counters.requests).sum()
                };
                self.window.series(service, endpoint).map_or(0, of)
            };
            let evidence = &self.change.recommendation.evidence;
            let counts: BTreeMap<&str, u64> =
                evidence.iter().map(|one| (&*one.endpoint, requests(&one.endpoint))).collect();
            let all = counts.values().sum::<u64>().max(1) as f64;
            counts.into_iter().map(|(endpoint, count)| (endpoint, count as f64 / all)).collect()
        };
        let (before, after) = (parts(&self.slots_before()), parts(&self.slots_with_it(trial)));
        let moved = before.iter().map(|(endpoint, part)| (part - after.get(endpoint).unwrap_or(&0.0)).abs());
        moved.sum::<f64>() / 2.0
    }

    /// By how much services improved meanwhile that were not touched; 0 for those that stayed as they were.
    fn others(&self, trial: Trial) -> impl Iterator<Item = f64> {
        let (before, after) = (self.slots_before(), self.slots_with_it(trial));
        let began = self.shape().begin(before.start);
        let own = &self.change.baseline.service;
        let untouched = move |service: &&Arc<str>| {
            *service != own && !self.changes.iter().any(|change| is_touched(change, service, began))
        };
        let moved = move |service: &Arc<str>| {
            let sample = |within: &Range<Slot>| {
                Sample::new(self.window.by_slot(service, within, |_| true).into_values())
            };
            let (before, after) = (sample(&before), sample(&after));
            if is_thin(&before) || is_thin(&after) {
                return None;
            }
            let Comparison { improvement, p_better, p_worse, .. } =
                Comparison::new(self.objective(), &before, &after);
            let has_moved = [p_better, p_worse].into_iter().flatten().any(|p| p < MOVED);
            Some(if has_moved { improvement } else { 0.0 })
        };
        self.window.services().filter(untouched).filter_map(moved).take(MOST_OTHERS)
    }
}

/// Whether a change of the service was made or taken back since then.
fn is_touched(change: &Change, service: &str, since: Timestamp) -> bool {
    let rolled_back = change.rollback.as_ref().is_some_and(|rollback| rollback.rollback_time >= since);
    *change.baseline.service == *service && (change.applied_at >= since || rolled_back)
}

fn is_thin(sample: &Sample) -> bool {
    let Counters { requests, .. } = *sample.total();
    sample.buckets().len() < LEAST_BUCKETS || requests < LEAST_REQUESTS
}

/// When the last instance got a change, where no instance is known that still has the version before.
fn delivered_to_all(settings: &ServiceSettings, change: &Change) -> Option<Timestamp> {
    let lags = settings.deliveries.values().any(|delivery| delivery.version + 1 == change.version);
    let delivered = settings.deliveries.values().filter(|delivery| delivery.version >= change.version);
    delivered.map(|delivery| delivery.at).max().filter(|_| !lags)
}
