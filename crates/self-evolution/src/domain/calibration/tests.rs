use shared::clock::Timestamp;

use super::*;
use crate::domain::judge::{Objective, Sample, Surroundings, judge};
use crate::domain::window::bucket::Counters;

const PRIOR: f64 = 0.3;

/// The verdict on a change that takes away this part of the response time.
fn verdict(improvement: f64) -> Verdict {
    let sample = |buckets: u32, mean: f64| {
        let counted = (0..buckets).map(|at| {
            let mean = mean * (1.0 + f64::from(at % 5) / 100.0);
            Counters { requests: 30, sum: mean * 30.0, ..Counters::default() }
        });
        Sample::new(counted, buckets as usize)
    };
    let after = sample(30, 1.0 - improvement);
    judge(Objective::ResponseTime, &sample(60, 1.0), &after, Surroundings::default(), Timestamp::default())
}

impl Calibration {
    /// A change of this service was made that takes away this part of the response time.
    fn see(&mut self, service: &str, improvement: f64) {
        let expected = self.estimate("slow_response", service, &Prior::constant(PRIOR)).improvement;
        self.learn_from("slow_response", &service.into(), (PRIOR, expected), &verdict(improvement));
    }

    fn expected(&self, service: &str) -> f64 {
        self.estimate("slow_response", service, &Prior::constant(PRIOR)).improvement
    }
}

#[test]
fn without_an_outcome_the_constant_is_expected() {
    let calibration = Calibration::default();
    let Estimate { improvement, method } =
        calibration.estimate("slow_response", "web", &Prior::constant(PRIOR));
    assert_eq!(improvement, PRIOR);
    assert_eq!(method, "a constant: no change of this kind has been measured here yet");
    assert_eq!(calibration.distrust("slow_response"), None);
}

#[test]
fn after_ten_outcomes_what_is_expected_is_within_ten_points_of_what_comes() {
    for truth in [0.0, 0.15, 0.3, 0.5, 0.8] {
        let mut calibration = Calibration::default();
        for number in 0..10 {
            calibration.see(&format!("service-{number}"), truth);
        }
        for service in ["service-3", "another"] {
            let expected = calibration.expected(service);
            assert!((expected - truth).abs() <= 0.1, "{service}: {expected} instead of {truth}");
        }
    }
}

#[test]
fn a_service_that_is_unlike_the_others_is_known_by_itself() {
    let mut calibration = Calibration::default();
    for number in 0..6 {
        calibration.see(&format!("service-{number}"), 0.3);
        calibration.see("special", 0.7);
    }
    assert!(calibration.expected("special") > calibration.expected("another") + 0.1);
    let method = calibration.estimate("slow_response", "special", &Prior::constant(PRIOR)).method;
    assert!(method.ends_with("learnt from 12 changes of this kind, 6 of them of this service"), "{method}");
    assert_eq!(
        calibration.estimate("high_errors", "special", &Prior::constant(0.5)).improvement,
        0.5,
        "another kind"
    );
}

#[test]
fn what_mostly_does_not_help_is_left_to_a_person() {
    let mut calibration = Calibration::default();
    for _ in 0..3 {
        calibration.see("web", 0.0);
    }
    assert_eq!(calibration.distrust("slow_response"), None, "four of eight");
    calibration.see("web", 0.0);
    let reason = calibration.distrust("slow_response").unwrap();
    assert_eq!(reason, "of 4 changes of its kind 0 have helped, which leaves it to a person");
    calibration.see("web", 0.5);
    assert_eq!(calibration.distrust("slow_response"), None, "five of ten");
}

#[test]
fn harm_is_remembered_and_what_was_not_judged_teaches_nothing() {
    let mut calibration = Calibration::default();
    let learn = |calibration: &mut Calibration, outcome| {
        let verdict =
            Verdict::without_numbers(outcome, String::new(), Objective::ResponseTime, Timestamp::default());
        calibration.learn_from("slow_response", &"web".into(), (PRIOR, PRIOR), &verdict);
    };
    for outcome in [Outcome::Inconclusive, Outcome::NotDelivered] {
        learn(&mut calibration, outcome);
    }
    assert_eq!(calibration, Calibration::default());
    for _ in 0..4 {
        learn(&mut calibration, Outcome::Harmful);
    }
    assert_eq!(calibration.expected("web"), PRIOR, "how much it takes away is as unknown as before");
    assert!(calibration.distrust("slow_response").is_some());
}

#[test]
fn how_good_the_estimates_were_is_told() {
    let mut calibration = Calibration::default();
    calibration.see("web", 0.5);
    calibration.see("web", 0.5);
    let (_, of_detector) = calibration.iter().next().unwrap();
    let accuracy = of_detector.all.accuracy().unwrap();
    assert_eq!((accuracy.outcomes, accuracy.better), (2, 2));
    assert!(accuracy.bias > 0.1 && accuracy.bias < 0.2, "it expected too little: {accuracy:?}");
    assert_eq!(accuracy.bias, accuracy.mean_absolute_error);
    assert_eq!(accuracy.coverage, 0.0);
}
