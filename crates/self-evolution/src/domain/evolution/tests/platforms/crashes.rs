//! A crash between each pair of steps of a change that a platform carries out.

use super::*;

/// A crash after the intent was recorded; the platform has carried it out before that, or has not.
fn crashed_while_applying(was_carried_out: bool, away: u64, fault: Fault) -> (Phase, Value, usize) {
    let (mut daemon, id) = recommending(JudgedChanges::All);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    let Some(Work::Carry(order)) = daemon.work.pop_front() else { panic!("no order") };
    if was_carried_out {
        plant.carry(&order);
    }
    daemon.pass(away);
    plant.fault = fault;
    daemon.restart();
    daemon.have_done(&mut plant);
    plant.fault = Fault::None;
    daemon.go_on(120, &mut plant);
    (daemon.phase(&id), plant.value("web"), plant.written.len())
}

#[test]
fn after_a_crash_while_applying_reality_is_looked_at_and_it_is_finished_or_undone() {
    assert_eq!(crashed_while_applying(true, 5, Fault::None), (Phase::Settling, json!(4), 1));
    assert_eq!(crashed_while_applying(false, 5, Fault::None), (Phase::Failed, json!(2), 0), "never repeated");
    assert_eq!(crashed_while_applying(true, 600, Fault::None), (Phase::RolledBack, json!(2), 2), "unwatched");
    assert_eq!(crashed_while_applying(true, 5, Fault::IsGone), (Phase::RolledBack, json!(2), 2), "in doubt");
    assert_eq!(crashed_while_applying(false, 5, Fault::IsGone), (Phase::Failed, json!(2), 0));
}

#[test]
fn after_a_crash_while_it_is_taken_back_that_goes_on() {
    for was_carried_out in [true, false] {
        let (mut daemon, id) = recommending(JudgedChanges::All);
        let mut plant = Plant::new(Fault::None);
        daemon.begin(&id, &plant).unwrap();
        daemon.have_done(&mut plant);
        daemon.send(Event::RollbackRequested { id: id.clone(), reason: "why".into() });
        let Some(Work::Carry(order)) = daemon.work.pop_front() else { panic!("no order") };
        if was_carried_out {
            plant.carry(&order);
        }
        daemon.restart();
        let again = daemon.work.iter().find_map(|work| match work {
            Work::Carry(order) => Some(order.key()),
            Work::Inspect { .. } | Work::Analyse { .. } => None,
        });
        assert_eq!(again, Some(order.key()), "the same order has the same identity");
        daemon.have_done(&mut plant);
        assert_eq!((daemon.phase(&id), plant.value("web")), (Phase::RolledBack, json!(2)));
        assert_eq!(plant.written.len(), 2, "what was carried out is not repeated");
    }
}

#[test]
fn a_change_that_was_unwatched_for_long_is_taken_back_from_the_platform() {
    let (mut daemon, id) = recommending(JudgedChanges::All);
    let mut plant = Plant::new(Fault::None);
    daemon.begin(&id, &plant).unwrap();
    daemon.have_done(&mut plant);
    daemon.now = daemon.now + Duration::from_secs(601);
    daemon.restart();
    daemon.have_done(&mut plant);
    assert_eq!((daemon.phase(&id), plant.value("web")), (Phase::RolledBack, json!(2)));
    let verdict = daemon.core.state.changes.of(&id).unwrap().verdict.clone().unwrap();
    assert_eq!(verdict.reason, "inconclusive: nobody watched it for 601 seconds");
}
