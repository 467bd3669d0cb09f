//! A person asks for a recovery.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use shared::engine::Unhandled;
use shared::http::{Problem, ProblemBody, Query};
use shared::order::ServiceName;
use utoipa::IntoParams;

use super::Api;
use super::bodies::Triggered;
use crate::domain::idempotency::IdempotencyKey;
use crate::domain::supervisor::{Answer, Event, Force};

/// The header with which a client names a request, and the one that says that the answer is an earlier one's
/// (draft-ietf-httpapi-idempotency-key-header, and the practice of those who use it).
const KEY: &str = "idempotency-key";
const REPLAYED: &str = "idempotent-replayed";

/// Longest reason that is recorded, in characters.
pub(super) const MAX_REASON: usize = 500;

/// Whether to skip the guard of the service.
#[derive(Deserialize, IntoParams)]
pub(super) struct Forced {
    /// `true` skips every guard that is a matter of judgement; never the limits of recoveries at a time.
    #[serde(default)]
    force: bool,
    /// Why; needed with `force`, and recorded.
    reason: Option<String>,
}

impl Forced {
    fn into_force(self) -> Result<Option<Force>, Problem> {
        if !self.force {
            return Ok(None);
        }
        let reason = self.reason.map(|reason| reason.trim().to_owned()).unwrap_or_default();
        if reason.is_empty() || reason.chars().count() > MAX_REASON {
            let error = format!("force needs a reason of 1 to {MAX_REASON} characters: ?force=true&reason=…");
            return Err(Problem::bad_request(error));
        }
        Ok(Some(Force { reason }))
    }
}

/// Triggers healing of a service.
///
/// Answered as soon as the attempt is recorded; `/recovery-history` shows how it goes on.
#[utoipa::path(post, path = "/trigger-heal/{service}", tag = "healing",
    params(("service" = String, Path, description = "Name of the service"), Forced,
        ("Idempotency-Key" = Option<String>, Header, description = "Names the request: sent again with the same key \
            within a day, it is answered with the recovery that it began, and begins no other")),
    responses(
        (status = 200, description = "The attempt is recorded, and begins", body = Triggered),
        (status = 400, description = "The query cannot be read", body = ProblemBody),
        (status = 401, description = "A token is needed", body = ProblemBody),
        (status = 403, description = "Not allowed from here, or with this token", body = ProblemBody),
        (status = 404, description = "No service has that name", body = ProblemBody),
        (status = 409, description = "A recovery of it is under way; `recovery_id` says which", body = ProblemBody),
        (status = 422, description = "The Idempotency-Key was given to another request", body = ProblemBody),
        (status = 423, description = "A guard holds it back, and says why", body = ProblemBody),
        (status = 429, description = "Too many requests", body = ProblemBody),
        (status = 503, description = "Nothing can act on the service, or on the journal", body = ProblemBody)
    ))]
pub(super) async fn trigger_heal(
    State(api): State<Api>,
    Path(name): Path<String>,
    headers: HeaderMap,
    Query(forced): Query<Forced>,
) -> Result<Response, Problem> {
    let force = forced.into_force()?;
    let key = idempotency_key(&headers)?;
    let known =
        ServiceName::new(&name).ok().filter(|name| api.engine.view().service(name.as_str()).is_some());
    let Some(service) = known else { return Err(Problem::not_found("Service not found")) };
    let (observed, seen) = api.performer.look(&service).await;
    let event = Event::Requested { service, force, key, seen, observed };
    let answer = api.engine.ask(event).await.map_err(unhandled)?;
    let triggered = |recovery_id| {
        let message = format!("Auto-healing triggered for {name}");
        Json(Triggered { message, timestamp: api.clock.now(), recovery_id })
    };
    match answer {
        Some(Answer::Started { recovery_id }) => Ok(triggered(recovery_id).into_response()),
        Some(Answer::Replayed { recovery_id }) => {
            Ok(([(REPLAYED, "true")], triggered(recovery_id)).into_response())
        }
        Some(Answer::KeyReused) => Err(Problem::unprocessable(
            "This Idempotency-Key was given to another request: a new request needs a key of its own.",
        )),
        Some(Answer::InFlight { recovery_id }) => {
            let error = format!("A recovery of {name} is under way already");
            Err(Problem::conflict(error).with_member("recovery_id", recovery_id.to_string()))
        }
        Some(Answer::Held { recovery_id, reason, until, inputs }) => {
            let problem = Problem::locked(format!("Healing {name} is held back: {reason}"))
                .with_member("recovery_id", recovery_id.to_string())
                .with_member("guard_inputs", serde_json::to_value(inputs).unwrap_or_default());
            Err(match until {
                Some(until) => problem
                    .with_member("until", until.to_string())
                    .with_retry_after(until.since(api.clock.now())),
                None => problem,
            })
        }
        Some(Answer::Impossible { reason }) => {
            Err(Problem::unavailable(format!("Nothing can heal {name}: {reason}"), None))
        }
        Some(Answer::UnknownService) => Err(Problem::not_found("Service not found")),
        Some(Answer::Done | Answer::NotListening) | None => Err(Problem::internal()),
    }
}

/// The key of the request, if it has one.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<IdempotencyKey>, Problem> {
    let mut given = headers.get_all(KEY).iter();
    let (first, second) = (given.next(), given.next());
    if second.is_some() {
        return Err(Problem::bad_request("Idempotency-Key was given more than once."));
    }
    let key = first.map(|value| IdempotencyKey::new(value.to_str().unwrap_or_default())).transpose();
    key.map_err(|error| Problem::bad_request(error.to_string()))
}

/// An event that was not handled, as a problem.
pub(super) fn unhandled(error: Unhandled) -> Problem {
    let soon = Some(std::time::Duration::from_secs(5));
    match error {
        Unhandled::Journal(_) | Unhandled::Overloaded => Problem::unavailable(error.to_string(), soon),
        Unhandled::ShuttingDown => Problem::unavailable(error.to_string(), None),
    }
}
