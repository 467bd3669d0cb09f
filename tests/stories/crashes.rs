//! `kill -9` at any instant: nothing acknowledged is lost, nothing is done twice.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::receivers::{self, Service};

#[tokio::test]
async fn an_acknowledged_request_survives_a_kill_and_is_not_carried_out_twice() {
    let service = Service::start().await;
    let (receiver, mut orders) = receivers::webhook(StatusCode::OK).await;
    let configuration = format!(
        "recovery_webhook_url: 'http://{receiver}/orders'\n\
         services:\n  web: {{url: 'http://{}', recovery_timeout: 600, verification_timeout: 10}}\n",
        service.address
    );
    let mut daemon = Daemon::start(&configuration).await;
    let (status, triggered) = daemon.post("/trigger-heal/web").await;
    assert_eq!(status, 200, "{triggered}");
    daemon.kill();
    daemon.restart().await;
    let id = &triggered["recovery_id"];
    let ended = daemon
        .recovery_until("web", "its end", |one| one["recovery_id"] == *id && !one["outcome"].is_null())
        .await;
    let outcomes = [json!("recovered"), json!("self_recovered"), json!("unknown_outcome")];
    assert!(outcomes.contains(&ended["outcome"]), "{ended}");
    let mut given = 0;
    while let Ok(order) = orders.try_recv() {
        assert_eq!(order.headers["webhook-id"], id.as_str().unwrap());
        given += 1;
    }
    assert!(given <= 1, "the order was given {given} times");
}

#[tokio::test]
async fn failures_and_attempts_are_remembered_across_kills() {
    let (receiver, mut orders) = receivers::webhook(StatusCode::OK).await;
    let configuration = format!(
        "recovery_webhook_url: 'http://{receiver}/orders'\n\
         services:\n  web: {{url: 'http://127.0.0.1:1', recovery_timeout: 1, verification_timeout: 1, max_recoveries_per_hour: 3}}\n"
    );
    let mut daemon = Daemon::start(&configuration).await;
    for attempt in 1..=3 {
        daemon
            .recovery_until("web", "an attempt", |one| one["attempt"] == attempt && one["has_acted"] == true)
            .await;
        daemon.kill();
        daemon.restart().await;
    }
    let held = daemon.service_until("web", "the quarantine", |web| web["state"] == "quarantined").await;
    assert!(held["held"]["reason"].as_str().unwrap().contains("3 attempts within an hour"), "{held}");
    let mut given = 0;
    while orders.try_recv().is_ok() {
        given += 1;
    }
    assert!(given <= 3, "{given} orders for 3 attempts");
}

/// Asks for a recovery under a key: the status, whether it is an earlier answer, and the body.
async fn heal_under(daemon: &Daemon, path: &str, key: &str) -> (u16, bool, Value) {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let response = client.post(daemon.url(path)).header("Idempotency-Key", key).send().await.unwrap();
    let is_replayed = response.headers().get("idempotent-replayed").is_some_and(|value| value == "true");
    (response.status().as_u16(), is_replayed, response.json().await.unwrap())
}

#[tokio::test]
async fn a_request_that_is_sent_again_under_its_key_begins_nothing_new_not_even_after_a_kill() {
    let service = Service::start().await;
    let (receiver, mut orders) = receivers::webhook(StatusCode::OK).await;
    let configuration = format!(
        "recovery_webhook_url: 'http://{receiver}/orders'\n\
         services:\n  web: {{url: 'http://{0}'}}\n  api: {{url: 'http://{0}'}}\n",
        service.address
    );
    let mut daemon = Daemon::start(&configuration).await;
    let key = "\"8e03978e-40d5-43dd-bc93-6894a57f9324\"";
    let (status, is_replayed, first) = heal_under(&daemon, "/trigger-heal/web", key).await;
    assert_eq!((status, is_replayed), (200, false), "{first}");
    let (status, is_replayed, again) = heal_under(&daemon, "/trigger-heal/web", key).await;
    assert_eq!((status, is_replayed, &again["recovery_id"]), (200, true, &first["recovery_id"]), "{again}");
    daemon.kill();
    daemon.restart().await;
    let bare = key.trim_matches('"');
    let (status, is_replayed, again) = heal_under(&daemon, "/trigger-heal/web", bare).await;
    assert_eq!((status, is_replayed, &again["recovery_id"]), (200, true, &first["recovery_id"]), "{again}");
    let (status, _, other) = heal_under(&daemon, "/trigger-heal/api", key).await;
    assert_eq!(status, 422, "{other}");
    let (status, _, forced) = heal_under(&daemon, "/trigger-heal/web?force=true&reason=why", key).await;
    assert_eq!(status, 422, "{forced}");
    let (status, _, wrong) = heal_under(&daemon, "/trigger-heal/web", "two words").await;
    assert_eq!(status, 400, "{wrong}");
    assert!(wrong["error"].as_str().unwrap().contains("visible ASCII"), "{wrong}");
    let mut given = 0;
    while let Ok(order) = orders.try_recv() {
        assert_eq!(order.headers["webhook-id"], first["recovery_id"].as_str().unwrap());
        given += 1;
    }
    assert!(given <= 1, "the order was given {given} times");
}
