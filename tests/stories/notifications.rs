//! People are told: signed, once, again when the receiver was away, and of the end.

mod alertmanager;
mod kills;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use shared::clock::{Clock, Timestamp};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::daemon::{Daemon, PATIENCE, QUICK, free_port, signal};
use super::receivers::{self, Received, Service};

const SECRET: &str = "a key that nobody may see";

/// RFC 2104 by the letter.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

fn is_genuine(received: &Received) -> bool {
    let header = |name: &str| received.headers[name].to_str().unwrap();
    let signed = format!("{}.{}.{}", header("webhook-id"), header("webhook-timestamp"), received.body);
    let now = Clock::starting_after(Timestamp::default()).now().as_millis() / 1_000;
    let age = now.abs_diff(header("webhook-timestamp").parse::<u64>().unwrap());
    header("webhook-signature")
        == format!("v1,{}", STANDARD.encode(hmac(SECRET.as_bytes(), signed.as_bytes())))
        && age < 60
}

async fn next(messages: &mut mpsc::UnboundedReceiver<Received>) -> (Received, Value) {
    let received = tokio::time::timeout(PATIENCE, messages.recv()).await.expect("a message").unwrap();
    let body = serde_json::from_str(&received.body).unwrap();
    (received, body)
}

/// One service that nobody heals, and these settings.
fn watching(web: &Service, settings: &str) -> String {
    format!("{settings}services:\n  web: {{url: 'http://{}', mode: observe}}\n", web.address)
}

#[tokio::test]
async fn a_person_who_is_needed_is_told_at_once_signed_and_of_the_end() {
    let web = Service::start().await;
    let (receiver, mut messages) = receivers::webhook(StatusCode::OK).await;
    let settings =
        format!("notify_webhook_url: 'http://{receiver}/orders'\nnotify_webhook_secret: {SECRET}\n");
    let daemon = Daemon::start(&watching(&web, &settings)).await;
    daemon.service_until("web", "its health", |web| web["state"] == "healthy").await;

    web.answers(404);
    let (received, firing) = next(&mut messages).await;
    assert!(is_genuine(&received), "{:?} {}", received.headers, received.body);
    assert_eq!(
        (&firing["kind"], &firing["severity"], &firing["service"]),
        (&"firing".into(), &"critical".into(), &"web".into())
    );
    assert!(firing["text"].as_str().unwrap().contains("HTTP 404"), "{firing}");
    let (_, incidents) = daemon.get("/incidents").await;
    assert_eq!(incidents["items"][0]["incident_id"], firing["incident_id"]);
    assert_eq!(incidents["items"][0]["failed_at"], firing["since"]);

    web.answers(200);
    let (received, resolved) = next(&mut messages).await;
    assert!(is_genuine(&received));
    assert_eq!((&resolved["kind"], &resolved["incident_id"]), (&"resolved".into(), &firing["incident_id"]));
    assert_eq!(received.headers["webhook-id"], resolved["id"].as_str().unwrap());

    let told = daemon
        .until("/notifications?status=delivered", "both messages", |told| {
            (told["items"].as_array()?.len() == 2).then(|| told.clone())
        })
        .await;
    assert_eq!(
        (&told["items"][0]["kind"], &told["channels"][0]["waiting"]),
        (&"resolved".into(), &0.into()),
        "{told}"
    );
    let (_, page) = daemon.get("/notifications?limit=1&kind=firing").await;
    assert_eq!((page["items"].as_array().unwrap().len(), &page["next_cursor"]), (1, &Value::Null));
    let metrics = daemon.text("/metrics").await;
    let counted =
        r#"health_monitor_notifications_total{channel_kind="webhook",kind="firing",outcome="delivered"} 1"#;
    assert!(metrics.contains(counted), "{metrics}");
    let journal = std::fs::read(daemon.directory.path().join("data/journal.sqlite")).unwrap_or_default();
    for shown in [
        daemon.log(),
        told.to_string(),
        daemon.text("/config").await,
        String::from_utf8_lossy(&journal).into_owned(),
    ] {
        assert!(!shown.contains(SECRET) && !shown.contains("/orders"), "a secret is shown:\n{shown}");
    }
}

#[tokio::test]
async fn what_the_daemon_heals_soon_is_told_to_nobody() {
    let web = Service::start().await;
    let (healer, mut orders) = receivers::webhook(StatusCode::OK).await;
    let (receiver, mut messages) = receivers::webhook(StatusCode::OK).await;
    let daemon = Daemon::start(&format!(
        "notify_slack_url: 'http://{receiver}/orders'\nnotify_after: 30\n\
         services:\n  web: {{url: 'http://{}', recovery_webhook_url: 'http://{healer}/orders'}}\n",
        web.address
    ))
    .await;
    daemon.service_until("web", "its health", |web| web["state"] == "healthy").await;
    web.answers(503);
    tokio::time::timeout(PATIENCE, orders.recv()).await.expect("an order");
    web.answers(200);
    daemon.recovery_until("web", "its recovery", |one| one["outcome"] == "recovered").await;
    let (_, told) = daemon.get("/notifications").await;
    assert_eq!(told["items"], Value::Array(Vec::new()), "{told}");
    assert!(messages.try_recv().is_err());
}

#[tokio::test]
async fn a_receiver_that_was_away_is_told_when_it_is_back() {
    let web = Service::start().await;
    let port = free_port();
    let settings = format!("notify_slack_url: 'http://127.0.0.1:{port}/orders'\nnotify_after: 0.5\n");
    let daemon = Daemon::start(&watching(&web, &settings)).await;
    daemon.service_until("web", "its health", |web| web["state"] == "healthy").await;
    web.answers(503);
    let waiting = daemon
        .until("/notifications?status=queued", "a message that waits", |told| {
            Some(&told["items"][0]).filter(|one| one["attempts"].as_u64() > Some(0)).cloned()
        })
        .await;
    assert!(waiting["reason"].as_str().unwrap().contains("Connection refused"), "{waiting}");
    assert!(
        daemon.text("/readyz?verbose").await.contains("slack: 127.0.0.1"),
        "readiness is silent about it"
    );

    let (sender, mut messages) = mpsc::unbounded_channel();
    let router =
        Router::new().route("/orders", post(move |body: String| async move { drop(sender.send(body)) }));
    let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let body = tokio::time::timeout(PATIENCE, messages.recv()).await.expect("a message").unwrap();
    let body: Value = serde_json::from_str(&body).unwrap();
    assert!(body["text"].as_str().unwrap().starts_with("*CRITICAL: web is down*\n"), "{body}");
    assert!(
        daemon
            .until("/notifications", "its delivery", |told| {
                (told["items"][0]["status"] == "delivered").then(|| told["items"][0]["attempts"].as_u64())
            })
            .await
            > Some(1)
    );
}

#[tokio::test]
async fn a_channel_can_be_tried_out_and_says_what_the_receiver_answered() {
    let web = Service::start().await;
    let daemon = Daemon::start(&watching(&web, "")).await;
    let (status, problem) = daemon.post("/notifications/test").await;
    assert_eq!(status, 404);
    assert!(problem["error"].as_str().unwrap().contains("NOTIFY_WEBHOOK_URL"), "{problem}");

    let (fine, mut messages) = receivers::webhook(StatusCode::OK).await;
    let (refusing, _refused) = receivers::webhook(StatusCode::FORBIDDEN).await;
    let daemon = Daemon::start(&watching(&web, &format!(
        "notifications:\n  fine: {{kind: slack, url: 'http://{fine}/orders'}}\n  strict: {{kind: webhook, url: 'http://{refusing}/orders'}}\n"
    )))
    .await;
    let (status, tested) = daemon.post("/notifications/test?channel=fine").await;
    assert_eq!((status, &tested["results"][0]["is_delivered"]), (200, &true.into()), "{tested}");
    assert!(next(&mut messages).await.1["text"].as_str().unwrap().contains("Test of the channel fine"));
    let (status, problem) = daemon.post("/notifications/test").await;
    assert_eq!(status, 502);
    assert!(problem["error"].as_str().unwrap().starts_with("strict: 127.0.0.1"), "{problem}");
    assert_eq!(problem["results"].as_array().unwrap().len(), 2);
    let (status, problem) = daemon.post("/notifications/test?channel=nobody").await;
    assert_eq!(status, 404);
    assert!(problem["error"].as_str().unwrap().ends_with("there are fine, strict"), "{problem}");
}

#[tokio::test]
async fn an_edited_file_takes_a_channel_away_with_what_waits_for_it_and_tells_a_new_one() {
    let web = Service::start().await;
    let settings = format!(
        "notify_after: 0.5\nnotifications: {{old: {{kind: slack, url: 'http://127.0.0.1:{}/x'}}}}\n",
        free_port()
    );
    let daemon = Daemon::start(&watching(&web, &settings)).await;
    daemon.service_until("web", "its health", |web| web["state"] == "healthy").await;
    web.answers(503);
    let is_tried = |told: &Value| (told["items"][0]["attempts"].as_u64() > Some(0)).then_some(());
    daemon.until("/notifications", "an attempt", is_tried).await;

    let (receiver, mut messages) = receivers::webhook(StatusCode::OK).await;
    let settings = format!(
        "notify_after: 0.5\nnotifications: {{new: {{kind: webhook, url: 'http://{receiver}/orders'}}}}\n"
    );
    let file = daemon.directory.path().join("monitor.yaml");
    std::fs::write(file, format!("{QUICK}{}", watching(&web, &settings))).unwrap();
    signal(daemon.process_id(), "HUP");
    let (_, firing) = next(&mut messages).await;
    assert_eq!((&firing["kind"], &firing["service"]), (&"firing".into(), &"web".into()));
    let (_, told) = daemon.get("/notifications?channel=old").await;
    assert_eq!(told["items"][0]["status"], "cancelled", "{told}");
    assert_eq!(told["items"][0]["reason"], "the channel is no longer configured");
}
