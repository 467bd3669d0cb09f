//! How the services are.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use shared::http::{Problem, ProblemBody};

use super::Api;
use super::availability::Availability;
use super::bodies::{Guards, HealthBody, ServiceStatus, Statistics};
use crate::domain::effect::Effect;
use crate::domain::recovery::Outcome;
use crate::domain::view::View;

/// Health of the monitor itself.
#[utoipa::path(get, path = "/health", tag = "operations",
    responses((status = 200, description = "The monitor answers", body = HealthBody)))]
pub(super) async fn health(State(api): State<Api>) -> Json<HealthBody> {
    Json(HealthBody {
        status: "healthy",
        service: "health-monitor",
        timestamp: api.clock.now(),
        elasticsearch_enabled: api.shipping.is_some(),
    })
}

/// Checks all services now.
///
/// Callers that come while a sweep is under way share its result. What is shown is updated; no failure is
/// counted.
#[utoipa::path(get, path = "/check-services", tag = "services",
    responses(
        (status = 200, description = "A fresh result for each service", body = BTreeMap<String, ServiceStatus>),
        (status = 503, description = "The results cannot be taken in now", body = ProblemBody)
    ))]
pub(super) async fn check_services(
    State(api): State<Api>,
) -> Result<Json<BTreeMap<String, ServiceStatus>>, Problem> {
    api.sweep.run(&api.engine, &api.performer).await.map_err(super::heal::unhandled)?;
    Ok(last_results(&api))
}

/// The last result of each service.
#[utoipa::path(get, path = "/service-status", tag = "services",
    responses((status = 200, description = "The last result of each service that was checked since the start",
        body = BTreeMap<String, ServiceStatus>)))]
pub(super) async fn service_status(State(api): State<Api>) -> Json<BTreeMap<String, ServiceStatus>> {
    last_results(&api)
}

fn last_results(api: &Api) -> Json<BTreeMap<String, ServiceStatus>> {
    let view = api.engine.view();
    let checked = view.services().filter_map(|watched| {
        let reading = watched.latest.reading.as_ref()?;
        Some((watched.policy.name.to_string(), ServiceStatus::new(&watched, reading)))
    });
    Json(checked.collect())
}

/// Counts, failures and the mean time to recover.
#[utoipa::path(get, path = "/statistics", tag = "services",
    responses((status = 200, description = "Counts over all services", body = Statistics)))]
pub(super) async fn statistics(State(api): State<Api>) -> Json<Statistics> {
    let view = api.engine.view();
    let total_services = view.policy.services.len();
    let readings = view.latest.iter().filter_map(|latest| latest.reading.as_ref());
    let healthy_services = readings.clone().filter(|reading| reading.passes()).count();
    let totals = &view.state.totals;
    Json(Statistics {
        total_services,
        healthy_services,
        unhealthy_services: total_services - healthy_services,
        failure_counts: view
            .services()
            .map(|watched| {
                let failures = watched.service.map_or(0, |service| service.health.failures);
                (watched.policy.name.to_string(), failures)
            })
            .collect(),
        last_check: readings.map(|reading| reading.finished_at).max(),
        mean_time_to_recover_seconds: totals.mean_time_to_recover(),
        recoveries: Outcome::ALL
            .iter()
            .map(|outcome| (outcome.as_str(), totals.with_outcome(*outcome)))
            .collect(),
        open_incidents: view.services().filter(|w| w.service.is_some_and(|s| s.incident.is_some())).count(),
        own_faults: view.checks.error,
        availability: view
            .services()
            .map(|watched| (watched.policy.name.to_string(), Availability::of(&watched, &view)))
            .collect(),
        availability_total: Availability::of_all(&view),
        effectiveness: effectiveness(&view),
        guards: Guards::of(&view),
    })
}

/// How often each action has helped, of the services that needed one lately.
fn effectiveness(view: &View) -> BTreeMap<String, BTreeMap<&'static str, Effect>> {
    let known =
        view.services().filter_map(|watched| Some((watched.policy.name.to_string(), watched.service?)));
    known
        .map(|(name, service)| {
            let actions = service.effects.all(view.at).map(|(action, effect)| (action.as_str(), effect));
            (name, actions.collect::<BTreeMap<_, _>>())
        })
        .filter(|(_, actions)| !actions.is_empty())
        .collect()
}
