//! When a change is judged, and on what: the spans before and after it, and what happened beside it.
//!
//! Every length is counted in buckets, so that it scales with their length.

mod ab;
mod beside;
mod span;

use std::ops::Range;
use std::sync::Arc;

use shared::clock::Timestamp;

use super::change::{Change, Trial, Trigger};
use super::judge::{
    Design, LEAST_BUCKETS, LEAST_REQUESTS, Objective, Outcome, Sample, Surroundings, Verdict, harm, judge,
};
use super::setting::ServiceSettings;
use super::state::State;
use super::window::shape::{FINE, Shape, Slot};

use span::Past;

/// A change settles so long at least, and at most.
const SETTLING: Range<Slot> = 5..10;
/// It settles so long once every instance has it.
const AFTER_DELIVERY: Slot = 2;
/// The buckets of a trial, and of each prolongation.
const TRIAL: Slot = 30;
/// The time before a change is known by the bucket until it is this old, less a few for what comes late.
const KNOWN: Slot = FINE - 5;
/// So many buckets after the end of a trial its last reports have arrived.
const LATE_REPORTS: Slot = 1;
/// A service that reports nothing for so many buckets is not waited for.
const SILENT: Slot = 10;

/// One change, and everything that its verdict depends on.
#[derive(Clone, Copy)]
pub struct Case<'a> {
    /// The change.
    pub change: &'a Change,
    /// What was seen and changed, and what services are told.
    pub state: &'a State,
}

/// What is next for a change.
#[derive(Debug)]
pub enum Next {
    /// Nothing is due.
    Wait,
    /// It is tried over this span.
    Try(Trial),
    /// The groups of an A/B test change places; the span until its end.
    Swap(Trial),
    /// It was judged.
    Conclude(Box<Verdict>),
}

impl Case<'_> {
    /// What is next, given everything that was seen until now.
    pub fn next(&self, now: Timestamp) -> Next {
        if let Some(test) = &self.change.ab_test {
            return self.next_of_ab_test(test, now);
        }
        if let Some(verdict) = self.ends_early(now) {
            return Next::Conclude(Box::new(verdict));
        }
        match self.change.trial {
            None => self.after_settling(now),
            Some(trial) => self.after_trial(trial, now),
        }
    }

    fn after_settling(&self, now: Timestamp) -> Next {
        if now < self.settles_at() {
            return Next::Wait;
        }
        if !self.is_delivered() {
            let reason = "not delivered: no instance of the service has fetched it".to_owned();
            return Next::Conclude(Box::new(self.without_numbers(Outcome::NotDelivered, reason, now)));
        }
        match self.is_without_past(now) {
            Some(verdict) => Next::Conclude(Box::new(verdict)),
            None => Next::Try(self.trial(now)),
        }
    }

    fn after_trial(&self, trial: Trial, now: Timestamp) -> Next {
        if now < self.after(trial.until, LATE_REPORTS) {
            return Next::Wait;
        }
        match self.prolonged(trial) {
            Some(longer) => Next::Try(longer),
            None => Next::Conclude(Box::new(self.judge(trial, now))),
        }
    }

    fn shape(&self) -> Shape {
        self.state.window.shape()
    }

    fn after(&self, at: Timestamp, buckets: Slot) -> Timestamp {
        at + self.shape().length(buckets)
    }

    /// When the change has settled: once every instance that is known has had it for a while.
    fn settles_at(&self) -> Timestamp {
        let at = self.change.applied_at;
        let (least, most) = (self.after(at, SETTLING.start), self.after(at, SETTLING.end));
        if self.is_in_effect_at_once() {
            return least;
        }
        let delivered = self.known_settings().and_then(|settings| delivered_to_all(settings, self.change));
        delivered.map_or(most, |at| self.after(at, AFTER_DELIVERY).clamp(least, most))
    }

    /// Whether nobody has to fetch it: what a platform has made was read back, which is all the delivery that there is, and
    /// what others have made is there when they say so.
    fn is_in_effect_at_once(&self) -> bool {
        self.change.platform.is_some() || self.change.trigger == Trigger::Outside
    }

    fn known_settings(&self) -> Option<&Arc<ServiceSettings>> {
        self.state.settings.of(&self.change.baseline.service)
    }

    /// Whether any instance of the service has fetched it.
    fn is_delivered(&self) -> bool {
        let has_it = |settings: &Arc<ServiceSettings>| {
            settings.deliveries.values().any(|delivery| delivery.version >= self.change.version)
        };
        self.is_in_effect_at_once() || self.known_settings().is_some_and(has_it)
    }

    /// The trial that begins now.
    fn trial(&self, now: Timestamp) -> Trial {
        let shape = self.shape();
        Trial { since: now, until: shape.begin(shape.slot(now) + 1 + TRIAL) }
    }

    /// The same trial with a later end, where too little was seen in it and more can still be compared.
    fn prolonged(&self, trial: Trial) -> Option<Trial> {
        let shape = self.shape();
        let latest = shape.begin(self.past().first() + KNOWN);
        let until = self.after(trial.until, TRIAL).min(latest);
        (is_thin(&self.with_it(trial)) && until > trial.until).then_some(Trial { until, ..trial })
    }

    /// Why there is nothing to compare the change with.
    fn is_without_past(&self, now: Timestamp) -> Option<Verdict> {
        let before = self.before();
        is_thin(&before).then(|| {
            let nothing = Surroundings::default();
            judge(self.objective(), &before, &Sample::default(), nothing, now)
        })
    }

    /// Why the change is to be taken back at once: it does harm, or nobody can say any more what it does.
    fn ends_early(&self, now: Timestamp) -> Option<Verdict> {
        let (before, after) = (self.before_at_all_endpoints(), self.so_far(now));
        if let Some(reason) = harm(&before, &after) {
            return Some(self.without_numbers(Outcome::Harmful, format!("harmful: {reason}"), now));
        }
        self.is_beyond_judgement(&before, now)
    }

    /// That nobody can say any more what it does.
    fn is_beyond_judgement(&self, before: &Sample, now: Timestamp) -> Option<Verdict> {
        let reason = self.another_change().or_else(|| self.silence(before, now))?;
        Some(self.without_numbers(Outcome::Inconclusive, format!("inconclusive: {reason}"), now))
    }

    /// Another change of the service that was taken back meanwhile.
    fn another_change(&self) -> Option<String> {
        let other = self.others_of_service().find(|other| {
            other.rollback.as_ref().is_some_and(|rollback| rollback.rollback_time > self.change.applied_at)
        })?;
        Some(format!("the change {} of the same service was taken back meanwhile", other.recommendation_id))
    }

    /// A service that was never silent before, and is during its trial.
    fn silence(&self, before: &Sample, now: Timestamp) -> Option<String> {
        self.change.trial?;
        let shape = self.shape();
        let (applied, now) = (shape.slot(self.change.applied_at), shape.slot(now));
        let last = now.saturating_sub(SILENT).max(applied + 1)..now;
        let was_never_silent = before.buckets().len() >= LEAST_BUCKETS && before.is_without_gaps();
        let is_silent = || self.at_all_endpoints(&last).total().requests == 0;
        (was_never_silent && last.len() >= SILENT as usize && is_silent())
            .then(|| format!("nothing was reported for {SILENT} spans"))
    }

    /// A verdict that needs no comparison.
    pub fn without_numbers(&self, outcome: Outcome, reason: String, now: Timestamp) -> Verdict {
        let design = if self.change.ab_test.is_some() { Design::AbTest } else { Design::BeforeAfter };
        Verdict { design, ..Verdict::without_numbers(outcome, reason, self.objective(), now) }
    }

    /// The verdict at the end of a trial.
    fn judge(&self, trial: Trial, now: Timestamp) -> Verdict {
        let (before, after) = (self.before(), self.with_it(trial));
        judge(self.objective(), &before, &after, self.surroundings(trial), now)
    }

    fn objective(&self) -> Objective {
        Objective::of(self.change.recommendation.r#type)
    }

    /// Other changes of the same service.
    fn others_of_service(&self) -> impl Iterator<Item = &Change> {
        let of_service = |other: &&Arc<Change>| {
            other.baseline.service == self.change.baseline.service
                && other.took_effect()
                && (&other.recommendation_id, other.applied_at)
                    != (&self.change.recommendation_id, self.change.applied_at)
        };
        self.state.changes.iter().filter(of_service).map(|other| &**other)
    }

    fn past(&self) -> Past {
        Past::new(self.shape(), self.change.applied_at, self.others_of_service())
    }

    fn slots_with_it(&self, trial: Trial) -> Range<Slot> {
        let shape = self.shape();
        shape.slot(trial.since) + 1..shape.slot(trial.until)
    }
}

fn is_thin(sample: &Sample) -> bool {
    sample.buckets().len() < LEAST_BUCKETS || sample.total().requests < LEAST_REQUESTS
}

/// When the last instance got a change, where no instance is known that still has the version before.
fn delivered_to_all(settings: &ServiceSettings, change: &Change) -> Option<Timestamp> {
    let lags = settings.deliveries.values().any(|delivery| delivery.version + 1 == change.version);
    let delivered = settings.deliveries.values().filter(|delivery| delivery.version >= change.version);
    delivered.map(|delivery| delivery.at).max().filter(|_| !lags)
}
