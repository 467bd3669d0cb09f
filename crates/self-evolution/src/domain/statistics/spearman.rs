//! Whether one measurement rises with another: the rank correlation of Spearman (1904).

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::autocorrelation::lag_1;
use super::ranks::ranks;

/// What the correlation is, and the chance of it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Spearman {
    /// From −1 to 1.
    pub rho: f64,
    /// The chance of so much, or more, if neither has to do with the other.
    pub p_higher: f64,
}

/// Correlates two series in the order of time, as long as each other. None where one of them does not vary.
///
/// The chance is that of Student's distribution, with as many degrees of freedom as independent pairs would have: where both
/// series resemble themselves from one moment to the next, there are fewer of them by (1 − ρ₁ρ₂) / (1 + ρ₁ρ₂) (Bartlett:
/// Some aspects of the time-correlation problem, 1935).
pub fn spearman(one: &[f64], other: &[f64]) -> Option<Spearman> {
    let ((one, _), (other, _)) = (ranks(one), ranks(other));
    let mean = (one.len() as f64 + 1.0) / 2.0;
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>();
    let scale = (product(&one, &one) * product(&other, &other)).sqrt();
    if one.len() != other.len() || scale <= 0.0 {
        return None;
    }
    let rho = product(&one, &other) / scale;
    let alike = lag_1(&[&one]) * lag_1(&[&other]);
    let freedom = (one.len() as f64 * (1.0 - alike) / (1.0 + alike) - 2.0).max(1.0);
    let t = rho * (freedom / (1.0 - rho * rho).max(f64::EPSILON)).sqrt();
    Some(Spearman { rho, p_higher: StudentsT::new(0.0, 1.0, freedom).ok()?.sf(t) })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The textbook example of intelligence against hours of television: ρ = −29/165, and p = 0.627188 for either direction
    /// by Student's distribution. In an order in which the first swings, so that nothing is corrected.
    #[test]
    fn it_gives_the_published_value() {
        let intelligence = [86.0, 113.0, 97.0, 112.0, 99.0, 110.0, 100.0, 106.0, 101.0, 103.0];
        let television = [2.0, 12.0, 20.0, 6.0, 28.0, 17.0, 27.0, 7.0, 50.0, 29.0];
        let found = spearman(&intelligence, &television).unwrap();
        assert!((found.rho + 29.0 / 165.0).abs() < 1e-9, "{found:?}");
        assert!((2.0 * (1.0 - found.p_higher) - 0.627_188).abs() < 1e-4, "{found:?}");
    }

    #[test]
    fn what_drifts_alike_says_less_than_what_swings_alike() {
        let swinging: Vec<f64> = (0..60).map(|at| f64::from(at * 7 % 11)).collect();
        let drifting: Vec<f64> = (0..60).map(|at| f64::from(at / 10)).collect();
        let together = |values: &[f64]| {
            let other: Vec<f64> =
                (0..).zip(values).map(|(at, value)| value + f64::from(at * 5 % 13)).collect();
            spearman(values, &other).unwrap()
        };
        assert!(together(&swinging).p_higher < 1e-6, "{:?}", together(&swinging));
        assert!(together(&drifting).p_higher > together(&swinging).p_higher);
        assert_eq!(spearman(&swinging, &[1.0; 60]), None);
        assert_eq!(spearman(&[], &[]), None);
    }
}
