//! What was seen of a service right before it was acted upon.

use axum::Json;
use axum::extract::{Path, State};
use shared::http::{Problem, ProblemBody};

use super::Api;
use super::paging::identity;
use crate::domain::evidence::{Evidence, KEPT};

/// The evidence of one recovery: logs, bodies of failing probes, the state of the platform; without secrets.
#[utoipa::path(get, path = "/recoveries/{id}/evidence", tag = "history",
    params(("id" = String, Path, description = "The `recovery_id`")),
    responses(
        (status = 200, description = "What was seen right before the action", body = Evidence),
        (status = 400, description = "Not an identity", body = ProblemBody),
        (status = 404, description = "None was taken, or it is no longer kept", body = ProblemBody)
    ))]
pub(super) async fn evidence(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<Evidence>, Problem> {
    let id = identity(&id)?;
    let view = api.engine.view();
    let found = view.state.evidence.iter().rev().find(|one| one.recovery_id == id);
    found.map(|evidence| Json(Evidence::clone(evidence))).ok_or_else(|| {
        Problem::not_found(format!(
            "No evidence of recovery {id}: none was taken, or it is not one of the last {KEPT}"
        ))
    })
}
