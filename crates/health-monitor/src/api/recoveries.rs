//! The recoveries, page by page, and one by one.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use shared::http::{Problem, ProblemBody, Query};

use super::Api;
use super::paging::{Asked, Page, identity};
use crate::domain::recovery::Recovery;
use crate::domain::view::View;

/// Recoveries, newest first: those under way, and the last 1,000 that are over.
///
/// Refusals of guards are among them, with what the guard went by. One that is repeated within an incident takes the
/// place of the one before.
#[utoipa::path(get, path = "/recoveries", tag = "history", params(Asked),
    responses(
        (status = 200, description = "One page, newest first", body = Page<Recovery>),
        (status = 400, description = "A filter is wrong: says which, and what there is", body = ProblemBody)
    ))]
pub(super) async fn recoveries(
    State(api): State<Api>,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<Arc<Recovery>>>, Problem> {
    let view = api.engine.view();
    let wanted = asked.check(&view)?;
    let matching =
        all(&view).filter(|one| wanted.is_of_kind(one) && wanted.is_within(&one.service, one.started_at));
    Ok(Json(wanted.page(matching, |recovery| recovery.recovery_id)))
}

/// One recovery.
#[utoipa::path(get, path = "/recoveries/{id}", tag = "history",
    params(("id" = String, Path, description = "Its `recovery_id`")),
    responses(
        (status = 200, description = "The recovery", body = Recovery),
        (status = 400, description = "Not an identity", body = ProblemBody),
        (status = 404, description = "None has it, or none of the last 1,000", body = ProblemBody)
    ))]
pub(super) async fn recovery(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Arc<Recovery>>, Problem> {
    let id = identity(&id)?;
    let found = all(&api.engine.view()).find(|recovery| recovery.recovery_id == id);
    let unknown = "No recovery has this identity, or it is no longer among the last 1,000.";
    found.map(Json).ok_or_else(|| Problem::not_found(unknown))
}

/// Those that are over, oldest first, then those under way.
pub(super) fn all(view: &View) -> impl Iterator<Item = Arc<Recovery>> {
    view.state.recoveries.iter().cloned().chain(under_way(view))
}

/// Those that are under way.
fn under_way(view: &View) -> impl Iterator<Item = Arc<Recovery>> {
    view.services().filter_map(|watched| watched.service?.recovery.clone().map(Arc::new))
}
