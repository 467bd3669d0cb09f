//! The incidents with their times, page by page, and one by one with its recoveries.

use std::collections::HashSet;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use serde::Serialize;
use shared::clock::Timestamp;
use shared::http::{Problem, ProblemBody, Query};
use shared::order::OrderId;
use utoipa::ToSchema;

use super::Api;
use super::paging::{Asked, Page, identity};
use super::recoveries;
use crate::domain::incident::Incident;
use crate::domain::recovery::Recovery;
use crate::domain::view::View;

/// An incident with the times that tell how it went.
#[derive(Serialize, ToSchema)]
pub(super) struct IncidentBody {
    #[serde(flatten)]
    incident: Incident,
    /// From the first failing probe to the detection, in seconds; null for a request.
    time_to_detect_seconds: Option<f64>,
    /// From the detection to the platform's acceptance of the first action, in seconds; null when none was accepted, or
    /// when its recovery is no longer among the last 1,000.
    time_to_act_seconds: Option<f64>,
    /// From the first failing probe to the end, in seconds, whoever ended it; null while it lasts, and for a request.
    time_to_recover_seconds: Option<f64>,
}

/// An incident with its recoveries.
#[derive(Serialize, ToSchema)]
pub(super) struct IncidentStory {
    #[serde(flatten)]
    incident: IncidentBody,
    /// Its recoveries, oldest first, refusals among them.
    #[schema(value_type = Vec<Recovery>)]
    recoveries: Vec<Arc<Recovery>>,
}

impl IncidentBody {
    fn new(incident: Incident, accepted_at: Option<Timestamp>) -> Self {
        let seconds = |from: Option<Timestamp>, to: Option<Timestamp>| Some(to?.since(from?).as_secs_f64());
        let detected_at = Some(incident.detected_at);
        Self {
            time_to_detect_seconds: seconds(incident.failed_at, detected_at),
            time_to_act_seconds: seconds(detected_at, accepted_at),
            time_to_recover_seconds: seconds(incident.failed_at, incident.ended_at),
            incident,
        }
    }
}

/// Incidents, newest first: the open ones, and the last 1,000 that have ended.
///
/// `outcome`, `guard` and `trigger` ask for incidents that have such a recovery.
#[utoipa::path(get, path = "/incidents", tag = "history", params(Asked),
    responses(
        (status = 200, description = "One page, newest first", body = Page<IncidentBody>),
        (status = 400, description = "A filter is wrong: says which, and what there is", body = ProblemBody)
    ))]
pub(super) async fn incidents(
    State(api): State<Api>,
    Query(asked): Query<Asked>,
) -> Result<Json<Page<IncidentBody>>, Problem> {
    let view = api.engine.view();
    let wanted = asked.check(&view)?;
    let of_kind: HashSet<OrderId> = recoveries::all(&view)
        .filter(|recovery| wanted.is_of_kind(recovery))
        .map(|recovery| recovery.incident_id)
        .collect();
    let matching = all(&view).filter(|incident| {
        wanted.is_within(&incident.service, incident.detected_at)
            && (!wanted.asks_for_a_kind() || of_kind.contains(&incident.incident_id))
    });
    let page = wanted.page(matching, |incident| incident.incident_id);
    let accepted = first_accepted(&view);
    let with_times = |incident: Incident| {
        let accepted_at = accepted.get(&incident.incident_id).copied();
        IncidentBody::new(incident, accepted_at)
    };
    let items = page.items.into_iter().map(with_times).collect();
    Ok(Json(Page { items, next_cursor: page.next_cursor }))
}

/// One incident with its recoveries.
#[utoipa::path(get, path = "/incidents/{id}", tag = "history",
    params(("id" = String, Path, description = "Its `incident_id`")),
    responses(
        (status = 200, description = "The incident", body = IncidentStory),
        (status = 400, description = "Not an identity", body = ProblemBody),
        (status = 404, description = "None has it, or none of the last 1,000", body = ProblemBody)
    ))]
pub(super) async fn incident(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<IncidentStory>, Problem> {
    let id = identity(&id)?;
    let view = api.engine.view();
    let unknown = "No incident has this identity, or it is no longer among the last 1,000.";
    let incident = all(&view).find(|incident| incident.incident_id == id);
    let incident = incident.ok_or_else(|| Problem::not_found(unknown))?;
    let mut recoveries: Vec<_> = recoveries::all(&view).filter(|one| one.incident_id == id).collect();
    recoveries.sort_unstable_by_key(|recovery| recovery.recovery_id);
    let accepted_at = first_accepted(&view).get(&id).copied();
    Ok(Json(IncidentStory { incident: IncidentBody::new(incident, accepted_at), recoveries }))
}

fn all(view: &View) -> impl Iterator<Item = Incident> {
    let open = view.services().filter_map(|watched| watched.service?.incident.clone());
    view.state.incidents.iter().map(|incident| (**incident).clone()).chain(open)
}

/// When the platform accepted the first action of each incident.
fn first_accepted(view: &View) -> std::collections::HashMap<OrderId, Timestamp> {
    let mut first = std::collections::HashMap::new();
    for recovery in recoveries::all(view) {
        if let Some(accepted_at) = recovery.accepted_at {
            let known = first.entry(recovery.incident_id).or_insert(accepted_at);
            *known = accepted_at.min(*known);
        }
    }
    first
}
