//! `kill -9` between the record of a message and the receiver's answer, again and again: whatever is sent for one
//! incident and channel has one identity and the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use crate::stories::daemon::{Daemon, PATIENCE};
use crate::stories::receivers::{self, Service};

/// Incidents: as many as are told of one by one within a minute.
const INCIDENTS: usize = 5;
/// Kills at each message; then it is let through.
const KILLS: usize = 4;
/// The receiver takes at most so long to answer: while it does, nobody knows whether the message has come.
const ANSWER_MS: u64 = 60;
const SETTINGS: &str = "
health_check_interval: 0.1
health_check_timeout: 0.1
max_failures_before_recovery: 1
passes_before_healthy: 1
healing_mode: observe
elasticsearch_enabled: false
";

#[derive(Default)]
struct Receiver {
    /// Channel, identity and bytes of each message, as they came.
    got: Mutex<Vec<(String, String, String)>>,
    came: Notify,
}

/// Takes a message, and takes its time to say so.
async fn take(receiver: Arc<Receiver>, channel: &str, headers: HeaderMap, body: String) -> StatusCode {
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    receiver.got.lock().unwrap().push((channel.to_owned(), id, body));
    receiver.came.notify_one();
    sleep(Duration::from_millis(ANSWER_MS)).await;
    StatusCode::OK
}

#[tokio::test]
async fn forty_kills_while_a_message_has_no_answer_tell_nobody_anything_else() {
    let (web, receiver) = (Service::start().await, Arc::new(Receiver::default()));
    let router = Router::new()
        .route("/ops", post(async |State(to), headers, body| take(to, "ops", headers, body).await))
        .route("/chat", post(async |State(to), headers, body| take(to, "chat", headers, body).await))
        .with_state(Arc::clone(&receiver));
    let address = receivers::serve(router).await;
    let daemon = Daemon::start_with(
        &format!(
            "{SETTINGS}notify_webhook_url: 'http://{address}/ops'\nnotify_slack_url: 'http://{address}/chat'\n\
             services:\n  web: {{url: 'http://{}'}}\n",
            web.address
        ),
        &[],
    )
    .await;
    let kills = play(daemon, &web, &receiver).await;
    check(&receiver.got.lock().unwrap());
    println!("{kills} kills, {} messages came", receiver.got.lock().unwrap().len());
}

/// Lets the service go down and come back, and kills the daemon whenever a message comes.
async fn play(mut daemon: Daemon, web: &Service, receiver: &Receiver) -> usize {
    let mut random = StdRng::seed_from_u64(7);
    let mut kills = 0;
    for incident in 1..=INCIDENTS {
        for (status, kind) in [(404, "firing"), (200, "resolved")] {
            web.answers(status);
            for _ in 0..KILLS {
                timeout(PATIENCE, receiver.came.notified()).await.expect("a message");
                sleep(Duration::from_millis(random.random_range(0..ANSWER_MS))).await;
                daemon.kill();
                kills += 1;
                daemon.restart().await;
            }
            let path = format!("/notifications?kind={kind}&status=delivered");
            daemon
                .until(&path, "the delivery through both channels", |told| {
                    (told["items"].as_array()?.len() == 2 * incident).then_some(())
                })
                .await;
            // What came while nobody waited for it.
            let _ = timeout(Duration::ZERO, receiver.came.notified()).await;
        }
    }
    kills
}

fn check(got: &[(String, String, String)]) {
    let mut bytes = BTreeMap::<(&str, &str), &str>::new();
    for (channel, id, body) in got {
        let first = bytes.entry((channel, id)).or_insert(body);
        assert_eq!(first, body, "{id} says something else when it is sent again");
    }
    // Both channels are told of the same alarms, in the same kinds.
    let told = |channel: &str| -> BTreeSet<String> {
        let of_it = bytes.keys().filter(|(name, _)| *name == channel);
        of_it.map(|(_, id)| id.rsplit_once('_').unwrap().0.to_owned()).collect()
    };
    assert_eq!(told("ops"), told("chat"));
    let mut by_incident = BTreeMap::<String, Vec<String>>::new();
    for ((_, id), body) in bytes.iter().filter(|((channel, _), _)| *channel == "ops") {
        let body: Value = serde_json::from_str(body).unwrap();
        assert_eq!(body["id"], *id);
        let word = |member: &str| body[member].as_str().unwrap().to_owned();
        by_incident.entry(word("incident_id")).or_default().push(word("kind"));
    }
    assert_eq!(by_incident.len(), INCIDENTS);
    for (incident, mut kinds) in by_incident {
        kinds.sort();
        assert_eq!(kinds, ["firing", "resolved"], "incident {incident}");
    }
}
