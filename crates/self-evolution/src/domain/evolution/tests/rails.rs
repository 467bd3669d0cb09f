//! What holds the daemon back from changing something on its own, and what it says of that.

use super::*;
use crate::domain::change::{Phase, Trigger};
use crate::domain::recommendation::Status;

const MINUTE: u64 = 60;
const HOUR: u64 = 3_600;

fn automatic() -> Policy {
    Policy { auto_apply: true, judged: JudgedChanges::All, shape: hardly_a_day(), ..policy() }
}

impl Daemon {
    /// Minutes in which each of these services answers half of its 20 requests with errors.
    fn fail(&mut self, services: &[&str], minutes: u64) {
        for _ in 0..minutes {
            for service in services {
                self.see(service, "/x", 10, 0.1, 500);
                self.see(service, "/x", 10, 0.1, 200);
            }
            self.pass(MINUTE);
        }
    }

    /// What an analysis says of the newest recommendation of a service.
    fn of(&mut self, service: &str) -> Recommendation {
        self.analyse();
        let all = self.core.state.recommendations.in_order();
        let wanted =
            |one: &&Arc<Recommendation>| *one.target_service == *service && one.detector != "high_traffic";
        let newest = all.into_iter().rev().find(wanted);
        (**newest.expect("a recommendation")).clone()
    }

    fn held_back(&mut self, service: &str) -> String {
        self.of(service).held_back.unwrap_or_default()
    }

    fn fetched_by(&mut self, service: &str) {
        let version = self.core.state.settings.of(service).map_or(0, |settings| settings.version);
        let instance = format!("{service}-1").into();
        let decision =
            self.core.handle(Event::SettingsFetched { service: service.into(), instance, version }, self.now);
        self.take(decision);
    }
}

#[test]
fn what_matters_little_or_is_uncertain_is_left_to_a_person_and_says_so() {
    let mut daemon = Daemon::new(automatic());
    daemon.see("slow", "/x", 40, 2.5, 200);
    daemon.see("thin", "/x", 20, 0.1, 500);
    daemon.see("rare", "/x", 19, 0.1, 500);
    daemon.see("rare", "/x", 40, 0.1, 200);
    assert_eq!(daemon.held_back("slow"), "its priority is medium, and high is needed");
    assert_eq!(daemon.held_back("thin"), "its confidence is low: only 20 requests were seen; 30 say more");
    assert_eq!(daemon.held_back("rare"), "it would spare 9.5 errors an hour, and 10 are worth it");
    daemon.see("rare", "/x", 2, 0.1, 500);
    let reason = "it could not be judged: 61 requests in 1 spans of the last 60 were seen, and a verdict needs 300 in 20";
    assert_eq!(daemon.held_back("rare"), reason);
    for _ in 0..20 {
        daemon.see("rare", "/x", 5, 0.1, 500);
        daemon.see("rare", "/x", 10, 0.1, 200);
        daemon.pass(60);
    }
    let rare = daemon.of("rare");
    assert_eq!((rare.status, rare.held_back), (Status::Applied, None));
    let mut by_hand = Daemon::new(Policy { auto_apply: false, ..automatic() });
    by_hand.see("slow", "/x", 40, 2.5, 200);
    assert_eq!(by_hand.held_back("slow"), "", "nobody expects the daemon to act");
}

#[test]
fn one_change_is_in_the_air_at_a_time() {
    let mut daemon = Daemon::new(automatic());
    daemon.fail(&["one", "two"], 30);
    daemon.analyse();
    let open: Vec<_> =
        daemon.core.state.changes.open().map(|change| change.recommendation_id.clone()).collect();
    assert_eq!(open.len(), 1);
    let service = daemon.recommendation(&open[0]).target_service;
    let other = if *service == *"one" { "two" } else { "one" };
    assert_eq!(
        daemon.held_back(other),
        format!("the change of {service} ({}) is still being judged", open[0])
    );
    daemon.roll_back(&open[0]).unwrap();
    assert_eq!(daemon.of(other).status, Status::Applied, "now it is its turn");
}

#[test]
fn four_changes_are_made_in_an_hour_and_no_more() {
    let mut daemon = Daemon::new(Policy { judged: JudgedChanges::None, ..automatic() });
    daemon.fail(&["one", "two", "three", "four", "five"], 30);
    daemon.analyse();
    let held: Vec<_> = daemon
        .core
        .state
        .recommendations
        .iter()
        .filter(|one| one.status == Status::Pending)
        .filter_map(|one| one.held_back.clone())
        .collect();
    assert_eq!(held, ["4 changes were made within an hour"]);
    daemon.fail(&["one", "two", "three", "four", "five"], 61);
    daemon.analyse();
    assert_eq!(daemon.core.state.changes.iter().len(), 5);
}

/// The daemon has just applied something for `web`, which changes nothing, and is taken back.
fn try_in_vain(daemon: &mut Daemon) {
    let applied = daemon.of("web");
    assert_eq!(applied.status, Status::Applied, "{:?}", applied.held_back);
    daemon.fetched_by("web");
    daemon.fail(&["web"], 45);
    assert_eq!(daemon.core.state.changes.of(&applied.id).unwrap().phase, Phase::RolledBack);
}

#[test]
fn what_did_not_help_is_tried_again_after_a_while_and_after_three_times_only_by_a_person() {
    let seldom = Duration::from_secs(7 * 24 * HOUR);
    let mut daemon = Daemon::new(Policy { analysis_interval: seldom, ..automatic() });
    daemon.pass(12 * HOUR);
    daemon.fail(&["web"], 60);
    try_in_vain(&mut daemon);
    daemon.fail(&["web"], 20);
    let held_back = daemon.held_back("web");
    assert!(held_back.starts_with("its service is left alone until 2026-11-25T00:0"), "{held_back}");
    daemon.fail(&["web"], 15);
    let held_back = daemon.held_back("web");
    assert!(
        held_back.starts_with("it was taken back (1 of 2 times), and is not tried again before"),
        "{held_back}"
    );
    daemon.fail(&["web"], 30);
    try_in_vain(&mut daemon);
    daemon.pass(22 * HOUR);
    daemon.fail(&["web"], 60);
    try_in_vain(&mut daemon);
    daemon.pass(23 * HOUR);
    daemon.fail(&["web"], 60);
    let quarantine = "quarantine: it was taken back 3 times; POST /approve/<id> tries again";
    assert_eq!(daemon.held_back("web"), quarantine);
    let id = daemon.of("web").id;
    daemon.send(Event::ApprovalRequested { id: id.clone() });
    assert_eq!(daemon.of("web").status, Status::Applied, "a person may");
    assert_eq!(daemon.core.state.changes.of(&id).unwrap().trigger, Trigger::Automatic);
    daemon.roll_back(&id).unwrap();
    assert!(!daemon.of("web").is_approved, "what a person approved of was one try");
}

#[test]
fn twelve_changes_are_made_in_a_day_and_no_more() {
    let names: Vec<String> = (0..13).map(|number| format!("service-{number}")).collect();
    let services: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut daemon = Daemon::new(Policy { judged: JudgedChanges::None, ..automatic() });
    for _ in 0..4 {
        daemon.fail(&services, 61);
    }
    daemon.analyse();
    let pending = daemon.core.state.recommendations.iter().filter(|one| one.status == Status::Pending);
    let held: Vec<_> =
        pending.filter(|one| one.detector == "high_errors").filter_map(|one| one.held_back.clone()).collect();
    assert_eq!(held, ["12 changes were made within a day"]);
    assert_eq!(daemon.core.state.changes.iter().len(), 12);
}

/// A daemon in which a person has applied what was found for these services; half of their answers are errors.
fn applied_by_hand(services: &[&str], policy: &Policy) -> Daemon {
    let mut daemon = Daemon::new(Policy { auto_apply: false, ..policy.clone() });
    daemon.fail(services, 30);
    for service in services {
        let id = daemon.of(service).id;
        daemon.apply(&id).unwrap();
        daemon.fetched_by(service);
    }
    daemon
}

/// What holds the daemon back from applying the same for `web`, once it may act on its own.
fn held_back_for_web(daemon: &mut Daemon, policy: &Policy) -> String {
    daemon.send(Event::PolicyChanged(policy.clone()));
    daemon.fail(&["web"], 31);
    daemon.held_back("web")
}

#[test]
fn a_kind_of_change_that_mostly_harms_is_left_to_a_person() {
    let services = ["one", "two", "three", "four"];
    let mut daemon = applied_by_hand(&services, &automatic());
    for _ in 0..10 {
        services.iter().for_each(|service| daemon.see(service, "/x", 20, 0.1, 500));
        daemon.pass(MINUTE);
    }
    let reason = "of 4 changes of its kind 0 have helped, which leaves it to a person";
    assert_eq!(held_back_for_web(&mut daemon, &automatic()), reason);
}

#[test]
fn what_is_expected_to_do_too_little_by_now_is_left_to_a_person_and_still_recommended() {
    let policy = Policy { threshold: 0.4, ..automatic() };
    let mut daemon = applied_by_hand(&["one"], &policy);
    daemon.fail(&["one"], 45);
    let held_back = held_back_for_web(&mut daemon, &policy);
    assert_eq!(held_back, "an improvement of 33 % is expected, and 40 % are worth it");
}
