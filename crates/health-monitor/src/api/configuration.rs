//! The configuration that holds, and where each value came from.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use shared::config::{Holding, ShownConfiguration};
use shared::http::{Problem, ProblemBody, Query};
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::paging::{CURSOR, limit};

/// The section of the services.
const SERVICES: &str = "services";

/// Of which services the settings are shown.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Shown {
    /// Only those of this service.
    service: Option<String>,
    /// Services at most: 1 to 500; 50 when it is not given.
    limit: Option<usize>,
    /// Where the page begins: the `next_cursor` of the page before.
    cursor: Option<String>,
}

/// `GET /config`.
#[derive(Serialize, ToSchema)]
pub(super) struct ConfigurationBody {
    /// `services` has the effective settings of each service of the page, and the origin of the service itself.
    #[serde(flatten)]
    shown: ShownConfiguration,
    /// Asks for the next services: `?cursor=`; null on the last page.
    next_cursor: Option<String>,
}

/// The configuration that holds: every setting, and where its value came from.
///
/// It is what `config print` shows, after every change since the start. Needs a token once any is set.
#[utoipa::path(get, path = "/config", tag = "operations", params(Shown),
    responses((status = 200, description = "What holds", body = ConfigurationBody),
        (status = 400, description = "The query cannot be read, or no service has that name", body = ProblemBody),
        (status = 401, description = "Tokens are set, and none was sent", body = ProblemBody)))]
pub(super) async fn configuration(
    State(api): State<Api>,
    Query(shown): Query<Shown>,
) -> Result<Json<ConfigurationBody>, Problem> {
    let holding = api.configuration.borrow().clone();
    let (first, limit) = shown.place(&holding)?;
    let next = services(&holding).nth(first + limit - 1).filter(|_| shown.service.is_none());
    let next = next.filter(|_| services(&holding).nth(first + limit).is_some());
    let wanted = first..first.saturating_add(limit);
    Ok(Json(ConfigurationBody {
        shown: holding.shown(|section, place, _| section != SERVICES || wanted.contains(&place)),
        next_cursor: next.map(|last| format!("{CURSOR}{last}")),
    }))
}

/// The names of the services, in the order of the configuration.
fn services(holding: &Holding) -> impl Iterator<Item = &str> {
    holding.names(SERVICES)
}

impl Shown {
    /// The place of the first service, and how many are shown from there.
    fn place(&self, holding: &Holding) -> Result<(usize, usize), Problem> {
        let place = |name: &str| services(holding).position(|service| service == name);
        if let Some(service) = &self.service {
            let unknown = || Problem::bad_request(format!("No service is named {service:?}"));
            return Ok((place(service).ok_or_else(unknown)?, 1));
        }
        let limit = limit(self.limit)?;
        let Some(cursor) = &self.cursor else { return Ok((0, limit)) };
        let last = cursor.strip_prefix(CURSOR).and_then(place);
        let gone = "cursor must be the next_cursor of the page before, and its service must still be watched";
        last.map(|last| (last + 1, limit)).ok_or_else(|| Problem::bad_request(gone))
    }
}
