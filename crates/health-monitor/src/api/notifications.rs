//! What people were told, what still waits to be sent, and a way to try the channels out.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::http::{Problem, ProblemBody, Query};
use shared::order::OrderId;
use utoipa::{IntoParams, ToSchema};

use super::Api;
use super::paging::{Page, limit, word};
use crate::domain::notification::channel::{ChannelKind, ChannelPolicy};
use crate::domain::notification::{Delivery, Notification, NotificationKind, NotificationStatus};
use crate::domain::view::View;

/// In front of every cursor, so that a later version can tell its own from older ones.
const CURSOR: &str = "n1.";
/// When a test that met another may come again.
const TEST_AGAIN: Duration = Duration::from_secs(10);

/// Which messages, and how many of them.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedMessages {
    /// Only those through this channel.
    channel: Option<String>,
    /// Only those about this service alone.
    service: Option<String>,
    /// Only those of this kind: firing, reminder, resolved.
    kind: Option<String>,
    /// Only those that are so far: queued, sending, delivered, given_up, cancelled, dropped.
    status: Option<String>,
    /// How many at most: 1 to 500; 50 when it is not given.
    limit: Option<usize>,
    /// Where the page begins: the `next_cursor` of the page before.
    cursor: Option<String>,
}

/// A channel, and how it fares.
#[derive(Serialize, ToSchema)]
pub(super) struct ChannelBody {
    /// Its name.
    name: String,
    /// What it speaks.
    kind: ChannelKind,
    /// Messages that wait.
    waiting: usize,
    /// Attempts in a row that failed.
    failures: u32,
    /// Why the last attempt failed; null when it did not.
    failing: Option<String>,
    /// Nothing is sent before that; null for no wait.
    #[schema(value_type = Option<String>, format = DateTime)]
    not_before: Option<Timestamp>,
}

/// The channels, and one page of the messages.
#[derive(Serialize, ToSchema)]
pub(super) struct Messages {
    /// Every channel that is configured.
    channels: Vec<ChannelBody>,
    /// The messages.
    #[schema(value_type = Vec<Notification>)]
    items: Vec<Arc<Notification>>,
    /// Asks for the next page: `?cursor=`; null on the last one. It stays good while newer ones come.
    next_cursor: Option<String>,
}

/// Messages to people, newest first: those that wait, and the last 500 that have come to their end.
#[utoipa::path(get, path = "/notifications", tag = "history", params(AskedMessages),
    responses(
        (status = 200, description = "The channels, and one page of messages, newest first", body = Messages),
        (status = 400, description = "A filter is wrong: says which, and what there is", body = ProblemBody)
    ))]
pub(super) async fn notifications(
    State(api): State<Api>,
    Query(asked): Query<AskedMessages>,
) -> Result<Json<Messages>, Problem> {
    let view = api.engine.view();
    let Page { items, next_cursor } = asked.page(&view)?;
    Ok(Json(Messages { channels: channels(&view), items, next_cursor }))
}

impl AskedMessages {
    fn page(self, view: &View) -> Result<Page<Arc<Notification>>, Problem> {
        let limit = limit(self.limit)?;
        let all = [NotificationStatus::Queued, NotificationStatus::Sending];
        let all = [&all[..], &NotificationStatus::ENDS].concat();
        let kind = word("kind", self.kind, &NotificationKind::ALL, NotificationKind::as_str)?;
        let status = word("status", self.status, &all, NotificationStatus::as_str)?;
        let before = self.cursor.as_deref().map(before).transpose()?;
        let is_wanted = |one: &&Arc<Notification>| {
            kind.is_none_or(|kind| one.kind == kind)
                && status.is_none_or(|status| one.status == status)
                && self.channel.as_ref().is_none_or(|channel| one.channel.as_str() == channel)
                && self
                    .service
                    .as_ref()
                    .is_none_or(|service| one.service.as_ref().is_some_and(|name| name.as_str() == service))
                && before.as_ref().is_none_or(|before| place(one) < (before.0, before.1.as_str()))
        };
        let told = &view.state.notifications;
        let waiting = told.queues.values().flat_map(|queue| &queue.waiting);
        let mut items: Vec<_> = waiting.chain(&told.history).filter(is_wanted).cloned().collect();
        items.sort_by(|a, b| Reverse(place(a)).cmp(&Reverse(place(b))));
        let has_more = items.len() > limit;
        items.truncate(limit);
        let last = items.last().filter(|_| has_more);
        let next_cursor =
            last.map(|last| format!("{CURSOR}{}.{}", last.queued_at.as_micros(), last.notification_id));
        Ok(Page { items, next_cursor })
    }
}

/// Where a message stands among all: by when it was decided.
fn place(one: &Notification) -> (i64, &str) {
    (one.queued_at.as_micros(), &one.notification_id)
}

fn before(cursor: &str) -> Result<(i64, String), Problem> {
    let parts = cursor.strip_prefix(CURSOR).and_then(|rest| rest.split_once('.'));
    let parts = parts.and_then(|(at, id)| Some((at.parse().ok()?, id.to_owned())));
    parts.ok_or_else(|| Problem::bad_request("cursor must be the next_cursor of the page before"))
}

fn channels(view: &View) -> Vec<ChannelBody> {
    let body = |channel: &ChannelPolicy| {
        let queue = view.state.notifications.queues.get(&channel.name);
        ChannelBody {
            name: channel.name.to_string(),
            kind: channel.kind,
            waiting: queue.map_or(0, |queue| queue.waiting.len()),
            failures: queue.map_or(0, |queue| queue.failures),
            failing: queue
                .and_then(|queue| queue.failing.clone())
                .or_else(|| view.unrenewed.get(&channel.name).cloned()),
            not_before: queue.and_then(|queue| queue.not_before),
        }
    };
    view.policy.notifications.channels.iter().map(body).collect()
}

/// Which channel is tried out.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Tried {
    /// Only this one; every one when it is not given.
    channel: Option<String>,
}

/// What came of a test.
#[derive(Serialize, ToSchema)]
pub(super) struct TestBody {
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    timestamp: Timestamp,
    /// What each receiver said.
    results: Vec<TestResult>,
}

/// What one receiver said.
#[derive(Serialize, ToSchema)]
pub(super) struct TestResult {
    /// Through which channel.
    channel: String,
    /// What the channel speaks.
    kind: ChannelKind,
    /// Whether the receiver has taken it.
    is_delivered: bool,
    /// Why not; null when it has.
    reason: Option<String>,
}

/// Sends a test message now, through every channel or one, and tells what the receivers said.
#[utoipa::path(post, path = "/notifications/test", tag = "operations", params(Tried),
    responses(
        (status = 200, description = "Every receiver has taken it", body = TestBody),
        (status = 401, description = "A token is needed", body = ProblemBody),
        (status = 403, description = "Not allowed from here, or with this token", body = ProblemBody),
        (status = 404, description = "No channel is configured, or none has that name", body = ProblemBody),
        (status = 429, description = "Another test is under way, or there were too many requests", body = ProblemBody),
        (status = 502, description = "A receiver did not take it; `results` says which and why", body = ProblemBody)
    ))]
pub(super) async fn test_notifications(
    State(api): State<Api>,
    Query(tried): Query<Tried>,
) -> Result<Json<TestBody>, Problem> {
    let Ok(_turn) = api.test_turn.try_lock() else {
        let error = "Another test of the channels is under way.";
        return Err(Problem::too_many_requests(error, TEST_AGAIN));
    };
    let (view, now) = (api.engine.view(), api.clock.now());
    let all = &view.policy.notifications.channels;
    let wanted = all.iter().filter(|one| tried.channel.as_ref().is_none_or(|name| one.name.as_str() == name));
    let wanted: Vec<&ChannelPolicy> = wanted.collect();
    if wanted.is_empty() {
        return Err(Problem::not_found(match tried.channel {
            Some(name) if !all.is_empty() => {
                let names: Vec<&str> = all.iter().map(|channel| channel.name.as_str()).collect();
                format!("No channel is named {name:?}: there are {}", names.join(", "))
            }
            Some(_) | None => {
                "No channel is configured: set NOTIFY_WEBHOOK_URL, NOTIFY_SLACK_URL or NOTIFY_ALERTMANAGER_URL".into()
            }
        }));
    }
    let id = OrderId::at(now, view.state.facts);
    let results = join_all(wanted.into_iter().map(|channel| test(&api, channel, id, now))).await;
    let failed: Vec<String> = results
        .iter()
        .filter_map(|result| Some(format!("{}: {}", result.channel, result.reason.as_ref()?)))
        .collect();
    if failed.is_empty() {
        return Ok(Json(TestBody { timestamp: now, results }));
    }
    let results = serde_json::to_value(results).unwrap_or_default();
    Err(Problem::new(StatusCode::BAD_GATEWAY, failed.join("; ")).with_member("results", results))
}

async fn test(api: &Api, channel: &ChannelPolicy, id: OrderId, now: Timestamp) -> TestResult {
    let delivery = api.performer.deliver(&Notification::test(channel, id, now)).await;
    let reason = match delivery {
        Delivery::Delivered => None,
        Delivery::Refused { reason }
        | Delivery::Deferred { reason, .. }
        | Delivery::Failed { reason, .. } => Some(reason),
    };
    let (name, kind) = (channel.name.to_string(), channel.kind);
    TestResult { channel: name, kind, is_delivered: reason.is_none(), reason }
}
