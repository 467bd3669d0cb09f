//! How long to wait before something is tried again.

use std::time::Duration;

/// Waits that double from `first` to `longest`, half of each left to chance so that many who wait for the same thing
/// do not come back together ("equal jitter": M. Brooker, Exponential Backoff And Jitter, AWS Architecture Blog, 2015).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// The first wait, at most.
    pub first: Duration,
    /// No wait is longer.
    pub longest: Duration,
}

impl Backoff {
    /// The wait after so many failures in a row (from 1); `chance` lies within 0 and 1.
    pub fn after(&self, failures: u32, chance: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(31);
        let whole = self.first.saturating_mul(1 << doublings).min(self.longest);
        whole.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_vary_by_half() {
        let backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(60) };
        let seconds = |failures, chance| backoff.after(failures, chance).as_secs_f64();
        assert_eq!([1, 2, 3, 7, 400].map(|failures| seconds(failures, 1.0)), [1.0, 2.0, 4.0, 60.0, 60.0]);
        assert_eq!([seconds(1, 0.0), seconds(3, 0.5)], [0.5, 3.0]);
    }
}
