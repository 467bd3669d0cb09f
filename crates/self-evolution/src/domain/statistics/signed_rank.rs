//! Whether paired differences lie on one side of zero, and how far: Wilcoxon's test of signed ranks (1945) and the estimate
//! that belongs to it.

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use super::autocorrelation::{inflation, lag_1};
use super::ranks::ranks;
use super::shift::{Shift, median};

/// What the test gives.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct SignedRank {
    /// The chance of differences that lie so low, or lower, if zero is their middle.
    pub p_lower: f64,
    /// The chance of differences that lie so high, or higher.
    pub p_higher: f64,
    /// The lag-1 autocorrelation that was corrected for.
    pub autocorrelation: f64,
    /// How many times larger the variance was taken to be because of it.
    pub inflation: f64,
}

/// Tests differences in the order of time. None where none of them is other than zero.
///
/// By the normal approximation with a correction for ties and for continuity; zeros are left out, as Wilcoxon did. The
/// variance is enlarged by what the autocorrelation of the signed ranks takes from the number of differences, and what is
/// left of that number decides how far the tails of Student's distribution are used.
pub fn signed_rank(differences: &[f64]) -> Option<SignedRank> {
    let differences: Vec<f64> = differences.iter().copied().filter(|one| *one != 0.0).collect();
    let n = differences.len() as f64;
    let sizes: Vec<f64> = differences.iter().map(|one| one.abs()).collect();
    let (ranks, ties) = ranks(&sizes);
    let signed: Vec<f64> = differences.iter().zip(ranks).map(|(one, rank)| rank.copysign(*one)).collect();
    let above: f64 = signed.iter().filter(|rank| **rank > 0.0).sum();
    let independent = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ties / 48.0;
    if independent <= 0.0 {
        return None;
    }
    let autocorrelation = lag_1(&[&signed]);
    let inflation = inflation(autocorrelation, differences.len());
    let deviation = (independent * inflation).sqrt();
    let mean = n * (n + 1.0) / 4.0;
    let tail = StudentsT::new(0.0, 1.0, (n / inflation - 1.0).max(1.0)).ok()?;
    let chance = |distance: f64| tail.sf((distance - 0.5) / deviation);
    Some(SignedRank { p_lower: chance(mean - above), p_higher: chance(above - mean), autocorrelation, inflation })
}

/// The middle of differences: the median of the means of all pairs of them, and the interval in which the true one lies with
/// 95 % confidence (Hollander and Wolfe: Nonparametric statistical methods, 1973, sections 3.2 and 3.3). `inflation` is how
/// many times larger than for independent differences the variance is. None where there are none.
pub fn pseudo_median(differences: &[f64], inflation: f64) -> Option<Shift> {
    let mut means: Vec<f64> = Vec::with_capacity(differences.len() * (differences.len() + 1) / 2);
    for (place, one) in differences.iter().enumerate() {
        means.extend(differences[place..].iter().map(|other| f64::midpoint(*one, *other)));
    }
    let last = means.len().checked_sub(1)?;
    means.sort_by(f64::total_cmp);
    let n = differences.len() as f64;
    let z = Normal::standard().inverse_cdf(0.975);
    let reach = z * (n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 * inflation).sqrt();
    let below = (n * (n + 1.0) / 4.0 - reach).round().max(1.0) as usize;
    Some(Shift {
        estimate: median(&means),
        low: means[(below - 1).min(last)],
        high: means[(last + 1).saturating_sub(below).min(last)],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Darwin's maize, crossed against self-fertilised, in eighths of an inch (Fisher: The design of experiments, 1935).
    const MAIZE: [f64; 15] =
        [6.0, 8.0, 14.0, 16.0, 23.0, 24.0, 28.0, 29.0, 41.0, -48.0, 49.0, 56.0, 60.0, -67.0, 75.0];

    /// The example of scipy.stats.wilcoxon: W = 24, exact p = 0.0206 one-sided.
    #[test]
    fn it_is_close_to_the_published_value() {
        let found = signed_rank(&MAIZE).unwrap();
        let z = (60.0 - 24.0 - 0.5) / 310.0_f64.sqrt();
        let tail = StudentsT::new(0.0, 1.0, 15.0 / found.inflation - 1.0).unwrap();
        assert!((found.p_higher - tail.sf(z / found.inflation.sqrt())).abs() < 1e-12);
        if found.inflation == 1.0 {
            assert!((0.0206..0.035).contains(&found.p_higher), "{found:?}");
        }
        assert!(found.p_lower > 0.95, "{found:?}");
    }

    #[test]
    fn zeros_say_nothing() {
        assert_eq!(signed_rank(&[0.0; 9]), None);
        assert_eq!(signed_rank(&[]), None);
        assert_eq!(signed_rank(&[0.0, 1.0, 2.0, 0.0, -3.0]), signed_rank(&[1.0, 2.0, -3.0]));
    }

    #[test]
    fn what_drifts_slowly_through_zero_is_not_taken_for_a_shift() {
        let drift: Vec<f64> = (0..30).map(|at| f64::from(at) - 9.0).collect();
        let found = signed_rank(&drift).unwrap();
        assert!(found.inflation > 5.0 && found.p_higher > 0.01, "{found:?}");
    }
}
