//! What an analysis finds by comparing an endpoint with itself, and what becomes of that.

use super::*;
use crate::domain::recommendation::{Evidence, Gain, GainOf, Kind, Priority, Status};

/// How a service answers in a minute, and how often.
#[derive(Clone, Copy)]
struct Minute {
    requests: usize,
    errors: usize,
    seconds: f64,
}

const USUAL: Minute = Minute { requests: 20, errors: 0, seconds: 0.2 };
const SLOWER: Minute = Minute { seconds: 0.32, ..USUAL };

impl Daemon {
    /// Minutes in which an endpoint answers like this, a little slower or quicker from one to the next.
    fn minutes(&mut self, service: &str, minutes: u32, Minute { requests, errors, seconds }: Minute) {
        for minute in 0..minutes {
            let seconds = seconds * (1.0 + f64::from(minute * 7 % 11) / 50.0 - 0.1);
            self.see(service, "/x", requests - errors, seconds, 200);
            if errors > 0 {
                self.see(service, "/x", errors, seconds, 500);
            }
            self.pass(60);
        }
    }
}

impl Daemon {
    /// What an analysis finds by anything but the number of requests.
    fn beside_traffic(&mut self) -> Vec<Recommendation> {
        let mut found = self.analyse();
        found.retain(|one| one.detector != "high_traffic");
        found
    }

    fn only_found(&mut self) -> Recommendation {
        let mut found = self.beside_traffic();
        assert_eq!(found.len(), 1, "{found:?}");
        found.remove(0)
    }
}

/// A daemon that finds nothing unless it is asked to.
fn watching() -> Daemon {
    Daemon::new(Policy { analysis_interval: Duration::from_secs(7 * 86_400), ..policy() })
}

/// The same, with an hour of `web` as it was and 15 minutes as it became.
fn regressed(before: Minute, after: Minute) -> Daemon {
    let mut daemon = watching();
    daemon.minutes("web", 60, before);
    daemon.minutes("web", 15, after);
    daemon
}

#[test]
fn answers_that_became_slower_are_found_with_all_that_speaks_for_it() {
    let mut daemon = regressed(USUAL, SLOWER);
    daemon.see("web", "/other", 500, 0.1, 200);
    let began = daemon.now - Duration::from_secs(15 * 60);
    let found = daemon.analyse().into_iter().find(|one| one.detector == "latency_regression").unwrap();
    assert_eq!((found.r#type, found.priority), (Kind::Performance, Priority::High));
    assert!(found.description.starts_with("Response times rose by 60% since 2026-11-24T1"), "{found:?}");
    let Evidence { now, buckets, baseline, shift, p, onset, .. } = found.evidence[0].clone();
    let (before, shift) = (baseline.unwrap(), shift.unwrap());
    assert_eq!((before.requests, now.requests, buckets), (1_200, 300, Some(15)));
    assert!((before.mean_response_time - 0.2).abs() < 0.01 && (now.p50 - 0.32).abs() < 0.02, "{found:?}");
    assert!(shift.low > 0.5 && shift.low < 0.6 && shift.high > 0.6 && shift.high < 0.7, "{shift:?}");
    assert!(p.unwrap() < 1e-4, "{p:?}");
    assert_eq!(onset, found.onset);
    let (onset, near) = (onset.unwrap(), Duration::from_secs(180));
    assert!(onset >= began - near && onset <= began + near, "{onset}");
    assert_eq!(found.expires_at, Some(daemon.now + Duration::from_secs(86_400)));
    assert_eq!(found.blast_radius, Some(0.75), "1,500 of 2,000 requests");
    let Gain { per_hour, of } = found.gain.unwrap();
    assert_eq!(of, GainOf::UserSeconds);
    assert!((per_hour - 0.3 * (44.0 * 20.0 * 0.2 + 300.0 * 0.32)).abs() < 3.0, "{per_hour}");
    assert_eq!(daemon.apply(&found.id).unwrap().result.action, "enabled_caching");
}

#[test]
fn what_is_hardly_slower_or_rarely_asked_is_no_regression() {
    let few = |seconds| Minute { requests: 1, errors: 0, seconds };
    for (what, before, after) in [
        ("12 %", USUAL, Minute { seconds: 0.224, ..USUAL }),
        ("15 ms", Minute { seconds: 0.03, ..USUAL }, Minute { seconds: 0.045, ..USUAL }),
        ("15 requests", few(0.2), few(0.6)),
        ("quicker", SLOWER, USUAL),
    ] {
        assert_eq!(regressed(before, after).beside_traffic(), [], "{what}");
    }
    let mut daemon = watching();
    daemon.minutes("web", 25, USUAL);
    daemon.minutes("web", 15, SLOWER);
    assert_eq!(daemon.beside_traffic(), [], "25 minutes are too few to compare with");
}

#[test]
fn a_regression_stays_until_less_than_a_tenth_of_it_is_left() {
    let mut daemon = regressed(USUAL, SLOWER);
    let first = daemon.only_found();
    // By now the hour before is as slow.
    daemon.minutes("web", 120, SLOWER);
    let again = daemon.only_found();
    assert_eq!((&again.id, again.onset, again.confirmed_at), (&first.id, first.onset, daemon.now));
    assert_eq!(again.evidence[0].baseline, first.evidence[0].baseline, "what it was before");
    daemon.minutes("web", 20, Minute { seconds: 0.225, ..USUAL });
    assert_eq!(daemon.only_found().id, first.id, "an eighth is left");
    daemon.minutes("web", 20, Minute { seconds: 0.215, ..USUAL });
    assert_eq!(daemon.beside_traffic(), []);
    let over = daemon.recommendation(&first.id);
    assert_eq!(over.status, Status::Expired);
    assert_eq!(over.history.last().unwrap().reason, "what it was about is over");
}

#[test]
fn errors_that_use_up_the_objective_matter_the_more_the_quicker_they_do() {
    let failing = |errors| Minute { requests: 50, errors, ..USUAL };
    for (errors, minutes, before, priority, multiple) in [
        (8, 60, 300, Priority::Critical, 16.0),
        (4, 360, 0, Priority::High, 8.0),
        (2, 360, 0, Priority::Medium, 4.0),
        (1, 360, 0, Priority::Low, 2.0),
    ] {
        let mut daemon = watching();
        daemon.minutes("web", before, failing(0));
        daemon.minutes("web", minutes, failing(errors));
        let found = daemon.only_found();
        assert_eq!((found.detector.as_str(), found.priority), ("error_burn", priority), "{found:?}");
        let burn = found.evidence[0].burn.unwrap();
        assert!((burn.long - multiple).abs() < 0.3 && (burn.short - multiple).abs() < 0.3, "{burn:?}");
        assert_eq!(found.gain.unwrap().of, GainOf::Errors);
        assert_eq!(daemon.apply(&found.id).unwrap().result.action, "improved_error_handling");
    }
}

#[test]
fn errors_that_are_few_or_over_burn_nothing() {
    let failing = |errors| Minute { requests: 50, errors, ..USUAL };
    let mut daemon = watching();
    daemon.minutes("web", 300, failing(0));
    daemon.minutes("web", 12, failing(8));
    assert_eq!(daemon.beside_traffic(), [], "96 errors matter little");
    daemon.minutes("web", 48, failing(8));
    assert_eq!(daemon.only_found().priority, Priority::Critical);
    daemon.minutes("web", 6, failing(0));
    assert_eq!(daemon.only_found().priority, Priority::Low, "none in the last five minutes");
    daemon.minutes("web", 24 * 60, failing(0));
    assert_eq!(daemon.beside_traffic(), []);
}

#[test]
fn what_began_together_is_one_recommendation_of_what_matters_most() {
    let mut daemon = watching();
    daemon.minutes("web", 120, Minute { requests: 100, ..USUAL });
    daemon.minutes("web", 15, Minute { requests: 100, errors: 20, seconds: 0.27 });
    let found = daemon.only_found();
    let detectors: Vec<_> = found.evidence.iter().map(|evidence| evidence.detector.as_str()).collect();
    assert_eq!(found.detector, "latency_regression", "{found:?}");
    assert_eq!(detectors, ["latency_regression", "error_burn"]);
    daemon.see("web", "/x", 2_000, 0.27, 500);
    let found = daemon.beside_traffic();
    let named: Vec<_> = found.iter().map(|one| (one.detector.as_str(), one.evidence.len())).collect();
    assert_eq!(
        named,
        [("high_errors", 2), ("latency_regression", 1)],
        "a rule of the contract has one of its own"
    );
}

#[test]
fn what_was_answered_while_a_change_was_not_verified_says_nothing() {
    let mut daemon = Daemon::new(Policy { judged: JudgedChanges::All, ..watching().policy.clone() });
    daemon.minutes("web", 75, USUAL);
    daemon.see("web", "/slow", 40, 2.5, 200);
    daemon.pass(60);
    let id = daemon.only_found().id;
    daemon.apply(&id).unwrap();
    daemon.pass(60);
    while daemon.recommendation(&id).status == Status::Applied {
        daemon.minutes("web", 1, Minute { requests: 200, errors: 150, seconds: 0.4 });
    }
    assert_eq!(daemon.recommendation(&id).status, Status::RolledBack, "it did harm");
    let found: Vec<_> = daemon.beside_traffic().into_iter().map(|one| one.detector).collect();
    assert_eq!(found, ["slow_response"], "not its errors, not its response times");
    assert!(daemon.core.state.window.counters_of("web", &(0..u32::MAX), |_| true).errors() >= 150);
}

#[test]
fn who_looks_often_needs_more_to_say_that_something_is_no_accident() {
    let alone = |others: u32, factor: f64| {
        let mut daemon = watching();
        let wild = |minute: u32| 0.2 * (1.0 + f64::from(minute * 7 % 11) / 4.0);
        for minute in 0..75 {
            let slower = if minute < 60 { 1.0 } else { factor };
            daemon.see("web", "/x", 20, wild(minute) * slower, 200);
            for other in 0..others {
                daemon.see("other", &format!("/x{other}y"), 10, wild(minute + other), 200);
            }
            daemon.pass(60);
        }
        daemon.beside_traffic()
    };
    let p = alone(0, 1.45).first().and_then(|found| found.evidence[0].p).unwrap();
    assert!(p < 0.01 && p > 0.05 / 20.0, "{p}");
    assert_eq!(alone(19, 1.45), []);
}

#[test]
fn where_there_is_enough_to_know_what_is_usual_the_onset_is_the_leap() {
    let mut daemon = watching();
    daemon.minutes("web", 330, USUAL);
    let leap = daemon.now;
    daemon.minutes("web", 15, Minute { seconds: 2.9, ..USUAL });
    let found = daemon.only_found();
    assert_eq!((found.detector.as_str(), found.onset), ("latency_regression", Some(leap)), "to the minute");
    let undone = found.improvement_interval.unwrap();
    assert!((undone.estimate - (1.0 - 0.2 / 2.9)).abs() < 0.01 && undone.low < undone.high, "{undone:?}");
    daemon.restart();
    daemon.minutes("web", 100, Minute { seconds: 9.0, ..USUAL });
    let found = daemon.only_found();
    let named: Vec<_> = found.evidence.iter().map(|one| (one.detector.as_str(), one.onset)).collect();
    assert_eq!(named, [("slow_response", Some(leap)), ("latency_regression", Some(leap))]);
    let alone = daemon
        .core
        .state
        .recommendations
        .in_order()
        .into_iter()
        .find(|one| one.detector == "latency_regression");
    let last = alone.unwrap().history.last().cloned().unwrap();
    assert_eq!((last.status, last.reason), (Status::Expired, format!("it is part of {} now", found.id)));
}

#[test]
fn what_is_expected_of_a_change_is_worked_out_from_what_it_is_about() {
    let mut daemon = Daemon::new(policy());
    let mut minutes = |number: usize, factor: usize, seconds: f64, errors: fn(usize) -> usize| {
        for minute in 0..number {
            let requests = (10 + minute % 3 * 5) * factor;
            let seconds = seconds * (1.0 + (minute * 7 % 11) as f64 / 50.0 - 0.1);
            daemon.see("web", "/x", requests - errors(requests), seconds, 200);
            daemon.see("web", "/x", errors(requests), seconds, 500);
            daemon.pass(60);
        }
    };
    minutes(120, 1, 0.2, |_| 0);
    // All at once it is asked more, takes twice as long, and a fifth are errors: these go with the load.
    minutes(15, 3, 0.4, |requests| requests / 5);
    let found = daemon.only_found();
    let evidence: Vec<_> = found.evidence.iter().map(|one| one.detector.as_str()).collect();
    assert_eq!(evidence, ["latency_regression", "error_burn"]);
    assert_eq!(found.improvement_method, "a constant: no change of this kind has been measured here yet");
    assert_eq!(found.estimated_improvement, 0.3, "of a cache");
}
