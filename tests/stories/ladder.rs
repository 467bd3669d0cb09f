//! The ladder on the real daemon: steps that do not help are followed by the next one.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::daemon::{Daemon, FILES};
use super::receivers;

#[tokio::test]
async fn after_the_steps_that_do_not_help_somebody_is_called_with_a_signed_escalation() {
    let (receiver, mut calls) = receivers::webhook(StatusCode::OK).await;
    let service = receivers::Service::start().await;
    let configuration = format!(
        "recovery_webhook_url: 'http://{receiver}/orders'\nrecovery_webhook_secret: 'story-secret'\n\
         recovery_steps: 'restart x2 within 1, webhook'\nrecovery_command: {{restart: ['true']}}\n\
         services:\n  web: {{url: 'http://{}', recovery_timeout: 0.5}}\n",
        service.address
    );
    let daemon = Daemon::start(&configuration).await;
    service.answers(503);
    let call = calls.recv().await.unwrap();
    assert!(call.headers["webhook-signature"].to_str().unwrap().starts_with("v1,"));
    let body: Value = serde_json::from_str(&call.body).unwrap();
    assert_eq!((&body["type"], &body["action"]), (&json!("escalation"), &json!("webhook")), "{body}");
    assert_eq!((&body["service"], &body["attempt"]), (&json!("web"), &json!(3)), "{body}");
    service.answers(200);
    let healed = daemon.recovery_until("web", "the proof", |one| one["outcome"] == "recovered").await;
    assert_eq!((&healed["action"], &healed["step"]), (&json!("webhook"), &json!(2)), "{healed:#}");
    assert_eq!(healed["target"], json!({"backend": "webhook", "name": receiver.to_string()}));
    let (_, statistics) = daemon.get("/statistics").await;
    let effectiveness =
        json!({"restart": {"attempts": 2, "helped": 0}, "webhook": {"attempts": 1, "helped": 1}});
    assert_eq!(statistics["effectiveness"]["web"], effectiveness);
    assert!(calls.try_recv().is_err(), "somebody was called twice");
}

#[tokio::test]
async fn a_recovery_command_may_open_as_many_files_as_if_a_person_had_run_it() {
    let folder = tempfile::tempdir().unwrap();
    let limit = folder.path().join("limit");
    let configuration = format!(
        "recovery_command: {{restart: [sh, -c, 'sleep 0.2; ulimit -Sn > {}']}}\n\
         services:\n  web: {{url: 'http://127.0.0.1:1', verification_timeout: 1}}\n",
        limit.display()
    );
    let daemon = Daemon::start(&configuration).await;
    daemon.recovery_until("web", "the restart", |one| one["phase"] == "verifying").await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", daemon.process_id())).unwrap();
    let raised = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let raised: u32 = raised.split_whitespace().nth(3).unwrap().parse().unwrap();
    assert!(raised > FILES, "the daemon has not raised its own limit: {limits}");
    assert_eq!(std::fs::read_to_string(limit).unwrap().trim(), FILES.to_string());
}
