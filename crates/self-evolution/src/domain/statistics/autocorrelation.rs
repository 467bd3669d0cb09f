//! How much each measurement resembles the one before it, and what that takes from their number.

/// The most autocorrelation that is corrected for; beyond it measurements say next to nothing.
const MOST: f64 = 0.95;

/// The lag-1 autocorrelation of several series, each about its own mean, as one number from 0 to 0.95: what it may be
/// at most, give or take.
///
/// The estimate from few values is too small by about (1 + 3ρ) / n for each mean that was estimated (Kendall: Note on
/// bias in the estimation of autocorrelation, 1954), which is put right. What is negative counts as none, and one standard
/// error (Bartlett, 1946) is added to what is not, because too small a number makes a test bold.
pub fn lag_1(series: &[&[f64]]) -> f64 {
    let (mut products, mut squares, mut number) = (0.0, 0.0, 0.0);
    for values in series.iter().filter(|values| !values.is_empty()) {
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        let off: Vec<f64> = values.iter().map(|value| value - mean).collect();
        products += off.iter().zip(off.iter().skip(1)).map(|(one, next)| one * next).sum::<f64>();
        squares += off.iter().map(|off| off * off).sum::<f64>();
        number += values.len() as f64;
    }
    if squares <= 0.0 {
        return 0.0;
    }
    let bias = series.len() as f64 / number;
    let corrected = (products / squares + bias) / (1.0 - 3.0 * bias).max(0.1);
    if corrected <= 0.0 {
        return 0.0;
    }
    let error = ((1.0 - corrected * corrected).max(0.0) / number).sqrt();
    (corrected + error).min(MOST)
}

/// How many times larger the variance of a mean of so many values is than that of independent ones: for a first-order
/// autoregressive process, 1 + 2 Σ (1 − k/n) ρᵏ (Bayley and Hammersley: The effective number of independent
/// observations in an autocorrelated time series, 1946).
pub fn inflation(autocorrelation: f64, number: usize) -> f64 {
    let n = number as f64;
    let mut power = 1.0;
    let mut sum = 0.0;
    for lag in 1..number {
        power *= autocorrelation;
        sum += (1.0 - lag as f64 / n) * power;
    }
    1.0 + 2.0 * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_swings_from_one_to_the_next_has_none_and_what_stays_has_much() {
        let swinging: Vec<f64> = (0..60).map(|at| f64::from(at % 2)).collect();
        assert_eq!(lag_1(&[&swinging]), 0.0);
        let staying: Vec<f64> = (0..60).map(|at| f64::from(at / 20)).collect();
        assert!(lag_1(&[&staying]) > 0.9);
        assert_eq!(lag_1(&[&[1.0; 20], &[]]), 0.0, "constant values resemble nothing");
    }

    #[test]
    fn a_step_between_two_series_is_no_autocorrelation() {
        let series =
            |level: f64| -> Vec<f64> { (0..30).map(|at| level + f64::from((at * 7) % 11)).collect() };
        let (before, after) = (series(0.0), series(1_000.0));
        assert!(lag_1(&[&before, &after]) < 0.3);
    }

    #[test]
    fn the_inflation_tends_to_that_of_an_endless_series() {
        assert_eq!(inflation(0.0, 50), 1.0);
        let endless = (1.0 + 0.6) / (1.0 - 0.6);
        let many = inflation(0.6, 10_000);
        assert!((many - endless).abs() < 0.01, "{many} against {endless}");
        assert!(inflation(0.6, 10) < endless);
    }
}
