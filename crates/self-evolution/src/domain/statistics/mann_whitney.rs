//! Whether one group of measurements lies below another: the test of Mann and Whitney (1947).

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::autocorrelation::{inflation, lag_1};
use super::ranks::ranks;

/// What the test gives.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct MannWhitney {
    /// The chance of values that lie so low, or lower, in the second group, if nothing is different.
    pub p_lower: f64,
    /// The chance of values that lie so high, or higher, in the second group.
    pub p_higher: f64,
    /// The lag-1 autocorrelation that was corrected for.
    pub autocorrelation: f64,
    /// How many times larger the variance was taken to be because of it.
    pub inflation: f64,
}

/// Compares a group with the one before it; both are in the order of time. None where one of them is empty, or all
/// values are equal.
///
/// By the normal approximation with a correction for ties and for continuity, and with the variance of U enlarged by what
/// the autocorrelation of the ranks takes from the number of measurements. What is left of that number decides how far
/// the tails of Student's distribution are used in place of those of the normal one.
pub fn mann_whitney(before: &[f64], after: &[f64]) -> Option<MannWhitney> {
    let (m, n) = (before.len() as f64, after.len() as f64);
    let all: Vec<f64> = before.iter().chain(after).copied().collect();
    if before.is_empty() || after.is_empty() {
        return None;
    }
    let (ranked, ties) = ranks(&all);
    let (ranked_before, ranked_after) = ranked.split_at(before.len());
    let u = ranked_after.iter().sum::<f64>() - n * (n + 1.0) / 2.0;
    let total = m + n;
    let independent = m * n / 12.0 * (total + 1.0 - ties / (total * (total - 1.0)));
    if independent <= 0.0 {
        return None;
    }
    let autocorrelation = lag_1(&[ranked_before, ranked_after]);
    let inflation = mean_inflation(autocorrelation, before.len(), after.len());
    let deviation = (independent * inflation).sqrt();
    // U is 0 where every value after lies below every value before.
    let mean = m * n / 2.0;
    let left = (total / inflation - 2.0).max(1.0);
    let tail = StudentsT::new(0.0, 1.0, left).ok()?;
    let chance = |distance: f64| tail.sf((distance - 0.5) / deviation);
    Some(MannWhitney { p_lower: chance(mean - u), p_higher: chance(u - mean), autocorrelation, inflation })
}

/// The variance of a difference of two means is the sum of theirs, of which the smaller group has the larger part.
fn mean_inflation(autocorrelation: f64, before: usize, after: usize) -> f64 {
    let (m, n) = (before as f64, after as f64);
    let of = |number: usize| inflation(autocorrelation, number) / number as f64;
    (of(before) + of(after)) / (1.0 / m + 1.0 / n)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn without_correction(before: &[f64], after: &[f64]) -> MannWhitney {
        let found = mann_whitney(before, after).unwrap();
        assert_eq!(found.inflation, 1.0, "these are not alike from one to the next");
        found
    }

    /// The example of scipy.stats.mannwhitneyu: U = 17 of 20, two-sided p = 0.1113 by the normal approximation. Student's
    /// tails with 7 degrees of freedom make that 0.1554.
    #[test]
    fn it_gives_the_published_value_but_for_the_tails() {
        let females = [20.0, 11.0, 17.0, 12.0];
        let males = [16.0, 22.0, 19.0, 29.0, 24.0];
        let found = without_correction(&males, &females);
        let z = (17.0 - 10.0 - 0.5) / (4.0 * 5.0 * 10.0_f64 / 12.0).sqrt();
        assert!((z - 1.592_168_3).abs() < 1e-6, "its z score, {z}");
        assert!((found.p_lower * 2.0 - 0.155_43).abs() < 5e-4, "{}", found.p_lower * 2.0);
        assert!(found.p_higher > 0.9);
    }

    /// Permeability of the human chorioamnion (Hollander and Wolfe: Nonparametric statistical methods, 1973, page 69):
    /// W = 35, one-sided p = 0.1272 exactly.
    #[test]
    fn it_is_close_to_the_exact_value_of_a_small_sample() {
        let at_term = [0.80, 1.46, 1.89, 0.73, 1.38, 1.91, 1.64, 1.04, 1.45, 0.83];
        let before_term = [1.15, 0.88, 0.90, 0.74, 1.21];
        let found = mann_whitney(&at_term, &before_term).unwrap();
        assert!((found.p_lower - 0.1272).abs() < 0.01, "{}", found.p_lower);
    }

    #[test]
    fn equal_values_say_nothing() {
        assert_eq!(mann_whitney(&[1.0; 9], &[1.0; 9]), None);
        assert_eq!(mann_whitney(&[], &[1.0]), None);
    }

    #[test]
    fn what_drifts_slowly_is_not_taken_for_a_step() {
        let drift: Vec<f64> = (0..90).map(|at| f64::from(at / 15) + f64::from(at % 3) / 10.0).collect();
        let found = mann_whitney(&drift[..60], &drift[60..]).unwrap();
        assert!(found.inflation > 10.0, "{found:?}");
        assert!(found.p_higher > 0.01, "{found:?}");
    }
}
