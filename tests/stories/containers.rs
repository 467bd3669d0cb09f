//! Real containers that are killed, crash, are stopped, hang, are gone, or never get well.

use std::fmt::Write;
use std::time::Duration;

use serde_json::{Value, json};
use shared::clock::Timestamp;

use super::daemon::{Daemon, QUICK};
use super::docker::{self, Container};

fn watching(containers: &[&Container], settings: &str) -> String {
    let mut configuration = String::from(
        "recovery_backend: docker\nrecovery_stop_timeout: 1\nstorm_guard: false\nmax_concurrent_recoveries: 9\nmax_fleet_percent: 100\nservices:\n",
    );
    for container in containers {
        let (name, url) = (&container.service, container.url());
        writeln!(configuration, "  {name}: {{url: '{url}'{settings}}}").unwrap();
    }
    configuration
}

fn moment(recovery: &Value, name: &str) -> Timestamp {
    recovery[name]
        .as_str()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(|| panic!("{name}: {recovery:#}"))
}

#[tokio::test]
async fn a_container_that_is_killed_crashes_is_stopped_paused_or_hangs_comes_back_with_proof() {
    if !docker::is_there() {
        return;
    }
    let faults = ["killed", "crashed", "stopped", "paused", "hung"];
    let containers = faults.map(|fault| Container::start(fault, &[]));
    let daemon = Daemon::start(&watching(&containers.each_ref(), "")).await;
    for container in &containers {
        daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
    }
    let [killed, crashed, stopped, paused, hung] = &containers;
    killed.suffer("kill");
    crashed.fault("crash").await;
    stopped.suffer("stop");
    paused.suffer("pause");
    hung.fault("hang").await;
    for container in &containers {
        let recovery = daemon
            .recovery_until(&container.service, "the recovery", |one| {
                one["phase"] == "finished" && one["guard"].is_null()
            })
            .await;
        assert_eq!(recovery["outcome"], json!("recovered"), "{recovery:#}");
        assert_eq!(recovery["target"], json!({"backend": "docker", "name": container.service}));
        assert_ne!(recovery["instance_before"], recovery["instance_after"]);
        let times =
            ["failed_at", "detected_at", "started_at", "accepted_at", "instance_changed_at", "verified_at"];
        let times = times.map(|name| moment(&recovery, name));
        assert!(times.is_sorted(), "{recovery:#}");
        let took = times[5].since(times[0]).as_secs_f64();
        assert!((recovery["time_to_recover_seconds"].as_f64().unwrap() - took).abs() < 1e-6, "{recovery:#}");
        let seconds = |from: usize, to: usize| times[to].since(times[from]).as_secs_f64();
        eprintln!(
            "{:>10}: detected {:.2} s after the first failing probe, action {:.2} s, proof {:.2} s, in all {took:.2} s",
            container.service.split('-').next().unwrap_or_default(),
            seconds(0, 1),
            seconds(2, 3),
            seconds(3, 5),
        );
        assert_eq!(container.restarts(), 1, "{} was not restarted exactly once", container.service);
        daemon.service_until(&container.service, "health again", |one| one["state"] == "healthy").await;
    }
    let (_, statistics) = daemon.get("/statistics").await;
    assert_eq!(statistics["recoveries"]["recovered"], json!(5));
    assert!(statistics["mean_time_to_recover_seconds"].as_f64() > Some(0.0), "{statistics}");
}

#[tokio::test]
async fn a_container_that_never_gets_well_is_restarted_a_few_times_spaced_then_quarantined() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("broken", &["--broken"]);
    let settings = ", recovery_timeout: 2, verification_timeout: 2, max_recoveries_per_hour: 3";
    let daemon = Daemon::start(&watching(&[&container], settings)).await;
    let quarantined =
        daemon.service_until(&container.service, "the quarantine", |one| one["state"] == "quarantined").await;
    let reason = quarantined["held"]["reason"].as_str().unwrap();
    assert!(reason.contains("3 attempts within an hour") && reason.contains("trigger-heal"), "{reason}");
    assert_eq!(container.restarts(), 3);
    let (_, history) = daemon.get("/recovery-history").await;
    let attempts: Vec<&Value> =
        history["recoveries"].as_array().unwrap().iter().filter(|one| one["has_acted"] == true).collect();
    assert_eq!(attempts.len(), 3);
    assert!(attempts.iter().all(|one| one["outcome"] == "not_recovered"), "{attempts:#?}");
    let gaps: Vec<Duration> = attempts
        .windows(2)
        .map(|pair| moment(pair[1], "started_at").since(moment(pair[0], "started_at")))
        .collect();
    assert!(gaps[0] >= Duration::from_secs(2) && gaps[1] >= Duration::from_millis(3_200), "{gaps:?}");
    let (status, refused) = daemon.post(&format!("/trigger-heal/{}", container.service)).await;
    assert_eq!(status, 423, "{refused}");
}

#[tokio::test]
async fn a_container_that_is_gone_is_recorded_as_such_and_never_called_recovered() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("gone", &[]);
    let daemon = Daemon::start(&watching(&[&container], "")).await;
    daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
    container.remove();
    let held =
        daemon.recovery_until(&container.service, "the refusal", |one| one["guard"] == "backend").await;
    assert_eq!((&held["outcome"], &held["has_acted"]), (&json!("suppressed"), &json!(false)), "{held:#}");
    assert!(held["reason"].as_str().unwrap().contains(&container.service), "{held:#}");
    let (status, problem) = daemon.post(&format!("/trigger-heal/{}", container.service)).await;
    assert_eq!(status, 503, "{problem}");
}

#[tokio::test]
async fn an_engine_that_cannot_be_reached_is_named_with_what_to_do() {
    let configuration =
        format!("{QUICK}recovery_backend: docker\nservices:\n  web: {{url: 'http://127.0.0.1:1'}}\n");
    let nowhere = [("DOCKER_HOST", "unix:///nowhere/docker.sock")];
    let daemon = Daemon::start_with(&configuration, &nowhere).await;
    let (status, problem) = daemon.post("/trigger-heal/web").await;
    assert_eq!(status, 503);
    let error = problem["error"].as_str().unwrap();
    assert!(error.contains("/nowhere/docker.sock") && error.contains("DOCKER_HOST"), "{error}");
    let held = daemon.service_until("web", "the refusal", |web| web["held"]["guard"] == "backend").await;
    assert!(held["held"]["reason"].as_str().unwrap().contains("/nowhere/docker.sock"), "{held:#}");
    assert!(held["held"]["until"].is_string(), "it is not said when it tries again: {held}");
    let ready = daemon.text("/readyz?verbose").await;
    assert!(ready.contains("[-]docker degraded"), "{ready}");
}

#[tokio::test]
async fn a_daemon_killed_at_any_instant_of_a_recovery_never_restarts_twice() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("web", &[]);
    let settings = ", recovery_timeout: 60, verification_timeout: 10, stable_after: 0.1";
    let mut daemon = Daemon::start(&watching(&[&container], settings)).await;
    for round in 1..=8_u64 {
        daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
        let before = container.restarts();
        container.suffer("kill");
        daemon
            .recovery_until(&container.service, "the attempt", |one| {
                one["has_acted"] == true && one["phase"] != "finished"
            })
            .await;
        tokio::time::sleep(Duration::from_millis(round * 37 % 300)).await;
        daemon.kill();
        daemon.restart().await;
        daemon
            .service_until(&container.service, "its end", |one| {
                one["state"] == "healthy" && one["recovery_id"].is_null()
            })
            .await;
        assert_eq!(container.restarts() - before, 1, "round {round}: {}", daemon.log());
    }
}
