//! What load and traffic say: whether more replicas help, and when the daemon had better keep its hands off.

use super::*;
use crate::domain::recommendation::{Confidence, Kind, Priority};

const MINUTE: u64 = 60;

fn automatic() -> Policy {
    Policy { auto_apply: true, analysis_interval: Duration::from_secs(7 * 86_400), ..policy() }
}

impl Daemon {
    /// Minutes in which `web` is asked so often, and half of its answers are errors.
    fn asked(&mut self, minutes: u32, requests: usize) {
        for _ in 0..minutes {
            self.see("web", "/x", requests / 2, 0.1, 500);
            self.see("web", "/x", requests - requests / 2, 0.1, 200);
            self.pass(MINUTE);
        }
    }

    /// What an analysis says of the errors of `web`: what holds the daemon back.
    fn holds_back(&mut self) -> String {
        let found = self.analyse().into_iter().find(|one| one.r#type == Kind::Reliability).unwrap();
        found
            .held_back
            .unwrap_or_else(|| format!("nothing: it is {}", self.recommendation(&found.id).status.as_str()))
    }

    /// Minutes in which `web` is asked now more, now less, and takes so long for it.
    fn under_load(&mut self, minutes: usize, seconds: impl Fn(usize) -> f64) {
        for minute in 0..minutes {
            let requests = 10 + minute * 7 % 11 * 3;
            self.see("web", "/x", requests, seconds(requests), 200);
            self.pass(MINUTE);
        }
    }

    fn scaling(&mut self) -> Recommendation {
        let found = self.analyse().into_iter().find(|one| one.r#type == Kind::Scaling);
        let id = found.unwrap().id;
        self.recommendation(&id)
    }
}

fn watching() -> Daemon {
    Daemon::new(Policy { auto_apply: false, ..automatic() })
}

#[test]
fn more_replicas_are_not_offered_where_answers_take_no_longer_under_load() {
    let mut daemon = watching();
    daemon.under_load(120, |requests| 0.2 + (requests * 5 % 13) as f64 / 1e3);
    let found = daemon.scaling();
    let reason = found.obstacle.clone().unwrap();
    assert!(reason.starts_with("more replicas do not fix a slow dependency: over 120 spans"), "{reason}");
    assert_eq!(daemon.apply(&found.id).unwrap_err(), Refusal::NotExecutable(reason));
    assert_eq!(daemon.setting("web", "minimum-replicas"), None);
}

#[test]
fn more_replicas_are_offered_where_answers_take_longer_under_load() {
    let mut daemon = watching();
    daemon.under_load(120, |requests| 0.2 + requests as f64 / 100.0);
    let found = daemon.scaling();
    let load = found.load_sensitivity.unwrap();
    assert!(load.spearman > 0.9 && load.p < 1e-6 && load.buckets == 120, "{load:?}");
    assert_eq!((found.obstacle.clone(), found.confidence), (None, Confidence::High));
    // Half of the load for each, and nothing is known of less than ten requests.
    let took = |load: f64| 0.2 + load / 100.0;
    let sums = (0..120).map(|minute| (10 + minute * 7 % 11 * 3) as f64);
    let (now, then) = sums.fold((0.0, 0.0), |(now, then), load| {
        (now + load * took(load), then + load * took((load / 2.0).max(10.0)))
    });
    let relief = 1.0 - then / now;
    assert!((found.estimated_improvement - relief).abs() < 1e-6, "{} {relief}", found.estimated_improvement);
    assert_eq!(found.estimated_improvement, found.prior_improvement, "which verdicts are compared with");
    assert_eq!(
        found.improvement_method,
        "the rise of the response time with the load, over 120 spans: with 2 replicas in place of 1 each has 50 % of the \
         load: no change of this kind has been measured here yet"
    );
    daemon.apply(&found.id).unwrap();
}

#[test]
fn errors_that_come_with_the_load_are_what_is_expected_to_go() {
    let mut daemon = watching();
    let of_minute = |minute: usize| 10 + minute * 7 % 11 * 3;
    // Two in ten answers are errors in quiet minutes, more in busy ones.
    let errors = |requests: usize| requests / 5 + (requests - 10) / 2;
    for minute in 0..120 {
        let requests = of_minute(minute);
        daemon.see("web", "/x", errors(requests), 0.1, 500);
        daemon.see("web", "/x", requests - errors(requests), 0.1, 200);
        daemon.pass(MINUTE);
    }
    let found = daemon.analyse().into_iter().find(|one| one.r#type == Kind::Reliability).unwrap();
    let mut minutes: Vec<usize> = (0..120).map(of_minute).collect();
    minutes.sort_unstable();
    let part = |minutes: &[usize]| {
        minutes.iter().map(|of| errors(*of)).sum::<usize>() as f64 / minutes.iter().sum::<usize>() as f64
    };
    let expected = 1.0 - part(&minutes[..24]) / part(&minutes);
    assert!(
        (found.estimated_improvement - expected).abs() < 1e-9,
        "{} {expected}",
        found.estimated_improvement
    );
    assert!(
        found.improvement_method.starts_with("the errors that come with the load: 23.5 %"),
        "{}",
        found.improvement_method
    );
    assert_eq!(found.load_sensitivity, None, "that is of response times");
}

#[test]
fn of_errors_that_have_nothing_to_do_with_the_load_the_constant_is_expected() {
    let mut daemon = watching();
    for minute in 0..120 {
        let requests = 10 + minute * 7 % 11 * 3;
        daemon.see("web", "/x", requests / 5, 0.1, 500);
        daemon.see("web", "/x", requests - requests / 5, 0.1, 200);
        daemon.pass(MINUTE);
    }
    let found = daemon.analyse().into_iter().find(|one| one.r#type == Kind::Reliability).unwrap();
    assert_eq!(found.estimated_improvement, 0.5);
    assert_eq!(found.improvement_method, "a constant: no change of this kind has been measured here yet");
}

#[test]
fn where_nobody_can_say_how_answers_go_with_the_load_more_replicas_are_offered_with_low_confidence() {
    let mut brief = watching();
    brief.under_load(59, |_| 0.2);
    let mut even = watching();
    for _ in 0..120 {
        even.see("web", "/x", 20, 0.2, 200);
        even.pass(MINUTE);
    }
    for (what, mut daemon) in [("an hour less a minute", brief), ("as many in each minute", even)] {
        let found = daemon.scaling();
        assert_eq!((found.load_sensitivity, found.confidence), (None, Confidence::Low), "{what}");
        assert!(found.confidence_reason.starts_with("whether answers take longer under load is not known"));
        daemon.apply(&found.id).unwrap();
    }
}

#[test]
fn a_rise_against_yesterday_asks_for_replicas_and_a_drop_holds_changes_back() {
    let mut daemon = Daemon::new(automatic());
    daemon.asked(24 * 60 + 5, 20);
    daemon.asked(30, 60);
    let found = daemon.analyse();
    let rise = found.iter().find(|one| one.r#type == Kind::Scaling).unwrap();
    let evidence: Vec<_> = rise.evidence.iter().map(|one| one.detector.as_str()).collect();
    assert_eq!((evidence, rise.priority), (vec!["high_traffic", "traffic_change"], Priority::Medium));
    let traffic = &rise.evidence[1];
    assert_eq!(
        (traffic.now.requests, traffic.baseline.unwrap().requests, traffic.buckets),
        (900, 300, Some(15))
    );
    assert_eq!(daemon.core.state.changes.iter().len(), 1, "which holds nothing back");

    let mut daemon = Daemon::new(automatic());
    daemon.asked(24 * 60 + 5, 20);
    daemon.asked(30, 6);
    assert_eq!(
        daemon.holds_back(),
        "its traffic fell: 90 requests, where there were 300 at the same time yesterday"
    );
    daemon.asked(30, 20);
    assert_eq!(daemon.holds_back(), "nothing: it is applied");
}

#[test]
fn a_service_is_known_for_a_day_before_the_daemon_changes_it() {
    let mut daemon = Daemon::new(automatic());
    daemon.asked(60, 20);
    assert_eq!(daemon.holds_back(), "its service is known for 60 of the 1440 spans that make a day");
    daemon.asked(24 * 60 - 61, 20);
    assert!(daemon.holds_back().starts_with("its service is known for 1439 "));
    daemon.asked(1, 20);
    assert_eq!(daemon.holds_back(), "nothing: it is applied");
}

#[test]
fn a_service_that_reports_nothing_is_not_changed() {
    let mut daemon = Daemon::new(Policy { shape: hardly_a_day(), ..automatic() });
    daemon.asked(60, 20);
    for _ in 0..11 {
        daemon.see("other", "/x", 1, 0.1, 200);
        daemon.pass(MINUTE);
    }
    assert_eq!(daemon.holds_back(), "nothing was reported by its service for 10 spans");
    daemon.asked(1, 20);
    assert_eq!(daemon.holds_back(), "nothing: it is applied");
}

#[test]
fn after_a_hole_in_what_was_recorded_nothing_is_changed_for_a_while() {
    let mut daemon = Daemon::new(Policy { shape: hardly_a_day(), ..automatic() });
    daemon.asked(60, 20);
    daemon.now = daemon.now + Duration::from_secs(11 * MINUTE);
    daemon.asked(9, 20);
    let held_back = daemon.holds_back();
    assert!(held_back.starts_with("nothing was recorded for a while before 2026-11-24T11:1"), "{held_back}");
    daemon.restart();
    assert_eq!(daemon.holds_back(), held_back, "a new process knows it too");
    daemon.asked(1, 20);
    assert_eq!(daemon.holds_back(), "nothing: it is applied");
}
