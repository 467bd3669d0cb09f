//! The histories page by page: nothing is missing and nothing comes twice while more is added.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::daemon::Daemon;
use super::receivers::{self, Service};

/// Every entry of a history, page by page; `between` happens after each page.
async fn pages(daemon: &Daemon, path: &str, between: impl AsyncFn()) -> Vec<Value> {
    let (mut items, mut cursor) = (Vec::new(), String::new());
    loop {
        let (status, page) = daemon.get(&format!("{path}{cursor}")).await;
        assert_eq!(status, 200, "{page}");
        items.extend(page["items"].as_array().unwrap().iter().cloned());
        let Some(next) = page["next_cursor"].as_str() else { return items };
        cursor = format!("&cursor={next}");
        between().await;
    }
}

fn ids<'a>(items: &'a [Value], name: &str) -> Vec<&'a str> {
    items.iter().map(|item| item[name].as_str().unwrap()).collect()
}

#[tokio::test]
async fn histories_are_paged_and_filtered_while_they_grow() {
    let service = Service::start().await;
    let (receiver, _orders) = receivers::webhook(StatusCode::OK).await;
    let configuration = format!(
        "recovery_webhook_url: 'http://{receiver}/orders'\nservices:\n  web: {{url: 'http://{0}'}}\n  api: {{url: 'http://{0}'}}\n",
        service.address
    );
    let daemon = Daemon::start(&configuration).await;
    let force = "?force=true&reason=story";
    for name in ["web", "api", "web"] {
        let (status, triggered) = daemon.post(&format!("/trigger-heal/{name}{force}")).await;
        assert_eq!(status, 200, "{triggered}");
        let id = &triggered["recovery_id"];
        daemon
            .recovery_until(name, "the proof", |one| {
                one["recovery_id"] == *id && one["outcome"] == "recovered"
            })
            .await;
    }
    assert_eq!(daemon.post("/trigger-heal/api").await.0, 423, "it is too soon");

    let (_, all) = daemon.get("/recoveries?limit=500").await;
    let all = all["items"].as_array().unwrap().clone();
    assert_eq!(all.len(), 4);
    assert!(ids(&all, "started_at").is_sorted_by(|newer, older| newer > older), "newest first");
    let more = async || {
        daemon.post(&format!("/trigger-heal/web{force}")).await;
    };
    let paged = pages(&daemon, "/recoveries?limit=1", more).await;
    assert_eq!(
        ids(&paged, "recovery_id"),
        ids(&all, "recovery_id"),
        "what came meanwhile is on no later page"
    );

    let held = "/recoveries?guard=cool_down&trigger=manual&outcome=suppressed&service=api&limit=9";
    let held = pages(&daemon, held, async || {}).await;
    assert_eq!((held.len(), &held[0]["guard_inputs"]["guard"]), (1, &json!("cool_down")));
    let (_, one) = daemon.get(&format!("/recoveries/{}", held[0]["recovery_id"].as_str().unwrap())).await;
    assert_eq!(one, held[0]);
    let since = all[1]["started_at"].as_str().unwrap();
    let earlier = pages(&daemon, &format!("/recoveries?until={since}&limit=2"), async || {}).await;
    assert_eq!(ids(&earlier, "recovery_id"), ids(&all[2..], "recovery_id"));
}

#[tokio::test]
async fn an_incident_tells_its_times_and_its_recoveries() {
    let service = Service::start().await;
    service.answers(503);
    let (receiver, mut orders) = receivers::webhook(StatusCode::OK).await;
    let configuration = format!(
        "recovery_webhook_url: 'http://{receiver}/orders'\nservices:\n  web: {{url: 'http://{}'}}\n",
        service.address
    );
    let daemon = Daemon::start(&configuration).await;
    orders.recv().await.unwrap();
    let (_, open) = daemon.get("/incidents?service=web").await;
    let open = &open["items"][0];
    assert_eq!((&open["ended_at"], &open["time_to_recover_seconds"]), (&Value::Null, &Value::Null));
    service.answers(200);
    daemon.recovery_until("web", "the proof", |one| one["outcome"] == "recovered").await;
    let id = open["incident_id"].as_str().unwrap();
    let (status, incident) = daemon.get(&format!("/incidents/{id}")).await;
    assert_eq!(status, 200, "{incident}");
    let seconds = |name: &str| incident[name].as_f64().unwrap_or_else(|| panic!("{name}: {incident}"));
    assert!(seconds("time_to_detect_seconds") > 0.0 && seconds("time_to_act_seconds") > 0.0);
    let recovery = incident["recoveries"].as_array().unwrap().last().unwrap();
    assert_eq!(recovery["time_to_recover_seconds"].as_f64(), Some(seconds("time_to_recover_seconds")));
    let (_, recovered) = daemon.get("/incidents?outcome=recovered").await;
    assert_eq!(recovered["items"].as_array().unwrap().len(), 1);
    let (_, none) = daemon.get("/incidents?trigger=manual").await;
    assert_eq!(none, json!({"items": [], "next_cursor": null}));
}

#[tokio::test]
async fn wrong_filters_are_told_what_there_is() {
    let daemon =
        Daemon::start("recovery_backend: none\nservices:\n  web: {url: 'http://127.0.0.1:1'}\n").await;
    for (path, told) in [
        ("/recoveries?outcome=good", "self_recovered"),
        ("/recoveries?guard=dog", "cool_down"),
        ("/recoveries?trigger=me", "automatic, manual"),
        ("/recoveries?service=nobody", "there are web"),
        ("/recoveries?since=yesterday", "2026-11-24T09:00:00Z"),
        ("/recoveries?limit=501", "1 to 500"),
        ("/recoveries?cursor=abc", "next_cursor"),
        ("/recoveries?colour=red", "outcome"),
        ("/recoveries/17", "identity"),
        ("/incidents?outcome=good", "self_recovered"),
        ("/incidents/17", "identity"),
    ] {
        let (status, problem) = daemon.get(path).await;
        assert_eq!(status, 400, "{path}: {problem}");
        assert!(problem["error"].as_str().unwrap().contains(told), "{path}: {problem}");
    }
    for path in ["/recoveries", "/incidents"] {
        let (status, _) = daemon.get(&format!("{path}/0198c1d2-3f4a-7b5c-8d6e-0123456789ab")).await;
        assert_eq!(status, 404, "{path}");
    }
}
