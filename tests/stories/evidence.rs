//! What is seen right before an action is kept, without secrets.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use serde_json::json;
use tokio::net::TcpListener;

use super::daemon::Daemon;
use super::docker::{self, Container};

#[tokio::test]
async fn the_last_log_lines_of_a_container_are_there_after_it_was_restarted() {
    if !docker::is_there() {
        return;
    }
    let container = Container::start("evidence", &["--broken"]);
    let configuration = format!(
        "recovery_backend: docker\nrecovery_stop_timeout: 1\nservices:\n  {}: {{url: '{}'}}\n",
        container.service,
        container.url()
    );
    let daemon = Daemon::start(&configuration).await;
    let recovery =
        daemon.recovery_until(&container.service, "the action", |one| one["has_acted"] == true).await;
    assert_eq!(recovery["evidence"]["evidence_id"], recovery["recovery_id"], "{recovery:#}");
    let path = format!("/recoveries/{}/evidence", recovery["recovery_id"].as_str().unwrap());
    let (status, evidence) = daemon.get(&path).await;
    assert_eq!((status, &evidence["platform"]), (200, &json!("running")), "{evidence:#}");
    let written = docker::docker(&["logs", container.name()]);
    let first = written.lines().next().expect("the stand-in writes something");
    assert!(evidence["logs"].as_str().unwrap().contains(first), "{evidence:#}");
    assert_eq!(daemon.get("/recoveries/0190a0b0-0000-7000-8000-000000000001/evidence").await.0, 404);
}

#[tokio::test]
async fn secrets_in_failing_answers_and_in_the_output_of_commands_are_nowhere() {
    let sick = || async {
        (StatusCode::SERVICE_UNAVAILABLE, r#"{"status": "DOWN", "db": "postgres://app:hunter2@db/app"}"#)
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, Router::new().route("/health", get(sick))).await });
    let configuration = format!(
        "recovery_command: {{restart: [sh, -c, 'echo password=hunter2 is wrong >&2; exit 1']}}\n\
         services:\n  web: {{url: 'http://{address}'}}\n"
    );
    let mut daemon = Daemon::start(&configuration).await;
    let failed = daemon.recovery_until("web", "the failure", |one| one["outcome"] == "action_failed").await;
    assert!(failed["reason"].as_str().unwrap().contains("password=*** is wrong"), "{failed:#}");
    let path = format!("/recoveries/{}/evidence", failed["recovery_id"].as_str().unwrap());
    let (status, evidence) = daemon.get(&path).await;
    let body = evidence["probe_bodies"][0].as_str().unwrap_or_default();
    assert!(
        status == 200 && body.contains("HTTP 503") && body.contains("postgres://***@db/app"),
        "{evidence:#}"
    );
    assert!(evidence["missing"][0].as_str().unwrap().contains("no log can be read"), "{evidence:#}");
    // What was recorded is there after a crash.
    daemon.kill();
    daemon.restart().await;
    assert_eq!(daemon.get(&path).await.1, evidence);
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(!daemon.log().contains("hunter2"), "{}", daemon.log());
}
