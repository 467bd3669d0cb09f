//! A server that answers `setup` as Kibana's interface is documented. No Kibana can be had from the package registries; where
//! there is one, `TEST_KIBANA_URL` names it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::stories::receivers;

/// Where it answers: behind a base path, in a space.
const PATH: &str = "/kibana/s/operations";

/// What it knows and how it answers.
#[derive(Default)]
pub(super) struct Inside {
    /// Saved objects by type and identity.
    pub(super) objects: BTreeMap<(String, String), Value>,
    /// So many requests are answered as by one that is starting.
    pub(super) starting: usize,
    /// The only `authorization` that it knows; any where there is none.
    pub(super) authorization: Option<String>,
    /// Identities that it does not import.
    pub(super) unwanted: Vec<&'static str>,
    /// Imports that it was asked for.
    pub(super) imports: usize,
}

/// One that runs as long as the story.
pub(super) struct StandIn {
    address: SocketAddr,
    inside: Arc<Mutex<Inside>>,
}

impl StandIn {
    pub(super) async fn start() -> Self {
        let inside = Arc::new(Mutex::new(Inside::default()));
        let router = Router::new()
            .route("/api/data_views", get(data_views))
            .route("/api/saved_objects/_import", post(import))
            .with_state(Arc::clone(&inside));
        let address = receivers::serve(Router::new().nest(PATH, router)).await;
        Self { address, inside }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}{PATH}", self.address)
    }

    pub(super) fn with<T>(&self, look: impl FnOnce(&mut Inside) -> T) -> T {
        look(&mut self.inside.lock().unwrap())
    }
}

type Shared = State<Arc<Mutex<Inside>>>;

fn error(status: StatusCode, message: &str) -> Response {
    let word = status.canonical_reason();
    (status, Json(json!({"statusCode": status.as_u16(), "error": word, "message": message}))).into_response()
}

/// What it says instead of doing anything.
fn refusal(inside: &mut Inside, headers: &HeaderMap) -> Option<Response> {
    if inside.starting > 0 {
        inside.starting -= 1;
        return Some((StatusCode::SERVICE_UNAVAILABLE, "Kibana server is not ready yet").into_response());
    }
    let given = headers.get("authorization").and_then(|value| value.to_str().ok());
    let is_known = inside.authorization.as_deref().is_none_or(|known| given == Some(known));
    (!is_known).then(|| error(StatusCode::UNAUTHORIZED, "[security_exception]: unable to authenticate user"))
}

async fn data_views(State(inside): Shared, headers: HeaderMap) -> Response {
    let mut inside = inside.lock().unwrap();
    if let Some(refusal) = refusal(&mut inside, &headers) {
        return refusal;
    }
    let views = inside.objects.iter().filter(|((kind, _), _)| kind == "index-pattern");
    let views: Vec<Value> = views.map(|((_, id), _)| json!({"id": id})).collect();
    Json(json!({"data_view": views})).into_response()
}

async fn import(State(inside): Shared, headers: HeaderMap, uri: axum::http::Uri, body: String) -> Response {
    let mut inside = inside.lock().unwrap();
    if let Some(refusal) = refusal(&mut inside, &headers) {
        return refusal;
    }
    if !headers.contains_key("kbn-xsrf") {
        return error(StatusCode::BAD_REQUEST, "Request must contain a kbn-xsrf header.");
    }
    assert_eq!(uri.query(), Some("overwrite=true"));
    inside.imports += 1;
    let content = headers["content-type"].to_str().unwrap();
    let boundary = content.strip_prefix("multipart/form-data; boundary=").expect("a form");
    let part = body.split(&format!("--{boundary}")).nth(1).expect("a part");
    let (head, file) = part.split_once("\r\n\r\n").expect("a head");
    assert!(head.contains("name=\"file\"; filename=\"") && head.contains(".ndjson\""), "{head}");
    let (mut imported, mut errors) = (0, Vec::new());
    for line in file.trim().lines() {
        let object: Value = serde_json::from_str(line).unwrap();
        let (kind, id) = (object["type"].as_str().unwrap(), object["id"].as_str().unwrap());
        if inside.unwanted.contains(&id) {
            let why = json!({"type": "unknown", "message": "Document belongs to a more recent version", "statusCode": 422});
            errors.push(json!({"type": kind, "id": id, "meta": {}, "error": why}));
        } else {
            imported += 1;
            inside.objects.insert((kind.to_owned(), id.to_owned()), object);
        }
    }
    let mut answer = json!({"success": errors.is_empty(), "successCount": imported, "warnings": []});
    if !errors.is_empty() {
        answer["errors"] = errors.into();
    }
    Json(answer).into_response()
}
