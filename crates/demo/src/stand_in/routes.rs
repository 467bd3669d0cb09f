//! What a stand-in answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use shared::clock::Timestamp;
use shared::order::ServiceName;
use tokio::sync::watch;

use super::fault::{self, Fault, KNOBS, Order, Parameters, Refusal};

/// How long the pretended work takes.
const WORK: Duration = Duration::from_millis(20);

/// The exit code of a process that was ended by signal 9, as shells and container engines show it.
const CRASHED: i32 = 137;

/// What the routes know of their stand-in.
#[derive(Debug)]
pub(super) struct StandIn {
    /// The service that it stands in for.
    pub(super) name: ServiceName,
    /// When this process was started.
    pub(super) started_at: Timestamp,
    /// Whether other machines may use the knobs.
    pub(super) allow_remote_faults: bool,
    /// How it misbehaves.
    pub(super) faults: watch::Sender<Fault>,
}

impl StandIn {
    /// Whether a peer at this address may turn the knobs.
    fn lets_turn(&self, peer: IpAddr) -> bool {
        self.allow_remote_faults || peer.to_canonical().is_loopback()
    }
}

type Shared = State<Arc<StandIn>>;

/// The routes: health, work and knobs.
pub(super) fn router(stand_in: StandIn) -> Router {
    let business = business_route(&stand_in.name);
    let stand_in = Arc::new(stand_in);
    let requests = Arc::new(AtomicU32::new(0));
    let service = Router::new()
        .route("/health", get(health))
        .route(business, post(work))
        .route_layer(from_fn_with_state((stand_in.clone(), requests), misbehave));
    let knobs = Router::new()
        .route("/fault/{knob}", post(turn))
        .route_layer(from_fn_with_state(stand_in.clone(), only_allowed_peers));
    service.merge(knobs).layer(from_fn_with_state(stand_in.clone(), silence)).with_state(stand_in)
}

/// The route of the service's real work.
fn business_route(name: &ServiceName) -> &'static str {
    match name.as_str() {
        "api-gateway" => "/request",
        "image-generation" | "video-generation" => "/generate",
        "crypto-prediction" => "/predict",
        "orchestrator" => "/orchestrate",
        "fraud-detection" => "/detect",
        "auto-scaler" => "/scale",
        _ => "/work",
    }
}

async fn health(State(stand_in): Shared) -> Json<Value> {
    Json(json!({
        "status": "healthy",
        "service": stand_in.name,
        "pid": std::process::id(),
        "started_at": stand_in.started_at,
    }))
}

async fn work(State(stand_in): Shared, request: String) -> Json<Value> {
    tokio::time::sleep(WORK).await;
    let request = serde_json::from_str(&request).unwrap_or(Value::String(request));
    Json(json!({ "service": stand_in.name, "request": request, "work_ms": WORK.as_millis() }))
}

async fn turn(
    State(stand_in): Shared,
    Path(knob): Path<String>,
    parameters: Result<Query<Parameters>, QueryRejection>,
) -> Response {
    let parameters = match parameters {
        Ok(Query(parameters)) => parameters,
        Err(rejection) => return error(StatusCode::BAD_REQUEST, &rejection.body_text()),
    };
    match fault::parse(&knob, parameters) {
        Ok(Order::Crash) => std::process::exit(CRASHED),
        Ok(Order::Become(fault)) => {
            stand_in.faults.send_replace(fault);
        }
        Ok(Order::Refuse { lasting }) => refuse(&stand_in.faults, lasting),
        Err(Refusal::Parameter(reason)) => return error(StatusCode::BAD_REQUEST, reason),
        Err(Refusal::Unknown) => {
            return error(StatusCode::NOT_FOUND, &format!("no fault '{knob}'; there are {KNOBS}"));
        }
    }
    let fault = stand_in.faults.borrow().as_str();
    Json(json!({ "service": stand_in.name, "pid": std::process::id(), "fault": fault })).into_response()
}

/// No knob can be reached while connections are refused, so a time limit is the only way back but a restart.
fn refuse(faults: &watch::Sender<Fault>, lasting: Option<Duration>) {
    faults.send_replace(Fault::Refuse);
    let Some(lasting) = lasting else { return };
    let faults = faults.clone();
    tokio::spawn(async move {
        tokio::time::sleep(lasting).await;
        faults.send_replace(Fault::None);
    });
}

/// While it hangs nothing is answered, the knobs included: only a restart helps.
async fn silence(State(stand_in): Shared, request: Request, next: Next) -> Response {
    let fault = *stand_in.faults.borrow();
    if fault == Fault::Hang {
        return std::future::pending().await;
    }
    next.run(request).await
}

async fn misbehave(
    State((stand_in, requests)): State<(Arc<StandIn>, Arc<AtomicU32>)>,
    request: Request,
    next: Next,
) -> Response {
    let fault = *stand_in.faults.borrow();
    match fault {
        Fault::Slow { delay } => tokio::time::sleep(delay).await,
        Fault::Errors { rate, status } if fault::fails(requests.fetch_add(1, Ordering::Relaxed), rate) => {
            return error(status, "the fault knob 'errors' is turned on");
        }
        Fault::None | Fault::Hang | Fault::Errors { .. } | Fault::Refuse => {}
    }
    next.run(request).await
}

async fn only_allowed_peers(
    State(stand_in): Shared,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    if stand_in.lets_turn(peer.ip()) {
        return next.run(request).await;
    }
    error(StatusCode::FORBIDDEN, "the fault knobs answer this machine only; --allow-remote-faults opens them")
}

fn error(status: StatusCode, reason: &str) -> Response {
    (status, Json(json!({ "error": reason }))).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_turn_knobs_only_where_that_is_allowed() {
        let (faults, _) = watch::channel(Fault::None);
        let mut stand_in = StandIn {
            name: ServiceName::new("web").unwrap(),
            started_at: Timestamp::default(),
            allow_remote_faults: false,
            faults,
        };
        for (peer, expected) in [
            ("127.0.0.1", true),
            ("::1", true),
            ("::ffff:127.0.0.1", true),
            ("192.0.2.1", false),
            ("::2", false),
        ] {
            assert_eq!(stand_in.lets_turn(peer.parse().unwrap()), expected, "{peer}");
        }
        stand_in.allow_remote_faults = true;
        assert!(stand_in.lets_turn("192.0.2.1".parse().unwrap()));
    }
}
