//! The kill switch: hold back all changes, and let them go on.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use shared::http::{Problem, ProblemBody, Query};
use utoipa::IntoParams;

use super::bodies::Recorded;
use super::recommendations::MOST_REASON;
use super::{Api, unhandled};
use crate::domain::evolution::Event;
use crate::domain::pause::Pause;

/// The longest that a pause may be told to last, in seconds; one that nobody gives an end lasts until it is resumed.
const MAX_TTL: u64 = 30 * 86_400;

/// For how long, and why.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Holding {
    /// How long it lasts, in seconds: 1 to 2592000. Until somebody resumes when it is not given.
    ttl: Option<u64>,
    /// Why; recorded and shown.
    reason: Option<String>,
}

/// Holds back all changes. Usage is taken in and analysed as before, and changes can be taken back.
#[utoipa::path(post, path = "/pause", tag = "operations", params(Holding),
    responses((status = 200, description = "Recorded", body = Recorded),
        (status = 400, description = "The query cannot be read", body = ProblemBody),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn pause(
    State(api): State<Api>,
    Query(Holding { ttl, reason }): Query<Holding>,
) -> Result<Json<Recorded>, Problem> {
    if ttl.is_some_and(|ttl| !(1..=MAX_TTL).contains(&ttl)) {
        return Err(Problem::bad_request(format!("ttl must be 1 to {MAX_TTL} seconds")));
    }
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > MOST_REASON) {
        return Err(Problem::bad_request(format!("reason may have {MOST_REASON} characters")));
    }
    let timestamp = api.clock.now();
    let until = ttl.map(|ttl| timestamp + Duration::from_secs(ttl));
    api.engine
        .ask(Event::PauseRequested(Pause { since: timestamp, until, reason }))
        .await
        .map_err(unhandled)?;
    Ok(Json(Recorded { message: "Changes are held back".into(), timestamp, until }))
}

/// Lets changes go on.
#[utoipa::path(post, path = "/resume", tag = "operations",
    responses((status = 200, description = "Recorded", body = Recorded),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn resume(State(api): State<Api>) -> Result<Json<Recorded>, Problem> {
    api.engine.ask(Event::ResumeRequested).await.map_err(unhandled)?;
    Ok(Json(Recorded { message: "Changes go on".into(), timestamp: api.clock.now(), until: None }))
}
