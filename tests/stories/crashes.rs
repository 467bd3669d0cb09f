//! `kill -9` at any instant: nothing acknowledged is lost, nothing is done twice.

use axum::http::StatusCode;
use serde_json::json;

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
