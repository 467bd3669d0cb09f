//! What happens beside a change, and what was before it.

use super::*;

#[test]
fn strangers_who_try_paths_neither_end_a_trial_nor_hide_what_is_wrong() {
    let flood = |daemon: &mut Daemon, minutes: u64, minute: Minute| {
        for _ in 0..minutes {
            daemon.see("web", "/no-such-page", 300, 0.001, 404);
            daemon.live(1, minute);
        }
    };
    let (mut daemon, id) = applied();
    flood(&mut daemon, 40, QUICK);
    assert_eq!(daemon.change(&id).phase, Phase::Kept, "{:?}", daemon.outcome(&id));
    let (mut daemon, id) = applied();
    flood(&mut daemon, 7, Minute { seconds: 9.0, ..SLOW });
    assert_eq!(daemon.outcome(&id).unwrap().0, Outcome::Harmful);
}

#[test]
fn what_another_change_did_is_not_taken_for_the_past() {
    let (mut daemon, first) = applied();
    daemon.live(12, Minute { seconds: 4.5, ..SLOW });
    daemon.roll_back(&first).unwrap();
    daemon.live(7, SLOW);
    let second = daemon.found("high_traffic");
    daemon.apply(&second).unwrap();
    daemon.fetch("web-1");
    daemon.live(40, SLOW);
    let numbers = daemon.change(&second).verdict.unwrap().comparison.unwrap();
    assert_eq!(numbers.buckets_before, 60, "further back, there was more");
    assert!((numbers.mean_before - 2.5).abs() < 0.02, "the first change had no part in it: {numbers:?}");
}

#[test]
fn a_change_that_is_taken_back_during_the_trial_of_another_leaves_nothing_to_compare() {
    let (mut daemon, first) = applied();
    daemon.live(40, QUICK);
    assert_eq!(daemon.change(&first).phase, Phase::Kept);
    daemon.live(60, QUICK);
    let second = daemon.found("high_traffic");
    daemon.apply(&second).unwrap();
    daemon.fetch("web-1");
    daemon.live(12, QUICK);
    daemon.roll_back(&first).unwrap();
    daemon.live(1, SLOW);
    let (outcome, reason) = daemon.outcome(&second).unwrap();
    assert_eq!(outcome, Outcome::Inconclusive);
    assert!(reason.contains(&format!("the change {first} of the same service was taken back")), "{reason}");
}

#[test]
fn an_endpoint_that_became_one_with_others_meanwhile_is_still_judged() {
    let mut daemon = Daemon::new(judging());
    for minute in 0..100_u32 {
        if minute == 60 {
            let id = daemon.found("slow_response");
            daemon.apply(&id).unwrap();
            daemon.fetch("web-1");
        }
        if minute == 70 {
            for number in 0..25 {
                daemon.see("web", &format!("/shop/item-{number}x"), 1, 0.1, 200);
            }
        }
        let seconds = if minute < 60 { 2.5 } else { 0.5 };
        for item in ["one", "two", "three", "four"] {
            daemon.see("web", &format!("/shop/{item}"), 6, seconds + f64::from(minute % 5) / 50.0, 200);
        }
        daemon.pass(60);
    }
    let change = daemon.core.state.changes.iter().next().unwrap().clone();
    assert!(daemon.core.state.window.series("web", "/shop/{*}").is_some());
    assert_eq!(change.phase, Phase::Kept, "{:?}", change.verdict);
}

#[test]
fn a_window_of_an_hour_does_not_forget_what_a_change_is_judged_by() {
    let shape = Shape { window_hours: 1, ..Shape::default() };
    let mut daemon = Daemon::new(Policy { shape, ..judging() });
    let thin = |seconds| Minute { seconds, requests: 6, errors: 0 };
    daemon.live(60, thin(2.5));
    let id = daemon.found("slow_response");
    daemon.apply(&id).unwrap();
    daemon.fetch("web-1");
    for _ in 0..70 {
        daemon.live(1, thin(0.5));
        daemon.analyse();
    }
    assert_eq!(daemon.change(&id).phase, Phase::Kept, "{:?}", daemon.outcome(&id));
}

#[test]
fn what_a_verdict_has_taken_back_can_be_tried_again_after_an_hour() {
    let (mut daemon, id) = applied();
    daemon.live(40, SLOW);
    assert_eq!(daemon.recommendation(&id).status, Status::RolledBack);
    daemon.live(30, SLOW);
    daemon.found("slow_response");
    assert_eq!(daemon.apply(&id).unwrap_err(), Refusal::AlreadyProcessed(Status::RolledBack));
    daemon.live(35, SLOW);
    assert_eq!(daemon.found("slow_response"), id);
    assert_eq!(daemon.recommendation(&id).status, Status::Pending);
    daemon.apply(&id).unwrap();
    let by_hand = daemon.change(&id);
    assert_eq!(by_hand.phase, Phase::Settling);
    daemon.roll_back(&id).unwrap();
    daemon.live(61, SLOW);
    daemon.found("slow_response");
    assert_eq!(daemon.recommendation(&id).status, Status::RolledBack, "a person's word holds");
}

#[test]
fn a_young_service_was_not_silent_before_it_began() {
    let mut daemon = Daemon::new(judging());
    daemon.live(25, SLOW);
    let id = daemon.found("slow_response");
    daemon.apply(&id).unwrap();
    daemon.fetch("web-1");
    daemon.live(40, QUICK);
    let change = daemon.change(&id);
    assert_eq!(change.phase, Phase::Kept, "{:?}", change.verdict);
    assert_eq!(change.verdict.unwrap().comparison.unwrap().load_ratio, 1.0);
}

#[test]
fn requests_that_go_elsewhere_than_before_leave_nothing_to_compare() {
    let mut daemon = Daemon::new(judging());
    let minutes = |daemon: &mut Daemon, minutes: u32, (first, second): (usize, usize), seconds: f64| {
        for minute in 0..minutes {
            let seconds = seconds + f64::from(minute % 5) / 50.0;
            daemon.see("web", "/first", first, seconds, 200);
            daemon.see("web", "/second", second, seconds, 200);
            daemon.pass(MINUTE);
        }
    };
    minutes(&mut daemon, 60, (15, 15), 2.5);
    let id = daemon.found("slow_response");
    daemon.apply(&id).unwrap();
    daemon.fetch("web-1");
    minutes(&mut daemon, 40, (25, 5), 0.5);
    let (outcome, reason) = daemon.outcome(&id).unwrap();
    assert_eq!(outcome, Outcome::Inconclusive);
    assert!(reason.contains("33 % of the requests went to other endpoints than before"), "{reason}");
}
