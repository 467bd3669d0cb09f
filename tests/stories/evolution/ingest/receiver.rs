//! Stands where the daemon is, and decides on each request whether and when it is answered.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::{Value, json};

#[derive(Default)]
struct Seen {
    requests: usize,
    hold_from: usize,
    refusal: Option<(u16, u64)>,
    identities: Vec<String>,
}

/// A server that takes usage.
pub(super) struct Receiver {
    pub(super) url: String,
    seen: Arc<Mutex<Seen>>,
}

impl Receiver {
    pub(super) async fn start() -> Self {
        let seen = Arc::new(Mutex::new(Seen { hold_from: usize::MAX, ..Seen::default() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/collect-usage", post(collect)).with_state(Arc::clone(&seen));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, seen }
    }

    /// From this request on, from 1, none is answered.
    pub(super) fn hold_from(&self, request: usize) {
        self.seen.lock().unwrap().hold_from = request;
    }

    /// The next request is refused, to come back after so many seconds.
    pub(super) fn refuse_once(&self, status: u16, retry_after: u64) {
        self.seen.lock().unwrap().refusal = Some((status, retry_after));
    }

    /// Requests that have arrived.
    pub(super) fn requests(&self) -> usize {
        self.seen.lock().unwrap().requests
    }

    /// The identity of every event that has arrived and was not refused, in their order.
    pub(super) fn identities(&self) -> Vec<String> {
        self.seen.lock().unwrap().identities.clone()
    }
}

async fn collect(State(seen): State<Arc<Mutex<Seen>>>, body: String) -> Response {
    let (accepted, is_held) = {
        let mut seen = seen.lock().unwrap();
        seen.requests += 1;
        if let Some((status, after)) = seen.refusal.take() {
            let status = StatusCode::from_u16(status).unwrap();
            return (status, [(header::RETRY_AFTER, after.to_string())], "{\"error\":\"full\"}")
                .into_response();
        }
        let events = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let identities: Vec<_> = events.map(|event| event["event_id"].as_str().unwrap().to_owned()).collect();
        seen.identities.extend_from_slice(&identities);
        (identities.len(), seen.requests >= seen.hold_from)
    };
    if is_held {
        std::future::pending::<()>().await;
    }
    axum::Json(json!({"accepted": accepted, "rejected": 0})).into_response()
}
