//! Verdicts on made-up services.

mod accuracy;
mod groups;
mod noise;

use shared::clock::Timestamp;

use super::*;
use crate::domain::window::bucket::{Bucket, Counters};

const NOW: Timestamp = Timestamp::from_micros(1_800_000_000 * 1_000_000);

/// A bucket with so many requests, each answered after so many seconds, the first of them with errors.
fn bucket(requests: u64, errors: u64, seconds: f64) -> Counters {
    let mut bucket = Bucket::default();
    for number in 0..requests {
        bucket.record(seconds, if number < errors { 500 } else { 200 });
    }
    bucket.counters
}

/// So many buckets, whose response times go up and down by a tenth.
fn sample(buckets: u32, requests: u64, errors: u64, seconds: f64) -> Sample {
    let wobble = |at: u32| 1.0 + f64::from((at * 7) % 11) / 50.0 - 0.1;
    Sample::new((0..buckets).map(|at| bucket(requests, errors, seconds * wobble(at))), buckets as usize)
}

fn verdict(before: &Sample, after: &Sample) -> Verdict {
    judge(Objective::ResponseTime, before, after, Surroundings::default(), NOW)
}

#[test]
fn half_the_response_time_is_better_and_said_so_with_the_numbers() {
    let found = verdict(&sample(60, 20, 0, 2.0), &sample(30, 20, 0, 1.0));
    assert_eq!(found.outcome, Outcome::Better, "{found:?}");
    let comparison = found.comparison.unwrap();
    assert!((comparison.improvement - 0.5).abs() < 0.02, "{comparison:?}");
    assert!(comparison.improvement_low < 0.5 && comparison.improvement_high > 0.5, "{comparison:?}");
    assert!(
        found.reason.starts_with("better: 50 % less mean response time (95 % interval 4"),
        "{}",
        found.reason
    );
}

#[test]
fn what_is_hardly_better_or_not_at_all_is_no_gain() {
    for factor in [1.0, 0.9, 0.87, 1.1] {
        let found = verdict(&sample(60, 20, 0, 2.0), &sample(30, 20, 0, 2.0 * factor));
        assert_eq!(found.outcome, Outcome::NoGain, "{factor}: {found:?}");
    }
}

#[test]
fn what_is_slower_is_worse() {
    let found = verdict(&sample(60, 20, 0, 2.0), &sample(30, 20, 0, 2.6));
    assert_eq!(found.outcome, Outcome::Worse, "{found:?}");
    assert!(found.reason.contains("30 % more mean response time"), "{}", found.reason);
}

#[test]
fn fewer_errors_are_better_where_errors_are_what_it_is_about() {
    let of = |errors| sample(60, 40, errors, 0.1);
    let about_errors =
        |after: &Sample| judge(Objective::ErrorRate, &of(20), after, Surroundings::default(), NOW);
    let fewer = about_errors(&Sample::new((0..30).map(|at| bucket(40, 2 + at % 3, 0.1)), 30));
    assert_eq!(fewer.outcome, Outcome::Better, "{fewer:?}");
    assert!(
        fewer.reason.contains("85 % less error rate") && fewer.reason.contains("went from 50.0 % to 7.5 %"),
        "{}",
        fewer.reason
    );
    let as_many = about_errors(&Sample::new((0..30).map(|at| bucket(40, 19 + at % 3, 0.1)), 30));
    assert_eq!(as_many.outcome, Outcome::NoGain, "{as_many:?}");
    let none = about_errors(&sample(30, 40, 0, 0.1));
    assert_eq!((none.outcome, none.comparison.unwrap().improvement), (Outcome::Better, 1.0));
}

#[test]
fn what_cannot_be_compared_is_inconclusive_and_says_why() {
    let before = sample(60, 20, 0, 2.0);
    let calm = Surroundings::default();
    for (after, surroundings, why) in [
        (sample(19, 20, 0, 1.0), calm, "380 requests in 19 spans were seen with it"),
        (sample(30, 9, 0, 1.0), calm, "270 requests in 30 spans were seen with it"),
        (sample(30, 41, 0, 1.0), calm, "the load became 2.05 times what it was"),
        (Sample::new((0..50).map(|_| bucket(9, 0, 1.0)), 50), calm, "the load became 0.45 times"),
        (sample(30, 20, 0, 1.0), Surroundings { mix_distance: 0.3, ..calm }, "30 % of the requests"),
        (
            sample(30, 20, 0, 1.0),
            Surroundings { others: 3, others_improvement: 0.4, ..calm },
            "services that were not touched moved alike (+40 %, the median of 3)",
        ),
    ] {
        let found = judge(Objective::ResponseTime, &before, &after, surroundings, NOW);
        assert_eq!(found.outcome, Outcome::Inconclusive, "{found:?}");
        assert!(found.reason.contains(why), "{:?} does not tell {why:?}", found.reason);
    }
    let apart = Surroundings { others: 3, others_improvement: -0.4, ..calm };
    let found = judge(Objective::ResponseTime, &before, &sample(30, 20, 0, 1.0), apart, NOW);
    assert_eq!(found.outcome, Outcome::Better, "others became slower, and this one faster");
    let thin = judge(Objective::ResponseTime, &sample(5, 20, 0, 2.0), &before, calm, NOW);
    assert!(thin.reason.contains("100 requests in 5 spans were seen before the change"), "{}", thin.reason);
}

#[test]
fn harm_is_seen_before_the_verdict() {
    let before = sample(60, 20, 0, 0.5);
    assert_eq!(harm(&before, &sample(10, 20, 0, 0.6)), None);
    assert_eq!(harm(&before, &Sample::default()), None, "nothing was seen so far");
    let failing = harm(&before, &sample(2, 20, 4, 0.5)).unwrap();
    assert!(failing.contains("errors rose from 0.0 % of 1200 requests to 20.0 % of 40"), "{failing}");
    let slow = harm(&before, &sample(5, 20, 0, 1.2)).unwrap();
    assert!(slow.contains("5 spans in a row"), "{slow}");
    assert_eq!(harm(&before, &sample(4, 20, 0, 1.2)), None, "four spans may be an accident");
    let failed_before = sample(60, 20, 6, 0.5);
    assert_eq!(harm(&failed_before, &sample(5, 20, 7, 0.5)), None, "it failed as much before");
    assert_eq!(harm(&Sample::default(), &sample(10, 20, 20, 9.0)), None, "nothing to compare it with");
}

#[test]
fn nothing_before_gives_numbers_that_can_be_written_and_read() {
    for objective in [Objective::ResponseTime, Objective::ErrorRate] {
        for (before, after) in
            [(Sample::default(), sample(30, 20, 3, 1.0)), (sample(60, 20, 3, 1.0), Sample::default())]
        {
            let found = judge(objective, &before, &after, Surroundings::default(), NOW);
            assert_eq!(found.outcome, Outcome::Inconclusive);
            let text = serde_json::to_string(&found).unwrap();
            assert_eq!(serde_json::from_str::<Verdict>(&text).unwrap(), found);
        }
    }
}

#[test]
fn without_errors_there_are_none_to_take_away() {
    let quiet = sample(60, 20, 0, 0.1);
    let found = judge(Objective::ErrorRate, &quiet, &sample(30, 20, 0, 0.1), Surroundings::default(), NOW);
    assert_eq!((found.outcome, found.comparison.unwrap().improvement), (Outcome::Inconclusive, 0.0));
    assert!(found.reason.contains("there is nothing to improve"), "{}", found.reason);
}

#[test]
fn what_is_mostly_quicker_and_on_average_slower_is_no_gain() {
    let stampedes = Sample::new((0..30).map(|at| bucket(20, 0, if at % 10 == 9 { 20.0 } else { 1.0 })), 30);
    let found = verdict(&sample(60, 20, 0, 2.0), &stampedes);
    assert_eq!(found.outcome, Outcome::NoGain, "{found:?}");
    assert!(found.comparison.unwrap().p_better.unwrap() < SIGNIFICANCE);
}

#[test]
fn fewer_spans_with_requests_are_less_load() {
    let sparse = Sample::new((0..20).map(|_| bucket(20, 0, 1.0)), 60);
    let found = verdict(&sample(60, 20, 0, 2.0), &sparse);
    assert!(found.reason.contains("the load became 0.33 times what it was"), "{}", found.reason);
}
