//! The configuration that holds, and where each value came from.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use shared::clock::Timestamp;
use shared::http::ProblemBody;
use utoipa::ToSchema;

use super::Api;

/// `GET /config`.
#[derive(Serialize, ToSchema)]
pub(super) struct ConfigurationBody {
    /// Every setting by its key in the file: `{"value", "origin"}`. A secret is `***`; what is not set is null.
    #[schema(value_type = Object)]
    settings: serde_json::Value,
    /// Since when it holds: the start, or the last time that it was read again.
    #[schema(value_type = String, format = DateTime)]
    since: Timestamp,
    /// Settings that were given another value since the start, and keep theirs until a restart.
    restart_to_apply: Vec<&'static str>,
    /// What is probably a mistake, such as a misspelt variable.
    warnings: Vec<String>,
}

/// The configuration that holds: every setting, and where its value came from.
///
/// It is what `config print` shows, after every change since the start. Needs a token once any is set.
#[utoipa::path(get, path = "/config", tag = "operations",
    responses((status = 200, description = "What holds", body = ConfigurationBody),
        (status = 401, description = "Tokens are set, and none was sent", body = ProblemBody)))]
pub(super) async fn configuration(State(api): State<Api>) -> Json<ConfigurationBody> {
    let holding = api.configuration.borrow().clone();
    Json(ConfigurationBody {
        settings: holding.to_json(|_, _, _| true),
        since: holding.since,
        restart_to_apply: holding.restart_to_apply.clone(),
        warnings: holding.warnings.clone(),
    })
}
