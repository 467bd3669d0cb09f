//! Services that do not exist: response times with long tails that resemble those of the minute before.

use super::{
    Counters, Crossover, Objective, Outcome, Pair, Sample, Surroundings, Timestamp, judge, judge_ab_test,
};

/// Numbers that look random and are the same for the same seed (SplitMix64; Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    /// From 0 to 1.
    fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of the normal distribution (Box and Muller, 1958).
    fn normal(&mut self) -> f64 {
        let (radius, angle) = (self.part().max(1e-300), self.part());
        (-2.0 * radius.ln()).sqrt() * (std::f64::consts::TAU * angle).cos()
    }
}

/// How a service behaves from one minute to the next.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    /// How much a minute resembles the one before: the ρ of a first-order autoregressive process.
    pub(super) autocorrelation: f64,
    /// The deviation of the logarithm of a minute's mean response time.
    pub(super) deviation: f64,
    /// Which part of the minutes is several times slower.
    pub(super) spikes: f64,
}

/// So many minutes, with a mean that is multiplied by `factor` in those from `changed` on.
pub(super) fn minutes(noise: Noise, seed: u64, number: usize, changed: usize, factor: f64) -> Vec<Counters> {
    let mut dice = Dice(seed);
    let Noise { autocorrelation, deviation, spikes } = noise;
    let mut level = deviation * dice.normal();
    let minute = |at| {
        let fresh = (1.0 - autocorrelation * autocorrelation).sqrt() * deviation * dice.normal();
        level = autocorrelation * level + fresh;
        let spike = if dice.part() < spikes { 1.5 + 3.0 * dice.part() } else { 1.0 };
        let mean = 0.2 * level.exp() * spike * if at < changed { 1.0 } else { factor };
        let requests = 30 + (dice.part() * 30.0) as u64;
        Counters { requests, sum: mean * requests as f64, ..Counters::default() }
    };
    (0..number).map(minute).collect()
}

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

/// So many minutes of a service whose error rate swings from minute to minute, by `deviation` as a part of it.
pub(super) fn failing_minutes(
    seed: u64,
    number: usize,
    requests: u64,
    rate: f64,
    deviation: f64,
) -> Vec<Counters> {
    let mut dice = Dice(seed);
    let minute = |_| {
        let rate = (rate * (deviation * dice.normal() - deviation * deviation / 2.0).exp()).min(1.0);
        let errors = (0..requests).filter(|_| dice.part() < rate).count() as u64;
        Counters { requests, server_errors: errors, sum: 0.1 * requests as f64, ..Counters::default() }
    };
    (0..number).map(minute).collect()
}
