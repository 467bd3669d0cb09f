//! The score of the Numenta Anomaly Benchmark (Lavin and Ahmad: Evaluating real-time anomaly detection algorithms, 2015), with
//! the weights of its standard profile.

/// What a missed anomaly costs, and what a false alarm does at most; what is found at once gains 1.
const MISSED: f64 = 1.0;
const FALSE_ALARM: f64 = 0.11;
/// The part of a file in which nothing counts, of at most so many points.
const PROBATION: f64 = 0.15;
const PROBATION_OF: usize = 5_000;

/// The first and the last point of a span in which an alarm is right.
pub(crate) type Window = (usize, usize);

/// The score of alarms at these points of a file with so many points, both in order.
pub(crate) fn score(points: usize, windows: &[Window], alarms: &[usize]) -> f64 {
    let probation = (PROBATION * points.min(PROBATION_OF) as f64) as usize;
    let alarms = || alarms.iter().copied().filter(|alarm| *alarm >= probation);
    let of_window = |(first, last): Window| {
        let found = alarms().find(|alarm| (first..=last).contains(alarm));
        found.map_or(-MISSED, |alarm| {
            let position = -((last - alarm + 1) as f64) / (last - first + 1) as f64;
            sigmoid(position) / sigmoid(-1.0)
        })
    };
    let is_false = |alarm: &usize| !windows.iter().any(|(first, last)| (*first..=*last).contains(alarm));
    let of_false_alarm = |alarm: usize| {
        let before = windows.iter().rev().find(|(_, last)| *last < alarm);
        FALSE_ALARM
            * before.map_or(-1.0, |(first, last)| sigmoid((alarm - last) as f64 / (last - first) as f64))
    };
    windows.iter().copied().map(of_window).sum::<f64>()
        + alarms().filter(is_false).map(of_false_alarm).sum::<f64>()
}

/// What all files together score, where 0 is never an alarm and 100 is every anomaly found at once without a false one.
pub(crate) fn normalised(score: f64, windows: usize) -> f64 {
    let (never, best) = (-MISSED * windows as f64, windows as f64);
    100.0 * (score - never) / (best - never)
}

/// From 1 far before a window's end to −1 long after it; 0 at its end.
fn sigmoid(position: f64) -> f64 {
    if position > 3.0 { -1.0 } else { 2.0 / (1.0 + (5.0 * position).exp()) - 1.0 }
}
