//! How often a verdict is wrong, over many made-up services.

use super::groups::Groups;
use super::noise::{Noise, failing_minutes, minutes};
use super::*;

/// Which part of so many services gets one of these outcomes, after a change that multiplies the response time.
fn outcomes(noise: Noise, factor: f64, services: u64, wanted: &[Outcome]) -> f64 {
    let is_wanted = |seed: &u64| {
        let all = minutes(noise, *seed, 90, 60, factor);
        let (before, after) = all.split_at(60);
        let found =
            verdict(&Sample::new(before.iter().copied(), 60), &Sample::new(after.iter().copied(), 30));
        wanted.contains(&found.outcome)
    };
    (0..services).filter(is_wanted).count() as f64 / services as f64
}

#[test]
fn an_unchanged_service_is_hardly_ever_found_better_or_worse() {
    for autocorrelation in [0.0, 0.3, 0.6, 0.8] {
        // The last one swings by half from minute to minute, which is more than services do.
        for (deviation, spikes, limit) in [(0.1, 0.0, 0.002), (0.2, 0.03, 0.025), (0.5, 0.1, 0.05)] {
            let noise = Noise { autocorrelation, deviation, spikes };
            let wrong = outcomes(noise, 1.0, 300, &[Outcome::Better, Outcome::Worse]);
            assert!(wrong <= limit, "{noise:?}: {wrong}");
        }
    }
}

#[test]
fn a_fifth_less_response_time_is_mostly_found() {
    for (autocorrelation, deviation, power) in [(0.0, 0.1, 0.85), (0.3, 0.1, 0.85), (0.6, 0.1, 0.6)] {
        let noise = Noise { autocorrelation, deviation, spikes: 0.03 };
        let found = outcomes(noise, 0.8, 200, &[Outcome::Better]);
        assert!(found >= power, "{noise:?}: {found}");
    }
}

/// Which part of so many services gets one of these outcomes in an A/B test.
fn ab_tests(groups: Groups, services: u64, wanted: &[Outcome]) -> f64 {
    (0..services).filter(|seed| wanted.contains(&groups.ab_test(*seed))).count() as f64 / services as f64
}

#[test]
fn an_ab_test_is_misled_neither_by_slower_instances_nor_by_what_slows_all_down() {
    for (autocorrelation, deviation) in [(0.0, 0.1), (0.3, 0.2), (0.6, 0.2), (0.8, 0.2), (0.8, 0.5)] {
        let noise = Noise { autocorrelation, deviation, spikes: 0.03 };
        for (slower, slowdown) in [(1.0, 1.0), (1.5, 1.0), (1.0, 3.0), (3.0, 3.0)] {
            let wrong = ab_tests(
                Groups { noise, slower, slowdown, factor: 1.0 },
                200,
                &[Outcome::Better, Outcome::Worse],
            );
            assert!(wrong <= 0.025, "{noise:?}, {slower}, {slowdown}: {wrong}");
        }
    }
}

#[test]
fn an_ab_test_finds_a_fifth_less_response_time_while_all_become_slower() {
    let noise = Noise { autocorrelation: 0.3, deviation: 0.2, spikes: 0.03 };
    for slowdown in [1.0, 3.0] {
        let groups = Groups { noise, slower: 1.2, slowdown, factor: 0.8 };
        let found = ab_tests(groups, 200, &[Outcome::Better]);
        let by_the_past =
            (0..200).filter(|seed| groups.before_after(*seed) == Outcome::Better).count() as f64 / 200.0;
        assert!(
            found >= 0.7 && found >= by_the_past,
            "{slowdown}: {found}, and {by_the_past} by what was before"
        );
    }
}

/// Which part of so many services that fail as often as ever is found to be harmed, in any of 37 looks.
fn false_harm(requests: u64, rate: f64, deviation: f64, services: u64) -> f64 {
    let is_harmed = |seed: &u64| {
        let all = failing_minutes(*seed, 97, requests, rate, deviation);
        let (before, after) = all.split_at(60);
        let before = Sample::new(before.iter().copied(), 60);
        (1..=after.len())
            .any(|so_far| harm(&before, &Sample::new(after[..so_far].iter().copied(), so_far)).is_some())
    };
    (0..services).filter(is_harmed).count() as f64 / services as f64
}

#[test]
fn a_service_that_fails_as_often_as_ever_is_hardly_ever_found_harmed() {
    for (requests, rate) in [(10, 0.12), (10, 0.15), (20, 0.2), (10, 0.3), (200, 0.15)] {
        for (deviation, limit) in [(0.0, 0.01), (0.5, 0.025)] {
            let wrong = false_harm(requests, rate, deviation, 200);
            assert!(wrong <= limit, "{requests} requests, {rate}, {deviation}: {wrong}");
        }
    }
}
