//! Hints of the real engine: a container that dies is seen at once, although probes are half a minute apart.

use serde_json::Value;
use shared::clock::Timestamp;

use super::daemon::Daemon;
use super::docker::{self, Container, docker};
use super::relay::Relay;

/// When the engine saw the container die, by its own record.
fn died_at(name: &str, since: &str) -> Timestamp {
    let until = docker(&["info", "--format", "{{.SystemTime}}"]);
    let filters = ["--filter", "event=die", "--filter", name, "--format", "{{.TimeNano}}"];
    let told = docker(&[&["events", "--since", since, "--until", &until][..], &filters].concat());
    let nanos: i64 = told.lines().last().unwrap_or_else(|| panic!("it did not die")).parse().unwrap();
    Timestamp::from_micros(nanos / 1_000)
}

async fn first_error(daemon: &Daemon, service: &str, before: usize) -> Value {
    daemon
        .until(&format!("/error-history?service={service}"), "the failure", |history| {
            history["errors"].as_array()?.get(before).cloned()
        })
        .await
}

async fn killed_and_seen(daemon: &Daemon, container: &Container) -> f64 {
    let service = &container.service;
    daemon.service_until(service, "health", |one| one["state"] == "healthy").await;
    let (_, history) = daemon.get(&format!("/error-history?service={service}")).await;
    let before = history["errors"].as_array().map_or(0, Vec::len);
    let since = docker(&["info", "--format", "{{.SystemTime}}"]);
    container.suffer("kill");
    let error = first_error(daemon, service, before).await;
    let seen_at: Timestamp = error["timestamp"].as_str().unwrap().parse().unwrap();
    let died_at = died_at(&format!("label=com.docker.compose.service={service}"), &since);
    seen_at.since(died_at).as_secs_f64()
}

#[tokio::test]
async fn a_killed_container_is_seen_to_fail_within_a_second_although_probes_are_half_a_minute_apart() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("killed", &[]);
    let relay = Relay::start().await;
    let services = format!(
        "healing_mode: observe\nservices:\n  {}: {{url: '{}'}}\n",
        container.service,
        container.url()
    );
    let host = relay.variable();
    let daemon =
        Daemon::start_with(&services, &[("DOCKER_HOST", &host), ("ELASTICSEARCH_ENABLED", "false")]).await;
    relay.listened(1).await;
    // The first probe need not be waited for either.
    container.suffer("pause");
    container.suffer("unpause");
    let took = killed_and_seen(&daemon, &container).await;
    eprintln!("seen to fail {took:.3} s after it died");
    assert!(took < 1.0, "it took {took} s:\n{}", daemon.log());

    // A stream that was cut comes back, and so do the hints.
    relay.cut();
    relay.mend();
    relay.listened(2).await;
    container.suffer("start");
    let took = killed_and_seen(&daemon, &container).await;
    assert!(took < 1.0, "it took {took} s after the cut:\n{}", daemon.log());
}
