//! How often a verdict is wrong, over many made-up services.

use super::noise::{Noise, minutes};
use super::*;

/// Which part of so many services gets one of these outcomes, after a change that multiplies the response time.
fn outcomes(noise: Noise, factor: f64, services: u64, wanted: &[Outcome]) -> f64 {
    let is_wanted = |seed: &u64| {
        let all = minutes(noise, *seed, 90, 60, factor);
        let (before, after) = all.split_at(60);
        let found = verdict(&Sample::new(before.iter().copied()), &Sample::new(after.iter().copied()));
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
