//! Applying a recommendation and taking that back. Where a platform acts, the answer waits for what comes of it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use shared::http::{Problem, ProblemBody, Query};
use tokio::time::{Instant, timeout_at};
use utoipa::{IntoParams, ToSchema};

use super::bodies::{AppliedBody, PlanBody};
use super::recommendations::{APPLYING, Because, ROLLING_BACK, ask};
use super::{Api, unhandled};
use crate::domain::change::{Change, Phase, Rollback, Trigger};
use crate::domain::evolution::{Aim, Answer, Event};
use crate::domain::order::{Inspection, Sight};
use crate::domain::recommendation::RecommendationId;
use crate::platforms::Sights;

/// How long an answer waits for a platform: less than a request may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// Whether it is really to be done.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Really {
    /// Tells what would be done, and does nothing.
    dry_run: Option<bool>,
}

/// That a platform has not answered yet.
#[derive(Serialize, ToSchema)]
pub(super) struct UnderWay {
    #[schema(value_type = String)]
    recommendation_id: RecommendationId,
    /// How far it is.
    phase: &'static str,
    /// Where to look.
    see: String,
    /// The same in a sentence.
    message: String,
}

/// Carries out a recommendation: publishes the settings that it changes, or has a platform change what is configured.
#[utoipa::path(post, path = "/apply-optimization/{id}", tag = "recommendations",
    params(("id" = String, Path, description = "Identity of the recommendation"), Really),
    responses((status = 200, description = "It is in effect; with `dry_run` what would be done", body = AppliedBody),
        (status = 202, description = "A platform takes its time", body = UnderWay),
        (status = 400, description = "The query cannot be read", body = ProblemBody),
        (status = 404, description = "There is no such recommendation", body = ProblemBody),
        (status = 409, description = "It is not pending, nothing would change, or the platform cannot do it", body = ProblemBody),
        (status = 423, description = "Changes are paused", body = ProblemBody),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn apply_optimization(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(really): Query<Really>,
) -> Result<Response, Problem> {
    let (id, deadline) = (RecommendationId::named(&id), Instant::now() + PATIENCE);
    if really.dry_run == Some(true) {
        return Ok(Json(plan(&api, id, deadline).await?).into_response());
    }
    let mut answer = ask(&api, Event::ApplyRequested { id }, &APPLYING).await?;
    if let Answer::InspectFirst(look) = answer {
        let sight = see(&api.sights, &look, deadline).await;
        let event = Event::Inspected { look, aim: Aim::Apply(Trigger::Manual), sight };
        answer = ask(&api, event, &APPLYING).await?;
    }
    match answer {
        Answer::Applied(change) => Ok(Json(AppliedBody::from(*change)).into_response()),
        Answer::Begun(change) => applied(&api, *change, deadline).await,
        Answer::Counted(_)
        | Answer::Analysing(_)
        | Answer::InspectFirst(_)
        | Answer::Planned(_)
        | Answer::RolledBack(_)
        | Answer::Recommendation(_)
        | Answer::Done
        | Answer::Refused(_) => Err(Problem::internal()),
    }
}

/// What applying would do. Nothing here can write: it asks the core for a plan, and has the platforms to look at only.
async fn plan(api: &Api, id: RecommendationId, deadline: Instant) -> Result<PlanBody, Problem> {
    let sights: &Sights = &api.sights;
    let mut answer = ask(api, Event::PlanRequested { id }, &APPLYING).await?;
    if let Answer::InspectFirst(look) = answer {
        let sight = see(sights, &look, deadline).await;
        answer = ask(api, Event::Inspected { look, aim: Aim::Plan, sight }, &APPLYING).await?;
    }
    match answer {
        Answer::Planned(change) => Ok((*change).into()),
        Answer::Counted(_)
        | Answer::Analysing(_)
        | Answer::InspectFirst(_)
        | Answer::Applied(_)
        | Answer::Begun(_)
        | Answer::RolledBack(_)
        | Answer::Recommendation(_)
        | Answer::Done
        | Answer::Refused(_) => Err(Problem::internal()),
    }
}

async fn see(sights: &Sights, look: &Inspection, deadline: Instant) -> Sight {
    timeout_at(deadline, sights.see(look)).await.unwrap_or_else(|_| {
        let seconds = PATIENCE.as_secs();
        Sight::Unreachable(format!("{} did not tell what it has within {seconds} s", look.target))
    })
}

/// What a platform has made of a change that it was told to make.
async fn applied(api: &Api, begun: Change, deadline: Instant) -> Result<Response, Problem> {
    let is_over = |change: &Change| change.phase != Phase::Applying;
    let Some(change) = once(api, &begun, deadline, is_over).await? else {
        return Ok(under_way(&begun, Phase::Applying));
    };
    match change.phase {
        Phase::Unjudged
        | Phase::Applying
        | Phase::Settling
        | Phase::Verifying
        | Phase::Kept
        | Phase::Inconclusive => Ok(Json(AppliedBody::from((*change).clone())).into_response()),
        Phase::RollingBack | Phase::RollbackFailed | Phase::RolledBack => {
            let reason = reason_of(&change);
            Err(conflict(&change, format!("it may not be in effect, and is taken back: {reason}")))
        }
        Phase::Failed | Phase::Superseded => Err(conflict(&change, reason_of(&change))),
    }
}

/// Takes a change back: publishes the settings as they were before, or has the platform do so.
#[utoipa::path(post, path = "/rollback/{id}", tag = "recommendations",
    params(("id" = String, Path, description = "Identity of the recommendation"), Because),
    responses((status = 200, description = "It is taken back", body = Rollback),
        (status = 202, description = "A platform takes its time", body = UnderWay),
        (status = 404, description = "There is no such recommendation", body = ProblemBody),
        (status = 409, description = "It is not applied, somebody else has changed the same since, or the platform cannot do it", body = ProblemBody),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn rollback(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(because): Query<Because>,
) -> Result<Response, Problem> {
    let reason = because.reason()?.unwrap_or_else(|| "Manual rollback requested".to_owned());
    let event = Event::RollbackRequested { id: RecommendationId::named(&id), reason };
    match ask(&api, event, &ROLLING_BACK).await? {
        Answer::RolledBack(rollback) => Ok(Json(*rollback).into_response()),
        Answer::Begun(change) => taken_back(&api, *change, Instant::now() + PATIENCE).await,
        Answer::Counted(_)
        | Answer::Analysing(_)
        | Answer::InspectFirst(_)
        | Answer::Planned(_)
        | Answer::Applied(_)
        | Answer::Recommendation(_)
        | Answer::Done
        | Answer::Refused(_) => Err(Problem::internal()),
    }
}

/// What a platform has made of a change that it was told to take back.
async fn taken_back(api: &Api, begun: Change, deadline: Instant) -> Result<Response, Problem> {
    let tried = failures(&begun);
    let is_over = |change: &Change| match change.phase {
        Phase::RolledBack | Phase::Failed | Phase::Superseded => true,
        Phase::RollbackFailed => failures(change) > tried,
        Phase::Unjudged
        | Phase::Applying
        | Phase::Settling
        | Phase::Verifying
        | Phase::Kept
        | Phase::Inconclusive
        | Phase::RollingBack => false,
    };
    let Some(change) = once(api, &begun, deadline, is_over).await? else {
        return Ok(under_way(&begun, Phase::RollingBack));
    };
    match &change.rollback {
        Some(rollback) => Ok(Json(rollback.clone()).into_response()),
        None => Err(conflict(&change, reason_of(&change))),
    }
}

fn failures(change: &Change) -> u32 {
    change.platform.as_ref().and_then(|platform| platform.undo.as_ref()).map_or(0, |undo| undo.failures)
}

/// The change once it has come so far; none when the time is over.
async fn once(
    api: &Api,
    begun: &Change,
    deadline: Instant,
    is_over: impl Fn(&Change) -> bool,
) -> Result<Option<Arc<Change>>, Problem> {
    let order = |change: &Change| change.platform.as_ref().map(|platform| platform.order);
    let mut engine = api.engine.clone();
    let mut view = engine.view();
    loop {
        let change = view.changes.of(&begun.recommendation_id);
        if let Some(change) = change.filter(|change| order(change) == order(begun) && is_over(change)) {
            return Ok(Some(Arc::clone(change)));
        }
        match timeout_at(deadline, engine.changed()).await {
            Ok(changed) => view = changed.map_err(unhandled)?,
            Err(_) => return Ok(None),
        }
    }
}

/// Why a change is not where it should be.
fn reason_of(change: &Change) -> String {
    let platform = change.platform.as_ref();
    let undo = platform.and_then(|platform| platform.undo.as_ref());
    let failure = undo.and_then(|undo| {
        let failure = undo.failure.as_ref()?;
        Some(format!("it could not be taken back: {failure}; the next try is at {}", undo.due))
    });
    let ended = platform.and_then(|platform| platform.ended.clone());
    ended.or(failure).or_else(|| Some(undo?.reason.clone())).unwrap_or_default()
}

fn see_change(change: &Change) -> String {
    format!("/changes/{}", change.recommendation_id)
}

fn conflict(change: &Change, reason: String) -> Problem {
    let target = change.platform.as_ref().map(|platform| platform.target.to_string());
    Problem::conflict(reason)
        .with_member("phase", change.phase.as_str())
        .with_member("target", target.unwrap_or_default())
        .with_member("see", see_change(change))
}

fn under_way(change: &Change, phase: Phase) -> Response {
    let see = see_change(change);
    let message = format!("the platform takes its time: GET {see} tells what comes of it");
    let location = HeaderValue::from_str(&see).ok();
    let (recommendation_id, phase) = (change.recommendation_id.clone(), phase.as_str());
    let body = Json(UnderWay { recommendation_id, phase, see, message });
    let mut response = (StatusCode::ACCEPTED, body).into_response();
    if let Some(location) = location {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}
