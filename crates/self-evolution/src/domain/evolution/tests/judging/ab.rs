//! A change that half of the instances get first.

use super::*;
use crate::domain::ab_test::Arm;
use crate::domain::judge::Design;

/// Instances of `web`; how each answers depends on what it is told, on itself, and on the minute.
struct Fleet {
    daemon: Daemon,
    /// How slow each instance is by itself.
    own: Vec<f64>,
    /// Whether instances fetch what they are told.
    fetches: bool,
    /// Whether usage tells which variant an instance had.
    tells: bool,
    minute: u64,
    /// What each was told when it last fetched: whether there is a cache, and its variant.
    told: Vec<(bool, Option<String>)>,
}

impl Fleet {
    fn new(policy: Policy, own: &[f64]) -> Self {
        let told = vec![(false, None); own.len()];
        Self { daemon: Daemon::new(policy), own: own.to_vec(), fetches: true, tells: true, minute: 0, told }
    }

    fn name(number: usize) -> String {
        format!("web-{number}")
    }

    fn fetch(&mut self) {
        for number in (0..self.own.len()).filter(|_| self.fetches) {
            let name = Self::name(number);
            self.daemon.fetch(&name);
            let settings = self.daemon.core.state.settings.of("web").cloned();
            let Some(settings) = settings else { continue };
            let value = settings.told_to(&name, "response-cache").map(|setting| setting.value.clone());
            self.told[number] = (value == Some(json!(true)), settings.variant_of(&name));
        }
    }

    /// Minutes in which every instance answers 10 requests: `plain` seconds long without a cache, `cached` with one.
    fn live(&mut self, minutes: u64, plain: f64, cached: f64) {
        self.live_with_errors(minutes, plain, cached, 0);
    }

    fn live_with_errors(&mut self, minutes: u64, plain: f64, cached: f64, errors: usize) {
        for _ in 0..minutes {
            self.fetch();
            self.minute += 1;
            for number in 0..self.own.len() {
                let wobble = 0.9 + ((self.minute * 7 + number as u64 * 5) % 11) as f64 / 50.0;
                let (has_cache, variant) = self.told[number].clone();
                let seconds = if has_cache { cached } else { plain } * self.own[number] * wobble;
                let variant = variant.unwrap_or_else(|| "published".into());
                let events = (0..10).map(|request| {
                    let status = if has_cache && request < errors { 500 } else { 200 };
                    let mut event = json!({
                        "service": "web", "endpoint": "/x", "response_time": seconds, "status_code": status
                    });
                    if self.tells {
                        event["variant"] = json!(variant);
                    }
                    event
                });
                self.daemon.report(events.collect());
            }
            self.daemon.pass(MINUTE);
        }
    }

    /// A fleet that has been slow for an hour and has just been given a cache.
    fn applied(own: &[f64]) -> (Self, RecommendationId) {
        let mut fleet = Self::new(judging(), own);
        fleet.live(60, 2.5, 0.5);
        let id = fleet.daemon.found("slow_response");
        fleet.daemon.apply(&id).unwrap();
        (fleet, id)
    }

    fn told(&self, number: usize) -> Option<Value> {
        let settings = self.daemon.core.state.settings.of("web").unwrap();
        settings.told_to(&Self::name(number), "response-cache").map(|setting| setting.value.clone())
    }

    fn have_it(&self) -> usize {
        (0..self.own.len()).filter(|number| self.told(*number).is_some()).count()
    }
}

const ALIKE: [f64; 4] = [1.0; 4];

#[test]
fn half_of_the_instances_get_a_change_that_helps_then_the_others_and_in_the_end_all() {
    let (mut fleet, id) = Fleet::applied(&ALIKE);
    assert_eq!(fleet.have_it(), 2);
    let had_it: Vec<bool> = (0..4).map(|number| fleet.told(number).is_some()).collect();
    fleet.live(6, 2.5, 0.5);
    assert_eq!(fleet.daemon.change(&id).phase, Phase::Verifying);
    fleet.live(22, 2.5, 0.5);
    assert!(fleet.daemon.change(&id).ab_test.unwrap().swapped.is_some());
    let have_it: Vec<bool> = (0..4).map(|number| fleet.told(number).is_some()).collect();
    assert!(had_it.iter().zip(&have_it).all(|(had, has)| had != has), "{had_it:?} then {have_it:?}");
    fleet.live(28, 2.5, 0.5);
    let change = fleet.daemon.change(&id);
    let verdict = change.verdict.unwrap();
    assert_eq!((change.phase, verdict.design), (Phase::Kept, Design::AbTest), "{verdict:?}");
    let numbers = verdict.comparison.unwrap();
    assert!((numbers.improvement - 0.8).abs() < 0.02, "{numbers:?}");
    assert_eq!(fleet.have_it(), 4);
    let variant =
        |number| fleet.daemon.core.state.settings.of("web").unwrap().variant_of(&Fleet::name(number));
    assert_eq!(variant(0), None);
    assert_eq!(fleet.daemon.core.state.totals.judged, 1);
}

#[test]
fn a_change_that_does_nothing_is_taken_back_from_all_even_if_one_group_is_quicker_by_itself() {
    for own in [[1.0, 1.6, 1.0, 1.6], [1.6, 1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 3.0], [2.0, 1.0, 2.0, 1.0]] {
        let (mut fleet, id) = Fleet::applied(&own);
        fleet.live(60, 2.5, 2.5);
        let (outcome, reason) = fleet.daemon.outcome(&id).unwrap();
        // Where all that have it are twice as slow, nobody waits to learn why.
        assert!(matches!(outcome, Outcome::NoGain | Outcome::Harmful), "{own:?}: {reason}");
        assert_eq!(fleet.have_it(), 0);
        assert_eq!(fleet.daemon.recommendation(&id).status, Status::RolledBack);
    }
}

#[test]
fn what_slows_all_instances_down_does_not_hide_what_a_change_does() {
    let (mut fleet, id) = Fleet::applied(&ALIKE);
    fleet.live(15, 2.5, 1.5);
    fleet.live(25, 10.0, 6.0);
    fleet.live(25, 5.0, 3.0);
    let (outcome, reason) = fleet.daemon.outcome(&id).unwrap();
    assert_eq!(outcome, Outcome::Better, "{reason}");
    assert!(
        reason.contains("40 % less mean response time") && reason.contains("at the same time"),
        "{reason}"
    );
}

#[test]
fn harm_to_half_of_the_instances_is_not_waited_for() {
    let (mut fleet, id) = Fleet::applied(&ALIKE);
    fleet.live_with_errors(8, 2.5, 2.5, 5);
    let (outcome, reason) = fleet.daemon.outcome(&id).unwrap();
    assert!(outcome == Outcome::Harmful && reason.contains("errors rose"), "{outcome:?} {reason}");
    assert_eq!(fleet.have_it(), 0);
    let (mut fleet, id) = Fleet::applied(&ALIKE);
    fleet.live(8, 2.5, 6.0);
    let (outcome, reason) = fleet.daemon.outcome(&id).unwrap();
    assert!(outcome == Outcome::Harmful && reason.contains("response time rose"), "{outcome:?} {reason}");
}

#[test]
fn what_those_that_were_to_have_it_never_fetched_was_not_delivered() {
    let (mut fleet, id) = Fleet::applied(&ALIKE);
    fleet.fetches = false;
    fleet.live(11, 2.5, 0.5);
    assert_eq!(fleet.daemon.outcome(&id).map(|(outcome, _)| outcome), Some(Outcome::NotDelivered));
    let (mut fleet, id) = Fleet::applied(&ALIKE);
    let is_swapped = |fleet: &Fleet| fleet.daemon.change(&id).ab_test.unwrap().swapped.is_some();
    for _ in 0..30 {
        if !is_swapped(&fleet) {
            fleet.live(1, 2.5, 0.5);
        }
    }
    assert!(is_swapped(&fleet));
    fleet.fetches = false;
    fleet.live(28, 2.5, 0.5);
    let (outcome, reason) = fleet.daemon.outcome(&id).unwrap();
    assert!(outcome == Outcome::NotDelivered && reason.contains("changed places"), "{reason}");
}

#[test]
fn instances_that_no_longer_say_which_variant_they_had_cannot_be_told_apart() {
    let (mut fleet, id) = Fleet::applied(&ALIKE);
    fleet.tells = false;
    fleet.live(75, 2.5, 0.5);
    let (outcome, reason) = fleet.daemon.outcome(&id).unwrap();
    assert!(outcome == Outcome::Inconclusive && reason.contains("0 spans"), "{outcome:?} {reason}");
    assert_eq!(fleet.have_it(), 0);
}

#[test]
fn a_test_goes_on_where_it_was_after_a_crash_at_any_minute() {
    let (mut fleet, id) = Fleet::applied(&ALIKE);
    for _ in 0..60 {
        fleet.daemon.restart();
        fleet.live(1, 2.5, 0.5);
    }
    assert_eq!(fleet.daemon.outcome(&id).map(|(outcome, _)| outcome), Some(Outcome::Better));
    let swaps = fleet.daemon.journal.iter().filter(|(_, fact)| fact["type"] == "arms_swapped");
    assert_eq!(swaps.count(), 1);
}

#[test]
fn a_person_who_takes_it_back_takes_it_back_from_all_and_what_was_there_before_is_there_again() {
    let (mut fleet, id) = Fleet::applied(&ALIKE);
    fleet.live(10, 2.5, 0.5);
    fleet.daemon.roll_back(&id).unwrap();
    assert_eq!(fleet.have_it(), 0);
    let settings = fleet.daemon.core.state.settings.of("web").unwrap();
    assert_eq!(settings.arm_of("web-0"), None);
}

#[test]
fn a_service_that_cannot_be_tested_so_is_judged_by_what_was_before() {
    let ab_test = |fleet: &mut Fleet| {
        fleet.live(60, 2.5, 0.5);
        let id = fleet.daemon.found("slow_response");
        fleet.daemon.apply(&id).unwrap().ab_test
    };
    let mut fleet = Fleet::new(judging(), &ALIKE);
    assert!(ab_test(&mut fleet).is_some());
    assert!(ab_test(&mut Fleet::new(judging(), &[1.0])).is_none(), "one instance");
    let mut silent = Fleet { tells: false, ..Fleet::new(judging(), &ALIKE) };
    assert!(ab_test(&mut silent).is_none(), "its usage has no variant");
    let mut blind = Fleet { fetches: false, ..Fleet::new(judging(), &ALIKE) };
    assert!(ab_test(&mut blind).is_none(), "nobody has fetched anything");
    let mut unwanted = Fleet::new(Policy { ab_tests: false, ..judging() }, &ALIKE);
    assert!(ab_test(&mut unwanted).is_none());
    let mut unjudged = Fleet::new(policy(), &ALIKE);
    assert!(ab_test(&mut unjudged).is_none(), "nobody judges it");
}

#[test]
fn a_new_number_of_replicas_is_not_for_half_of_the_instances() {
    let mut fleet = Fleet::new(judging(), &ALIKE);
    fleet.live(60, 0.1, 0.1);
    let id = fleet.daemon.found("high_traffic");
    assert_eq!(fleet.daemon.apply(&id).unwrap().ab_test, None);
}

#[test]
fn a_variant_of_another_test_counts_as_none_of_this_one() {
    let (mut fleet, id) = Fleet::applied(&ALIKE);
    let stale = Arm::Treatment.variant(&RecommendationId::named("another"));
    let event = json!({
        "service": "web", "endpoint": "/x", "response_time": 0.5, "status_code": 200, "variant": stale
    });
    fleet.daemon.pass(MINUTE);
    fleet.daemon.report(vec![event; 100]);
    let treated = fleet.daemon.core.state.variants.treated(&id).unwrap();
    assert_eq!(treated.by_slot(&(0..u32::MAX), true).len(), 0);
}
