//! What a person may do about the guards: hold healing back, let it go on, end what a guard holds on to.

use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::http::{Problem, ProblemBody, Query};
use shared::order::ServiceName;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::heal::{MAX_REASON, unhandled};
use crate::domain::fleet::PauseKind;
use crate::domain::supervisor::{Answer, Event, Resettable};

/// How long a pause lasts when nobody says, and at most, in seconds. It always ends: a pause that is forgotten
/// would be an outage that nobody heals.
const TTL: u64 = 3_600;
const MAX_TTL: u64 = 7 * 86_400;

/// For how long, and why.
#[derive(Deserialize, IntoParams)]
pub(super) struct Holding {
    /// How long it lasts, in seconds: 1 to 604800. 3600 when it is not given.
    ttl: Option<u64>,
    /// Why; recorded and shown.
    reason: Option<String>,
}

/// Of which service, and why.
#[derive(Deserialize, IntoParams)]
pub(super) struct Resetting {
    /// Which service, for the guards of one: quarantine, flapping, churn.
    service: Option<String>,
    /// Why; recorded.
    reason: Option<String>,
}

/// What was recorded.
#[derive(Serialize, ToSchema)]
pub(super) struct Recorded {
    /// What was done, in a sentence.
    message: String,
    /// Now.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// Until when it lasts, if it ends by itself.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Pauses healing of all services.
///
/// They are watched, and incidents are opened; nothing is done about them.
#[utoipa::path(post, path = "/pause", tag = "healing", params(Holding),
    responses((status = 200, description = "Recorded", body = Recorded),
        (status = 400, description = "The query cannot be read", body = ProblemBody),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn pause_all(State(api): State<Api>, Query(holding): Query<Holding>) -> Done {
    hold(&api, None, PauseKind::Pause, holding).await
}

/// Pauses healing of a service.
#[utoipa::path(post, path = "/pause/{service}", tag = "healing",
    params(("service" = String, Path, description = "Name of the service"), Holding),
    responses((status = 200, description = "Recorded", body = Recorded),
        (status = 400, description = "The query cannot be read", body = ProblemBody),
        (status = 404, description = "No service has that name", body = ProblemBody),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn pause(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(holding): Query<Holding>,
) -> Done {
    hold(&api, Some(known(&api, &name)?), PauseKind::Pause, holding).await
}

/// Announces work on all services: failures are expected, not counted and not healed.
#[utoipa::path(post, path = "/maintenance", tag = "healing", params(Holding),
    responses((status = 200, description = "Recorded", body = Recorded),
        (status = 400, description = "The query cannot be read", body = ProblemBody),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn maintenance_of_all(State(api): State<Api>, Query(holding): Query<Holding>) -> Done {
    hold(&api, None, PauseKind::Maintenance, holding).await
}

/// Announces work on a service: its failures are expected, not counted and not healed.
#[utoipa::path(post, path = "/maintenance/{service}", tag = "healing",
    params(("service" = String, Path, description = "Name of the service"), Holding),
    responses((status = 200, description = "Recorded", body = Recorded),
        (status = 400, description = "The query cannot be read", body = ProblemBody),
        (status = 404, description = "No service has that name", body = ProblemBody),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn maintenance(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(holding): Query<Holding>,
) -> Done {
    hold(&api, Some(known(&api, &name)?), PauseKind::Maintenance, holding).await
}

/// Ends the pause or maintenance of all services; that of a single service goes on.
#[utoipa::path(post, path = "/resume", tag = "healing",
    responses((status = 200, description = "Recorded", body = Recorded),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn resume_all(State(api): State<Api>) -> Done {
    resume_of(&api, None).await
}

/// Ends the pause or maintenance of a service; that of all services goes on.
#[utoipa::path(post, path = "/resume/{service}", tag = "healing",
    params(("service" = String, Path, description = "Name of the service")),
    responses((status = 200, description = "Recorded", body = Recorded),
        (status = 404, description = "No service has that name", body = ProblemBody),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn resume(State(api): State<Api>, Path(name): Path<String>) -> Done {
    resume_of(&api, Some(known(&api, &name)?)).await
}

/// Ends what a guard is holding on to.
///
/// `own_network`, `storm` and `budget` hold all services; `quarantine`, `flapping` and `churn` one.
#[utoipa::path(post, path = "/reset/{guard}", tag = "healing",
    params(("guard" = String, Path, description = "own_network, storm, budget, quarantine, flapping or churn"),
        Resetting),
    responses((status = 200, description = "Recorded", body = Recorded),
        (status = 400, description = "The guard needs a service, or must not have one", body = ProblemBody),
        (status = 404, description = "No such guard, or no such service", body = ProblemBody),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn reset(
    State(api): State<Api>,
    Path(name): Path<String>,
    Query(resetting): Query<Resetting>,
) -> Done {
    let Some(guard) = Resettable::ALL.into_iter().find(|guard| guard.guard().as_str() == name) else {
        let all = Resettable::ALL.map(|guard| guard.guard().as_str()).join(", ");
        return Err(Problem::not_found(format!("No guard that can be reset has that name: {all} can")));
    };
    let service = match (guard.is_of_a_service(), resetting.service) {
        (true, Some(service)) => Some(known(&api, &service)?),
        (false, None) => None,
        (true, None) => {
            return Err(Problem::bad_request(format!(
                "{name} is a guard of one service: ?service=… says which"
            )));
        }
        (false, Some(_)) => {
            return Err(Problem::bad_request(format!(
                "{name} is a guard of all services: leave service out"
            )));
        }
    };
    let of = service.as_ref().map(|service| format!(" of {service}")).unwrap_or_default();
    let reason = reason(resetting.reason)?;
    record(&api, Event::Reset { guard, service, reason }, format!("Guard {name}{of} reset"), None).await
}

type Done = Result<Json<Recorded>, Problem>;

async fn hold(api: &Api, service: Option<ServiceName>, kind: PauseKind, holding: Holding) -> Done {
    let ttl = holding.ttl.unwrap_or(TTL);
    if !(1..=MAX_TTL).contains(&ttl) {
        return Err(Problem::bad_request(format!("ttl must be 1 to {MAX_TTL} seconds")));
    }
    let reason = reason(holding.reason)?;
    let until = api.clock.now() + Duration::from_secs(ttl);
    let what = match kind {
        PauseKind::Pause => "Healing is paused",
        PauseKind::Maintenance => "Maintenance has begun",
    };
    let message = format!("{what} for {}", name_of(service.as_ref()));
    record(api, Event::Paused { service, kind, reason, until }, message, Some(until)).await
}

async fn resume_of(api: &Api, service: Option<ServiceName>) -> Done {
    let message = format!("Healing goes on for {}", name_of(service.as_ref()));
    record(api, Event::Resumed { service }, message, None).await
}

fn name_of(service: Option<&ServiceName>) -> String {
    service.map_or_else(|| "all services".to_owned(), ToString::to_string)
}

pub(super) fn reason(given: Option<String>) -> Result<Option<String>, Problem> {
    let reason = given.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    if reason.as_ref().is_some_and(|reason| reason.chars().count() > MAX_REASON) {
        return Err(Problem::bad_request(format!("reason must not be longer than {MAX_REASON} characters")));
    }
    Ok(reason)
}

fn known(api: &Api, name: &str) -> Result<ServiceName, Problem> {
    let known = ServiceName::new(name).ok();
    let known = known.filter(|name| api.engine.view().service(name.as_str()).is_some());
    known.ok_or_else(|| Problem::not_found("Service not found"))
}

async fn record(api: &Api, event: Event, message: String, until: Option<Timestamp>) -> Done {
    match api.engine.ask(event).await.map_err(unhandled)? {
        Some(Answer::Done) => Ok(Json(Recorded { message, timestamp: api.clock.now(), until })),
        Some(Answer::UnknownService) => Err(Problem::not_found("Service not found")),
        Some(
            Answer::Started { .. }
            | Answer::Replayed { .. }
            | Answer::KeyReused
            | Answer::InFlight { .. }
            | Answer::Held { .. }
            | Answer::NotListening
            | Answer::Impossible { .. },
        )
        | None => Err(Problem::internal()),
    }
}
