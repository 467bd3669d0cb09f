//! What failed, and what was done about it.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use shared::http::{ProblemBody, Query};
use utoipa::IntoParams;

use super::Api;
use super::bodies::{ErrorHistory, RecoveryHistory};

/// Which errors are asked for.
#[derive(Deserialize, IntoParams)]
pub(super) struct OfService {
    /// Only those of this service.
    service: Option<String>,
}

/// The last errors of all services, or of one.
#[utoipa::path(get, path = "/error-history", tag = "history", params(OfService),
    responses(
        (status = 200, description = "Oldest first, at most the last 100 of each; an unknown name has none",
            body = ErrorHistory),
        (status = 400, description = "The query cannot be read", body = ProblemBody)
    ))]
pub(super) async fn error_history(
    State(api): State<Api>,
    Query(OfService { service }): Query<OfService>,
) -> Json<ErrorHistory> {
    let view = api.engine.view();
    Json(match service.filter(|name| !name.is_empty()) {
        Some(service) => {
            let known = view.service(&service).and_then(|watched| watched.service);
            let errors = known.map(|known| known.errors.iter().collect()).unwrap_or_default();
            ErrorHistory::One { service, errors }
        }
        None => ErrorHistory::All {
            all_services: view
                .services()
                .filter_map(|watched| Some((watched.policy.name.to_string(), watched.service?)))
                .filter(|(_, service)| !service.errors.is_empty())
                .map(|(name, service)| (name, service.errors.iter().collect()))
                .collect(),
        },
    })
}

/// Every recovery: attempts with their times and outcomes, and what the guards held back.
#[utoipa::path(get, path = "/recovery-history", tag = "history",
    responses((status = 200, description = "Newest last", body = RecoveryHistory)))]
pub(super) async fn recovery_history(State(api): State<Api>) -> Json<RecoveryHistory> {
    let view = api.engine.view();
    let last_recovery_times = view
        .services()
        .filter_map(|watched| Some((watched.policy.name.to_string(), watched.service?.attempts.last?)))
        .collect();
    Json(RecoveryHistory { last_recovery_times, recoveries: super::recoveries::all(&view).collect() })
}
