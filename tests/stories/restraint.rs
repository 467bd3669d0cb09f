//! What the real daemon does not do about a single service, and how it says so.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::docker::{self, Container};
use super::guards::{NOBODY, orders, refusing, says};
use super::receivers;

/// A service that gives these answers one after the other, and the last ones again and again; and the configuration
/// that watches it, where a restart leaves a line in the file.
async fn answering(first: Vec<u16>, then: &'static [u16], settings: &str, orders: &Path) -> String {
    let asked = Arc::new(AtomicUsize::new(0));
    let answer = move || {
        let number = asked.fetch_add(1, Ordering::SeqCst);
        let again = number.saturating_sub(first.len()) % then.len();
        let status = first.get(number).copied().unwrap_or(then[again]);
        async move { StatusCode::from_u16(status).unwrap() }
    };
    let address = receivers::serve(Router::new().route("/health", get(answer))).await;
    let restart = format!("recovery_command: {{restart: [sh, -c, 'echo web >> {}']}}", orders.display());
    format!("{restart}\nservices:\n  web: {{url: 'http://{address}'{settings}}}\n")
}

#[tokio::test]
async fn right_after_its_own_start_it_only_watches() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    let services = ["web", "db", "queue", "cache", "auth"].map(|name| (name, ", interval: 2, fall: 1"));
    let quick = super::daemon::QUICK.replace("health_check_interval: 1\n", "health_check_interval: 30\n");
    let settings = format!("{quick}storm_guard: false\n{}", refusing(&services, &file));
    let daemon = Daemon::start_with(&settings, &[]).await;
    let held = daemon.guarded_until("observing").await;
    assert!(says(&held["reason"], &["watching has just begun", "nothing is done before"]), "{held:#}");
    assert!(held["guard_inputs"]["until"].is_string(), "{held:#}");
    assert_eq!(orders(&file), Vec::<String>::new());
}

#[tokio::test]
async fn a_service_that_passes_at_the_last_look_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    let first = [vec![200; 6], vec![500; 3]].concat();
    let daemon = Daemon::start(&answering(first, &[200], "", &file).await).await;
    let recovery = daemon.recovery_until("web", "the last look", |one| one["phase"] == "finished").await;
    assert_eq!((&recovery["outcome"], &recovery["has_acted"]), (&json!("self_recovered"), &json!(false)));
    assert!(says(&recovery["reason"], &["the last probe before acting passed"]), "{recovery:#}");
    assert_eq!(orders(&file), Vec::<String>::new());
}

#[tokio::test]
async fn a_service_that_flaps_is_told_and_not_restarted() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    let first = [200, 500].repeat(12);
    let daemon = Daemon::start(&answering(first, &[500], "", &file).await).await;
    let held = daemon.service_until("web", "the flapping", |web| web["held"]["guard"] == "flapping").await;
    assert_eq!(held["state"], "flapping", "{held:#}");
    assert!(says(&held["held"]["reason"], &["changing between passing and failing", "steady"]), "{held:#}");
    assert_eq!(orders(&file), Vec::<String>::new());
}

#[tokio::test]
async fn an_instance_that_somebody_else_keeps_replacing_is_not_restarted_on_top_of_that() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    // Every look finds another instance.
    let command = format!(
        "recovery_command: {{restart: [sh, -c, 'echo web >> {}'], inspect: [date, '+%N']}}",
        file.display()
    );
    let settings =
        "recovery_timeout: 0, recovery_timeout_max: 0, verification_timeout: 1, max_recoveries_per_hour: 99";
    let service = format!("services:\n  web: {{url: '{NOBODY}', {settings}}}\n");
    let daemon = Daemon::start(&format!("max_recoveries_per_ten_minutes: 99\n{command}\n{service}")).await;
    let held = daemon.guarded_until("churn").await;
    assert!(says(&held["reason"], &["somebody else has replaced its instance 3 times"]), "{held:#}");
    assert!(held["guard_inputs"]["until"].is_string(), "{held:#}");
    let before = orders(&file).len();
    daemon.service_until("web", "another failure", |web| web["failures"].as_u64() > Some(8)).await;
    assert_eq!(orders(&file).len(), before, "{}", daemon.log());
}

#[tokio::test]
async fn an_instance_that_somebody_else_has_just_started_is_given_its_time() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("young", &[]);
    let daemon = Daemon::start(&format!(
        "recovery_backend: docker\nservices:\n  {}: {{url: '{NOBODY}', start_period: 300}}\n",
        container.service
    ))
    .await;
    let held = daemon.guarded_until("start_period").await;
    assert_eq!((&held["outcome"], &held["has_acted"]), (&json!("superseded"), &json!(false)), "{held:#}");
    assert!(says(&held["reason"], &["somebody else changed the instance", "to start"]), "{held:#}");
    assert_eq!(container.restarts(), 0);
}

#[tokio::test]
async fn a_dry_run_shows_what_it_would_do_and_who_only_observes_not_even_that() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    let services = [("web", ", mode: dry_run"), ("db", ", mode: observe")];
    let daemon = Daemon::start(&refusing(&services, &file)).await;
    for (name, mode, would_act) in [("web", "dry_run", true), ("db", "observe", false)] {
        let held = daemon.recovery_until(name, "the refusal", |one| one["guard"] == "mode").await;
        assert_eq!((&held["would_act"], &held["has_acted"]), (&json!(would_act), &json!(false)), "{held:#}");
        assert!(says(&held["reason"], &[mode, "HEALING_MODE"]), "{held:#}");
    }
    assert_eq!(daemon.post("/trigger-heal/web").await.0, 423);
    assert_eq!(orders(&file), Vec::<String>::new());
}

#[tokio::test]
async fn what_fails_together_is_healed_one_at_a_time_and_so_is_what_exceeds_the_turns() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("orders");
    let slow = ", verification_timeout: 600";
    let rack = format!("{slow}, failure_domain: rack");
    let services = [("web", rack.as_str()), ("db", rack.as_str())];
    let configuration = refusing(&services, &file).replace("verification_timeout: 1, ", "");
    let daemon = Daemon::start(&configuration).await;
    let held = daemon.guarded_until("budget").await;
    assert_eq!(held["guard_inputs"]["limit"], "failure_domain", "{held:#}");
    assert!(says(&held["reason"], &["same failure domain, rack", "one at a time"]), "{held:#}");
    the_other_is_ordered(&daemon, &held).await;
    assert_eq!(orders(&file).len(), 1);

    let file = folder.path().join("turns");
    let services = [("web", slow), ("db", slow)];
    let configuration = refusing(&services, &file).replace("verification_timeout: 1, ", "");
    let daemon = Daemon::start(&format!("max_concurrent_recoveries: 1\n{configuration}")).await;
    let held = daemon.guarded_until("budget").await;
    assert_eq!(held["guard_inputs"]["limit"], "at_a_time", "{held:#}");
    assert!(says(&held["reason"], &["1 recoveries are under way", "MAX_CONCURRENT_RECOVERIES"]), "{held:#}");
    the_other_is_ordered(&daemon, &held).await;
    assert_eq!(orders(&file).len(), 1);
}

/// One of `web` and `db` is held back as soon as the order for the other is on record, which is before it is carried out.
async fn the_other_is_ordered(daemon: &Daemon, held: &Value) {
    let other = if held["service"] == "web" { "db" } else { "web" };
    daemon.recovery_until(other, "its order", |one| one["accepted_at"].is_string()).await;
}
