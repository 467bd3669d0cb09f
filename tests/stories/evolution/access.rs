//! Who may report, and who may change something.

use serde_json::json;

use super::{event, started};

#[tokio::test]
async fn with_tokens_each_role_may_do_what_it_is_for() {
    let daemon = started("api_token: 'operator:oooooooo,ingest:iiiiiiii,viewer:vvvvvvvv'\n").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let post = async |path: &str, token: Option<&str>| {
        let mut request = client.post(daemon.url(path)).json(&event("web", "/x", 0.1, 200));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        request.send().await.unwrap().status().as_u16()
    };
    for (path, token, status) in [
        ("/collect-usage", None, 401),
        ("/collect-usage", Some("vvvvvvvv"), 403),
        ("/collect-usage", Some("iiiiiiii"), 200),
        ("/collect-usage", Some("oooooooo"), 200),
        ("/analyze", Some("iiiiiiii"), 403),
        ("/analyze", Some("oooooooo"), 200),
        ("/apply-optimization/x", None, 401),
        ("/apply-optimization/x", Some("iiiiiiii"), 403),
        ("/apply-optimization/x", Some("oooooooo"), 404),
        ("/rollback/x", Some("vvvvvvvv"), 403),
        ("/pause", Some("iiiiiiii"), 403),
    ] {
        assert_eq!(post(path, token).await, status, "{path} {token:?}");
    }
    for (token, status) in [(None, 401), (Some("iiiiiiii"), 200), (Some("vvvvvvvv"), 200)] {
        let mut request = client.get(daemon.url("/config"));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status().as_u16(), status, "/config {token:?}");
        assert!(!response.text().await.unwrap().contains("oooooooo"), "a token is shown");
    }
    let (status, _) =
        daemon.post_json("/ofrep/v1/evaluate/flags", &json!({"context": {"targetingKey": "web"}})).await;
    assert_eq!(status, 200, "a service needs no token to read what it is told");
}

#[tokio::test]
async fn an_edited_configuration_holds_at_a_hang_up_and_a_bad_one_changes_nothing() {
    let daemon = started("").await;
    let path = daemon.directory.path().join("monitor.yaml");
    let write = |content: &str| {
        std::fs::write(&path, format!("elasticsearch_enabled: false\n{content}")).unwrap();
        crate::stories::daemon::signal(daemon.process_id(), "HUP");
    };
    let auto = async |expected: bool| {
        let wanted = |health: &serde_json::Value| (health["auto_apply_enabled"] == expected).then_some(());
        daemon.until("/health", "the new configuration", wanted).await;
    };
    write("auto_apply_optimizations: true\n");
    auto(true).await;
    write("auto_apply_optimizations: perhaps\n");
    while !daemon.log().contains("the configuration before is kept") {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    auto(true).await;
    write("analysis_bucket_seconds: 7\n");
    auto(false).await;
    assert!(daemon.log().contains("ANALYSIS_BUCKET_SECONDS"), "it says what keeps its value");
    let (_, shown) = daemon.get("/config").await;
    let settings = &shown["settings"];
    assert_eq!(settings["auto_apply_optimizations"], json!({"value": false, "origin": "default"}));
    assert_eq!(settings["analysis_bucket_seconds"]["value"], 60, "{settings}");
    assert_eq!(shown["restart_to_apply"], json!(["ANALYSIS_BUCKET_SECONDS"]));
}

#[tokio::test]
async fn without_a_token_everybody_may_report_and_only_this_host_may_change_something() {
    let daemon = started("").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let forwarded = async |path: &str| {
        let usage = event("web", "/x", 0.1, 200);
        let request = client.post(daemon.url(path)).json(&usage).header("X-Forwarded-For", "10.0.0.9");
        request.send().await.unwrap().status().as_u16()
    };
    assert_eq!(forwarded("/collect-usage").await, 200);
    for path in
        ["/analyze", "/apply-optimization/x", "/rollback/x", "/approve/x", "/dismiss/x", "/pause", "/resume"]
    {
        assert_eq!(forwarded(path).await, 403, "{path}");
    }
}
