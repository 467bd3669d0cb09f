//! The configuration that holds, and where each value came from.

use axum::Json;
use axum::extract::State;
use shared::config::ShownConfiguration;
use shared::http::ProblemBody;

use super::Api;

/// The configuration that holds: every setting, and where its value came from.
///
/// It is what `config print` shows, after every change since the start. Needs a token once any is set.
#[utoipa::path(get, path = "/config", tag = "operations",
    responses((status = 200, description = "What holds", body = ShownConfiguration),
        (status = 401, description = "Tokens are set, and none was sent", body = ProblemBody)))]
pub(super) async fn configuration(State(api): State<Api>) -> Json<ShownConfiguration> {
    let holding = api.configuration.borrow().clone();
    Json(holding.shown(|_, _, _| true))
}
