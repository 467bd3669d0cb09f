use serde_json::json;

use super::*;

fn status(state: State, failures: u32, error: &str) -> ServiceStatus {
    ServiceStatus { state, failures, error: Some(error.to_owned()) }
}

fn snapshot(status: ServiceStatus, recoveries: Vec<Recovery>, pid: u32) -> Snapshot {
    Snapshot {
        services: [("web".to_owned(), status)].into(),
        recoveries,
        pids: [("web".to_owned(), pid)].into(),
        ..Snapshot::default()
    }
}

fn recovery(members: serde_json::Value) -> Recovery {
    let mut recovery = json!({
        "recovery_id": "r1", "service": "web", "trigger": "automatic", "action": "restart",
        "target": {"backend": "command", "name": "web"}, "phase": "finished",
        "attempt": 1, "started_at": "2026-11-23T16:00:00Z",
    });
    let (into, from) = (recovery.as_object_mut().unwrap(), members.as_object().unwrap());
    into.extend(from.clone());
    serde_json::from_value(recovery).unwrap()
}

fn told(narrator: &mut Narrator, snapshot: &Snapshot) -> Vec<String> {
    narrator.observe(snapshot).into_iter().map(|line| line.text).collect()
}

#[test]
fn a_failure_is_told_once_and_counted_against_its_limit() {
    let mut narrator = Narrator::default();
    let first = snapshot(status(State::Suspect, 1, "connection refused"), vec![], 7);
    assert_eq!(told(&mut narrator, &first), ["health-monitor sees: connection refused (1 of 3)"]);
    assert_eq!(told(&mut narrator, &first), [""; 0]);
    let silent = snapshot(status(State::Suspect, 2, "accepted, then silent"), vec![], 7);
    assert_eq!(told(&mut narrator, &silent), ["health-monitor sees: accepted, then silent (2 of 4)"]);
}

#[test]
fn failures_beyond_the_limit_are_told_only_now_and_then() {
    let mut narrator = Narrator::default();
    let failing = |failures| snapshot(status(State::Unhealthy, failures, "HTTP 500"), vec![], 7);
    let lines: Vec<String> = (1..=20).flat_map(|failures| told(&mut narrator, &failing(failures))).collect();
    let counts = ["1 of 3", "2 of 3", "3 of 3", "10 in a row", "20 in a row"];
    assert_eq!(lines, counts.map(|count| format!("health-monitor sees: HTTP 500 ({count})")));
}

#[test]
fn a_recovery_that_was_missed_while_it_ran_is_still_told_in_order() {
    let mut narrator = Narrator::default();
    narrator.introduce("web", 7);
    let recovered = recovery(json!({
        "outcome": "recovered", "accepted_at": "2026-11-23T16:00:00.1Z", "time_to_recover_seconds": 2.04,
        "instance_changed_at": "2026-11-23T16:00:00.2Z", "verified_at": "2026-11-23T16:00:01Z",
    }));
    let after = snapshot(status(State::Healthy, 0, ""), vec![recovered], 8);
    assert_eq!(
        told(&mut narrator, &after),
        [
            "restart ordered through command, automatic, attempt 1",
            "a new process answers: pid 8, was 7",
            "restart done after 0.1 s",
            "health-monitor sees another instance; now its checks must pass",
            "verified and recovered, 2.0 s after the first failed check",
        ]
    );
    assert_eq!(told(&mut narrator, &after), [""; 0]);
}

#[test]
fn the_last_check_before_a_restart_is_told_apart_from_the_order() {
    let mut narrator = Narrator::default();
    for (phase, expected) in [
        ("preflight", "automatic recovery, attempt 1: one last check before the restart"),
        ("acting", "restart ordered through command, automatic, attempt 1"),
    ] {
        let recovery = recovery(json!({ "phase": phase }));
        let now = snapshot(status(State::Recovering, 0, ""), vec![recovery], 7);
        assert_eq!(told(&mut narrator, &now), [expected]);
    }
}

#[test]
fn a_refusal_is_not_told_as_an_order() {
    let refused = recovery(json!({ "outcome": "suppressed", "reason": "the last attempt is too recent" }));
    let held = snapshot(status(State::Unhealthy, 0, ""), vec![refused], 7);
    assert_eq!(told(&mut Narrator::default(), &held), ["no restart: the last attempt is too recent"]);
}
