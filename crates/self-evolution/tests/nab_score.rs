//! The score of the Numenta Anomaly Benchmark, by values worked out by hand.

#[path = "../benches/nab/score.rs"]
mod score;

use score::{normalised, score};

/// 200 points, of which 30 are probation, and two windows of 21 points.
fn scored(alarms: &[usize]) -> f64 {
    score(200, &[(60, 80), (120, 140)], alarms)
}

fn assert_close(found: f64, expected: f64) {
    assert!((found - expected).abs() < 5e-5, "{found} for {expected}");
}

#[test]
fn each_window_counts_once_and_the_earlier_the_more() {
    assert_close(scored(&[]), -2.0);
    assert_close(scored(&[60, 120]), 2.0);
    // The position is −1/21, which gives 2 / (1 + e^(−5/21)) − 1 = 0.118489, divided by 0.986614.
    assert_close(scored(&[80]), 0.120097 - 1.0);
    assert_close(scored(&[60, 61, 70, 80, 120]), 2.0);
}

#[test]
fn a_false_alarm_costs_the_more_the_longer_after_a_window_it_comes() {
    assert_close(scored(&[31]), -2.0 - 0.11);
    // The position is 10/20: 2 / (1 + e^2.5) − 1 = −0.848284.
    assert_close(scored(&[90]), -2.0 - 0.11 * 0.848_284);
    assert_close(scored(&[195]), -2.0 - 0.11);
    assert_close(scored(&[29]), -2.0);
}

#[test]
fn no_alarm_is_0_and_the_best_is_100() {
    assert_close(normalised(-2.0, 2), 0.0);
    assert_close(normalised(2.0, 2), 100.0);
    assert_close(normalised(0.0, 2), 50.0);
}
