//! What a platform keeps of before: until the verdict, and discarded once the change stays.

use super::*;
use crate::domain::order::{Sight, Stage, Standing};

/// A daemon that recommends something for `web`, which a platform does and keeps what was before.
fn keeping(judged: JudgedChanges) -> (Daemon, RecommendationId) {
    let target = Target { backend: Backend::Docker, name: "web".to_owned() };
    let to = Wanted::Value(json!(4));
    let wants = vec![Want {
        key: "size".into(),
        instead: None,
        from: None,
        to,
        decimals: Some(0),
        may_be_unset: true,
    }];
    let play = Play { target, wants, keeps_previous: true };
    let playbook = Playbook::new([(("web".into(), Kind::Performance), play)].into());
    let mut daemon = Daemon::new(Policy { playbook, judged, ..policy() });
    daemon.see("web", "/x", 40, 2.5, 200);
    let id = daemon.only().id;
    daemon.work.clear();
    (daemon, id)
}

fn keeps(daemon: &Daemon, id: &RecommendationId) -> bool {
    daemon.core.state.changes.of(id).unwrap().platform.as_ref().unwrap().keeps_previous
}

#[test]
fn what_was_before_is_kept_while_a_verdict_is_to_come_and_serves_the_way_back() {
    let (mut daemon, id) = keeping(JudgedChanges::All);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    daemon.have_done(&mut plant);
    daemon.go_on(120, &mut plant);
    assert_eq!((daemon.phase(&id), keeps(&daemon, &id), plant.discarded), (Phase::Settling, true, 0));
    daemon.send(Event::RollbackRequested { id: id.clone(), reason: "why".into() });
    daemon.have_done(&mut plant);
    let back = plant.written.last().unwrap();
    assert_eq!((back.stage, back.is_kept), (Stage::Rollback, true));
    assert_eq!((daemon.phase(&id), plant.discarded), (Phase::RolledBack, 0));
}

#[test]
fn what_was_before_is_discarded_once_nothing_is_waited_for_and_that_is_tried_again_across_a_crash() {
    let (mut daemon, id) = keeping(JudgedChanges::None);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    let Some(Work::Carry(order)) = daemon.work.pop_front() else { panic!("no order") };
    let carried = plant.carry(&order);
    plant.fault = Fault::IsGone;
    let decision = daemon.core.handle(Event::Carried(Box::new(carried)), daemon.now);
    daemon.take(decision);
    let refused = daemon.send(Event::RollbackRequested { id: id.clone(), reason: "why".into() });
    assert!(matches!(refused, Answer::Refused(Refusal::NotExecutable(_))), "it is under way: {refused:?}");
    daemon.have_done(&mut plant);
    assert!(keeps(&daemon, &id), "the engine was gone");
    assert!(!daemon.core.state.changes.has_open(), "nobody waits for it");
    daemon.restart();
    daemon.have_done(&mut plant);
    plant.fault = Fault::None;
    daemon.go_on(600, &mut plant);
    assert_eq!((daemon.phase(&id), keeps(&daemon, &id), plant.discarded), (Phase::Unjudged, false, 1));
    daemon.send(Event::RollbackRequested { id: id.clone(), reason: "why".into() });
    daemon.have_done(&mut plant);
    assert!(!plant.written.last().unwrap().is_kept, "there is nothing left to put back");
    assert_eq!((daemon.phase(&id), plant.value("web")), (Phase::RolledBack, json!(2)));
}

#[test]
fn several_instances_stand_where_all_of_them_stand() {
    let (mut daemon, id) = keeping(JudgedChanges::None);
    let change = daemon.begin(&id, &Plant::new(Fault::None)).unwrap();
    let standing = |sizes: &[u64]| {
        let values = |size: &u64| [("size".to_owned(), Some(json!(size)))].into();
        Standing::of(&change.changes, &Sight::Several(sizes.iter().map(values).collect()))
    };
    assert_eq!((standing(&[2, 2]), standing(&[4, 4])), (Standing::Before, Standing::After));
    assert_eq!((standing(&[2, 4]), standing(&[4, 2, 2])), (Standing::Between, Standing::Between));
    assert_eq!(standing(&[2, 4, 7]), Standing::Elsewhere("size is 7".to_owned()));
}
