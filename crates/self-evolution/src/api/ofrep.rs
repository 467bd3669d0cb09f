//! Settings as feature flags: the OpenFeature Remote Evaluation Protocol, which stock OpenFeature providers speak.
//!
//! The service is named by the evaluation context: by `service`, else by `targetingKey`.

use std::net::SocketAddr;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Map, Value, json};
use shared::http::DeliberateBody;
use utoipa::ToSchema;

use super::Api;
use super::settings::fetched;
use crate::domain::ab_test::Arm;
use crate::domain::setting::ServiceSettings;
use crate::domain::usage::report::MOST_TEXT;

/// The largest request, in bytes: a context is a handful of words.
const BODY: usize = 64 * 1_024;

/// A flag as it is evaluated.
#[derive(Serialize, ToSchema)]
pub(super) struct Evaluated {
    key: String,
    /// `STATIC`: every instance of the service gets this value. `SPLIT`: half of them do, because a change is being tested.
    reason: &'static str,
    /// Which value it is: `published`, or the group of a test, to be reported as `variant` with usage.
    variant: String,
    #[schema(value_type = Object)]
    value: Value,
    /// The version of the service's settings, and the recommendation that the value came with.
    #[schema(value_type = Object)]
    metadata: Value,
}

/// All flags of a service.
#[derive(Serialize, ToSchema)]
pub(super) struct AllEvaluated {
    flags: Vec<Evaluated>,
}

/// Why a flag could not be evaluated.
#[derive(Serialize, ToSchema)]
pub(super) struct Failure {
    /// The flag, where one was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<String>,
    /// `PARSE_ERROR`, `INVALID_CONTEXT`, `TARGETING_KEY_MISSING` or `FLAG_NOT_FOUND`.
    #[serde(rename = "errorCode")]
    code: &'static str,
    /// The reason, in a sentence.
    #[serde(rename = "errorDetails")]
    details: String,
}

/// Who asks.
struct Context {
    service: String,
    /// Which instance of it, where the context tells them apart.
    instance: Option<String>,
}

/// Evaluates one setting of the service that the context names.
#[utoipa::path(post, path = "/ofrep/v1/evaluate/flags/{key}", tag = "settings", request_body = Object,
    params(("key" = String, Path, description = "Name of the setting")),
    responses((status = 200, description = "The value", body = Evaluated),
        (status = 400, description = "The context cannot be used", body = Failure),
        (status = 404, description = "The service is not told such a setting", body = Failure)))]
pub(super) async fn evaluate(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(key): Path<String>,
    body: Bytes,
) -> Result<Json<Evaluated>, Response> {
    let context = context(&body).map_err(|failure| failure.of(&key).respond(StatusCode::BAD_REQUEST))?;
    let view = api.engine.view();
    let settings = view.settings.of(&context.service);
    let instance = context.instance(peer);
    fetched(&api, &context.service, &instance, settings.map_or(0, |settings| settings.version)).await;
    let found = settings.and_then(|settings| evaluated(&key, settings, &instance));
    found.map(Json).ok_or_else(|| {
        let details = format!("{} is not told {key:?}", context.service);
        Failure::new("FLAG_NOT_FOUND", details).of(&key).respond(StatusCode::NOT_FOUND)
    })
}

/// Evaluates all settings of the service that the context names. With `If-None-Match` the answer is 304 until
/// something has changed.
#[utoipa::path(post, path = "/ofrep/v1/evaluate/flags", tag = "settings", request_body = Object,
    responses((status = 200, description = "Every setting", body = AllEvaluated),
        (status = 304, description = "Nothing has changed since that ETag"),
        (status = 400, description = "The context cannot be used", body = Failure)))]
pub(super) async fn evaluate_all(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Response> {
    let context = context(&body).map_err(|failure| failure.respond(StatusCode::BAD_REQUEST))?;
    let view = api.engine.view();
    let settings = view.settings.of(&context.service);
    let version = settings.map_or(0, |settings| settings.version);
    let instance = context.instance(peer);
    fetched(&api, &context.service, &instance, version).await;
    let arm = settings.and_then(|settings| settings.arm_of(&instance));
    let tag = tag(&context.service, version, arm);
    if is_known(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, [(header::ETAG, tag)]).into_response());
    }
    let flags = settings
        .iter()
        .flat_map(|settings| settings.settings.keys().filter_map(|key| evaluated(key, settings, &instance)))
        .collect();
    Ok(([(header::ETAG, tag)], Json(AllEvaluated { flags })).into_response())
}

fn evaluated(key: &str, settings: &ServiceSettings, instance: &str) -> Option<Evaluated> {
    let setting = settings.told_to(instance, key)?;
    let variant = settings.variant_of(instance).filter(|_| settings.is_tested(key));
    let mut metadata = Map::from_iter([
        ("version".to_owned(), json!(settings.version)),
        ("since".to_owned(), json!(setting.since)),
    ]);
    if let Some(id) = &setting.recommendation_id {
        metadata.insert("recommendation_id".to_owned(), json!(id));
    }
    Some(Evaluated {
        key: key.to_owned(),
        reason: if variant.is_some() { "SPLIT" } else { "STATIC" },
        variant: variant.unwrap_or_else(|| "published".into()),
        value: setting.value.clone(),
        metadata: Value::Object(metadata),
    })
}

impl Context {
    /// The instance that asks; by its address where the context does not tell.
    fn instance(&self, peer: SocketAddr) -> String {
        self.instance.clone().unwrap_or_else(|| peer.ip().to_canonical().to_string())
    }
}

/// The same settings have the same tag, and those of another service, or of the other group of a test, another one.
fn tag(service: &str, version: u64, arm: Option<Arm>) -> HeaderValue {
    let digits: String = service.bytes().map(|byte| format!("{byte:02x}")).collect();
    let group = arm.map_or("", |arm| match arm {
        Arm::Control => "-control",
        Arm::Treatment => "-treatment",
    });
    HeaderValue::try_from(format!("\"{digits}-{version}{group}\""))
        .unwrap_or(HeaderValue::from_static("\"0\""))
}

fn is_known(headers: &HeaderMap, tag: &HeaderValue) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|known| known.to_str().ok()).unwrap_or_default();
    let tag = tag.to_str().unwrap_or_default();
    known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag)
}

fn context(body: &[u8]) -> Result<Context, Failure> {
    if body.len() > BODY {
        return Err(Failure::new("PARSE_ERROR", format!("a request may have {BODY} bytes")));
    }
    let request: Value = serde_json::from_slice(body)
        .map_err(|error| Failure::new("PARSE_ERROR", format!("the body is not JSON: {error}")))?;
    let context = match request.get("context") {
        Some(Value::Object(context)) => context,
        Some(_) => return Err(Failure::new("INVALID_CONTEXT", "context is not an object")),
        None => return Err(Failure::new("INVALID_CONTEXT", "context is missing")),
    };
    let targeting_key = word("targetingKey", context)?;
    let service = word("service", context)?;
    match (service, targeting_key) {
        (Some(service), instance) => Ok(Context { service, instance }),
        (None, Some(service)) => Ok(Context { service, instance: None }),
        (None, None) => {
            let details = "name the service by service, or by targetingKey";
            Err(Failure::new("TARGETING_KEY_MISSING", details))
        }
    }
}

fn word(name: &str, context: &Map<String, Value>) -> Result<Option<String>, Failure> {
    match context.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(word)) if word.is_empty() => Ok(None),
        Some(Value::String(word)) if word.len() <= MOST_TEXT => Ok(Some(word.clone())),
        Some(_) => {
            let details = format!("{name} must be a text of at most {MOST_TEXT} bytes");
            Err(Failure::new("INVALID_CONTEXT", details))
        }
    }
}

impl Failure {
    fn new(code: &'static str, details: impl Into<String>) -> Self {
        Self { key: None, code, details: details.into() }
    }

    fn of(self, key: &str) -> Self {
        Self { key: Some(key.to_owned()), ..self }
    }

    /// The protocol has a body of its own for failures.
    fn respond(self, status: StatusCode) -> Response {
        let mut response = (status, Json(self)).into_response();
        response.extensions_mut().insert(DeliberateBody);
        response
    }
}
