//! Real containers that somebody stops by hand, and that are left alone where that is wanted.

use serde_json::{Value, json};

use super::daemon::Daemon;
use super::docker::{self, Container};
use super::guards::says;

fn respecting(container: &Container) -> String {
    format!(
        "recovery_backend: docker\nrecovery_stop_timeout: 1\nrespect_operator_stop: true\nrecovery_timeout_max: 2\nmax_recoveries_per_hour: 20\nservices:\n  {}: {{url: '{}'}}\n",
        container.service,
        container.url()
    )
}

async fn held(daemon: &Daemon, container: &Container) -> Value {
    let is_held = |one: &Value| one["held"]["guard"] == "operator_stop";
    daemon.service_until(&container.service, "the refusal", is_held).await
}

async fn healthy(daemon: &Daemon, container: &Container) {
    let is_well = |one: &Value| one["state"] == "healthy" && one["held"].is_null();
    daemon.service_until(&container.service, "health", is_well).await;
}

/// The service fails a few times more, and nobody starts its container.
async fn stays_stopped(daemon: &Daemon, container: &Container) {
    let failures = held(daemon, container).await["failures"].as_u64();
    let fails_on = |one: &Value| one["failures"].as_u64() > failures.map(|before| before + 3);
    let status = daemon.service_until(&container.service, "further failures", fails_on).await;
    assert_eq!(status["status"], "unreachable", "{status:#}");
    assert_eq!(container.inspect("{{.State.Running}}"), "false", "{}", daemon.log());
}

async fn healed(daemon: &Daemon, container: &Container, times: usize) {
    daemon
        .until("/recovery-history", "the recovery", |history| {
            let all = history["recoveries"].as_array()?.iter();
            let healed =
                all.filter(|one| one["service"] == *container.service && one["outcome"] == "recovered");
            (healed.count() == times).then_some(())
        })
        .await;
    healthy(daemon, container).await;
}

#[tokio::test]
async fn a_container_that_its_operator_stopped_stays_stopped_until_somebody_starts_it() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("stopped", &[]);
    let mut daemon = Daemon::start(&respecting(&container)).await;
    healthy(&daemon, &container).await;
    container.suffer("stop");
    let status = held(&daemon, &container).await;
    let words = ["stopped by its operator at", "RESPECT_OPERATOR_STOP", "docker start", "?force=true"];
    assert!(says(&status["held"]["reason"], &words), "{status:#}");
    assert_eq!(status["held"]["inputs"]["containers"], json!([container.name()]), "{status:#}");
    stays_stopped(&daemon, &container).await;
    let (refused, body) = daemon.post(&format!("/trigger-heal/{}", container.service)).await;
    assert_eq!(refused, 423, "{body:#}");

    // It is known over a crash, and told by the engine where it happened meanwhile.
    daemon.kill();
    daemon.restart().await;
    stays_stopped(&daemon, &container).await;
    container.suffer("start");
    healthy(&daemon, &container).await;
    daemon.kill();
    container.suffer("stop");
    daemon.restart().await;
    stays_stopped(&daemon, &container).await;

    // Who insists has it healed.
    let path = format!("/trigger-heal/{}?force=true&reason=enough", container.service);
    let (begun, body) = daemon.post(&path).await;
    assert_eq!(begun, 200, "{body:#}");
    healed(&daemon, &container, 1).await;
}

#[tokio::test]
async fn what_dies_without_being_stopped_is_healed_although_stops_are_respected() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("died", &[]);
    let daemon = Daemon::start(&respecting(&container)).await;
    healthy(&daemon, &container).await;
    // Our own restart stops the container too, of which the engine tells in the same words.
    container.fault("hang").await;
    healed(&daemon, &container, 1).await;
    container.suffer("kill");
    healed(&daemon, &container, 2).await;
    container.fault("crash").await;
    healed(&daemon, &container, 3).await;
    container.suffer("restart");
    healthy(&daemon, &container).await;
    container.suffer("kill");
    healed(&daemon, &container, 4).await;
    let (_, statistics) = daemon.get("/statistics").await;
    assert_eq!(statistics["guards"]["held"]["operator_stop"], Value::Null, "{statistics:#}");
}
