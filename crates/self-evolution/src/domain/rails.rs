//! What holds the daemon back from changing something on its own, however good the reason.
//!
//! A person who applies or approves is not held back by any of it. Every length is counted in buckets.

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::clock::Timestamp;

use super::change::{Change, Phase, Trigger};
use super::fact::Dropped;
use super::judge::{LEAST_BUCKETS, LEAST_REQUESTS};
use super::policy::Policy;
use super::recommendation::{Confidence, Gain, GainOf, Priority, Recommendation, RecommendationId, Status};
use super::state::State;
use super::window::bucket::Counters;
use super::window::shape::{DAY, HOUR, Slot};

/// Changes that it makes within an hour at most, and within a day.
const MOST_IN_AN_HOUR: usize = 4;
const MOST_IN_A_DAY: usize = 12;
/// A service is left alone for so long after a verdict or a rollback.
const COOL_DOWN: Slot = 30;
/// The same is not tried again for so long after it was taken back once, and twice; after the third time never.
const AFTER_ROLLBACKS: [Slot; 2] = [HOUR, 4 * HOUR];
/// What a person has turned down is not done for so long.
const TURNED_DOWN: Slot = DAY;
/// A service that reported nothing for so many buckets may have been changed by somebody, or be gone.
const SILENT: Slot = 10;
/// So many buckets after a hole in what was recorded, what is known is whole again.
const AFTER_A_HOLE: Slot = 10;
/// A window of so many hours, or more, is waited for until it has a day.
const WHOLE_DAY: u32 = 24;
/// The least that there must be to gain: seconds that users wait in an hour, or errors in an hour.
const LEAST_SECONDS: f64 = 60.0;
const LEAST_ERRORS: f64 = 10.0;

/// What the daemon knows when it is about to change something on its own.
#[derive(Clone, Copy)]
pub struct Rails<'a> {
    /// What was seen, recommended and changed, and what came of it.
    pub state: &'a State,
    /// What the operator wants.
    pub policy: &'a Policy,
    /// Now.
    pub now: Timestamp,
}

impl Rails<'_> {
    /// Why a recommendation is not applied without a person; none where it may be.
    pub fn hold_back(&self, recommendation: &Recommendation) -> Option<String> {
        let Recommendation { priority, confidence, target_service: service, .. } = recommendation;
        if *priority < Priority::High {
            return Some(format!("its priority is {}, and high is needed", priority.as_str()));
        }
        if *confidence != Confidence::High {
            return Some(format!("its confidence is low: {}", recommendation.confidence_reason));
        }
        self.turned_down(recommendation)
            .or_else(|| self.knows_too_little(service))
            .or_else(|| self.too_many())
            .or_else(|| self.cools_down(service))
            .or_else(|| self.state.calibration.distrust(&recommendation.detector))
            .or_else(|| self.taken_back(recommendation))
            .or_else(|| self.expects_too_little(recommendation))
            .or_else(|| self.gains_too_little(recommendation))
            .or_else(|| self.cannot_be_judged(recommendation))
    }

    fn is_within(&self, at: Timestamp, buckets: Slot) -> bool {
        self.now.since(at) < self.policy.shape.length(buckets)
    }

    /// Whether what is known of a service is whole, of today, and what it usually is.
    fn knows_too_little(&self, service: &str) -> Option<String> {
        let State { window, hole_ended, analysed, .. } = self.state;
        let (shape, slot) = (self.policy.shape, self.policy.shape.slot(self.now));
        if let Some(ended) =
            hole_ended.filter(|ended| self.is_within(*ended, AFTER_A_HOLE) || self.now < *ended)
        {
            return Some(format!("nothing was recorded for a while before {ended}, or the clock was set"));
        }
        let last = slot.saturating_sub(SILENT)..shape.window(self.now).end;
        if window.counters_of(service, &last, |_| true).requests == 0 {
            return Some(format!("nothing was reported by its service for {SILENT} spans"));
        }
        let known = slot.saturating_sub(window.since(service).unwrap_or(slot));
        if shape.window_hours >= WHOLE_DAY && known < DAY {
            return Some(format!("its service is known for {known} of the {DAY} spans that make a day"));
        }
        let (_, analysed) = analysed.as_ref()?;
        let dropped = analysed.dropped.iter().find(|dropped| *dropped.service == *service)?;
        let Dropped { requests, requests_yesterday, .. } = dropped;
        Some(format!(
            "its traffic fell: {requests} requests, where there were {requests_yesterday} at the same time yesterday"
        ))
    }

    fn turned_down(&self, recommendation: &Recommendation) -> Option<String> {
        let Recommendation { target_service, detector, .. } = recommendation;
        let mut like = self.state.recommendations.iter().filter(|old| old.is_like(target_service, detector));
        let is_turned_down = like.any(|old| self.was_turned_down(old));
        is_turned_down.then(|| "a person has turned it down within a day".to_owned())
    }

    /// A recommendation has another identity each day: another day does not make another answer.
    fn was_turned_down(&self, recommendation: &Recommendation) -> bool {
        let by_a_person = match recommendation.status {
            Status::Dismissed => true,
            Status::RolledBack => {
                self.state.changes.of(&recommendation.id).is_some_and(|change| !is_automatic(change))
            }
            // Somebody has changed the same by hand.
            Status::Failed => self.phase_of(&recommendation.id) == Some(Phase::Superseded),
            Status::Pending | Status::Applied | Status::Expired => false,
        };
        let last = recommendation.history.last();
        by_a_person && last.is_some_and(|step| self.is_within(step.at, TURNED_DOWN))
    }

    /// One is in the air at a time, and few are made.
    fn too_many(&self) -> Option<String> {
        let is_automatic = |change: &&Arc<Change>| change.trigger == Trigger::Automatic;
        if let Some(open) = self.state.changes.open().find(is_automatic) {
            let (service, id) = (&open.baseline.service, &open.recommendation_id);
            return Some(format!("the change of {service} ({id}) is still being judged"));
        }
        let made = |buckets| {
            let automatic = self.state.changes.iter().filter(is_automatic);
            automatic.filter(|change| self.is_within(change.applied_at, buckets)).count()
        };
        if made(HOUR) >= MOST_IN_AN_HOUR {
            return Some(format!("{MOST_IN_AN_HOUR} changes were made within an hour"));
        }
        (made(DAY) >= MOST_IN_A_DAY).then(|| format!("{MOST_IN_A_DAY} changes were made within a day"))
    }

    fn cools_down(&self, service: &str) -> Option<String> {
        let of_service = self.state.changes.iter().filter(|change| *change.baseline.service == *service);
        let last = of_service.filter_map(|change| ended(change)).max()?;
        self.is_within(last, COOL_DOWN).then(|| {
            let until = last + self.policy.shape.length(COOL_DOWN);
            format!("its service is left alone until {until}, after the verdict on its last change")
        })
    }

    fn expects_too_little(&self, recommendation: &Recommendation) -> Option<String> {
        let expected = recommendation.estimated_improvement;
        (expected < self.policy.threshold).then(|| {
            let (expected, threshold) = (expected * 100.0, self.policy.threshold * 100.0);
            format!("an improvement of {expected:.0} % is expected, and {threshold:.0} % are worth it")
        })
    }

    /// By what was seen in the last hour at the endpoints that it is about.
    fn gains_too_little(&self, recommendation: &Recommendation) -> Option<String> {
        let mut counted = Counters::default();
        self.last_hour(recommendation).values().for_each(|counters| counted.merge(counters));
        let improvement = recommendation.estimated_improvement;
        let Gain { per_hour: gain, of } = Gain::of(recommendation.r#type, improvement, &counted);
        let (least, what) = match of {
            GainOf::UserSeconds => (LEAST_SECONDS, "seconds of waiting"),
            GainOf::Errors => (LEAST_ERRORS, "errors"),
        };
        (gain < least)
            .then(|| format!("it would spare {gain:.1} {what} an hour, and {least:.0} are worth it"))
    }

    /// What is certain to be taken back for want of numbers is not tried.
    fn cannot_be_judged(&self, recommendation: &Recommendation) -> Option<String> {
        let last_hour = self.last_hour(recommendation);
        let requests: u64 = last_hour.values().map(|counters| counters.requests).sum();
        let spans = last_hour.len();
        let is_judged = self.policy.judged.includes(Trigger::Automatic);
        (is_judged && (requests < LEAST_REQUESTS || spans < LEAST_BUCKETS)).then(|| {
            format!(
                "it could not be judged: {requests} requests in {spans} spans of the last {HOUR} were seen, and a verdict needs \
                 {LEAST_REQUESTS} in {LEAST_BUCKETS}"
            )
        })
    }

    /// What was counted in the last hour at the endpoints that a recommendation is about, by bucket.
    fn last_hour(&self, recommendation: &Recommendation) -> BTreeMap<Slot, Counters> {
        let Recommendation { target_service, evidence, .. } = recommendation;
        let is_wanted = |endpoint: &str| evidence.iter().any(|one| *one.endpoint == *endpoint);
        self.state.window.by_slot(target_service, &self.policy.shape.last_hour(self.now), is_wanted)
    }

    fn phase_of(&self, id: &RecommendationId) -> Option<Phase> {
        self.state.changes.of(id).map(|change| change.phase)
    }

    /// Whether what was taken back by its verdict, or could not be made, is offered again: once its time has come, or for
    /// a person to decide.
    pub fn is_offered_again(&self, recommendation: &Recommendation) -> bool {
        if recommendation.status == Status::Failed {
            let rests = recommendation.history.last().is_some_and(|step| self.is_within(step.at, HOUR));
            return !rests && self.phase_of(&recommendation.id) == Some(Phase::Failed);
        }
        let is_ours = || self.state.changes.of(&recommendation.id).is_some_and(|change| is_automatic(change));
        let waits = || self.setback(recommendation).is_some_and(|setback| setback.until.is_some());
        recommendation.status == Status::RolledBack && is_ours() && !waits()
    }

    fn taken_back(&self, recommendation: &Recommendation) -> Option<String> {
        let Setback { times, until } = self.setback(recommendation)?;
        Some(match until {
            Some(until) => {
                format!("it was taken back ({times} of 2 times), and is not tried again before {until}")
            }
            None => format!("quarantine: it was taken back {times} times; POST /approve/<id> tries again"),
        })
    }

    /// What comes of that the same was taken back by its verdicts for the same service since it last helped; none once its
    /// time has come again.
    fn setback(&self, recommendation: &Recommendation) -> Option<Setback> {
        let Recommendation { target_service: service, detector, .. } = recommendation;
        let changes = self.state.changes.iter().rev();
        let like = changes.filter(|change| change.recommendation.is_like(service, detector));
        let in_vain: Vec<_> = like
            .take_while(|change| change.phase != Phase::Kept)
            .filter(|change| change.phase == Phase::RolledBack && is_automatic(change))
            .collect();
        let last = in_vain.first().and_then(|change| ended(change))?;
        let times = in_vain.len();
        let Some(wait) = AFTER_ROLLBACKS.get(times - 1) else { return Some(Setback { times, until: None }) };
        let until = Some(last + self.policy.shape.length(*wait));
        self.is_within(last, *wait).then_some(Setback { times, until })
    }
}

/// How often something was tried in vain, and until when it is not tried again; without an end that is for a person to say.
struct Setback {
    times: usize,
    until: Option<Timestamp>,
}

fn is_automatic(change: &Change) -> bool {
    change.rollback.as_ref().is_some_and(|rollback| rollback.trigger == Trigger::Automatic)
}

/// When the verdict on a change was found, or it was taken back.
fn ended(change: &Change) -> Option<Timestamp> {
    let judged = change.verdict.as_ref().map(|verdict| verdict.judged_at);
    judged.max(change.rollback.as_ref().map(|rollback| rollback.rollback_time))
}
