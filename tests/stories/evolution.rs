//! self-evolution, the real daemon, through its public faces.

mod access;
mod backtest;
mod containers;
mod contract;
mod crashes;
mod hostile;
mod ingest;
pub(super) mod judging;
mod platforms;
mod settings;
mod shipping;
mod stock_providers;

use serde_json::{Value, json};

use super::daemon::Daemon;

/// A daemon that ships nowhere.
async fn started(configuration: &str) -> Daemon {
    Daemon::evolution(&format!("elasticsearch_enabled: false\n{configuration}"), &[]).await
}

pub(super) fn event(service: &str, endpoint: &str, response_time: f64, status_code: u16) -> Value {
    json!({"service": service, "endpoint": endpoint, "response_time": response_time, "status_code": status_code})
}

/// So many of the same.
pub(super) fn events(number: usize, of: &Value) -> Value {
    Value::Array(vec![of.clone(); number])
}

pub(super) async fn report(daemon: &Daemon, usage: &Value) {
    let (status, answer) = daemon.post_json("/collect-usage", usage).await;
    assert_eq!(status, 200, "{answer}");
}

/// The identities of what an analysis recommends.
pub(super) async fn analysed(daemon: &Daemon) -> Vec<String> {
    let (status, answer) = daemon.post("/analyze").await;
    assert_eq!(status, 200, "{answer}");
    let found = answer["recommendations"].as_array().unwrap();
    found.iter().map(|one| one["id"].as_str().unwrap().to_owned()).collect()
}

/// A daemon that recommends a cache for `web`, and the recommendation's identity.
async fn recommending() -> (Daemon, String) {
    let daemon = started("").await;
    report(&daemon, &events(40, &event("web", "/x", 2.5, 200))).await;
    let id = analysed(&daemon).await.remove(0);
    (daemon, id)
}

fn names(body: &Value) -> Vec<&str> {
    body.as_object().unwrap().keys().map(String::as_str).collect()
}
