//! Heartbeats: services that tell by themselves how they are.

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::http::{Frequent, Problem, ProblemBody, Query};
use shared::order::ServiceName;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::guards::reason;
use super::heal::unhandled;
use crate::domain::supervisor::{Answer, Event};

/// How the service is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum BeatStatus {
    /// It is well.
    #[default]
    Ok,
    /// It is not.
    Fail,
}

/// What the service says of itself.
#[derive(Deserialize, IntoParams)]
pub(super) struct Saying {
    /// `ok` or `fail`; `ok` when it is not given.
    #[param(inline)]
    status: Option<BeatStatus>,
    /// Why it is not well; recorded and shown.
    reason: Option<String>,
}

/// That it was heard.
#[derive(Serialize, ToSchema)]
pub(super) struct Heard {
    /// What was done, in a sentence.
    message: String,
    /// Now.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
}

/// Posts the heartbeat of a service whose probe is `push`.
///
/// A service fails when none has come within its interval and grace, or when one says so. Before the first it is
/// unknown. Takes a token of the role ingest or operator.
#[utoipa::path(post, path = "/heartbeat/{service}", tag = "services",
    params(("service" = String, Path, description = "Name of the service"), Saying),
    responses((status = 200, description = "Heard", body = Heard),
        (status = 400, description = "The query cannot be read", body = ProblemBody),
        (status = 404, description = "No service has that name", body = ProblemBody),
        (status = 409, description = "The service is asked, and posts no heartbeats", body = ProblemBody),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn heartbeat(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(saying): Query<Saying>,
) -> Result<Response, Problem> {
    let unknown = || Problem::not_found("Service not found");
    let service = ServiceName::new(&name).map_err(|_| unknown())?;
    let reason = reason(saying.reason)?;
    let failing = match saying.status.unwrap_or_default() {
        BeatStatus::Ok => None,
        BeatStatus::Fail => Some(reason.unwrap_or_else(|| "its heartbeat says that it fails".to_owned())),
    };
    match api.engine.ask(Event::Beat { service, failing }).await.map_err(unhandled)? {
        Some(Answer::Done) => {
            let heard = Heard { message: format!("Heard {name}"), timestamp: api.clock.now() };
            Ok((Extension(Frequent), Json(heard)).into_response())
        }
        Some(Answer::NotListening) => Err(Problem::conflict(format!(
            "{name} is asked how it is: set its probe to push to have it post heartbeats"
        ))),
        Some(Answer::UnknownService) => Err(unknown()),
        Some(
            Answer::Started { .. }
            | Answer::Replayed { .. }
            | Answer::KeyReused
            | Answer::InFlight { .. }
            | Answer::Held { .. }
            | Answer::Impossible { .. },
        )
        | None => Err(Problem::internal()),
    }
}
