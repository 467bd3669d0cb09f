//! What of an HTTP answer can be expected, and what happens when it is not so.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::Router;
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::get;
use serde_json::json;

use super::daemon::Daemon;
use super::receivers;
use super::tls::Authority;

#[tokio::test]
async fn status_text_value_and_redirects_are_expected_per_service() {
    let router = Router::new()
        .route("/made", get(|| async { StatusCode::CREATED }))
        .route("/page", get(|| async { "all systems go" }))
        .route("/json", get(|| async { r#"{"status": {"db": "down"}}"# }))
        .route("/moved", get(|| async { Redirect::temporary("/page") }))
        .route("/circle", get(|| async { Redirect::temporary("/circle") }));
    let address = receivers::serve(router).await;
    let services = [
        ("made", "expected_status: '200-202, 204', path: /made"),
        ("not-made", "path: /made"),
        ("text", "path: /page, body_contains: systems go"),
        ("no-text", "path: /page, body_contains: systems down"),
        ("value", "path: /json, body_json: /status/db=down"),
        ("other-value", "path: /json, body_json: /status/db=ok"),
        ("no-value", "path: /json, body_json: /db=ok"),
        ("no-json", "path: /page, body_json: /db=ok"),
        ("moved", "path: /moved"),
        ("followed", "path: /moved, redirects: 1, body_contains: go"),
        ("circle", "path: /circle, redirects: 3"),
    ];
    let lines =
        services.map(|(name, settings)| format!("  {name}: {{url: 'http://{address}', {settings}}}\n"));
    let daemon = Daemon::start(&format!("recovery_backend: none\nservices:\n{}", lines.concat())).await;
    let (_, seen) = daemon.get("/check-services").await;
    let is = |name: &str, severity: &str, error: &str| {
        let one = &seen[name];
        assert_eq!((&one["severity"], &one["error"]), (&json!(severity), &json!(error)), "{one:#}");
        assert_eq!(one["status"], "unhealthy", "{one:#}");
    };
    for name in ["made", "text", "value", "followed"] {
        assert_eq!(seen[name]["class"], "pass", "{:#}", seen[name]);
    }
    is("not-made", "configuration", "HTTP 201");
    is("no-text", "hard", "the body does not contain \"systems down\"");
    is("other-value", "hard", "/status/db is \"down\", not ok");
    is("no-value", "configuration", "the body has no value at /db");
    is("no-json", "configuration", "the body is not JSON");
    is("moved", "configuration", "HTTP 307");
    is("circle", "configuration", "the answer redirects too often or in a circle (too many redirects)");
}

#[tokio::test]
async fn a_certificate_is_trusted_by_its_authority_and_told_when_it_ends_soon() {
    let folder = tempfile::tempdir().unwrap();
    let authority = Authority::new(folder.path());
    let (lasting, ending, ended) =
        (authority.service(400).await, authority.service(370).await, authority.service(300).await);
    let file = authority.file();
    let line = |name: &str, address, settings: &str| {
        format!("  {name}: {{url: 'https://{address}', certificate_days: 14{settings}}}\n")
    };
    let trusting = format!(", ca_file: '{file}'");
    let services = [
        line("lasting", lasting, &trusting),
        line("ending", ending, &trusting),
        line("ended", ended, &trusting),
        line("stranger", lasting, ""),
    ];
    let daemon = Daemon::start(&format!("recovery_backend: none\nservices:\n{}", services.concat())).await;
    let (_, seen) = daemon.get("/check-services").await;
    assert_eq!(seen["lasting"]["class"], "pass", "{seen:#}");
    let ending = &seen["ending"];
    assert_eq!((&ending["class"], &ending["status"]), (&json!("degraded"), &json!("healthy")));
    let told = ending["error"].as_str().unwrap();
    assert!(told.starts_with("the certificate ends in 5.0 days") || told.contains("4.9 days"), "{told}");
    for (name, cause) in [("ended", "expired"), ("stranger", "UnknownIssuer")] {
        let one = &seen[name];
        assert_eq!(
            (&one["severity"], &one["status"]),
            (&json!("configuration"), &json!("unhealthy")),
            "{one:#}"
        );
        assert!(one["error"].as_str().unwrap().contains(cause), "{one:#}");
    }
    let held = daemon.recovery_until("ended", "the refusal", |one| one["guard"] == "configuration").await;
    assert!(held["reason"].as_str().unwrap().contains("certificate"), "{held:#}");
}

#[tokio::test]
async fn a_service_that_says_it_is_not_well_is_healed() {
    let is_well = Arc::new(AtomicBool::new(true));
    let (seen, restarted) = (Arc::clone(&is_well), Arc::clone(&is_well));
    let health = move || async move {
        if seen.load(Ordering::SeqCst) { r#"{"db": "ok"}"# } else { r#"{"db": "lost"}"# }
    };
    let restart = move || async move { restarted.store(true, Ordering::SeqCst) };
    let router = Router::new().route("/health", get(health)).route("/restart", axum::routing::post(restart));
    let address = receivers::serve(router).await;
    let settings = format!("recovery_webhook_url: 'http://{address}/restart', body_json: /db=ok");
    let daemon = Daemon::start(&format!("services:\n  web: {{url: 'http://{address}', {settings}}}\n")).await;
    daemon.service_until("web", "health", |web| web["state"] == "healthy").await;
    is_well.store(false, Ordering::SeqCst);
    let healed = daemon.recovery_until("web", "the recovery", |one| one["outcome"] == "recovered").await;
    assert_eq!(healed["recent_errors"][0]["error"], "/db is \"lost\", not ok", "{healed:#}");
}
