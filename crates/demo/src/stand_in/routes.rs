//! What a stand-in answers.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{ConnectInfo, Path, Query, Request, State};
use axum::http::StatusCode;
use axum::http::header::HeaderName;
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use shared::clock::{Clock, Timestamp};
use shared::order::ServiceName;
use tokio::sync::watch;

use super::cache::Cache;
use super::fault::{self, Fault, KNOBS, Order, Parameters, Refusal};
use super::flags::Told;
use super::usage::{Answered, Usage};

/// How long the pretended work takes.
const WORK: Duration = Duration::from_millis(20);

/// Says whether an answer was kept from before: `hit` or `miss`.
const X_CACHE: HeaderName = HeaderName::from_static("x-cache");

/// Where its health is asked for.
const HEALTH: &str = "/health";

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
    /// Which variant of its settings it was told last.
    pub(super) variant: Mutex<Arc<str>>,
    /// The answers that it keeps.
    pub(super) cache: Mutex<Cache>,
    /// Answers that were given from it.
    pub(super) kept_answers: AtomicU32,
    /// Where it reports its requests.
    pub(super) usage: Usage,
    /// What time it is.
    pub(super) clock: Clock,
}

impl StandIn {
    /// Whether a peer at this address may turn the knobs.
    fn lets_turn(&self, peer: IpAddr) -> bool {
        self.allow_remote_faults || peer.to_canonical().is_loopback()
    }

    /// The cache; whoever panicked with it in hand left it whole.
    pub(super) fn cache(&self) -> MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StandIn {
    /// What it is told from now on.
    pub(super) fn obey(&self, told: &Told) {
        self.cache().switch(told.response_cache);
        *self.variant.lock().unwrap_or_else(PoisonError::into_inner) = told.variant.as_str().into();
    }

    fn variant(&self) -> Arc<str> {
        self.variant.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

type Shared = State<Arc<StandIn>>;

/// The routes: health, work and knobs.
pub(super) fn router(stand_in: Arc<StandIn>) -> Router {
    let requests = Arc::new(AtomicU32::new(0));
    let service = Router::new()
        .route(HEALTH, get(health))
        .route(business_route(&stand_in.name), post(work))
        .route_layer(from_fn_with_state((stand_in.clone(), requests), misbehave))
        .route_layer(from_fn_with_state(stand_in.clone(), report));
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

/// Works, or answers what it has answered to the same request before.
async fn work(State(stand_in): Shared, request: String) -> Response {
    let fault = *stand_in.faults.borrow();
    let (work, kept, bad) = match fault {
        Fault::Uncached { work, kept, bad } => (work, kept, bad),
        Fault::None | Fault::Hang | Fault::Slow { .. } | Fault::Errors { .. } | Fault::Refuse => {
            (WORK, Duration::ZERO, 0.0)
        }
    };
    let known = stand_in.cache().get(&request).cloned();
    if let Some(answer) = known {
        tokio::time::sleep(kept).await;
        if fault::fails(stand_in.kept_answers.fetch_add(1, Ordering::Relaxed), bad) {
            return error(StatusCode::INTERNAL_SERVER_ERROR, "what was kept has gone bad");
        }
        return ([(X_CACHE, "hit")], Json(answer)).into_response();
    }
    tokio::time::sleep(work).await;
    let asked: Value = serde_json::from_str(&request).unwrap_or_else(|_| request.as_str().into());
    let answer = json!({ "service": stand_in.name, "request": asked, "work_ms": work.as_millis() });
    let mut cache = stand_in.cache();
    if !cache.is_on() {
        return Json(answer).into_response();
    }
    cache.keep(request, answer.clone());
    ([(X_CACHE, "miss")], Json(answer)).into_response()
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
        Fault::None | Fault::Hang | Fault::Errors { .. } | Fault::Refuse | Fault::Uncached { .. } => {}
    }
    next.run(request).await
}

/// Reports how the work was answered. Health is no work.
async fn report(State(stand_in): Shared, request: Request, next: Next) -> Response {
    let (method, endpoint) = (request.method().to_string(), request.uri().path().to_owned());
    let (asked_at, variant) = (stand_in.clock.now(), stand_in.variant());
    let response = next.run(request).await;
    if endpoint != HEALTH {
        let timestamp = stand_in.clock.now();
        stand_in.usage.note(Answered {
            service: stand_in.name.clone(),
            endpoint,
            method,
            response_time: timestamp.since(asked_at).as_secs_f64(),
            status_code: response.status().as_u16(),
            timestamp,
            variant,
        });
    }
    response
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
            variant: Mutex::new("default".into()),
            cache: Mutex::default(),
            kept_answers: AtomicU32::new(0),
            usage: Usage::unreported(),
            clock: Clock::starting_after(Timestamp::default()),
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
