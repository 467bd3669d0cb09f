//! Changes that a platform carries out: every phase, every lie, and a crash between each pair of steps.

mod crashes;
mod keeping;
pub(super) mod plant;

use super::*;
use crate::domain::change::{Phase, Trigger};
use crate::domain::order::Order;
use crate::domain::play::{Play, Playbook, Want, Wanted};
use crate::domain::recommendation::{Kind, Status};
use shared::order::{Backend, Target};

use plant::{Fault, Plant, playbook};

impl Daemon {
    /// Does all that is wanted of the platform.
    pub(super) fn have_done(&mut self, plant: &mut Plant) {
        while let Some(work) = self.work.pop_front() {
            let event = match work {
                Work::Analyse { run, look } => Event::Analysed { run, detected: detect(&look) },
                Work::Inspect { look, aim } => {
                    let sight = plant.see(&look.service);
                    Event::Inspected { look, aim, sight }
                }
                Work::Carry(order) => {
                    self.assert_recorded(&order);
                    Event::Carried(Box::new(plant.carry(&order)))
                }
            };
            let decision = self.core.handle(event, self.now);
            self.take(decision);
        }
    }

    /// What an order begins from and what takes it back is on record before it is given.
    pub(super) fn assert_recorded(&self, order: &Order) {
        let is_it = |fact: &Value| {
            fact["type"] == "change_begun"
                && fact["platform"]["order"] == json!(order.change)
                && !fact["changes"][0]["before"].is_null()
                && !fact["inverse"][0]["after"].is_null()
        };
        assert!(self.journal.iter().any(|(_, fact)| is_it(fact)), "not on record: {order:?}");
    }

    /// Asks for a recommendation to be applied, as the API does; nothing is written yet.
    pub(super) fn begin(&mut self, id: &RecommendationId, plant: &Plant) -> Result<Change, Refusal> {
        let mut answer = self.send(Event::ApplyRequested { id: id.clone() });
        if let Answer::InspectFirst(look) = answer {
            let sight = plant.see(&look.service);
            answer = self.send(Event::Inspected { look, aim: Aim::Apply(Trigger::Manual), sight });
        }
        if let Answer::Refused(refusal) = answer {
            return Err(refusal);
        }
        let (Answer::Begun(change) | Answer::Applied(change)) = answer else { panic!("{answer:?}") };
        Ok(*change)
    }

    fn phase(&self, id: &RecommendationId) -> Phase {
        self.core.state.changes.of(id).unwrap().phase
    }

    fn ended(&self, id: &RecommendationId) -> String {
        self.core.state.changes.of(id).unwrap().platform.clone().unwrap().ended.unwrap_or_default()
    }

    /// So much time passes, and the platform does what it is told.
    fn go_on(&mut self, seconds: u64, plant: &mut Plant) {
        for _ in 0..seconds / 10 {
            self.pass(10);
            self.have_done(plant);
        }
    }
}

/// A daemon that recommends something for `web`, which a platform is to do.
fn recommending(judged: JudgedChanges) -> (Daemon, RecommendationId) {
    let mut daemon = Daemon::new(Policy { playbook: playbook(&["web"]), judged, ..policy() });
    daemon.see("web", "/x", 40, 2.5, 200);
    let id = daemon.only().id;
    // What is looked at to be shown is another story.
    daemon.work.clear();
    (daemon, id)
}

#[test]
fn a_change_is_on_record_before_a_platform_is_told_and_in_effect_once_it_is_read_back() {
    let (mut daemon, id) = recommending(JudgedChanges::All);
    let mut plant = Plant::new(Fault::None);
    let begun = daemon.begin(&id, &plant).unwrap();
    assert_eq!(
        (begun.changes[0].before.clone(), begun.changes[0].after.clone()),
        (Some(json!(2)), Some(json!(4)))
    );
    assert_eq!(begun.inverse[0].after, Some(json!(2)));
    assert_eq!(daemon.phase(&id), Phase::Applying);
    assert_eq!(daemon.recommendation(&id).status, Status::Pending);
    assert!(plant.written.is_empty());
    let again = daemon.begin(&id, &plant).unwrap_err();
    assert_eq!(again, Refusal::BeingJudged(id.clone()), "one change of a service at a time");
    let refused = daemon.send(Event::DismissalRequested { id: id.clone(), reason: None });
    assert!(matches!(refused, Answer::Refused(_)), "{refused:?}");
    daemon.have_done(&mut plant);
    assert_eq!((daemon.phase(&id), plant.value("web")), (Phase::Settling, json!(4)));
    assert_eq!(daemon.recommendation(&id).status, Status::Applied);
    assert_eq!(daemon.core.state.settings.of("web"), None, "nothing is published beside it");
}

#[test]
fn a_person_takes_it_back_and_waits_for_the_platform() {
    let (mut daemon, id) = recommending(JudgedChanges::None);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    let refused = daemon.send(Event::RollbackRequested { id: id.clone(), reason: "why".into() });
    assert!(matches!(refused, Answer::Refused(Refusal::NotExecutable(_))), "{refused:?}");
    daemon.have_done(&mut plant);
    assert_eq!(daemon.phase(&id), Phase::Unjudged);
    let answer = daemon.send(Event::RollbackRequested { id: id.clone(), reason: "why".into() });
    assert!(matches!(answer, Answer::Begun(_)), "{answer:?}");
    assert_eq!(daemon.phase(&id), Phase::RollingBack);
    let twice = daemon.send(Event::RollbackRequested { id: id.clone(), reason: "again".into() });
    assert!(matches!(twice, Answer::Begun(_)), "who asks again waits for the same: {twice:?}");
    daemon.have_done(&mut plant);
    assert_eq!((daemon.phase(&id), plant.value("web")), (Phase::RolledBack, json!(2)));
    assert_eq!(plant.written.len(), 2, "one order each way");
    assert_eq!(daemon.recommendation(&id).status, Status::RolledBack);
    assert_eq!(daemon.core.state.changes.rollbacks().next().unwrap().reason, "why");
}

/// What comes of applying something that a platform with this fault is to do.
fn applied_with(fault: Fault) -> (Phase, Value, usize) {
    let (mut daemon, id) = recommending(JudgedChanges::None);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    plant.fault = fault;
    daemon.have_done(&mut plant);
    plant.catch_up();
    daemon.go_on(600, &mut plant);
    (daemon.phase(&id), plant.value("web"), plant.written.len())
}

#[test]
fn what_a_platform_says_is_believed_only_as_far_as_it_shows() {
    assert_eq!(applied_with(Fault::None), (Phase::Unjudged, json!(4), 1));
    assert_eq!(applied_with(Fault::IsBlind), (Phase::Unjudged, json!(4), 1));
    assert_eq!(
        applied_with(Fault::IsSilent),
        (Phase::Unjudged, json!(4), 1),
        "it shows what its answer would say"
    );
    assert_eq!(
        applied_with(Fault::Lies),
        (Phase::Failed, json!(2), 1),
        "nothing was done, so nothing is undone"
    );
    assert_eq!(applied_with(Fault::Fails), (Phase::Failed, json!(2), 1));
    assert_eq!(applied_with(Fault::IsGone), (Phase::Failed, json!(2), 0));
}

#[test]
fn what_a_platform_does_after_its_answer_was_lost_is_taken_back() {
    let (mut daemon, id) = recommending(JudgedChanges::None);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    plant.fault = Fault::IsLate;
    daemon.have_done(&mut plant);
    assert_eq!(daemon.phase(&id), Phase::RollingBack);
    assert_eq!(plant.written.len(), 1, "what is late is waited for");
    plant.catch_up();
    plant.fault = Fault::None;
    assert_eq!(plant.value("web"), json!(4));
    daemon.go_on(60, &mut plant);
    assert_eq!((daemon.phase(&id), plant.value("web")), (Phase::RolledBack, json!(2)));
}

#[test]
fn what_somebody_else_has_changed_is_not_fought() {
    let (mut daemon, id) = recommending(JudgedChanges::None);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    plant.values.insert("web".into(), json!(7));
    daemon.have_done(&mut plant);
    assert_eq!((daemon.phase(&id), plant.written.len()), (Phase::Superseded, 0), "nothing is written");
    assert_eq!(daemon.ended(&id), "somebody else has changed it: size is 7");

    let (mut daemon, id) = recommending(JudgedChanges::None);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    daemon.have_done(&mut plant);
    plant.values.insert("web".into(), json!(7));
    daemon.send(Event::RollbackRequested { id: id.clone(), reason: "why".into() });
    daemon.have_done(&mut plant);
    assert_eq!((daemon.phase(&id), plant.value("web")), (Phase::Superseded, json!(7)));
    assert_eq!(daemon.recommendation(&id).status, Status::Failed);
}

#[test]
fn a_rollback_that_fails_is_tried_again_ever_more_slowly_until_it_succeeds() {
    let (mut daemon, id) = recommending(JudgedChanges::None);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    daemon.have_done(&mut plant);
    plant.fault = Fault::IsGone;
    daemon.send(Event::RollbackRequested { id: id.clone(), reason: "why".into() });
    daemon.have_done(&mut plant);
    assert_eq!(daemon.phase(&id), Phase::RollbackFailed);
    let due = |daemon: &Daemon| daemon.core.state.changes.of(&id).unwrap().undo_due().unwrap();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        pauses.push(due(&daemon).since(daemon.now).as_secs());
        let pause = pauses[pauses.len() - 1];
        daemon.pass(pause);
        daemon.have_done(&mut plant);
    }
    assert_eq!(pauses, [30, 60, 120, 240, 480, 900, 900]);
    let undo = daemon.core.state.changes.of(&id).unwrap().platform.clone().unwrap().undo.unwrap();
    assert_eq!((undo.failures, undo.failure.as_deref()), (8, Some("it is gone")));
    plant.fault = Fault::None;
    daemon.go_on(900, &mut plant);
    assert_eq!((daemon.phase(&id), plant.value("web")), (Phase::RolledBack, json!(2)));
}

#[test]
fn a_person_takes_over_what_cannot_be_taken_back() {
    let (mut daemon, id) = recommending(JudgedChanges::None);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    daemon.have_done(&mut plant);
    plant.fault = Fault::Fails;
    daemon.send(Event::RollbackRequested { id: id.clone(), reason: "why".into() });
    daemon.have_done(&mut plant);
    daemon.send(Event::DismissalRequested { id: id.clone(), reason: Some("I do it".into()) });
    assert_eq!(daemon.phase(&id), Phase::Superseded);
    assert_eq!(daemon.ended(&id), "a person has taken it over: I do it");
    let orders = plant.written.len();
    plant.fault = Fault::None;
    daemon.go_on(3_600, &mut plant);
    assert_eq!(plant.written.len(), orders, "it is not touched any more");
}

#[test]
fn an_analysis_looks_at_platforms_and_what_it_saw_is_shown() {
    let mut daemon = Daemon::new(Policy { playbook: playbook(&["web"]), ..policy() });
    daemon.see("web", "/x", 40, 2.5, 200);
    let mut plant = Plant::new(Fault::IsGone);
    let recommendation = daemon.only();
    assert_eq!(recommendation.changes, [], "only a look tells from what to what");
    daemon.have_done(&mut plant);
    let plan = |daemon: &Daemon| daemon.core.view(daemon.now).plans.get(&recommendation.id).cloned().unwrap();
    assert_eq!(plan(&daemon), Err("it is gone".to_owned().into()));
    plant.fault = Fault::None;
    daemon.only();
    daemon.have_done(&mut plant);
    let changes = plan(&daemon).unwrap();
    assert_eq!((changes[0].before.clone(), changes[0].after.clone()), (Some(json!(2)), Some(json!(4))));
    assert_eq!(plant.written.len(), 0);
}

#[test]
fn what_cannot_be_looked_at_is_believed_to_have_what_it_was_told_last() {
    let (mut daemon, first) = recommending(JudgedChanges::None);
    let mut plant = Plant::new(Fault::IsBlind);
    daemon.begin(&first, &plant).unwrap();
    daemon.have_done(&mut plant);
    daemon.pass(24 * 3_600);
    daemon.see("web", "/x", 40, 2.5, 200);
    let second = daemon.only().id;
    let refusal = daemon.begin(&second, &plant).unwrap_err().to_string();
    assert_eq!(refusal, "size of webhook:scaler/web is 4, and is changed only from 2");
    daemon.send(Event::RollbackRequested { id: first, reason: "why".into() });
    daemon.have_done(&mut plant);
    assert!(daemon.begin(&second, &plant).is_ok(), "it has 2 again");
}

#[test]
fn a_plan_says_what_would_be_done_and_changes_nothing() {
    let (mut daemon, id) = recommending(JudgedChanges::None);
    let plant = Plant::new(Fault::None);
    let (facts, state) = (daemon.journal.len(), daemon.core.state.clone());
    let Answer::InspectFirst(look) = daemon.send(Event::PlanRequested { id: id.clone() }) else { panic!() };
    let sight = plant.see("web");
    let Answer::Planned(plan) = daemon.send(Event::Inspected { look, aim: Aim::Plan, sight }) else {
        panic!()
    };
    assert_eq!(plan.result.details, "webhook:scaler/web for web: size: 2 -> 4");
    assert_eq!((daemon.journal.len(), daemon.work.len()), (facts, 0));
    assert_eq!(daemon.core.state, state);
}

#[test]
fn what_cannot_be_looked_at_is_refused_with_the_reason() {
    let (mut daemon, id) = recommending(JudgedChanges::None);
    let refusal = daemon.begin(&id, &Plant::new(Fault::IsGone)).unwrap_err();
    assert_eq!(refusal, Refusal::NotExecutable("it is gone".into()));
    let mut plant = Plant::new(Fault::None);
    plant.values.insert("web".into(), json!(64));
    let refusal = daemon.begin(&id, &plant).unwrap_err();
    assert_eq!(refusal, Refusal::NotExecutable("webhook:scaler/web has all of it already".into()));
    plant.values.insert("web".into(), json!(3));
    let refusal = daemon.begin(&id, &plant).unwrap_err().to_string();
    assert_eq!(refusal, "size of webhook:scaler/web is 3, and is changed only from 2");
    assert_eq!(daemon.recommendation(&id).status, Status::Pending);
}

#[test]
fn what_was_read_back_needs_no_instance_to_fetch_it_and_is_judged() {
    for (factor, expected, value) in [(0.4, Phase::Kept, 4), (1.0, Phase::RolledBack, 2)] {
        let policy = Policy { playbook: playbook(&["web"]), judged: JudgedChanges::All, ..policy() };
        let mut daemon = Daemon::new(policy);
        let mut plant = Plant::new(Fault::None);
        let mut live = |daemon: &mut Daemon, minutes: u32, seconds: f64| {
            for minute in 0..minutes {
                daemon.see("web", "/x", 20, seconds * (1.0 + f64::from(minute % 7) / 50.0), 200);
                daemon.pass(60);
                daemon.have_done(&mut plant);
            }
            plant.value("web")
        };
        live(&mut daemon, 60, 2.5);
        let id = daemon.analyse().into_iter().find(|one| one.is_like("web", "slow_response")).unwrap().id;
        daemon.begin(&id, &Plant::new(Fault::None)).unwrap();
        let present = live(&mut daemon, 45, 2.5 * factor);
        assert_eq!((daemon.phase(&id), present), (expected, json!(value)));
    }
}

#[test]
fn a_change_of_the_daemons_own_is_looked_at_applied_and_bounded_like_any() {
    let policy = Policy {
        playbook: playbook(&["web", "api"]),
        judged: JudgedChanges::All,
        auto_apply: true,
        shape: hardly_a_day(),
        ..policy()
    };
    let mut daemon = Daemon::new(policy);
    let mut plant = Plant::new(Fault::None);
    for _ in 0..20 {
        daemon.see("web", "/x", 15, 6.0, 200);
        daemon.see("api", "/x", 15, 6.0, 200);
        daemon.pass(60);
    }
    daemon.send(Event::AnalysisRequested);
    daemon.have_done(&mut plant);
    assert_eq!(plant.written.len(), 1, "one in the air at a time, although both were looked at");
    let all = daemon.core.state.recommendations.in_order();
    let held_back = all.iter().find(|one| one.status == Status::Pending).unwrap();
    assert!(held_back.held_back.as_deref().unwrap().contains("is still being judged"), "{held_back:?}");
}

#[test]
fn a_later_change_of_the_same_value_is_taken_back_first() {
    let (mut daemon, first) = recommending(JudgedChanges::None);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&first, &plant).unwrap();
    daemon.have_done(&mut plant);
    daemon.pass(24 * 3_600);
    let target = Target { backend: Backend::Webhook, name: "scaler/web".to_owned() };
    let to = Wanted::Plus { more: 1.0, up_to: None };
    let wants = vec![Want {
        key: "size".into(),
        instead: None,
        from: None,
        to,
        decimals: Some(0),
        may_be_unset: true,
    }];
    let playbook = Playbook::new(
        [(("web".into(), Kind::Performance), Play { target, wants, keeps_previous: false })].into(),
    );
    daemon.send(Event::PolicyChanged(Policy { playbook, judged: JudgedChanges::None, ..policy() }));
    daemon.see("web", "/x", 40, 2.5, 200);
    let second = daemon.only().id;
    daemon.begin(&second, &plant).unwrap();
    daemon.have_done(&mut plant);
    assert_eq!(plant.value("web"), json!(5));
    let refused = daemon.send(Event::RollbackRequested { id: first.clone(), reason: "why".into() });
    assert!(matches!(refused, Answer::Refused(Refusal::Superseded(_))), "{refused:?}");
    for id in [&second, &first] {
        daemon.send(Event::RollbackRequested { id: id.clone(), reason: "why".into() });
        daemon.have_done(&mut plant);
    }
    assert_eq!(plant.value("web"), json!(2));
}
