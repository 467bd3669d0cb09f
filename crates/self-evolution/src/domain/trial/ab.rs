//! A change that half of the instances have: when they change places, and what both groups answered.

use std::collections::BTreeMap;
use std::ops::Range;

use shared::clock::Timestamp;

use super::{Case, LATE_REPORTS, Next};
use crate::domain::ab_test::{AbTest, Arm, Swap};
use crate::domain::change::Trial;
use crate::domain::judge::{
    Crossover, LEAST_PAIRS, LEAST_REQUESTS, Outcome, Pair, Verdict, harm_beside, judge_ab_test,
};
use crate::domain::variants::Treated;
use crate::domain::window::UNMATCHED;
use crate::domain::window::bucket::Counters;
use crate::domain::window::shape::Slot;

/// The buckets of each half, and how many are added as long as too little was seen.
const HALF: Slot = 20;
/// The longest that the first half may become: with both halves, and settling, all of it is still known by the bucket.
const LONGEST_HALF: Slot = 60;
/// The groups are not compared for so long after they changed places.
const UNSETTLED: Slot = 5;

impl Case<'_> {
    /// What is next for a change that half of the instances have.
    pub(super) fn next_of_ab_test(&self, test: &AbTest, now: Timestamp) -> Next {
        if let Some(verdict) = self.ab_test_ends_early(now) {
            return Next::Conclude(Box::new(verdict));
        }
        match (self.change.trial, test.swapped) {
            (None, _) => self.after_settling_of_half(test, now),
            (Some(trial), None) => self.after_first_half(trial, now),
            (Some(trial), Some(_)) if now < self.after(trial.until, LATE_REPORTS) => Next::Wait,
            (Some(trial), Some(swap)) => Next::Conclude(Box::new(self.judge_halves(test, trial, swap, now))),
        }
    }

    fn after_settling_of_half(&self, test: &AbTest, now: Timestamp) -> Next {
        if now < self.settles_at() {
            return Next::Wait;
        }
        if !self.is_delivered_to_treated(test, self.change.version) {
            let reason = "not delivered: no instance that is to have it has fetched it".to_owned();
            return Next::Conclude(Box::new(self.without_numbers(Outcome::NotDelivered, reason, now)));
        }
        let shape = self.shape();
        Next::Try(Trial { since: now, until: shape.begin(shape.slot(now) + 1 + HALF) })
    }

    fn after_first_half(&self, trial: Trial, now: Timestamp) -> Next {
        if now < trial.until {
            return Next::Wait;
        }
        let shape = self.shape();
        let first = shape.slot(trial.since) + 1..shape.slot(trial.until);
        let seen = Crossover { halves: [self.pairs(&first, false), Vec::new()] };
        let has_half = |requests: u64| requests * 2 >= LEAST_REQUESTS;
        let is_enough = seen.halves[0].len() >= LEAST_PAIRS
            && has_half(seen.control().total().requests)
            && has_half(seen.treatment().total().requests);
        let length = first.len() as Slot;
        if is_enough {
            let until = shape.begin(shape.slot(now) + 1 + UNSETTLED + length);
            Next::Swap(Trial { until, ..trial })
        } else if length + HALF <= LONGEST_HALF {
            Next::Try(Trial { until: self.after(trial.until, HALF), ..trial })
        } else {
            Next::Conclude(Box::new(judge_ab_test(self.objective(), &seen, 0.0, now)))
        }
    }

    fn judge_halves(&self, test: &AbTest, trial: Trial, swap: Swap, now: Timestamp) -> Verdict {
        if !self.is_delivered_to_treated(test, swap.version) {
            let reason =
                "not delivered: no instance has fetched it since the groups changed places".to_owned();
            return self.without_numbers(Outcome::NotDelivered, reason, now);
        }
        let shape = self.shape();
        let swapped = shape.slot(swap.at);
        let halves = [shape.slot(trial.since) + 1..swapped, swapped + 1 + UNSETTLED..shape.slot(trial.until)];
        let seen = Crossover { halves: halves.each_ref().map(|half| self.pairs(half, false)) };
        judge_ab_test(self.objective(), &seen, self.mix_between_groups(&halves), now)
    }

    /// Harm to the instances that have it, or that nobody can say any more what it does.
    fn ab_test_ends_early(&self, now: Timestamp) -> Option<Verdict> {
        let shape = self.shape();
        let so_far = shape.slot(self.change.applied_at) + 1..shape.slot(now);
        if let Some(reason) = harm_beside(&Crossover { halves: [self.pairs(&so_far, true), Vec::new()] }) {
            return Some(self.without_numbers(Outcome::Harmful, format!("harmful: {reason}"), now));
        }
        self.is_beyond_judgement(&self.before_at_all_endpoints(), now)
    }

    fn is_delivered_to_treated(&self, test: &AbTest, version: u64) -> bool {
        self.known_settings().is_some_and(|settings| {
            let mut deliveries = settings.deliveries.iter();
            deliveries.any(|(instance, delivery)| {
                delivery.version >= version && test.arm_of(instance) == Arm::Treatment
            })
        })
    }

    fn treated(&self) -> Option<&Treated> {
        self.state.variants.treated(&self.change.recommendation_id)
    }

    /// The slots in which both groups have answered. Whatever does not carry the variant of the change is the control: an
    /// instance that has not fetched it yet has it not.
    fn pairs(&self, within: &Range<Slot>, at_all_endpoints: bool) -> Vec<Pair> {
        let Some(treated) = self.treated() else { return Vec::new() };
        let service = &self.change.baseline.service;
        let all = if at_all_endpoints {
            self.state.window.by_slot(service, within, |endpoint| endpoint != UNMATCHED)
        } else {
            self.by_slot_at_evidence(within)
        };
        let treated: BTreeMap<Slot, Counters> = treated.by_slot(within, at_all_endpoints);
        let pair = |(slot, all): (Slot, Counters)| {
            let treatment = *treated.get(&slot)?;
            let control = all.without(&treatment);
            (control.requests > 0 && treatment.requests > 0).then_some(Pair { control, treatment })
        };
        all.into_iter().filter_map(pair).collect()
    }

    /// Half the sum of how far the part of each endpoint in the requests differs between the groups (the distance in total
    /// variation).
    fn mix_between_groups(&self, halves: &[Range<Slot>; 2]) -> f64 {
        let Some(treated) = self.treated() else { return 0.0 };
        let service = &self.change.baseline.service;
        let requests = |endpoint: &str| {
            let all: u64 = halves
                .iter()
                .map(|half| self.state.window.counters_of(service, half, |name| name == endpoint).requests)
                .sum();
            let with_it: u64 = halves.iter().map(|half| treated.requests(endpoint, half)).sum();
            [all.saturating_sub(with_it), with_it]
        };
        let counts: Vec<[u64; 2]> = self.evidence().iter().map(|endpoint| requests(endpoint)).collect();
        let sum = |group: usize| counts.iter().map(|count| count[group]).sum::<u64>().max(1) as f64;
        let (control, treatment) = (sum(0), sum(1));
        let apart = |count: &[u64; 2]| (count[0] as f64 / control - count[1] as f64 / treatment).abs();
        counts.iter().map(apart).sum::<f64>() / 2.0
    }
}
