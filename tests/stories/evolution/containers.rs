//! Changes of real containers: limits while they run, variables by making them anew, further ones beside them.

use std::time::Duration;

use serde_json::{Value, json};

use super::{analysed, event, events, report, started};
use crate::stories::daemon::Daemon;
use crate::stories::docker::{self, Container, docker};

const ID: &str = "{{.Id}}";
const MEMORY: &str = "{{.HostConfig.Memory}}/{{.HostConfig.NanoCpus}}";

/// A daemon that may change this of a container, and the identity of what it recommends for its service.
async fn recommending(settings: &str, container: &Container, set: &str) -> (Daemon, String) {
    let service = &container.service;
    let daemon = started(&format!(
        "{settings}\nservices:\n  {service}:\n    actions:\n      performance:\n        backend: docker\n        \
         stop_timeout: 1\n        set: {set}\n"
    ))
    .await;
    report(&daemon, &events(40, &event(service, "/x", 2.5, 200))).await;
    let id = analysed(&daemon).await.remove(0);
    (daemon, id)
}

async fn applied(daemon: &Daemon, id: &str) -> Value {
    let (status, applied) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(status, 200, "{applied}\n{}", daemon.log());
    applied
}

async fn rolled_back(daemon: &Daemon, id: &str) {
    let (status, rollback) = daemon.post(&format!("/rollback/{id}")).await;
    assert_eq!(status, 200, "{rollback}\n{}", daemon.log());
}

async fn phase(daemon: &Daemon, id: &str, wanted: &str) -> Value {
    let find = |change: &Value| (change["phase"] == wanted).then(|| change.clone());
    daemon.until(&format!("/changes/{id}"), wanted, find).await
}

fn variable(container: &Container, name: &str) -> Option<String> {
    let variables = container.inspect("{{range .Config.Env}}{{println .}}{{end}}");
    variables.lines().find_map(|line| Some(line.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
}

#[tokio::test]
async fn limits_change_while_a_container_runs_and_are_taken_back_by_a_person_and_by_the_verdict() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start_with("sized", &["--memory", "64m", "--cpus", "0.5"], &[]);
    let before = (container.inspect(ID), container.inspect("{{.State.StartedAt}}"));
    let set = "['memory=x2 up to 1g', 'cpus=+0.5']";
    let (daemon, id) = recommending("judged_changes: none", &container, set).await;
    let (status, plan) = daemon.post(&format!("/apply-optimization/{id}?dry_run=true")).await;
    assert_eq!(status, 200, "{plan}");
    let changes = json!([
        {"key": "memory", "before": 67_108_864, "after": 134_217_728},
        {"key": "cpus", "before": 0.5, "after": 1}
    ]);
    assert_eq!(plan["changes"], changes, "{plan}");
    assert_eq!(container.inspect(MEMORY), "67108864/500000000", "a dry run writes nothing");
    applied(&daemon, &id).await;
    assert_eq!(container.inspect(MEMORY), "134217728/1000000000");
    assert_eq!(
        (container.inspect(ID), container.inspect("{{.State.StartedAt}}")),
        before,
        "it goes on running"
    );
    rolled_back(&daemon, &id).await;
    assert_eq!(container.inspect(MEMORY), "67108864/500000000");

    // Nobody knows how the service fared before, so that the verdict takes it back once it has settled.
    let (daemon, id) = recommending("analysis_bucket_seconds: 1", &container, set).await;
    applied(&daemon, &id).await;
    assert_eq!(container.inspect(MEMORY), "134217728/1000000000");
    let change = phase(&daemon, &id, "rolled_back").await;
    assert_eq!(change["verdict"]["outcome"], "inconclusive", "{change}");
    assert_eq!(change["rollback"]["trigger"], "automatic", "{change}");
    assert_eq!(container.inspect(MEMORY), "67108864/500000000");
}

#[tokio::test]
async fn what_an_engine_cannot_do_is_said_with_the_reason_and_nothing_changes() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("unlimited", &[]);
    let (daemon, id) = recommending("", &container, "['memory=x2']").await;
    let (status, problem) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["error"].as_str().unwrap().contains("has no limit"), "{problem}");
    container.remove();
    let (status, problem) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["error"].as_str().unwrap().contains("no container at"), "{problem}");
    let (_, changes) = daemon.get("/changes").await;
    assert_eq!(changes["items"], json!([]), "{changes}");
}

#[tokio::test]
async fn a_variable_changes_by_a_new_container_and_the_old_one_is_put_back() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start_with("varied", &["--env", "CACHE=off"], &[]);
    let id_before = container.inspect(ID);
    let (daemon, id) = recommending("", &container, "['env.CACHE=off => on']").await;
    applied(&daemon, &id).await;
    assert_eq!(variable(&container, "CACHE").as_deref(), Some("on"));
    assert_ne!(container.inspect(ID), id_before);
    assert_eq!(container.all().len(), 2, "the old one is kept until the verdict: {:?}", container.all());
    rolled_back(&daemon, &id).await;
    assert_eq!(container.inspect(ID), id_before, "the old one itself is back");
    assert_eq!(container.inspect("{{.State.Running}}"), "true");
    assert_eq!(container.all().len(), 1, "{:?}", container.all());
}

#[tokio::test]
async fn a_variable_whose_old_container_is_discarded_is_taken_back_by_another_new_one() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start_with("unjudged", &[], &[]);
    let (daemon, id) = recommending("judged_changes: none", &container, "['env.CACHE=on']").await;
    applied(&daemon, &id).await;
    assert_eq!(variable(&container, "CACHE").as_deref(), Some("on"));
    let discarded = |change: &Value| (change["platform"]["keeps_previous"] == false).then_some(());
    daemon.until(&format!("/changes/{id}"), "the discarding", discarded).await;
    assert_eq!(container.all().len(), 1, "{:?}", container.all());
    rolled_back(&daemon, &id).await;
    assert_eq!(variable(&container, "CACHE"), None);
    assert_eq!(container.all(), [(container.name().to_owned(), "running".to_owned())]);
}

#[tokio::test]
async fn a_daemon_killed_at_any_instant_of_a_recreation_finishes_or_undoes_it() {
    if !docker::is_there() {
        return;
    }
    for instant in [20, 120, 250, 500, 1_000] {
        let container = Container::start_with("killed", &["--env", "CACHE=off"], &[]);
        let settings = "analysis_bucket_seconds: 10";
        let (mut daemon, id) = recommending(settings, &container, "['env.CACHE=off => on']").await;
        let path = format!("/apply-optimization/{id}");
        let asked = daemon.post(&path);
        let _ = tokio::time::timeout(Duration::from_millis(instant), asked).await;
        daemon.kill();
        daemon.restart().await;
        let (_, changes) = daemon.get("/changes").await;
        if changes["items"] == json!([]) {
            assert_eq!(variable(&container, "CACHE").as_deref(), Some("off"), "{instant} ms");
            continue;
        }
        let is_over = |change: &Value| {
            let over = ["settling", "rolled_back", "failed"].map(|phase| json!(phase));
            over.contains(&change["phase"]).then(|| change["phase"].clone())
        };
        let end = daemon.until(&format!("/changes/{id}"), "the end", is_over).await;
        let expected = if end == "settling" { "on" } else { "off" };
        assert_eq!(variable(&container, "CACHE").as_deref(), Some(expected), "{instant} ms: {end}");
        assert_eq!(container.inspect("{{.State.Running}}"), "true", "{instant} ms: {end}");
        let left = container.all().len();
        assert_eq!(left, if end == "settling" { 2 } else { 1 }, "{instant} ms: {end}: {:?}", container.all());
        eprintln!("killed {instant} ms after it was asked: {end}");
    }
}

#[tokio::test]
async fn further_containers_are_made_beside_the_one_and_only_those_are_removed() {
    if !docker::is_there() {
        return;
    }
    let service = format!("scaled-{}", std::process::id());
    let label = format!("com.docker.compose.service={service}");
    // Each has a network of its own, so that none takes the other's port.
    let options = ["--network", "none", "--label", &label, "--label", "com.docker.compose.project=story"];
    let mut container = Container::alone("scaled", &options);
    container.service = service;
    let count = || docker(&["ps", "--quiet", "--filter", &format!("label={label}")]).lines().count();
    let set = "['replicas=+2 up to 3']";
    let (daemon, id) = recommending("judged_changes: none", &container, set).await;
    let change = applied(&daemon, &id).await;
    assert_eq!(change["changes"], json!([{"key": "replicas", "before": 1, "after": 3}]), "{change}");
    assert_eq!(count(), 3);
    let (status, problem) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(status, 409, "{problem}");
    rolled_back(&daemon, &id).await;
    assert_eq!(count(), 1);
    assert_eq!(container.all(), [(container.name().to_owned(), "running".to_owned())]);
}
