//! What becomes of a recommendation: applied, taken back, approved, dismissed, expired.

use super::*;
use crate::domain::change::Trigger;
use crate::domain::recommendation::Status;

const HOUR: u64 = 3_600;

/// A daemon that has just recommended a cache for `web`.
fn recommending() -> (Daemon, RecommendationId) {
    let mut daemon = Daemon::new(policy());
    daemon.see("web", "/x", 40, 2.5, 200);
    let id = daemon.only().id;
    (daemon, id)
}

#[test]
fn applying_publishes_the_setting_and_rolling_back_restores_what_was_there() {
    let (mut daemon, id) = recommending();
    assert_eq!(daemon.setting("web", "response-cache"), None);
    let change = daemon.apply(&id).unwrap();
    assert_eq!(change.result.details, "Published for web: response-cache: unset -> true");
    assert_eq!((change.baseline.metrics.throughput, change.baseline.metrics.avg_response_time), (40, 2.5));
    assert_eq!(daemon.setting("web", "response-cache"), Some(json!(true)));
    assert_eq!(daemon.setting("other", "response-cache"), None);
    daemon.roll_back(&id).unwrap();
    assert_eq!(daemon.setting("web", "response-cache"), None);
    assert_eq!(daemon.recommendation(&id).status, Status::RolledBack);
}

#[test]
fn everything_is_there_after_a_crash() {
    let (mut daemon, id) = recommending();
    daemon.apply(&id).unwrap();
    daemon.restart();
    assert_eq!(daemon.setting("web", "response-cache"), Some(json!(true)));
    assert_eq!(daemon.recommendation(&id).status, Status::Applied);
    daemon.roll_back(&id).unwrap();
    daemon.restart();
    assert_eq!(daemon.setting("web", "response-cache"), None);
    assert_eq!(daemon.core.view(daemon.now).changes.rollbacks().len(), 1);
}

#[test]
fn another_analysis_of_the_same_day_does_not_reset_what_was_applied() {
    let (mut daemon, id) = recommending();
    let applied_at = daemon.apply(&id).unwrap().applied_at;
    daemon.pass(HOUR);
    daemon.see("web", "/x", 1, 9.0, 200);
    let again = daemon.only();
    assert_eq!((&again.id, again.status, again.applied_at), (&id, Status::Applied, Some(applied_at)));
    assert_eq!(again.changes, daemon.core.view(daemon.now).changes.of(&id).unwrap().changes);
    daemon.roll_back(&id).unwrap();
    assert_eq!(daemon.only().status, Status::RolledBack);
}

#[test]
fn what_was_done_already_is_refused() {
    let (mut daemon, id) = recommending();
    let unknown = RecommendationId::named("000000000000");
    assert_eq!(daemon.apply(&unknown).unwrap_err(), Refusal::Unknown);
    assert_eq!(daemon.roll_back(&unknown).unwrap_err(), Refusal::Unknown);
    assert_eq!(daemon.roll_back(&id).unwrap_err(), Refusal::NotApplied(Status::Pending));
    daemon.apply(&id).unwrap();
    assert_eq!(daemon.apply(&id).unwrap_err(), Refusal::AlreadyProcessed(Status::Applied));
    daemon.roll_back(&id).unwrap();
    assert_eq!(daemon.apply(&id).unwrap_err(), Refusal::AlreadyProcessed(Status::RolledBack));
    assert_eq!(daemon.roll_back(&id).unwrap_err(), Refusal::NotApplied(Status::RolledBack));
}

#[test]
fn a_change_that_would_change_nothing_is_refused() {
    let (mut daemon, id) = recommending();
    daemon.apply(&id).unwrap();
    daemon.pass(24 * HOUR);
    daemon.see("web", "/x", 40, 2.5, 200);
    let tomorrow = daemon.only();
    assert_ne!(tomorrow.id, id);
    let refusal = daemon.apply(&tomorrow.id).unwrap_err();
    assert_eq!(refusal, Refusal::NotExecutable("web is told all of it already: GET /settings/web".into()));
}

#[test]
fn an_earlier_change_is_not_taken_back_from_under_a_later_one() {
    let mut daemon = Daemon::new(policy());
    daemon.see("web", "/x", 1_001, 0.1, 200);
    let first = daemon.only().id;
    daemon.apply(&first).unwrap();
    daemon.pass(14 * HOUR);
    let second = daemon.only().id;
    assert_ne!(second, first, "another day");
    daemon.apply(&second).unwrap();
    assert_eq!(daemon.setting("web", "minimum-replicas"), Some(json!(3)));
    assert!(matches!(daemon.roll_back(&first), Err(Refusal::Superseded(_))));
    daemon.roll_back(&second).unwrap();
    assert_eq!(daemon.setting("web", "minimum-replicas"), Some(json!(2)));
    daemon.roll_back(&first).unwrap();
    assert_eq!(daemon.setting("web", "minimum-replicas"), None);
}

#[test]
fn what_matters_is_applied_without_asking_only_where_the_operator_wants_that() {
    for (auto_apply, expected) in [(false, Status::Pending), (true, Status::Applied)] {
        let mut daemon = Daemon::new(Policy { auto_apply, shape: hardly_a_day(), ..policy() });
        daemon.pass(HOUR * 3 / 4);
        for _ in 0..15 {
            daemon.see("critical", "/x", 4, 0.1, 500);
            daemon.see("medium", "/x", 4, 2.5, 200);
            daemon.see("thin", "/x", 1, 0.1, 500);
            daemon.pass(60);
        }
        let view = daemon.core.view(daemon.now);
        let status = |service: &str| {
            let all = view.recommendations.in_order();
            all.into_iter().find(|r| &*r.target_service == service).unwrap().status
        };
        assert_eq!(status("critical"), expected);
        assert_eq!((status("medium"), status("thin")), (Status::Pending, Status::Pending));
        let triggers: Vec<_> = view.changes.iter().map(|change| change.trigger).collect();
        assert_eq!(triggers, vec![Trigger::Automatic; usize::from(auto_apply)]);
    }
}

#[test]
fn what_a_person_approves_of_is_applied_by_the_next_analysis() {
    let (mut daemon, id) = recommending();
    daemon.send(Event::ApprovalRequested { id: id.clone() });
    assert!(daemon.recommendation(&id).is_approved);
    daemon.pass(HOUR + 1);
    assert_eq!(daemon.recommendation(&id).status, Status::Applied);
}

#[test]
fn an_approval_outlives_midnight() {
    let (mut daemon, id) = recommending();
    daemon.pass(13 * HOUR + 1_800);
    daemon.send(Event::ApprovalRequested { id: id.clone() });
    daemon.pass(HOUR);
    let view = daemon.core.view(daemon.now);
    assert_eq!(daemon.recommendation(&id).status, Status::Expired, "it has another identity today");
    assert_eq!(view.recommendations.count(Status::Applied), 1);
}

#[test]
fn what_was_taken_back_is_not_applied_again_by_itself_because_of_midnight() {
    let mut daemon = Daemon::new(Policy { auto_apply: true, shape: hardly_a_day(), ..policy() });
    daemon.see("web", "/x", 40, 0.1, 500);
    let id = daemon.only().id;
    assert_eq!(daemon.recommendation(&id).status, Status::Applied);
    daemon.pass(13 * HOUR);
    daemon.roll_back(&id).unwrap();
    daemon.pass(8 * HOUR);
    let view = daemon.core.view(daemon.now);
    assert_eq!(
        (view.recommendations.count(Status::Applied), view.recommendations.count(Status::Pending)),
        (0, 1)
    );
}

#[test]
fn what_a_person_dismisses_stays_dismissed_that_day() {
    let (mut daemon, id) = recommending();
    daemon.send(Event::DismissalRequested { id: id.clone(), reason: Some("it is a batch job".into()) });
    daemon.pass(2 * HOUR);
    let dismissed = daemon.only();
    assert_eq!(dismissed.status, Status::Dismissed);
    assert_eq!(dismissed.history.last().unwrap().reason, "it is a batch job");
    assert_eq!(daemon.apply(&id).unwrap_err(), Refusal::AlreadyProcessed(Status::Dismissed));
}

#[test]
fn what_no_analysis_has_found_reason_for_expires_after_a_day() {
    let mut daemon = Daemon::new(Policy { shape: Shape { window_hours: 1, ..Shape::default() }, ..policy() });
    daemon.see("web", "/x", 40, 2.5, 200);
    let id = daemon.only().id;
    daemon.pass(23 * HOUR);
    assert_eq!(daemon.recommendation(&id).status, Status::Pending);
    daemon.pass(2 * HOUR);
    assert_eq!(daemon.recommendation(&id).status, Status::Expired);
}

#[test]
fn what_is_still_pending_is_replaced_by_the_recommendation_of_the_new_day() {
    let (mut daemon, id) = recommending();
    daemon.pass(15 * HOUR);
    let today = daemon.only();
    assert_ne!(today.id, id);
    assert_eq!((daemon.recommendation(&id).status, today.status), (Status::Expired, Status::Pending));
    let reason = daemon.recommendation(&id).history.last().unwrap().reason.clone();
    assert_eq!(reason, format!("replaced by {}, which says the same of today", today.id));
}

#[test]
fn a_pause_holds_back_changes_and_ends_by_itself_and_lets_rollbacks_through() {
    let (mut daemon, id) = recommending();
    daemon.see("failing", "/x", 40, 0.1, 500);
    let other = daemon.analyse().into_iter().find(|r| r.id != id).unwrap().id;
    daemon.apply(&other).unwrap();
    let pause = Pause { since: daemon.now, until: Some(daemon.now + Duration::from_secs(60)), reason: None };
    daemon.send(Event::PauseRequested(pause.clone()));
    assert_eq!(daemon.apply(&id).unwrap_err(), Refusal::Paused(pause));
    daemon.roll_back(&other).unwrap();
    daemon.restart();
    assert!(matches!(daemon.apply(&id), Err(Refusal::Paused(_))), "it survives a crash");
    daemon.pass(61);
    assert!(daemon.core.view(daemon.now).pause.is_none());
    daemon.apply(&id).unwrap();
}

#[test]
fn a_delivery_is_noted_once_for_each_instance_and_version() {
    let (mut daemon, id) = recommending();
    let version = daemon.apply(&id).unwrap().version;
    let before = daemon.journal.len();
    for instance in ["web-1", "web-2", "web-1"] {
        let event = Event::SettingsFetched { service: "web".into(), instance: instance.into(), version };
        let decision = daemon.core.handle(event, daemon.now);
        daemon.take(decision);
    }
    assert_eq!(daemon.journal.len(), before + 2);
    let unknown =
        Event::SettingsFetched { service: "web".into(), instance: "web-3".into(), version: version + 9 };
    let decision = daemon.core.handle(unknown, daemon.now);
    assert!(decision.facts.is_empty(), "nobody can have a version that does not exist");
}

#[test]
fn strangers_who_ask_as_many_instances_push_nobody_out() {
    let (mut daemon, id) = recommending();
    let version = daemon.apply(&id).unwrap().version;
    let mut recorded = 0;
    for number in 0..500 {
        let event =
            Event::SettingsFetched { service: "web".into(), instance: format!("i{number}").into(), version };
        let decision = daemon.core.handle(event, daemon.now);
        recorded += decision.facts.len();
        daemon.take(decision);
    }
    assert_eq!(recorded, 100);
    let settings = daemon.core.state.settings.of("web").unwrap().clone();
    assert!(settings.deliveries.contains_key("i0") && settings.deliveries.len() == 100);
}
