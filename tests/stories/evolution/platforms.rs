//! Changes that a real platform carries out: a receiver of this story, and a program on this host.

use std::sync::{Arc, Mutex};

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

use super::{analysed, event, events, report, started};
use crate::stories::daemon::Daemon;
use crate::stories::receivers::serve;

/// An auto-scaler: it has a value, does what it is told as long as its status is good, and remembers who told it.
#[derive(Clone)]
struct Scaler(Arc<Mutex<Scaling>>);

struct Scaling {
    value: Value,
    status: StatusCode,
    obeys: bool,
    told: Vec<(HeaderMap, Value)>,
}

impl Scaler {
    fn new() -> Self {
        let scaling = Scaling { value: json!(2), status: StatusCode::OK, obeys: true, told: Vec::new() };
        Self(Arc::new(Mutex::new(scaling)))
    }

    async fn start(&self) -> std::net::SocketAddr {
        let take = |State(scaler): State<Self>, headers: HeaderMap, Json(body): Json<Value>| async move {
            let mut scaling = scaler.0.lock().unwrap();
            if scaling.obeys && scaling.status.is_success() {
                scaling.value = body["after"].clone();
            }
            scaling.told.push((headers, body));
            scaling.status
        };
        let tell =
            |State(scaler): State<Self>| async move { Json(json!({"replicas": scaler.value(), "up": true})) };
        let router = Router::new().route("/scale/secret-path", post(take)).route("/state", get(tell));
        serve(router.with_state(self.clone())).await
    }

    fn value(&self) -> Value {
        self.0.lock().unwrap().value.clone()
    }

    fn told(&self) -> Vec<(HeaderMap, Value)> {
        self.0.lock().unwrap().told.clone()
    }

    fn becomes(&self, change: impl FnOnce(&mut Scaling)) {
        change(&mut self.0.lock().unwrap());
    }
}

/// A daemon with this action for what is slow of `web`, and the identity of what it recommends.
async fn recommending(settings: &str, action: &str) -> (Daemon, String) {
    let configuration = format!("{settings}\nservices:\n  web:\n    actions:\n      performance:\n{action}");
    let daemon = started(&configuration).await;
    report(&daemon, &events(40, &event("web", "/x", 2.5, 200))).await;
    let id = analysed(&daemon).await.remove(0);
    (daemon, id)
}

fn scaled_by(address: std::net::SocketAddr) -> String {
    format!(
        "        backend: webhook\n        url: http://{address}/scale/secret-path\n        \
         read_url: http://{address}/state\n        set: ['replicas=+1 up to 4']\n        timeout: 1\n"
    )
}

#[tokio::test]
async fn an_auto_scaler_is_told_read_back_and_told_the_way_back() {
    let scaler = Scaler::new();
    let address = scaler.start().await;
    let (daemon, id) = recommending("judged_changes: none", &scaled_by(address)).await;
    let shown =
        daemon.until(&format!("/recommendations/{id}"), "a look", |it| it["changes"].get(0).cloned()).await;
    assert_eq!(shown, json!({"key": "replicas", "before": 2, "after": 3}));
    let (status, plan) = daemon.post(&format!("/apply-optimization/{id}?dry_run=true")).await;
    assert_eq!(status, 200, "{plan}");
    assert_eq!(plan["changes"], json!([{"key": "replicas", "before": 2, "after": 3}]), "{plan}");
    assert_eq!(plan["inverse"], json!([{"key": "replicas", "before": 3, "after": 2}]), "{plan}");
    assert_eq!(plan["target"], json!({"backend": "webhook", "name": format!("{address}/web")}), "{plan}");
    assert!(scaler.told().is_empty(), "a dry run writes nothing");
    let (_, changes) = daemon.get("/changes").await;
    assert_eq!(changes["items"], json!([]), "a dry run leaves no change");

    let (status, applied) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!((status, &applied["success"]), (200, &json!(true)), "{applied}");
    assert_eq!(applied["changes"], json!([{"key": "replicas", "before": 2, "after": 3}]), "{applied}");
    assert_eq!(scaler.value(), json!(3));
    let (headers, body) = scaler.told().remove(0);
    let names = ["service", "key", "before", "after", "recommendation_id", "stage", "action"];
    let expected = json!(["web", "replicas", 2, 3, id, "apply", "enabled_caching"]);
    assert_eq!(json!(names.map(|name| body[name].clone())), expected, "{body}");
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    assert!(key.ends_with("-apply-1") && key.starts_with(body["change_id"].as_str().unwrap()), "{key}");
    let (_, settings) = daemon.get("/settings/web").await;
    assert_eq!(settings["settings"], json!({}), "nothing is published beside it");

    let (status, rollback) = daemon.post(&format!("/rollback/{id}?reason=enough")).await;
    assert_eq!((status, &rollback["reason"]), (200, &json!("enough")), "{rollback}");
    assert_eq!(scaler.value(), json!(2));
    let (headers, body) = scaler.told().remove(1);
    assert_eq!((&body["stage"], &body["before"], &body["after"]), (&json!("rollback"), &json!(3), &json!(2)));
    assert!(headers["idempotency-key"].to_str().unwrap().ends_with("-rollback-1"), "{headers:?}");
    assert_eq!(scaler.told().len(), 2);
    let (_, change) = daemon.get(&format!("/changes/{id}")).await;
    assert_eq!(change["phase"], "rolled_back", "{change}");
    assert!(!daemon.log().contains("secret-path"), "{}", daemon.log());
}

#[tokio::test]
async fn an_auto_scaler_that_refuses_lies_or_is_gone_is_an_answer_with_the_reason() {
    let scaler = Scaler::new();
    let address = scaler.start().await;
    let (daemon, id) =
        recommending("judged_changes: none\nanalysis_bucket_seconds: 1", &scaled_by(address)).await;
    scaler.becomes(|scaling| scaling.obeys = false);
    let (status, problem) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(status, 409, "{problem}");
    assert!(problem["error"].as_str().unwrap().contains("still has what was before"), "{problem}");
    let path = format!("/changes/{id}");
    let failed = daemon.until(&path, "its end", |it| (it["phase"] == "failed").then(|| it.clone())).await;
    assert!(failed["platform"]["ended"].as_str().unwrap().ends_with("nothing was written"), "{failed}");
    let (_, recommendation) = daemon.get(&format!("/recommendations/{id}")).await;
    assert_eq!((&recommendation["status"], &recommendation["phase"]), (&json!("failed"), &json!("failed")));

    let (daemon, id) = recommending("judged_changes: none", &scaled_by(address)).await;
    scaler.becomes(|scaling| (scaling.status, scaling.obeys) = (StatusCode::FORBIDDEN, true));
    let (status, problem) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!((status, &problem["phase"]), (409, &json!("failed")), "{problem}");
    assert!(problem["error"].as_str().unwrap().contains("it answered 403"), "{problem}");

    let nowhere = scaled_by("127.0.0.1:1".parse().unwrap());
    let (daemon, id) = recommending("judged_changes: none", &nowhere).await;
    let (status, problem) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(status, 409, "{problem}");
    let error = problem["error"].as_str().unwrap();
    assert!(error.contains("read replicas of web at 127.0.0.1:1: no connection"), "{error}");
    let (_, recommendation) = daemon.get(&format!("/recommendations/{id}")).await;
    assert_eq!(recommendation["status"], "pending", "it can be asked for again");
    assert_eq!(recommendation["is_executable"], false, "{recommendation}");
    assert_eq!(recommendation["not_executable_because"], problem["error"], "{recommendation}");
}

#[tokio::test]
async fn a_rollback_that_fails_is_loud_and_tried_again_until_it_succeeds_across_a_kill() {
    let scaler = Scaler::new();
    let address = scaler.start().await;
    let (mut daemon, id) =
        recommending("judged_changes: none\nanalysis_bucket_seconds: 1", &scaled_by(address)).await;
    let (status, applied) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(status, 200, "{applied}");
    scaler.becomes(|scaling| scaling.status = StatusCode::INTERNAL_SERVER_ERROR);
    let (status, problem) = daemon.post(&format!("/rollback/{id}")).await;
    assert_eq!((status, &problem["phase"]), (409, &json!("rollback_failed")), "{problem}");
    assert!(problem["error"].as_str().unwrap().contains("it answered 500"), "{problem}");
    let ready = daemon.text("/readyz?verbose").await;
    assert!(ready.contains("[-]rollbacks degraded") && ready.contains(&id), "{ready}");
    let metrics = daemon.text("/metrics").await;
    assert!(metrics.contains("self_evolution_changes{phase=\"rollback_failed\"} 1"), "{metrics}");
    assert!(daemon.log().contains("change could not be taken back"), "{}", daemon.log());
    daemon.kill();
    scaler.becomes(|scaling| scaling.status = StatusCode::OK);
    daemon.restart().await;
    let path = format!("/changes/{id}");
    daemon.until(&path, "the rollback", |it| (it["phase"] == "rolled_back").then_some(())).await;
    assert_eq!(scaler.value(), json!(2));
    assert!(daemon.text("/readyz?verbose").await.contains("[+]rollbacks ok"));
}

#[tokio::test]
async fn what_a_person_has_changed_meanwhile_is_not_fought() {
    let scaler = Scaler::new();
    let address = scaler.start().await;
    let (daemon, id) = recommending("judged_changes: none", &scaled_by(address)).await;
    let (status, applied) = daemon.post(&format!("/apply-optimization/{id}")).await;
    assert_eq!(status, 200, "{applied}");
    scaler.becomes(|scaling| scaling.value = json!(9));
    let (status, problem) = daemon.post(&format!("/rollback/{id}")).await;
    assert_eq!((status, &problem["phase"]), (409, &json!("superseded")), "{problem}");
    assert_eq!(problem["error"], "somebody else has changed it: replicas is 9", "{problem}");
    assert_eq!((scaler.value(), scaler.told().len()), (json!(9), 1));
}

#[tokio::test]
async fn a_program_changes_what_it_prints_and_back_although_the_daemon_is_killed_in_between() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("size").display().to_string();
    std::fs::write(&file, "8\n").unwrap();
    // While the file `slow` is there, it takes until it is gone to be done.
    let program = r#"echo "$STAGE $BEFORE $AFTER $SERVICE" >> "$0.log"; echo "$AFTER" > "$0"; while [ -e "$0.slow" ]; do sleep 0.05; done"#;
    let action = format!(
        "        backend: command\n        command: [sh, -c, '{program}', '{file}']\n        \
         read: [cat, '{file}']\n        set: ['size=x2 up to 12']\n        timeout: 30\n"
    );
    let (mut daemon, id) = recommending("judged_changes: all", &action).await;
    std::fs::write(format!("{file}.slow"), "").unwrap();
    let path = format!("/apply-optimization/{id}");
    let asked = daemon.post(&path);
    let killed = async {
        let written = || std::fs::read_to_string(&file).unwrap() == "12\n";
        while !written() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        answer = asked => panic!("it cannot have been answered: {answer:?}"),
        () = killed => {}
    }
    daemon.kill();
    std::fs::remove_file(format!("{file}.slow")).unwrap();
    daemon.restart().await;
    let path = format!("/changes/{id}");
    daemon.until(&path, "its effect", |it| (it["phase"] == "settling").then_some(())).await;
    let (status, rollback) = daemon.post(&format!("/rollback/{id}")).await;
    assert_eq!(status, 200, "{rollback}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "8\n");
    let log = std::fs::read_to_string(format!("{file}.log")).unwrap();
    assert_eq!(log, "apply 8 12 web\nrollback 12 8 web\n", "each order was carried out once");
}
