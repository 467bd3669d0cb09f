//! Recorded facts as server-sent events.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use shared::http::events::Filter;
use shared::http::{Problem, ProblemBody, Query};
use utoipa::IntoParams;

use super::Api;
use crate::domain::fact::Fact;

/// What is sent to whom has not said what: everything but the usage itself, of which there is much.
const USUAL: [&str; 10] = [
    "evolution_started",
    "endpoint_found",
    "route_merged",
    "analysed",
    "recommendation",
    "change_applied",
    "change_rolled_back",
    "settings_delivered",
    "paused",
    "resumed",
];

/// Which facts, and from where on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only facts of these types, separated by commas: analysed, recommendation, change_applied and so on. All but
    /// usage when it is not given.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kinds: Option<String>,
    /// Goes on after the event with this `id`; the header `Last-Event-ID`, which browsers send, wins.
    last_event_id: Option<String>,
}

/// Recorded facts as they come, as server-sent events.
///
/// `id` is the `_id` of the fact, `event` its type, `data` the fact as JSON. With `Last-Event-ID` the stream goes on after
/// that event, without gap or repetition, as long as the journal holds it; what it no longer holds is told as an event
/// `gap`. A quiet stream sends a comment every 15 s. A reader that takes nothing for 30 s is cut off, and loses nothing
/// when it resumes.
#[utoipa::path(get, path = "/events", tag = "operations", params(Asked),
    responses(
        (status = 200, description = "A stream without end", body = String, content_type = "text/event-stream"),
        (status = 400, description = "A filter or the identity is wrong", body = ProblemBody),
        (status = 503, description = "As many streams are open as are served, or the journal cannot be read",
            body = ProblemBody)
    ))]
pub(super) async fn events(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let kinds = match asked.kinds {
        Some(kinds) => kinds.split(',').map(kind).collect::<Result<_, _>>()?,
        None => USUAL.map(str::to_owned).to_vec(),
    };
    let filter = Filter { service: None, kinds: Some(kinds) };
    api.events.stream(filter, &headers, asked.last_event_id.as_deref()).await
}

/// A type of fact; an unknown one is refused with those that there are.
fn kind(name: &str) -> Result<String, Problem> {
    let unknown = serde_json::from_value::<Fact>(serde_json::json!({ "type": name })).err();
    // Whatever else is wrong with a fact without members, its type is known.
    match unknown.map(|error| error.to_string()).filter(|error| error.starts_with("unknown variant")) {
        Some(error) => Err(Problem::bad_request(format!("type: {error}"))),
        None => Ok(name.to_owned()),
    }
}
