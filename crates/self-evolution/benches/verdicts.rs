//! How often a verdict on a change is wrong, how often a real gain is found, and what a verdict costs.
//! `cargo bench --package self-evolution --bench verdicts`, with `-- ab` for the A/B tests only.

use std::hint::black_box;

use self_evolution::domain::judge::{
    Crossover, Objective, Outcome, Pair, Sample, Surroundings, harm, judge, judge_ab_test,
};
use self_evolution::domain::window::bucket::Counters;
use shared::clock::{Clock, Timestamp};

#[path = "../src/domain/judge/tests/groups.rs"]
mod groups;
#[path = "../src/domain/judge/tests/noise.rs"]
mod noise;

use groups::Groups;
use noise::{Noise, failing_minutes, minutes};

/// Made-up services of each kind.
const SERVICES: u64 = 10_000;

#[expect(clippy::print_stdout, reason = "the figures are the output")]
fn main() {
    if std::env::args().any(|argument| argument == "ab") {
        print_ab_tests();
        return;
    }
    println!(
        "{:>15} {:>9} {:>6} {:>12} {:>12} {:>12} {:>12}",
        "autocorrelation", "deviation", "spikes", "kept, no gain", "false, all", "found, 20 %", "found, 30 %"
    );
    for autocorrelation in [0.0, 0.3, 0.6, 0.8] {
        for (deviation, spikes) in [(0.1, 0.0), (0.1, 0.03), (0.2, 0.03), (0.5, 0.1)] {
            let noise = Noise { autocorrelation, deviation, spikes };
            let kept = part(noise, 1.0, &[Outcome::Better]);
            let wrong = part(noise, 1.0, &[Outcome::Better, Outcome::Worse]);
            let [fifth, third] = [0.8, 0.7].map(|factor| part(noise, factor, &[Outcome::Better]));
            println!(
                "{autocorrelation:>15} {deviation:>9} {spikes:>6} {:>10.2} % {:>10.2} % {:>10.1} % {:>10.1} %",
                kept * 100.0,
                wrong * 100.0,
                fifth * 100.0,
                third * 100.0
            );
        }
    }
    print_ab_tests();
    print_false_harm();
    let noise = Noise { autocorrelation: 0.3, deviation: 0.2, spikes: 0.03 };
    let clock = Clock::starting_after(Timestamp::default());
    let began = clock.now();
    for seed in 0..1_000 {
        black_box(outcome(noise, 0.8, seed));
    }
    println!("a verdict takes {:.3} ms", clock.now().since(began).as_secs_f64());
}

/// A/B tests beside the comparison with what was before, on the same services.
#[expect(clippy::print_stdout, reason = "the figures are the output")]
fn print_ab_tests() {
    println!(
        "{:>15} {:>9} {:>6} {:>8} {:>27} {:>27}",
        "autocorrelation",
        "deviation",
        "slower",
        "slowdown",
        "A/B: false, found 20 %",
        "before: false, found 20 %"
    );
    let services = SERVICES / 5;
    let part = |wanted: &[Outcome], outcome: &dyn Fn(u64) -> Outcome| {
        (0..services).filter(|seed| wanted.contains(&outcome(*seed))).count() as f64 * 100.0 / services as f64
    };
    let wrong = [Outcome::Better, Outcome::Worse];
    for (autocorrelation, deviation) in [(0.0, 0.1), (0.3, 0.2), (0.6, 0.2), (0.8, 0.5)] {
        for (slower, slowdown) in [(1.0, 1.0), (1.5, 1.0), (1.0, 1.5), (1.5, 3.0)] {
            let noise = Noise { autocorrelation, deviation, spikes: 0.03 };
            let none = Groups { noise, slower, slowdown, factor: 1.0 };
            let fifth = Groups { factor: 0.8, ..none };
            let ab = [
                part(&wrong, &|seed| none.ab_test(seed)),
                part(&[Outcome::Better], &|seed| fifth.ab_test(seed)),
            ];
            let before = [
                part(&wrong, &|seed| none.before_after(seed)),
                part(&[Outcome::Better], &|seed| fifth.before_after(seed)),
            ];
            println!(
                "{autocorrelation:>15} {deviation:>9} {slower:>6} {slowdown:>8} {:>13.2} %, {:>8.1} % {:>13.2} %, {:>8.1} %",
                ab[0], ab[1], before[0], before[1]
            );
        }
    }
}

/// How often a service that fails as often as ever is found to be harmed, in any of 37 looks.
#[expect(clippy::print_stdout, reason = "the figures are the output")]
fn print_false_harm() {
    println!("{:>15} {:>11} {:>9} {:>12}", "requests/minute", "error rate", "deviation", "false harm");
    for (requests, rate) in [(10, 0.12), (10, 0.15), (20, 0.2), (10, 0.3), (200, 0.15)] {
        for deviation in [0.0, 0.3, 0.5] {
            let is_harmed = |seed: &u64| {
                let all = failing_minutes(*seed, 97, requests, rate, deviation);
                let (before, after) = all.split_at(60);
                let sample = |counters: &[Counters]| Sample::new(counters.iter().copied(), counters.len());
                let before = sample(before);
                (1..=after.len()).any(|so_far| harm(&before, &sample(&after[..so_far])).is_some())
            };
            let wrong = (0..SERVICES / 5).filter(is_harmed).count() as f64 / (SERVICES / 5) as f64;
            println!("{requests:>15} {rate:>11} {deviation:>9} {:>10.2} %", wrong * 100.0);
        }
    }
}

/// Which part of the services gets one of these outcomes, after a change that multiplies the response time.
fn part(noise: Noise, factor: f64, wanted: &[Outcome]) -> f64 {
    let hits = (0..SERVICES).filter(|seed| wanted.contains(&outcome(noise, factor, *seed)));
    hits.count() as f64 / SERVICES as f64
}

fn outcome(noise: Noise, factor: f64, seed: u64) -> Outcome {
    let all = minutes(noise, seed, 90, 60, factor);
    let (before, after) = all.split_at(60);
    let sample = |counters: &[Counters]| Sample::new(counters.iter().copied(), counters.len());
    let (before, after) = (sample(before), sample(after));
    judge(Objective::ResponseTime, &before, &after, Surroundings::default(), Timestamp::default()).outcome
}
