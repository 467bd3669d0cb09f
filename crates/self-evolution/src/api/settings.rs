//! What services are told, for curl, shells and whoever waits for a change.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{ConnectInfo, Path, State};
use serde::Deserialize;
use shared::engine::Handle;
use shared::http::{Problem, ProblemBody, Query};
use tokio::sync::{Semaphore, watch};
use utoipa::IntoParams;

use super::Api;
use super::bodies::{SettingBody, SettingsBody};
use crate::domain::evolution::{Event, Evolution};
use crate::domain::setting::Settings;
use crate::domain::usage::report::MOST_TEXT;

/// The longest that somebody waits for a change, in seconds; less than the time that a request may take.
const MOST_WAIT: u64 = 25;
/// How many wait at once.
const WAITING: usize = 200;
/// What one who is too many is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(5);

/// What services are told, as it changes.
#[derive(Clone)]
pub struct SettingsFeed {
    settings: watch::Receiver<Settings>,
    waiting: Arc<Semaphore>,
}

impl SettingsFeed {
    /// The feed of an engine, and the task that keeps it up to date. Views come with every turn and settings change
    /// seldom, so that those who wait are not woken by every view.
    pub fn new(mut engine: Handle<Evolution>) -> (Self, impl Future<Output = ()> + Send) {
        let (publish, settings) = watch::channel(engine.view().settings.clone());
        let keep = async move {
            while let Ok(view) = engine.changed().await {
                publish.send_if_modified(|settings| {
                    let is_news = !settings.is_same(&view.settings);
                    settings.clone_from(&view.settings);
                    is_news
                });
            }
        };
        (Self { settings, waiting: Arc::new(Semaphore::new(WAITING)) }, keep)
    }
}

/// Whether, and for how long, to wait for a change.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Waiting {
    /// The version that is known; answers at once when there is a later one.
    after: Option<u64>,
    /// How many seconds to wait for a later one: up to 25; the version that is known is the answer when none comes.
    wait: Option<u64>,
    /// Which instance of the service asks; its address when it is not given.
    instance: Option<String>,
}

/// What all services are told.
#[utoipa::path(get, path = "/settings", tag = "settings",
    responses((status = 200, description = "Every service that is, or once was, told something", body = [SettingsBody])))]
pub(super) async fn all_settings(State(api): State<Api>) -> Json<Vec<SettingsBody>> {
    let view = api.engine.view();
    Json(view.settings.iter().map(|(service, settings)| SettingsBody::new(service, Some(settings))).collect())
}

/// What a service is told.
///
/// With `after` and `wait` the answer comes when there is something new. A service that nobody knows is told nothing:
/// version 0.
#[utoipa::path(get, path = "/settings/{service}", tag = "settings",
    params(("service" = String, Path, description = "Name of the service"), Waiting),
    responses((status = 200, description = "The settings and their version", body = SettingsBody),
        (status = 400, description = "The query cannot be read", body = ProblemBody),
        (status = 503, description = "As many wait as may", body = ProblemBody)))]
pub(super) async fn settings(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(service): Path<String>,
    Query(waiting): Query<Waiting>,
) -> Result<Json<SettingsBody>, Problem> {
    let mut feed = api.settings.settings.clone();
    if let (Some(after), Some(wait @ 1..)) = (waiting.after, waiting.wait) {
        let Ok(_permit) = api.settings.waiting.try_acquire() else {
            let error = format!("{WAITING} wait for changes, as many as may; ask again later.");
            return Err(Problem::unavailable(error, Some(RETRY_AFTER)));
        };
        let limit = Duration::from_secs(wait.min(MOST_WAIT));
        // Whether something came or not, what is there now is the answer.
        let _ =
            tokio::time::timeout(limit, feed.wait_for(|settings| settings.version(&service) > after)).await;
    }
    let settings = feed.borrow().of(&service).cloned();
    let instance = waiting.instance.unwrap_or_else(|| peer.ip().to_canonical().to_string());
    let body = SettingsBody::told_to(&instance, &service, settings.as_ref());
    fetched(&api, &service, &instance, body.version).await;
    Ok(Json(body))
}

/// One value that a service is told.
#[utoipa::path(get, path = "/settings/{service}/{key}", tag = "settings",
    params(("service" = String, Path, description = "Name of the service"),
        ("key" = String, Path, description = "Name of the setting")),
    responses((status = 200, description = "The value", body = SettingBody),
        (status = 404, description = "The service is not told such a setting", body = ProblemBody)))]
pub(super) async fn setting(
    State(api): State<Api>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((service, key)): Path<(String, String)>,
) -> Result<Json<SettingBody>, Problem> {
    let view = api.engine.view();
    let settings = view.settings.of(&service);
    let instance = peer.ip().to_canonical().to_string();
    fetched(&api, &service, &instance, settings.map_or(0, |settings| settings.version)).await;
    match settings.and_then(|settings| settings.told_to(&instance, &key)) {
        Some(setting) => Ok(Json(SettingBody { value: setting.value.clone() })),
        None => Err(Problem::not_found(format!("{service} is not told {key:?}: GET /settings/{service}"))),
    }
}

/// Notes that an instance has a version, if that is news.
pub(super) async fn fetched(api: &Api, service: &str, instance: &str, version: u64) {
    let view = api.engine.view();
    let is_noted = view.settings.of(service).is_some_and(|settings| {
        settings.deliveries.get(instance).is_some_and(|delivery| delivery.version == version)
            || !settings.has_room_for(instance, version)
    });
    if is_noted || instance.is_empty() || instance.len() > MOST_TEXT || service.len() > MOST_TEXT {
        return;
    }
    let event = Event::SettingsFetched { service: service.into(), instance: instance.into(), version };
    if let Err(error) = api.engine.ask(event).await {
        // It has its settings all the same; the next time that it asks is noted.
        tracing::debug!(%error, service, instance, "delivery not noted");
    }
}
