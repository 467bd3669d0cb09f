//! What was changed and taken back, and how services fared before.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use shared::http::{Problem, ProblemBody, Query};
use utoipa::IntoParams;

use super::Api;
use super::bodies::{Baselines, ChangeBody, ChangeList, Optimizations, Rollbacks};
use crate::domain::recommendation::RecommendationId;

/// Changes of an answer when nobody says, and at most.
const LIMIT: usize = 50;
const MAX_LIMIT: usize = 500;

/// How many.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only those of this service.
    service: Option<String>,
    /// How many at most: 1 to 500; 50 when it is not given.
    limit: Option<usize>,
}

/// Every change that was made, with the recommendation, the baseline and the result.
#[utoipa::path(get, path = "/applied-optimizations", tag = "recommendations",
    responses((status = 200, description = "Oldest first; the newest 500", body = Optimizations)))]
pub(super) async fn applied_optimizations(State(api): State<Api>) -> Json<Optimizations> {
    let view = api.engine.view();
    let optimizations: Vec<_> = view.changes.iter().map(|change| ChangeBody::new(change, &view)).collect();
    Json(Optimizations { count: optimizations.len(), optimizations })
}

/// Every change that was taken back.
#[utoipa::path(get, path = "/rollback-history", tag = "recommendations",
    responses((status = 200, description = "Oldest first; the newest 500", body = Rollbacks)))]
pub(super) async fn rollback_history(State(api): State<Api>) -> Json<Rollbacks> {
    let rollbacks: Vec<_> =
        api.engine.view().changes.rollbacks().map(|rollback| (**rollback).clone()).collect();
    Json(Rollbacks { count: rollbacks.len(), rollbacks })
}

/// How each service fared over the hour before its last change.
#[utoipa::path(get, path = "/performance-baselines", tag = "recommendations",
    responses((status = 200, description = "By service", body = Object)))]
pub(super) async fn performance_baselines(State(api): State<Api>) -> Json<Baselines> {
    Json(api.engine.view().changes.baselines().clone())
}

/// Changes, the newest first.
#[utoipa::path(get, path = "/changes", tag = "recommendations", params(Asked),
    responses((status = 200, description = "Newest first", body = ChangeList),
        (status = 400, description = "The query cannot be read", body = ProblemBody)))]
pub(super) async fn changes(
    State(api): State<Api>,
    Query(asked): Query<Asked>,
) -> Result<Json<ChangeList>, Problem> {
    let limit = asked.limit.unwrap_or(LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(Problem::bad_request(format!("limit must be 1 to {MAX_LIMIT}")));
    }
    let view = api.engine.view();
    let wanted = |service: &str| asked.service.as_deref().is_none_or(|wanted| wanted == service);
    let all = view.changes.iter().rev().filter(|change| wanted(&change.baseline.service));
    Ok(Json(ChangeList { items: all.take(limit).map(|change| ChangeBody::new(change, &view)).collect() }))
}

/// The newest change of a recommendation.
#[utoipa::path(get, path = "/changes/{id}", tag = "recommendations",
    params(("id" = String, Path, description = "Identity of the recommendation")),
    responses((status = 200, description = "The change", body = ChangeBody),
        (status = 404, description = "No change of it was made", body = ProblemBody)))]
pub(super) async fn change(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<ChangeBody>, Problem> {
    let view = api.engine.view();
    match view.changes.of(&RecommendationId::named(&id)) {
        Some(change) => Ok(Json(ChangeBody::new(change, &view))),
        None => Err(Problem::not_found("No change of this recommendation was made")),
    }
}
