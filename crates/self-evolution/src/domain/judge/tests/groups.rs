//! Services with two groups of instances that do not exist, and the verdicts on changes that they get.

use super::noise::{Dice, Noise};
use super::{
    Counters, Crossover, Objective, Outcome, Pair, Sample, Surroundings, Timestamp, judge, judge_ab_test,
};

/// How a service with two groups of instances behaves.
#[derive(Clone, Copy, Debug)]
pub(super) struct Groups {
    /// What both groups share.
    pub(super) noise: Noise,
    /// How many times slower than the first group the second one is by itself.
    pub(super) slower: f64,
    /// How many times slower all become in the middle of the trial.
    pub(super) slowdown: f64,
    /// What a change multiplies response times by.
    pub(super) factor: f64,
}

/// Minutes before a change, in each half of its trial, and of settling before each of these.
const BEFORE: usize = 60;
const HALF: usize = 20;
const UNSETTLED: usize = 5;

/// Where the halves of a trial of 50 minutes lie, in minutes after the change.
pub(super) const HALVES: [std::ops::Range<usize>; 2] =
    [UNSETTLED..UNSETTLED + HALF, 2 * UNSETTLED + HALF..2 * (UNSETTLED + HALF)];

impl Groups {
    /// 60 minutes of both groups before a change and 50 after it. `has_it` says whether a group has the change in a minute
    /// after it. Half as much as by the noise of all, a group swings by a noise of its own.
    pub(super) fn minutes(self, seed: u64, has_it: impl Fn(usize, usize) -> bool) -> Vec<[Counters; 2]> {
        let mut dice = Dice(seed);
        let Noise { autocorrelation, deviation, spikes } = self.noise;
        let mut levels = [deviation, deviation / 2.0, deviation / 2.0]
            .map(|deviation| (deviation * dice.normal(), deviation));
        let minute = |at: usize| {
            for (level, deviation) in &mut levels {
                let fresh = (1.0 - autocorrelation * autocorrelation).sqrt() * *deviation * dice.normal();
                *level = autocorrelation * *level + fresh;
            }
            let spike = if dice.part() < spikes { 1.5 + 3.0 * dice.part() } else { 1.0 };
            let after = at.checked_sub(BEFORE);
            let slowdown = if after.is_some_and(|after| after >= 2 * HALF) { self.slowdown } else { 1.0 };
            [0, 1].map(|group| {
                let change = if after.is_some_and(|after| has_it(group, after)) { self.factor } else { 1.0 };
                let own = if group == 1 { self.slower } else { 1.0 };
                let mean = 0.2 * (levels[0].0 + levels[1 + group].0).exp() * spike * slowdown * change * own;
                let requests = 15 + (dice.part() * 15.0) as u64;
                Counters { requests, sum: mean * requests as f64, ..Counters::default() }
            })
        };
        (0..BEFORE + 2 * (UNSETTLED + HALF)).map(minute).collect()
    }

    /// The verdict on a change that one group has first and then the other.
    pub(super) fn ab_test(self, seed: u64) -> Outcome {
        let in_first = |after: usize| after < UNSETTLED + HALF;
        let all = self.minutes(seed, |group, after| (group == 0) == in_first(after));
        let pair = |minute: &[Counters; 2], treated: usize| Pair {
            treatment: minute[treated],
            control: minute[1 - treated],
        };
        let half = |half: usize| HALVES[half].clone().map(|after| pair(&all[BEFORE + after], half)).collect();
        let seen = Crossover { halves: [half(0), half(1)] };
        judge_ab_test(Objective::ResponseTime, &seen, 0.0, Timestamp::default()).outcome
    }

    /// The verdict on a change that all have, by what was before it, over the 30 minutes after settling.
    pub(super) fn before_after(self, seed: u64) -> Outcome {
        let all: Vec<Counters> = self
            .minutes(seed, |_, _| true)
            .iter()
            .map(|[one, other]| {
                let mut both = *one;
                both.merge(other);
                both
            })
            .collect();
        let sample = |minutes: &[Counters]| Sample::new(minutes.iter().copied(), minutes.len());
        let (before, after) =
            (sample(&all[..BEFORE]), sample(&all[BEFORE + UNSETTLED..BEFORE + UNSETTLED + 2 * HALF]));
        judge(Objective::ResponseTime, &before, &after, Surroundings::default(), Timestamp::default()).outcome
    }
}
