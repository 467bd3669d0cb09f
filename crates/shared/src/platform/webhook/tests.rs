//! Against a real receiver on the loopback interface.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::platform::QUOTED;
use crate::platform::tests::order;

/// What a receiver was sent.
type Received = mpsc::UnboundedReceiver<(HeaderMap, Bytes)>;

/// Starts a receiver that always gives this answer.
async fn receiver<R>(answer: R) -> (String, Received)
where
    R: IntoResponse + Clone + Send + Sync + 'static,
{
    let (sender, received) = mpsc::unbounded_channel();
    let answering = move |headers: HeaderMap, body: Bytes| async move {
        sender.send((headers, body)).unwrap();
        answer
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/orders/s3cret-path", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answering)).await });
    (url, received)
}

fn webhook(url: &str, secret: Option<&str>) -> Webhook {
    let secret = secret.map(SecretString::from);
    Webhook::new(&WebhookSettings { url: url.into(), secret, timeout: Duration::from_secs(10) }).unwrap()
}

/// RFC 2104 by the letter, so that the signature is not checked with what made it.
fn hmac(key: &[u8], message: &[u8]) -> Vec<u8> {
    let pad = |byte: u8| {
        let mut block = [byte; 64];
        block.iter_mut().zip(key).for_each(|(pad, key)| *pad ^= key);
        block
    };
    let inner = Sha256::new().chain_update(pad(0x36)).chain_update(message).finalize();
    Sha256::new().chain_update(pad(0x5c)).chain_update(inner).finalize().to_vec()
}

#[tokio::test]
async fn an_order_arrives_signed_with_its_identity_and_time() {
    let (url, mut received) = receiver(StatusCode::ACCEPTED).await;
    let order = order();
    assert_eq!(webhook(&url, Some("plain text secret")).perform(&order).await, Performed::Accepted);

    let (headers, body) = received.recv().await.unwrap();
    let header = |name: &str| headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("webhook-id"), order.id.to_string());
    assert_eq!(header("webhook-timestamp"), "1614292930");
    assert_eq!(header("content-type"), "application/json");
    let signed = [format!("{}.1614292930.", order.id).as_bytes(), &body].concat();
    let expected = STANDARD.encode(hmac(b"plain text secret", &signed));
    assert_eq!(header("webhook-signature"), format!("v1,{expected}"));
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&body).unwrap(),
        serde_json::json!({
            "type": "order",
            "action": "restart",
            "service": "web",
            "recovery_id": order.id.to_string(),
            "incident_id": order.incident_id.to_string(),
            "attempt": 2,
            "timestamp": "2021-02-25T22:42:10.000000Z",
        })
    );
}

#[tokio::test]
async fn without_a_secret_an_order_is_sent_unsigned() {
    let (url, mut received) = receiver(StatusCode::OK).await;
    assert_eq!(webhook(&url, None).perform(&order()).await, Performed::Accepted);
    assert!(!received.recv().await.unwrap().0.contains_key("webhook-signature"));
}

/// Lets a receiver give an answer, and compares what becomes of it; `HOST` stands for the receiver's host.
async fn check<R>(answer: R, expected: impl Fn(String) -> Performed, reason: &str)
where
    R: IntoResponse + Clone + Send + Sync + 'static,
{
    let (url, mut received) = receiver(answer).await;
    let webhook = webhook(&url, None);
    let outcome = webhook.perform(&order()).await;
    let reason = format!("post the order to restart service web to {}: {reason}", webhook.host());
    assert_eq!(outcome, expected(reason));
    assert!(received.recv().await.is_some());
    assert!(received.try_recv().is_err(), "it was sent twice");
}

#[tokio::test]
async fn what_a_receiver_refuses_was_not_run() {
    let not_run = |reason| Performed::NotRun { reason };
    check((StatusCode::UNAUTHORIZED, "bad\nsignature\n"), not_run, "it answered 401: bad signature").await;
    check(StatusCode::NOT_FOUND, not_run, "it answered 404").await;
}

#[tokio::test]
async fn a_receivers_own_failure_has_failed() {
    let failed = |reason| Performed::Failed { reason };
    check((StatusCode::INTERNAL_SERVER_ERROR, "no disk"), failed, "it answered 500: no disk").await;
}

#[tokio::test]
async fn a_long_answer_is_cut() {
    let answer = (StatusCode::BAD_GATEWAY, "x".repeat(1_000_000));
    let failed = |reason| Performed::Failed { reason };
    check(answer, failed, &format!("it answered 502: {}", "x".repeat(QUOTED))).await;
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let (elsewhere, mut received) = receiver(StatusCode::OK).await;
    let answer = (StatusCode::TEMPORARY_REDIRECT, [("location", elsewhere)]);
    let not_run = |reason| Performed::NotRun { reason };
    let reason = "it answered 307; redirects are not followed, set the webhook's URL to the final address";
    check(answer, not_run, reason).await;
    assert!(received.try_recv().is_err());
}

#[tokio::test]
async fn a_refused_port_means_that_nothing_was_sent() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let outcome = webhook(&format!("http://{free}/s3cret-path"), None).perform(&order()).await;
    let Performed::NotRun { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("no connection") && reason.contains("Connection refused"), "{reason}");
    assert!(!reason.contains("s3cret-path"), "{reason}");
}

#[tokio::test]
async fn a_receiver_that_reads_and_is_silent_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/s3cret-path", listener.local_addr().unwrap());
    let settings = WebhookSettings { url, secret: None, timeout: Duration::from_secs(1) };
    let outcome = Webhook::new(&settings).unwrap().perform(&order()).await;
    let Performed::Unknown { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.ends_with("no answer within 1 s; it may have been carried out"), "{reason}");
}

#[tokio::test]
async fn a_connection_that_ends_without_an_answer_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 4096]).await.unwrap();
    });
    let outcome = webhook(&url, None).perform(&order()).await;
    let Performed::Unknown { reason } = outcome else { panic!("{outcome:?}") };
    assert!(reason.contains("the connection ended without an answer"), "{reason}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_means_that_nothing_was_sent() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let settings = WebhookSettings { url, secret: None, timeout: Duration::from_millis(400) };
    let outcome = Webhook::new(&settings).unwrap().perform(&order()).await;
    assert!(matches!(outcome, Performed::NotRun { .. }), "{outcome:?}");
}

#[test]
fn nothing_that_is_shown_holds_a_token_or_the_secret() {
    let webhook = webhook("https://me:hunter2@hooks.example:8443/s3cret-path?token=t0ken", Some("s1gning"));
    assert_eq!(webhook.host(), "hooks.example:8443");
    assert_eq!(format!("{webhook:?}"), r#"Webhook { host: "hooks.example:8443", timeout: 10s, .. }"#);
}

#[test]
fn settings_that_cannot_work_are_refused_without_repeating_a_secret() {
    let check = |url: &str, secret: &str, expected: &str| {
        let settings = WebhookSettings {
            url: url.into(),
            secret: Some(secret.into()),
            timeout: Duration::from_secs(10),
        };
        assert_eq!(Webhook::new(&settings).unwrap_err().to_string(), expected);
    };
    check("not a url", "x", "the webhook's URL is not valid: relative URL without a base");
    check(
        "ftp://hooks.example",
        "x",
        "the webhook's URL begins with ftp:, only http: and https: can be posted to",
    );
    check(
        "http://hooks.example",
        "whsec_hunter2!",
        "the webhook's secret begins with whsec_, but what follows is not base64",
    );
    check("http://hooks.example", "", "the webhook's secret is empty; leave it out to sign nothing");
}
