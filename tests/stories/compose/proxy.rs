//! The proxy before the engine's socket: what it lets through, what happens while it is away, and what opens it further.

use serde_json::{Value, json};

use super::super::docker::docker;
use super::project::{Compose, Project};
use super::{QUICK, WATCHED, recovery};

const READY: &str = "curl -s http://localhost:5006/readyz?verbose";
const HISTORY: &str = "curl -s http://localhost:5006/recovery-history";
const STATUS: &str = "curl -s http://localhost:5006/service-status";

/// Starts what healing takes, with further services, and waits until the one that will suffer is healthy.
async fn healing(compose: Compose, variables: &[(&str, &str)], further: &str) -> Option<Project> {
    let project = Project::prepare(compose, &[&QUICK, variables].concat()).await?;
    // The others, and the Elasticsearch of the file, are witnesses that the network of the daemon works.
    project.shell(&format!("docker-compose up -d health-monitor {} {further}", WATCHED.join(" ")));
    project.shell_until(STATUS, "health", |text| one(text)["status"] == "healthy").await;
    Some(project)
}

/// What `/service-status` says of the one service that is there.
fn one(status: &str) -> Value {
    serde_json::from_str::<Value>(status).unwrap()["crypto-prediction"].clone()
}

/// The status with which the proxy answers a neighbour of its.
fn asked(project: &Project, method: &str, path: &str) -> u16 {
    asked_with(project, &["-X", method], path)
}

fn asked_with(project: &Project, options: &[&str], path: &str) -> u16 {
    let (network, url) = (project.engine_network(), format!("http://socket-proxy:2375{path}"));
    let curl =
        ["curl", "elasticsearch:8.11.0", "-s", "--path-as-is", "-o", "/dev/null", "-w", "%{http_code}"];
    let run = ["run", "--rm", "--network", &network, "--entrypoint"];
    docker(&[&run[..], &curl, options, &[&url]].concat()).parse().unwrap()
}

#[tokio::test]
async fn the_proxy_lets_through_what_the_daemons_ask_and_nothing_else() {
    let Some(project) = healing(Compose::One, &[], "").await else { return };
    let name = project.containers("crypto-prediction").remove(0);
    for (method, path, status) in [
        ("GET", "/version", 200),
        ("GET", "/v1.41/containers/json?all=1", 200),
        ("GET", &format!("/containers/{name}/json"), 200),
        ("GET", &format!("/containers/{name}/logs?stdout=1&tail=1"), 200),
        ("GET", "/events?since=0&until=1", 200),
        ("POST", &format!("/containers/{name}/restart?t=1"), 204),
        ("POST", "/containers/nobody/restart", 404),
        ("GET", "/info", 403),
        ("GET", "/images/json", 403),
        ("GET", "/containers/../images/json", 403),
        ("GET", &format!("/containers/{name}/archive?path=/"), 403),
        ("POST", &format!("/containers/{name}/exec"), 403),
        ("POST", &format!("/containers/{name}/kill"), 403),
        ("POST", "/containers/create", 403),
        ("POST", "/build", 403),
        ("DELETE", &format!("/containers/{name}?force=1"), 403),
        ("POST", &format!("/containers/{name}%2f..%2fcreate/restart"), 403),
        ("PUT", "/version", 403),
    ] {
        assert_eq!(asked(&project, method, path), status, "{method} {path}");
    }
    let upgrade = ["-H", "Connection: Upgrade", "-H", "Upgrade: h2c"];
    assert_eq!(asked_with(&project, &upgrade, "/version"), 403, "nobody would look into another protocol");
}

#[tokio::test]
async fn without_the_proxy_nothing_is_healed_and_it_is_said_why_until_it_is_back() {
    let Some(project) = healing(Compose::Two, &[], "elasticsearch").await else { return };
    project.shell_until(READY, "the engine", |text| text.contains("[+]docker")).await;
    project.shell("docker-compose stop socket-proxy crypto-prediction");
    let held = |text: &str| one(text)["held"]["guard"] == "backend";
    let status = project.shell_until(STATUS, "the refusal", held).await;
    let reason = one(&status)["held"]["reason"].to_string();
    assert!(reason.contains("tcp://socket-proxy:2375"), "{reason}");
    let degraded = |text: &str| text.contains("[-]docker degraded");
    let ready = project.shell_until(READY, "the outage", degraded).await;
    assert!(ready.contains("tcp://socket-proxy:2375"), "{ready}");
    project.shell("docker-compose start socket-proxy");
    project.shell_until(READY, "the engine again", |text| text.contains("[+]docker")).await;
    let recovered = |text: &str| recovery(text, "crypto-prediction")["outcome"] == "recovered";
    project.shell_until(HISTORY, "the recovery", recovered).await;
}

#[tokio::test]
async fn containers_are_made_anew_only_through_a_proxy_that_was_opened_for_it() {
    let group = docker_group();
    let user = format!("65532:{group}");
    let variables = [("RECOVERY_STEPS", "recreate"), ("SOCKET_PROXY_USER", user.as_str())];
    let Some(project) = healing(Compose::Two, &variables, "").await else { return };
    project.shell("docker-compose stop crypto-prediction");
    let refused = |text: &str| recovery(text, "crypto-prediction")["outcome"] == "action_failed";
    let text = project.shell_until(HISTORY, "the refusal", refused).await;
    let reason = recovery(&text, "crypto-prediction")["reason"].to_string();
    assert!(reason.contains("answered 403") && reason.contains("allow this call in the proxy"), "{reason}");
    drop(project);
    let opened = [&variables[..], &[("SOCKET_PROXY_ALLOW_CHANGES", "true")]].concat();
    let Some(project) = healing(Compose::Two, &opened, "").await else { return };
    let before = project.inspect("crypto-prediction")["Id"].clone();
    project.shell("docker-compose stop crypto-prediction");
    let recovered = |text: &str| recovery(text, "crypto-prediction")["phase"] == "finished";
    let text = project.shell_until(HISTORY, "the recovery", recovered).await;
    let recovery = recovery(&text, "crypto-prediction");
    assert_eq!(
        (&recovery["outcome"], &recovery["action"]),
        (&json!("recovered"), &json!("recreate")),
        "{recovery:#}"
    );
    assert_ne!(project.inspect("crypto-prediction")["Id"], before);
}

/// The group that the engine's socket belongs to.
fn docker_group() -> u32 {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(super::project::socket()).map_or(0, |socket| socket.gid())
}
