//! What becomes of a change once it is made: it proves itself, or is taken back.

mod ab;
mod beside;

use super::*;
use crate::domain::change::{Phase, Trigger};
use crate::domain::judge::Outcome;
use crate::domain::recommendation::Status;

const MINUTE: u64 = 60;

/// How `web` answers in a minute.
#[derive(Clone, Copy)]
struct Minute {
    seconds: f64,
    requests: usize,
    errors: usize,
}

const SLOW: Minute = Minute { seconds: 2.5, requests: 30, errors: 0 };
const QUICK: Minute = Minute { seconds: 0.5, ..SLOW };

fn judging() -> Policy {
    Policy { judged: JudgedChanges::All, ..policy() }
}

impl Daemon {
    /// Minutes in which `web` answers like this, a little slower or quicker from one to the next.
    fn live(&mut self, minutes: u64, Minute { seconds, requests, errors }: Minute) {
        for minute in 0..minutes {
            let wobble = 1.0 + f64::from(u32::try_from(minute * 7 % 11).unwrap()) / 50.0 - 0.1;
            self.see("web", "/x", requests - errors, seconds * wobble, 200);
            if errors > 0 {
                self.see("web", "/x", errors, seconds * wobble, 500);
            }
            self.pass(MINUTE);
        }
    }

    /// What an analysis recommends for `web` because of this.
    fn found(&mut self, detector: &str) -> RecommendationId {
        self.analyse().into_iter().find(|one| one.is_like("web", detector)).unwrap().id
    }

    fn fetch(&mut self, instance: &str) {
        let version = self.core.state.settings.of("web").map_or(0, |settings| settings.version);
        let event = Event::SettingsFetched { service: "web".into(), instance: instance.into(), version };
        let decision = self.core.handle(event, self.now);
        self.take(decision);
    }

    fn change(&self, id: &RecommendationId) -> Change {
        (**self.core.state.changes.of(id).unwrap()).clone()
    }

    fn outcome(&self, id: &RecommendationId) -> Option<(Outcome, String)> {
        self.change(id).verdict.map(|verdict| (verdict.outcome, verdict.reason))
    }
}

/// A daemon that has seen an hour of a slow `web`, and has just applied a cache that one instance has fetched.
fn applied_by(policy: Policy) -> (Daemon, RecommendationId) {
    let mut daemon = Daemon::new(policy);
    daemon.live(60, SLOW);
    let id = daemon.found("slow_response");
    daemon.apply(&id).unwrap();
    daemon.fetch("web-1");
    (daemon, id)
}

fn applied() -> (Daemon, RecommendationId) {
    applied_by(judging())
}

#[test]
fn a_change_that_helps_settles_is_tried_and_is_kept_with_its_numbers() {
    let (mut daemon, id) = applied();
    assert_eq!(daemon.change(&id).phase, Phase::Settling);
    daemon.live(6, QUICK);
    assert_eq!(daemon.change(&id).phase, Phase::Verifying);
    daemon.live(30, QUICK);
    assert_eq!(daemon.outcome(&id), None, "it is not judged before its time");
    daemon.live(3, QUICK);
    let change = daemon.change(&id);
    assert_eq!((change.phase, daemon.recommendation(&id).status), (Phase::Kept, Status::Applied));
    let verdict = change.verdict.unwrap();
    let numbers = verdict.comparison.unwrap();
    assert_eq!(verdict.outcome, Outcome::Better, "{verdict:?}");
    assert!((numbers.improvement - 0.8).abs() < 0.02, "{numbers:?}");
    assert_eq!((numbers.buckets_before, numbers.buckets_after), (60, 30));
    assert_eq!(daemon.setting("web", "response-cache"), Some(json!(true)));
    daemon.live(120, QUICK);
    assert_eq!(daemon.core.state.totals.judged, 1, "a verdict is found once");
    for kind in ["trial_began", "change_judged"] {
        let facts: Vec<_> = daemon.journal.iter().filter(|(_, fact)| fact["type"] == kind).collect();
        assert!(
            facts.len() == 1 && facts[0].1["service"] == "web",
            "who follows a service sees it: {facts:?}"
        );
    }
}

#[test]
fn a_change_that_changes_nothing_or_makes_it_worse_is_taken_back_by_itself() {
    let slower = Minute { seconds: 3.5, ..SLOW };
    for (minute, outcome) in [(SLOW, Outcome::NoGain), (slower, Outcome::Worse)] {
        let (mut daemon, id) = applied();
        daemon.live(40, minute);
        assert_eq!(daemon.outcome(&id).map(|(outcome, _)| outcome), Some(outcome));
        assert_eq!(daemon.setting("web", "response-cache"), None);
        assert_eq!(daemon.recommendation(&id).status, Status::RolledBack);
        let rollback = daemon.change(&id).rollback.unwrap();
        assert_eq!(rollback.trigger, Trigger::Automatic);
        assert_eq!(Some(rollback.reason), daemon.outcome(&id).map(|(_, reason)| reason));
    }
}

#[test]
fn harm_is_not_waited_for() {
    let failing = Minute { errors: 12, ..SLOW };
    let (mut daemon, id) = applied();
    daemon.live(3, failing);
    assert_eq!(daemon.outcome(&id).unwrap().0, Outcome::Harmful, "while it settles");
    assert_eq!(daemon.setting("web", "response-cache"), None);

    let (mut daemon, id) = applied();
    daemon.live(15, QUICK);
    daemon.live(6, Minute { seconds: 9.0, ..SLOW });
    let (outcome, reason) = daemon.outcome(&id).unwrap();
    assert_eq!(outcome, Outcome::Harmful, "while it is tried");
    assert!(reason.contains("the mean response time rose from 2.5"), "{reason}");
}

#[test]
fn what_no_instance_has_fetched_is_taken_back_and_not_judged() {
    let mut daemon = Daemon::new(judging());
    daemon.live(60, SLOW);
    let id = daemon.found("slow_response");
    daemon.apply(&id).unwrap();
    daemon.live(9, QUICK);
    assert_eq!(daemon.change(&id).phase, Phase::Settling);
    daemon.live(2, QUICK);
    assert_eq!(daemon.outcome(&id).unwrap().0, Outcome::NotDelivered);
    assert_eq!(daemon.recommendation(&id).status, Status::RolledBack);
}

#[test]
fn what_nobody_fetches_is_not_delivered_although_nobody_reports_either() {
    let mut daemon = Daemon::new(judging());
    daemon.live(60, SLOW);
    // In the midst of a minute, so that the settling and ten silent minutes end together.
    daemon.pass(MINUTE / 2);
    let id = daemon.found("slow_response");
    daemon.apply(&id).unwrap();
    daemon.pass(12 * MINUTE);
    assert_eq!(daemon.outcome(&id).unwrap().0, Outcome::NotDelivered);
}

#[test]
fn a_change_settles_until_every_instance_has_it() {
    let mut daemon = Daemon::new(judging());
    daemon.live(60, SLOW);
    let first = daemon.found("slow_response");
    daemon.apply(&first).unwrap();
    daemon.fetch("web-1");
    daemon.fetch("web-2");
    daemon.roll_back(&first).unwrap();
    daemon.fetch("web-1");
    daemon.fetch("web-2");
    let failing = Minute { errors: 20, ..SLOW };
    daemon.live(60, failing);
    let second = daemon.found("high_errors");
    daemon.apply(&second).unwrap();
    daemon.fetch("web-1");
    daemon.live(7, failing);
    assert_eq!(daemon.change(&second).phase, Phase::Settling, "web-2 has the old settings");
    daemon.fetch("web-2");
    daemon.live(1, failing);
    assert_eq!(daemon.change(&second).phase, Phase::Settling, "and needs a while");
    daemon.live(2, failing);
    assert_eq!(daemon.change(&second).phase, Phase::Verifying);
}

#[test]
fn what_cannot_be_known_is_taken_back_or_kept_as_the_operator_wants() {
    for (keep_inconclusive, phase) in [(false, Phase::RolledBack), (true, Phase::Inconclusive)] {
        let (mut daemon, id) = applied_by(Policy { keep_inconclusive, ..judging() });
        daemon.live(40, Minute { requests: 80, ..QUICK });
        let (outcome, reason) = daemon.outcome(&id).unwrap();
        assert_eq!((outcome, daemon.change(&id).phase), (Outcome::Inconclusive, phase));
        assert!(reason.contains("the load became 2.67 times what it was"), "{reason}");
    }
}

#[test]
fn without_a_past_there_is_no_trial() {
    let mut daemon = Daemon::new(judging());
    daemon.live(10, SLOW);
    let id = daemon.found("slow_response");
    daemon.apply(&id).unwrap();
    daemon.fetch("web-1");
    daemon.live(6, QUICK);
    let (outcome, reason) = daemon.outcome(&id).unwrap();
    assert_eq!(outcome, Outcome::Inconclusive);
    assert!(reason.contains("300 requests in 10 spans were seen before the change"), "{reason}");
}

#[test]
fn little_traffic_is_given_more_time() {
    let mut daemon = Daemon::new(judging());
    let thin = |seconds| Minute { seconds, requests: 6, errors: 0 };
    daemon.live(60, thin(2.5));
    let id = daemon.found("slow_response");
    daemon.apply(&id).unwrap();
    daemon.fetch("web-1");
    daemon.live(40, thin(0.5));
    assert_eq!(daemon.change(&id).phase, Phase::Verifying, "180 requests are too few");
    daemon.live(30, thin(0.5));
    let change = daemon.change(&id);
    assert_eq!(change.phase, Phase::Kept, "{change:?}");
    assert_eq!(change.verdict.unwrap().comparison.unwrap().buckets_after, 60);
}

#[test]
fn traffic_that_stops_ends_in_no_verdict() {
    let (mut daemon, id) = applied();
    daemon.live(12, QUICK);
    daemon.pass(3 * 3_600);
    let (outcome, reason) = daemon.outcome(&id).unwrap();
    assert_eq!(outcome, Outcome::Inconclusive);
    assert!(reason.contains("nothing was reported for 10 spans"), "{reason}");
    let judged_after = daemon.change(&id).verdict.unwrap().judged_at.since(daemon.change(&id).applied_at);
    assert!(judged_after <= Duration::from_secs(24 * MINUTE), "{judged_after:?}");
}

#[test]
fn services_that_nobody_touched_and_that_move_alike_are_the_cause() {
    let mut daemon = Daemon::new(judging());
    let minutes = |daemon: &mut Daemon, minutes: u64, web: f64, others: f64| {
        for _ in 0..minutes {
            for other in ["one", "two", "three"] {
                daemon.see(other, "/y", 20, others, 200);
            }
            daemon.live(1, Minute { seconds: web, ..SLOW });
        }
    };
    minutes(&mut daemon, 60, 2.5, 0.4);
    let id = daemon.found("slow_response");
    daemon.apply(&id).unwrap();
    daemon.fetch("web-1");
    minutes(&mut daemon, 40, 1.5, 0.2);
    let (outcome, reason) = daemon.outcome(&id).unwrap();
    assert_eq!(outcome, Outcome::Inconclusive);
    assert!(
        reason.contains("services that were not touched moved alike (+50 %, the median of 3)"),
        "{reason}"
    );
}

#[test]
fn one_change_of_a_service_is_judged_at_a_time() {
    let mut daemon = Daemon::new(judging());
    daemon.live(60, Minute { errors: 9, ..SLOW });
    let ids: Vec<_> = daemon.analyse().into_iter().map(|one| one.id).collect();
    assert_eq!(ids.len(), 3);
    daemon.apply(&ids[0]).unwrap();
    assert_eq!(daemon.apply(&ids[1]).unwrap_err(), Refusal::BeingJudged(ids[0].clone()));
    daemon.roll_back(&ids[0]).unwrap();
    daemon.apply(&ids[1]).unwrap();
}

#[test]
fn a_short_absence_is_survived_and_a_long_one_undoes_what_nobody_watched() {
    for (seconds, phase) in [(8 * MINUTE, Phase::Verifying), (11 * MINUTE, Phase::RolledBack)] {
        let (mut daemon, id) = applied();
        daemon.live(12, QUICK);
        daemon.now = daemon.now + Duration::from_secs(seconds);
        daemon.restart();
        assert_eq!(daemon.change(&id).phase, phase, "{seconds}");
    }
    let (mut daemon, id) = applied();
    for _ in 0..39 {
        daemon.live(1, QUICK);
        daemon.restart();
    }
    assert_eq!(daemon.change(&id).phase, Phase::Kept, "a restart each minute changes nothing");
}

#[test]
fn a_person_can_take_it_back_at_any_time() {
    for minutes in [1, 12, 45] {
        let (mut daemon, id) = applied();
        daemon.live(minutes, QUICK);
        daemon.roll_back(&id).unwrap();
        let change = daemon.change(&id);
        assert_eq!((change.phase, change.rollback.unwrap().trigger), (Phase::RolledBack, Trigger::Manual));
        assert!(!daemon.core.state.changes.has_open());
    }
}
