//! What becomes of reported usage.

use super::*;
use crate::domain::window::{MOST_ENDPOINTS, MOST_KEYS, MOST_SERVICES, OTHER, UNMATCHED};

#[test]
fn every_event_is_counted_whatever_its_path() {
    let mut daemon = Daemon::new(policy());
    let event = |number: usize| {
        let status = [200, 404, 503][number % 3];
        json!({
            "service": format!("service-{}", number % 300), "endpoint": format!("/a{number}x/b"),
            "response_time": 0.1, "status_code": status
        })
    };
    for batch in 0..5 {
        daemon.report((batch * 1_000..(batch + 1) * 1_000).map(event).collect());
    }
    let view = daemon.core.view(daemon.now);
    assert_eq!(view.totals.events, 5_000);
    assert!(view.endpoints <= MOST_KEYS + 2 * MOST_SERVICES, "{}", view.endpoints);
    let all = daemon.policy.shape.window(daemon.now);
    let counted: u64 = daemon.core.state.window.keys().map(|key| key.series.counters(&all).requests).sum();
    assert_eq!(counted, 5_000);
}

#[test]
fn a_path_under_which_nothing_was_found_is_told_apart_once_something_was() {
    let mut daemon = Daemon::new(policy());
    daemon.see("web", "/secret", 3, 0.1, 404);
    daemon.see("web", "/secret", 1, 0.1, 200);
    daemon.see("web", "/secret", 2, 0.1, 404);
    let requests =
        |endpoint| daemon.core.state.window.series("web", endpoint).map(|series| series.requests());
    assert_eq!((requests(UNMATCHED), requests("/secret")), (Some(3), Some(3)));
}

#[test]
fn an_event_is_counted_when_it_happened() {
    let mut daemon = Daemon::new(policy());
    let event = |timestamp: Timestamp| {
        json!({
            "service": "web", "endpoint": "/x", "response_time": 0.1, "status_code": 200, "timestamp": timestamp
        })
    };
    let (early, late) = (daemon.now - Duration::from_secs(540), daemon.now + Duration::from_secs(540));
    daemon.report(vec![event(early), event(late)]);
    let shape = daemon.policy.shape;
    let series = daemon.core.state.window.series("web", "/x").unwrap();
    for at in [early, late] {
        let slot = shape.slot(at);
        assert_eq!(series.counters(&(slot..slot + 1)).requests, 1);
    }
}

#[test]
fn a_report_without_events_records_nothing() {
    let mut daemon = Daemon::new(policy());
    let before = daemon.journal.len();
    daemon.report(Vec::new());
    assert_eq!(daemon.journal.len(), before);
}

#[test]
fn strangers_who_try_many_paths_change_nothing_of_what_is_known() {
    let mut daemon = Daemon::new(policy());
    daemon.see("web", "/login", 5, 0.1, 200);
    for number in 0..300 {
        daemon.see("web", &format!("/try{number}x"), 1, 0.1, 404);
    }
    daemon.see("web", "/predict", 5, 0.1, 200);
    let endpoints: Vec<_> = daemon.core.state.window.keys().map(|key| key.endpoint.to_string()).collect();
    assert_eq!(endpoints, ["/login", "/predict", UNMATCHED]);
}

#[test]
fn values_that_are_learnt_within_one_report_leave_no_endpoint_of_their_own() {
    let mut daemon = Daemon::new(policy());
    let event = |number: usize| {
        json!({
            "service": "web", "endpoint": format!("/users/user-{number}x"), "response_time": 0.1, "status_code": 200
        })
    };
    daemon.report((0..50).map(event).collect());
    let keys: Vec<_> =
        daemon.core.state.window.keys().map(|k| (k.endpoint.to_string(), k.series.requests())).collect();
    assert_eq!(keys, [("/users/{*}".to_owned(), 50)]);
}

#[test]
fn errors_of_a_path_that_answers_in_the_same_report_are_its_own() {
    let mut daemon = Daemon::new(policy());
    let event = |number: usize| {
        let status = if number.is_multiple_of(2) { 404 } else { 200 };
        json!({"service": "web", "endpoint": "/x", "response_time": 0.1, "status_code": status})
    };
    daemon.report((0..40).map(event).collect());
    assert_eq!(daemon.core.state.window.series("web", "/x").unwrap().requests(), 40);
}

#[test]
fn buckets_grow_coarse_without_any_analysis() {
    let mut daemon = Daemon::new(Policy { analysis_interval: Duration::from_secs(7 * 86_400), ..policy() });
    for _ in 0..600 {
        daemon.see("web", "/x", 1, 0.1, 200);
        daemon.pass(60);
    }
    assert_eq!(daemon.core.view(daemon.now).totals.analyses, 0);
    let written = serde_json::to_string(daemon.core.state.window.series("web", "/x").unwrap()).unwrap();
    assert!(written.len() < 14_000, "{} bytes for ten hours", written.len());
}

/// So many services, each with 10 endpoints of which each was asked for twice a minute for two minutes.
fn crowded(services: usize, endpoints: usize) -> Daemon {
    let mut daemon = Daemon::new(policy());
    for _ in 0..2 {
        for service in 0..services {
            for endpoint in 0..endpoints {
                let endpoint = format!("/t{}/c{}", endpoint / 10, endpoint % 10);
                daemon.see(&format!("service-{service}"), &endpoint, 2, 0.1, 200);
            }
        }
        daemon.pass(60);
    }
    daemon
}

/// Requests of a key since the start; none where it is not told apart.
fn requests(daemon: &Daemon, service: &str, endpoint: &str) -> Option<u64> {
    daemon.core.state.window.series(service, endpoint).map(|series| series.requests())
}

fn requests_of_all(daemon: &Daemon) -> u64 {
    daemon.core.state.window.keys().map(|key| key.series.requests()).sum()
}

#[test]
fn a_busy_newcomer_takes_the_place_of_the_quietest_endpoint_of_its_service() {
    let mut daemon = crowded(1, MOST_ENDPOINTS);
    daemon.see("service-0", "/t5/c5", 7, 0.1, 200);
    let before = requests_of_all(&daemon);
    for _ in 0..3 {
        daemon.see("service-0", "/new/busy", 90, 0.1, 200);
        daemon.see("service-0", "/new/quiet", 3, 0.1, 200);
        daemon.pass(60);
    }
    daemon.see("service-0", "/new/busy", 1, 0.1, 200);
    assert!(requests(&daemon, "service-0", "/new/busy").is_some(), "it is told apart");
    assert_eq!(requests(&daemon, "service-0", "/new/quiet"), None, "it is not busy");
    assert!(requests(&daemon, "service-0", "/t5/c5").is_some(), "it is not the quietest");
    assert_eq!(daemon.core.state.window.len(), MOST_ENDPOINTS + 1);
    assert_eq!(requests_of_all(&daemon), before + 3 * 93 + 1);
    daemon.pass(60);
    daemon.see("service-0", "/new/busy", 20, 0.1, 200);
    let alone = requests(&daemon, "service-0", "/new/busy").unwrap();
    assert!(alone >= 21, "{alone}: from then on it is counted on its own");
}

#[test]
fn a_busy_service_beyond_the_bound_takes_the_place_of_the_quietest_service() {
    let mut daemon = crowded(MOST_SERVICES - 1, 1);
    daemon.see("service-7", "/t0/c0", 5, 0.1, 200);
    let before = requests_of_all(&daemon);
    for _ in 0..2 {
        daemon.see("newcomer", "/x", 120, 0.1, 200);
        daemon.pass(60);
    }
    daemon.see("newcomer", "/x", 1, 0.1, 200);
    assert_eq!(requests(&daemon, "newcomer", "/x"), Some(241));
    assert!(requests(&daemon, "service-7", "/t0/c0").is_some(), "it is not the quietest");
    assert_eq!(requests(&daemon, OTHER, OTHER), Some(4), "one quiet service");
    assert_eq!(requests_of_all(&daemon), before + 241);
}

#[test]
fn as_busy_as_the_others_is_not_busy_enough() {
    let mut daemon = Daemon::new(policy());
    for _ in 0..4 {
        for endpoint in 0..MOST_ENDPOINTS {
            daemon.see("web", &format!("/t{}/c{}", endpoint / 10, endpoint % 10), 80, 0.1, 200);
        }
        daemon.see("web", "/new/alike", 90, 0.1, 200);
        daemon.pass(60);
    }
    assert_eq!(requests(&daemon, "web", "/new/alike"), None);
    assert_eq!(requests(&daemon, "web", OTHER), Some(360));
}
