//! Services that do not exist: response times with long tails that resemble those of the minute before.

use super::Counters;

/// Numbers that look random and are the same for the same seed (SplitMix64; Steele, Lea and Flood, 2014).
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// From 0 to 1.
    pub(super) fn part(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((x ^ (x >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Of the normal distribution (Box and Muller, 1958).
    pub(super) fn normal(&mut self) -> f64 {
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
