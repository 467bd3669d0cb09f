//! Containers that are watched because their labels say so.

use serde_json::json;

use super::daemon::{Daemon, signal};
use super::docker::{self, Container};

#[tokio::test]
async fn a_labelled_container_is_found_watched_and_healed_by_its_labels_alone() {
    if !docker::is_there() {
        return;
    }
    let labels = ["--label", "health-monitor.enable=true", "--label", "health-monitor.mode=often"];
    let enabled = Container::start_with("labelled", &labels, &[]);
    let autoheal = Container::start_with("autoheal", &["--label", "autoheal=true"], &[]);
    let settings = "storm_guard: false\nmax_fleet_percent: 100\nrecovery_stop_timeout: 1\nservices:\n";
    let daemon =
        Daemon::start(&format!("{settings}  other: {{url: 'http://127.0.0.1:1', mode: observe}}\n")).await;
    for container in [&enabled, &autoheal] {
        daemon.service_until(&container.service, "health", |one| one["state"] == "healthy").await;
    }
    let warning = "label health-monitor.mode of container";
    assert!(daemon.log().contains(warning), "{}", daemon.log());
    enabled.suffer("kill");
    autoheal.suffer("kill");
    let healed =
        daemon.recovery_until(&enabled.service, "the recovery", |one| one["outcome"] == "recovered").await;
    assert_eq!(healed["target"], json!({"backend": "docker", "name": enabled.service}), "{healed:#}");
    let left =
        daemon.service_until(&autoheal.service, "what is told of it", |one| one["class"] == "degraded").await;
    assert_eq!(
        (&left["error"], &left["state"]),
        (&json!("the container is exited (137)"), &json!("healthy"))
    );
    assert_eq!(autoheal.restarts(), 0, "only an unhealthy container is restarted");
}

#[tokio::test]
async fn reading_the_configuration_again_finds_new_labels_and_keeps_what_was_found() {
    if !docker::is_there() {
        return;
    }
    let labels = ["--label", "health-monitor.enable=true"];
    let before = Container::start_with("labelled-before", &labels, &[]);
    // Other labelled containers of the same engine are not this daemon's to heal.
    let observe = "healing_mode: observe\nservices:\n  other: {url: 'http://127.0.0.1:1'}\n";
    let daemon = Daemon::start(observe).await;
    daemon.service_until(&before.service, "health", |one| one["state"] == "healthy").await;
    let after = Container::start_with("labelled-after", &labels, &[]);
    signal(daemon.process_id(), "HUP");
    daemon.service_until(&after.service, "health", |one| one["state"] == "healthy").await;
    let (_, kept) = daemon.get("/service-status").await;
    assert_eq!(kept[&before.service]["state"], "healthy", "{kept:#}");
}
