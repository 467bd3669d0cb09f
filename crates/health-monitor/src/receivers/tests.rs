//! What is said, and what answers mean; against a real receiver on the loopback interface where it matters.

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use serde_json::{Value, json};
use shared::order::{OrderId, ServiceName};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use super::*;
use crate::domain::notification::alarm::{AlarmSeverity, Scope};
use crate::domain::notification::channel::{ChannelName, ChannelPolicy};
use crate::domain::notification::{NotificationKind, NotificationStatus};

const SINCE: Timestamp = Timestamp::from_micros(1_764_000_000_000_000);
const NOW: Timestamp = Timestamp::from_micros(1_764_000_600_000_000);

/// That `web` is down.
fn message(kind: NotificationKind) -> Notification {
    let channel = ChannelPolicy {
        name: ChannelName::new("ops").unwrap(),
        kind: ChannelKind::Webhook,
        services: Vec::new(),
        severities: Vec::new(),
        sends_resolved: true,
        reminder: None,
        is_local: true,
    };
    let name = ServiceName::new("web").unwrap();
    Notification {
        notification_id: format!("x_{}_ops", kind.as_str()),
        kind,
        scope: Scope::Service,
        service: Some(name.clone()),
        services: vec![name],
        count: 1,
        severity: AlarmSeverity::Critical,
        title: "web is down".to_owned(),
        text: "HTTP 404. Nothing is done.".to_owned(),
        instance: Some("http://web:80".to_owned()),
        ended_at: (kind == NotificationKind::Resolved).then_some(NOW),
        status: NotificationStatus::Sending,
        ..Notification::test(&channel, OrderId::at(SINCE, 7), SINCE)
    }
}

/// A receiver that always gives this answer, and what it was sent.
async fn receiver<R>(answer: R) -> (String, mpsc::UnboundedReceiver<(HeaderMap, Bytes)>)
where
    R: IntoResponse + Clone + Send + Sync + 'static,
{
    let (sender, received) = mpsc::unbounded_channel();
    let answering = move |headers: HeaderMap, body: Bytes| async move {
        sender.send((headers, body)).unwrap();
        answer
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/services/s3cret-path?key=t0ken", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(answering)).await });
    (url, received)
}

fn receiver_of(kind: ChannelKind, url: &str) -> Receiver {
    Receiver::new(&ReceiverSettings { kind, url: url.into(), secret: None }).unwrap()
}

/// What becomes of a message that gets this answer.
async fn meaning_of<R>(answer: R) -> Delivery
where
    R: IntoResponse + Clone + Send + Sync + 'static,
{
    let (url, _received) = receiver(answer).await;
    receiver_of(ChannelKind::Slack, &url).deliver(&message(NotificationKind::Firing), NOW).await
}

#[tokio::test]
async fn only_answers_that_may_become_better_are_worth_another_attempt() {
    assert_eq!(meaning_of(StatusCode::NO_CONTENT).await, Delivery::Delivered);
    for status in [StatusCode::BAD_REQUEST, StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::FOUND] {
        assert!(matches!(meaning_of(status).await, Delivery::Refused { .. }), "{status}");
    }
    let may_have_come = meaning_of(StatusCode::BAD_GATEWAY).await;
    assert!(matches!(may_have_come, Delivery::Failed { may_have_arrived: true, .. }));
    let has_not_come = meaning_of(StatusCode::REQUEST_TIMEOUT).await;
    assert!(matches!(has_not_come, Delivery::Failed { may_have_arrived: false, .. }));
    for status in [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE] {
        let Delivery::Deferred { after, .. } = meaning_of((status, [("retry-after", "90")])).await else {
            panic!("{status} is not deferred");
        };
        assert_eq!(after, Some(Duration::from_secs(90)));
    }
    let without_a_time = meaning_of(StatusCode::TOO_MANY_REQUESTS).await;
    assert!(matches!(without_a_time, Delivery::Deferred { after: None, .. }));
}

#[tokio::test]
async fn an_answer_that_repeats_the_address_does_not_give_it_away() {
    let answer = (StatusCode::NOT_FOUND, "Cannot POST /services/s3cret-path?key=t0ken");
    let Delivery::Refused { reason } = meaning_of(answer).await else { panic!("not refused") };
    assert!(reason.ends_with("answered 404: Cannot POST /***?***"), "{reason}");
}

#[tokio::test]
async fn a_receiver_that_is_not_there_has_certainly_heard_nothing() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = receiver_of(ChannelKind::Webhook, &format!("http://{free}/s3cret-path"));
    let delivery = gone.deliver(&message(NotificationKind::Firing), NOW).await;
    let Delivery::Failed { reason, may_have_arrived: false } = delivery else { panic!("{delivery:?}") };
    assert!(reason.contains("Connection refused") && !reason.contains("s3cret"), "{reason}");
}

#[tokio::test]
async fn a_message_is_the_same_whenever_it_is_sent_and_only_its_time_differs() {
    let (url, mut received) = receiver(StatusCode::OK).await;
    let webhook = receiver_of(ChannelKind::Webhook, &url);
    for now in [SINCE, NOW] {
        webhook.deliver(&message(NotificationKind::Firing), now).await;
    }
    let (first, second) = (received.recv().await.unwrap(), received.recv().await.unwrap());
    assert_eq!(first.1, second.1);
    assert_eq!(
        (&first.0["webhook-id"], &first.0["idempotency-key"]),
        (&second.0["webhook-id"], &first.0["webhook-id"])
    );
    assert_eq!(
        (&first.0["webhook-timestamp"], &second.0["webhook-timestamp"]),
        (&"1764000000".parse().unwrap(), &"1764000600".parse().unwrap())
    );
    let body: Value = serde_json::from_slice(&first.1).unwrap();
    assert_eq!(
        (&body["id"], &body["kind"], &body["service"], &body["link"]),
        (&json!("x_firing_ops"), &json!("firing"), &json!("web"), &json!("/incidents?service=web"))
    );
}

#[test]
fn what_strangers_wrote_calls_nobody_in_a_chat() {
    let text = "<!channel> <https://evil.example|ok> a&b @all @here";
    let hostile = Notification { text: text.to_owned(), ..message(NotificationKind::Firing) };
    let body: Value = serde_json::from_str(&slack::body(&hostile).unwrap()).unwrap();
    let said = body["text"].as_str().unwrap();
    assert!(said.starts_with("*CRITICAL: web is down*\n"), "{said}");
    assert!(said.contains("&lt;!channel&gt; &lt;https://evil.example|ok&gt; a&amp;b"), "{said}");
    assert!(!said.contains("@all") && !said.contains("@here"), "{said}");
}

#[test]
fn an_alert_ends_ahead_of_the_sending_and_a_resolved_one_where_it_ended() {
    let alerts = |kind, now| -> Value {
        serde_json::from_str(&alertmanager::body(&message(kind), now).unwrap()).unwrap()
    };
    let firing = alerts(NotificationKind::Firing, NOW);
    assert_eq!(firing.as_array().unwrap().len(), 1);
    assert_eq!(
        firing[0]["labels"],
        json!({"alertname": "ServiceDown", "job": "health-monitor", "service": "web", "severity": "critical",
            "instance": "http://web:80"})
    );
    assert_eq!(firing[0]["startsAt"], json!(SINCE));
    assert_eq!(firing[0]["endsAt"], json!(NOW + Duration::from_secs(300)));
    let resolved = alerts(NotificationKind::Resolved, NOW + Duration::from_secs(7_200));
    assert_eq!((&resolved[0]["endsAt"], &resolved[0]["labels"]), (&json!(NOW), &firing[0]["labels"]));
}

#[test]
fn an_alert_that_became_worse_ends_under_its_former_severity() {
    let former_severity = Some(AlarmSeverity::Warning);
    let worse = Notification { former_severity, ..message(NotificationKind::Reminder) };
    let alerts: Value = serde_json::from_str(&alertmanager::body(&worse, NOW).unwrap()).unwrap();
    let told: Vec<_> =
        alerts.as_array().unwrap().iter().map(|one| (&one["labels"]["severity"], &one["endsAt"])).collect();
    assert_eq!(
        told,
        [(&json!("critical"), &json!(NOW + Duration::from_secs(300))), (&json!("warning"), &json!(NOW))]
    );
}
