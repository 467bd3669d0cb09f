//! The routes of the contract, as a client of the original would use them.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::daemon::{Daemon, QUICK};
use super::receivers::{self, Service};

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.len() == 27 && text.ends_with('Z') && text.as_bytes()[10] == b'T')
}

#[tokio::test]
async fn the_routes_of_the_contract_answer_as_it_has_them() {
    let up = Service::start().await;
    let configuration = format!(
        "recovery_backend: none\nservices:\n  web: {{url: 'http://{}'}}\n  gone: {{url: 'http://127.0.0.1:1'}}\n",
        up.address
    );
    let daemon = Daemon::start(&configuration).await;

    let (status, health) = daemon.get("/health").await;
    assert_eq!(status, 200);
    assert_eq!((&health["status"], &health["service"]), (&json!("healthy"), &json!("health-monitor")));
    assert_eq!(health["elasticsearch_enabled"], json!(false));
    assert!(is_time(&health["timestamp"]), "{health}");

    let (status, checked) = daemon.get("/check-services").await;
    assert_eq!(status, 200);
    let web = &checked["web"];
    assert_eq!((&web["service"], &web["status"]), (&json!("web"), &json!("healthy")));
    assert!(
        web["response_time"].is_f64() && is_time(&web["timestamp"]) && web.get("error").is_none(),
        "{web}"
    );
    assert_eq!(web["url"], json!(format!("http://{}", up.address)));
    let gone = &checked["gone"];
    assert_eq!((&gone["status"], &gone["error"]), (&json!("unreachable"), &json!("connection refused")));
    assert!(gone.get("response_time").is_none(), "{gone}");

    up.answers(503);
    let failing =
        daemon.service_until("web", "an unhealthy answer", |web| web["status"] == "unhealthy").await;
    assert_eq!(failing["error"], json!("HTTP 503"));

    let (_, statistics) = daemon.get("/statistics").await;
    assert_eq!(statistics["total_services"], json!(2));
    assert_eq!(statistics["healthy_services"], json!(0));
    assert_eq!(statistics["unhealthy_services"], json!(2));
    assert!(
        statistics["failure_counts"]["gone"].is_u64() && is_time(&statistics["last_check"]),
        "{statistics}"
    );

    daemon.service_until("gone", "three failures", |gone| gone["failures"].as_u64() >= Some(3)).await;
    let (_, all) = daemon.get("/error-history").await;
    let first = &all["all_services"]["gone"][0];
    assert_eq!((&first["error"], &first["status"]), (&json!("connection refused"), &json!("unreachable")));
    assert!(is_time(&first["timestamp"]), "{first}");
    let (_, one) = daemon.get("/error-history?service=gone").await;
    assert!(one["service"] == "gone" && one["errors"].as_array().unwrap().len() >= 3, "{one}");
    let (status, unknown) = daemon.get("/error-history?service=no-such").await;
    assert_eq!((status, unknown), (200, json!({"service": "no-such", "errors": []})));

    let (_, history) = daemon.get("/recovery-history").await;
    assert_eq!(history["last_recovery_times"], json!({}), "nothing was attempted");
    let (status, problem) = daemon.post("/trigger-heal/no-such").await;
    assert_eq!((status, &problem["error"]), (404, &json!("Service not found")));
    let (status, problem) = daemon.post("/trigger-heal/web").await;
    assert_eq!(status, 503);
    assert!(problem["error"].as_str().unwrap().contains("RECOVERY_BACKEND"), "{problem}");
}

#[tokio::test]
async fn before_the_first_check_the_status_is_empty_and_everything_counts_as_unhealthy() {
    let configuration = "health_check_interval: 3600\nelasticsearch_enabled: false\nrecovery_backend: none\n\
                         services:\n  web: {url: 'http://127.0.0.1:1'}\n";
    let daemon = Daemon::start_with(configuration, &[]).await;
    assert_eq!(daemon.get("/service-status").await, (200, json!({})));
    let (_, statistics) = daemon.get("/statistics").await;
    assert_eq!((&statistics["unhealthy_services"], &statistics["last_check"]), (&json!(1), &Value::Null));
}

#[tokio::test]
async fn repeated_checks_on_demand_never_drive_a_service_to_a_restart() {
    let (receiver, mut orders) = receivers::webhook(StatusCode::OK).await;
    let configuration = format!(
        "health_check_interval: 3600\nelasticsearch_enabled: false\nrecovery_webhook_url: 'http://{receiver}/orders'\n\
         services:\n  web: {{url: 'http://127.0.0.1:1'}}\n"
    );
    let daemon = Daemon::start_with(&configuration, &[]).await;
    for _ in 0..20 {
        let (_, checked) = daemon.get("/check-services").await;
        assert_eq!(
            (&checked["web"]["status"], &checked["web"]["failures"]),
            (&json!("unreachable"), &json!(0))
        );
    }
    assert!(orders.try_recv().is_err());
}

#[tokio::test]
async fn a_request_to_heal_is_answered_once_recorded_and_names_what_is_in_its_way() {
    let service = Service::start().await;
    let (receiver, mut orders) = receivers::webhook(StatusCode::OK).await;
    let configuration = format!(
        "recovery_webhook_url: 'http://{receiver}/orders'\nrecovery_webhook_secret: 'story-secret'\n\
         services:\n  web: {{url: 'http://{}', recovery_timeout: 600}}\n",
        service.address
    );
    let daemon = Daemon::start(&configuration).await;
    let (status, triggered) = daemon.post("/trigger-heal/web").await;
    assert_eq!((status, &triggered["message"]), (200, &json!("Auto-healing triggered for web")));
    assert!(is_time(&triggered["timestamp"]), "{triggered}");
    let recovery_id = triggered["recovery_id"].clone();
    let (_, history) = daemon.get("/recovery-history").await;
    assert_eq!(history["recoveries"].as_array().unwrap().last().unwrap()["recovery_id"], recovery_id);
    assert!(is_time(&history["last_recovery_times"]["web"]), "{history}");

    let order = orders.recv().await.unwrap();
    assert_eq!(order.headers["webhook-id"], recovery_id.as_str().unwrap());
    assert!(order.headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
    let body: Value = serde_json::from_str(&order.body).unwrap();
    assert_eq!((&body["service"], &body["action"]), (&json!("web"), &json!("restart")));

    let (status, second) = daemon.post("/trigger-heal/web").await;
    assert_eq!((status, &second["recovery_id"]), (409, &recovery_id), "{second}");
    let refused = daemon.recovery_until("web", "the refusal", |one| one["guard"] == "in_flight").await;
    assert_eq!((&refused["trigger"], &refused["outcome"]), (&json!("manual"), &json!("suppressed")));
    assert_eq!(refused["guard_inputs"]["recovery_id"], recovery_id);
    let done = daemon.recovery_until("web", "the proof", |one| one["outcome"] == "recovered").await;
    assert_eq!((&done["trigger"], &done["recovery_id"]), (&json!("manual"), &recovery_id));

    let (status, held) = daemon.post("/trigger-heal/web").await;
    assert_eq!(status, 423, "{held}");
    assert!(held["error"].as_str().unwrap().contains("too recent") && is_time(&held["until"]), "{held}");
    let inputs = &held["guard_inputs"];
    assert_eq!((&inputs["guard"], &inputs["attempts"]), (&json!("cool_down"), &json!(1)), "{held}");
    assert!(inputs["wait_seconds"].as_u64() >= Some(600) && is_time(&inputs["last_attempt_at"]), "{held}");
    let refused = daemon.recovery_until("web", "the refusal", |one| one["guard"] == "cool_down").await;
    assert_eq!((&refused["recovery_id"], &refused["guard_inputs"]), (&held["recovery_id"], inputs));
    assert_eq!(refused["incident_id"], refused["recovery_id"], "no incident was opened for it");
    assert_eq!(daemon.post("/trigger-heal/web?force=true").await.0, 400, "force needs a reason");
    assert_eq!(daemon.post("/trigger-heal/web?force=true&reason=a%20story").await.0, 200);
    let forced = daemon
        .recovery_until("web", "the forced one", |one| {
            one["attempt"] == 1 && one["reason"].as_str().is_some_and(|r| r.contains("a story"))
        })
        .await;
    assert_ne!(forced["recovery_id"], recovery_id);
}

#[tokio::test]
async fn a_receiver_that_refuses_is_recorded_and_never_called_recovered() {
    let (receiver, mut orders) = receivers::webhook(StatusCode::FORBIDDEN).await;
    let configuration = format!(
        "recovery_webhook_url: 'http://{receiver}/orders'\nservices:\n  web: {{url: 'http://127.0.0.1:1'}}\n"
    );
    let daemon = Daemon::start(&configuration).await;
    let failed = daemon.recovery_until("web", "the failure", |one| one["outcome"] == "action_failed").await;
    assert!(failed["reason"].as_str().unwrap().contains("403"), "{failed}");
    assert_eq!(failed["accepted_at"], Value::Null);
    let status = daemon.service_until("web", "the back-off", |web| web["held"]["guard"] == "cool_down").await;
    assert!(is_time(&status["held"]["until"]), "{status}");
    orders.recv().await.unwrap();
}

#[tokio::test]
async fn the_specification_and_the_metrics_are_those_of_the_running_daemon() {
    let service = Service::start().await;
    let services =
        format!("recovery_backend: none\nservices:\n  web: {{url: 'http://{}'}}\n", service.address);
    // Shipping has metrics of its own; that nobody is there to ship to is told by them.
    let quick = QUICK.replace("elasticsearch_enabled: false", "elasticsearch_url: http://127.0.0.1:9");
    let daemon = Daemon::start_with(&format!("{quick}{services}"), &[]).await;
    daemon.service_until("web", "the first check", |web| web["state"] == "healthy").await;
    let (_, specification) = daemon.get("/openapi.json").await;
    let contract = [
        "/health",
        "/check-services",
        "/service-status",
        "/statistics",
        "/error-history",
        "/recovery-history",
        "/trigger-heal/{service}",
        "/livez",
        "/readyz",
        "/metrics",
        "/openapi.json",
    ];
    for path in contract {
        assert!(specification["paths"].get(path).is_some(), "{path} is not in the specification");
    }
    let metrics = daemon.text("/metrics").await;
    assert!(metrics.contains("health_monitor_service_up{service=\"web\"} 1"), "{metrics}");
    assert!(metrics.contains("health_monitor_checks_total{result=\"pass\"}"), "{metrics}");
    let named: std::collections::BTreeSet<&str> = metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()))
        .collect();
    assert!(named.into_iter().eq(health_monitor::metrics::NAMES), "{metrics}");
    let ready = daemon.text("/readyz?verbose").await;
    assert!(ready.contains("[+]journal ok"), "{ready}");
}
