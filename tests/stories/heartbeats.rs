//! Services that post heartbeats to the real daemon.

use axum::http::StatusCode;
use serde_json::json;

use super::daemon::Daemon;
use super::receivers;

const CRON: &str = "probe: push, interval: 0.4, grace: 0.4, fall: 2, rise: 2";

#[tokio::test]
async fn a_service_that_stops_to_post_is_healed_and_heartbeats_prove_it() {
    let (receiver, mut orders) = receivers::webhook(StatusCode::OK).await;
    let configuration =
        format!("recovery_webhook_url: 'http://{receiver}/orders'\nservices:\n  cron: {{{CRON}}}\n");
    let daemon = Daemon::start(&configuration).await;
    let (_, none) = daemon.get("/service-status").await;
    assert_eq!(none.get("cron"), None, "it is unknown before its first heartbeat: {none}");
    let beat = || daemon.post("/heartbeat/cron");
    assert_eq!(beat().await.0, 200);
    let cron = daemon.service_until("cron", "health", |one| one["state"] == "healthy").await;
    assert_eq!((&cron["status"], &cron["url"]), (&json!("healthy"), &json!("heartbeat://cron")), "{cron:#}");
    // It is silent from now on, until the order to restart it comes.
    orders.recv().await.unwrap();
    let posting = async {
        loop {
            beat().await;
            tokio::time::sleep(std::time::Duration::from_millis(200)).await;
        }
    };
    let healed = tokio::select! {
        healed = daemon.recovery_until("cron", "the recovery", |one| one["outcome"] == "recovered") => healed,
        () = posting => unreachable!("it posts for ever"),
    };
    let error = healed["recent_errors"][0]["error"].as_str().unwrap();
    assert!(error.starts_with("no heartbeat for 0."), "{healed:#}");
    assert!(!daemon.log().contains("/heartbeat/{service}"), "each heartbeat leaves a line: {}", daemon.log());
}

#[tokio::test]
async fn a_heartbeat_may_say_that_the_service_fails_and_strangers_are_turned_away() {
    let tokens = [("API_TOKEN", "ingest:cron-secret,viewer:looks-only")];
    let configuration = format!(
        "{}services:\n  cron: {{probe: push, interval: 60, mode: observe}}\n  web: {{url: 'http://127.0.0.1:1'}}\n",
        super::daemon::QUICK
    );
    let daemon = Daemon::start_with(&configuration, &tokens).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = |path: &'static str, token: &'static str| {
        let request = client.post(daemon.url(path)).bearer_auth(token);
        async move { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(daemon.post("/heartbeat/cron").await.0, 401);
    assert_eq!(post("/heartbeat/cron", "looks-only").await, 403);
    assert_eq!(post("/heartbeat/web", "cron-secret").await, 409);
    assert_eq!(post("/heartbeat/nobody", "cron-secret").await, 404);
    assert_eq!(post("/heartbeat/cron?status=perhaps", "cron-secret").await, 400);
    assert_eq!(post("/heartbeat/cron", "cron-secret").await, 200);
    for _ in 0..3 {
        assert_eq!(post("/heartbeat/cron?status=fail&reason=disk%20full", "cron-secret").await, 200);
    }
    let cron = daemon.service_until("cron", "trouble", |one| one["state"] == "unhealthy").await;
    assert_eq!((&cron["error"], &cron["failures"]), (&json!("disk full"), &json!(3)), "{cron:#}");
}
