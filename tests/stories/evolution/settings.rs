//! Services read their settings: by OFREP, and with curl.

use std::time::Duration;

use serde_json::{Value, json};

use super::{analysed, event, events, recommending, report};
use crate::stories::daemon::Daemon;

async fn evaluate(daemon: &Daemon, path: &str, body: &Value) -> (u16, Value) {
    daemon.post_json(&format!("/ofrep/v1/evaluate/flags{path}"), body).await
}

#[tokio::test]
async fn a_flag_appears_on_apply_and_goes_on_rollback_and_only_for_that_service() {
    let (daemon, id) = recommending().await;
    let context =
        |service: &str| json!({"context": {"service": service, "targetingKey": format!("{service}-1")}});
    let not_found = |(status, answer): (u16, Value)| {
        assert_eq!((status, &answer["errorCode"]), (404, &json!("FLAG_NOT_FOUND")), "{answer}");
    };
    not_found(evaluate(&daemon, "/response-cache", &context("web")).await);
    daemon.post(&format!("/apply-optimization/{id}")).await;
    let (status, flag) = evaluate(&daemon, "/response-cache", &context("web")).await;
    assert_eq!((status, &flag["key"], &flag["value"]), (200, &json!("response-cache"), &json!(true)));
    assert_eq!((&flag["reason"], &flag["metadata"]["recommendation_id"]), (&json!("STATIC"), &json!(id)));
    not_found(evaluate(&daemon, "/response-cache", &context("other")).await);
    let (_, all) = evaluate(&daemon, "", &json!({"context": {"targetingKey": "web"}})).await;
    assert_eq!(all["flags"][0], flag, "the targeting key names the service where nothing else does");
    daemon.post(&format!("/rollback/{id}")).await;
    not_found(evaluate(&daemon, "/response-cache", &context("web")).await);
    assert_eq!(evaluate(&daemon, "", &context("web")).await.1, json!({"flags": []}));
}

#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let (daemon, id) = recommending().await;
    daemon.post(&format!("/apply-optimization/{id}")).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let ask = async |tag: &str| {
        let request = client
            .post(daemon.url("/ofrep/v1/evaluate/flags"))
            .json(&json!({"context": {"targetingKey": "web"}}))
            .header("If-None-Match", tag);
        let answer = request.send().await.unwrap();
        let tag = answer.headers()["etag"].to_str().unwrap().to_owned();
        (answer.status().as_u16(), tag)
    };
    let (status, tag) = ask("\"something\"").await;
    assert_eq!(status, 200);
    assert_eq!(ask(&tag).await, (304, tag.clone()));
    daemon.post(&format!("/rollback/{id}")).await;
    let (status, newer) = ask(&tag).await;
    assert_eq!((status, newer != tag), (200, true));
}

#[tokio::test]
async fn a_context_that_cannot_be_used_is_refused_in_the_words_of_the_protocol() {
    let (daemon, _) = recommending().await;
    for (body, code) in [
        (json!({}), "INVALID_CONTEXT"),
        (json!({"context": 7}), "INVALID_CONTEXT"),
        (json!({"context": {}}), "TARGETING_KEY_MISSING"),
        (json!({"context": {"targetingKey": 7}}), "INVALID_CONTEXT"),
        (json!([]), "INVALID_CONTEXT"),
    ] {
        for path in ["", "/response-cache"] {
            let (status, answer) = evaluate(&daemon, path, &body).await;
            assert_eq!((status, &answer["errorCode"]), (400, &json!(code)), "{body}: {answer}");
        }
    }
}

#[tokio::test]
async fn whoever_waits_for_a_change_is_told_when_it_comes_and_not_before() {
    let (daemon, id) = recommending().await;
    let waiting = async {
        let began = tokio::time::Instant::now();
        let (_, body) = daemon.get("/settings/web?after=0&wait=20").await;
        (began.elapsed(), body)
    };
    let applying = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        daemon.post(&format!("/apply-optimization/{id}")).await
    };
    let ((waited, body), _) = tokio::join!(waiting, applying);
    assert_eq!((&body["version"], &body["settings"]["response-cache"]["value"]), (&json!(1), &json!(true)));
    assert!(waited >= Duration::from_millis(300), "there was nothing to tell before");
    let (_, value) = daemon.get("/settings/web/response-cache").await;
    assert_eq!(value, json!({"value": true}));
    assert_eq!(daemon.get("/settings/web/other").await.0, 404);
    let (status, nothing) = daemon.get("/settings/never-seen").await;
    assert_eq!((status, &nothing["version"], &nothing["settings"]), (200, &json!(0), &json!({})));
}

#[tokio::test]
async fn who_has_fetched_a_change_is_known() {
    let (daemon, id) = recommending().await;
    daemon.post(&format!("/apply-optimization/{id}")).await;
    let delivered = async || daemon.get(&format!("/changes/{id}")).await.1["delivered_to"].clone();
    assert_eq!(delivered().await, 0);
    let context = json!({"context": {"service": "web", "targetingKey": "web-1"}});
    for _ in 0..3 {
        evaluate(&daemon, "", &context).await;
    }
    daemon.get("/settings/web?instance=web-2").await;
    assert_eq!(delivered().await, 2);
    let (_, settings) = daemon.get("/settings/web?instance=web-2").await;
    assert_eq!(settings["deliveries"]["web-1"]["version"], 1);
}

#[tokio::test]
async fn each_service_has_its_own_settings_and_a_version_of_its_own() {
    let (daemon, first) = recommending().await;
    report(&daemon, &events(40, &event("api", "/y", 0.1, 500))).await;
    let second = analysed(&daemon).await.into_iter().find(|id| *id != first).unwrap();
    for id in [&first, &second] {
        assert_eq!(daemon.post(&format!("/apply-optimization/{id}")).await.0, 200);
    }
    let (_, all) = daemon.get("/settings").await;
    let told: Vec<_> = all.as_array().unwrap().iter().map(|one| (&one["service"], &one["version"])).collect();
    assert_eq!(told, [(&json!("api"), &json!(1)), (&json!("web"), &json!(1))]);
    let (_, api) = daemon.get("/settings/api").await;
    assert_eq!(
        (&api["settings"]["retry"]["value"], &api["settings"]["circuit-breaker"]["value"]),
        (&json!(true), &json!(true))
    );
}

#[tokio::test]
async fn a_request_for_settings_may_not_be_large() {
    let (daemon, _) = recommending().await;
    let large = json!({"context": {"targetingKey": "web", "filler": "x".repeat(100_000)}});
    assert_eq!(evaluate(&daemon, "", &large).await.0, 413);
}
