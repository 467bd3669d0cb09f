//! How the daemon itself is.

use axum::Json;
use axum::extract::State;

use super::Api;
use super::bodies::HealthBody;

/// Health of the daemon itself.
#[utoipa::path(get, path = "/health", tag = "operations",
    responses((status = 200, description = "The daemon answers", body = HealthBody)))]
pub(super) async fn health(State(api): State<Api>) -> Json<HealthBody> {
    Json(HealthBody {
        status: "healthy",
        service: "self-evolution",
        timestamp: api.clock.now(),
        elasticsearch_enabled: api.shipping.is_some(),
        auto_apply_enabled: api.engine.view().auto_apply,
    })
}
