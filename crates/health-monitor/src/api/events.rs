//! Recorded facts as server-sent events, from any point that the journal still holds.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use shared::http::{Problem, ProblemBody, Query};
use shared::journal::{DocumentId, Followed, Follower, JournalError, Reader, Status};
use shared::order::ServiceName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Interval;
use utoipa::IntoParams;

use super::Api;
use super::paging::known_service;
use crate::domain::fact::Fact;

/// Streams at once: a handful of pages, a few scripts, and room. Each takes a connection of the 1,024, and up to a
/// quarter of a mebibyte while its reader lags.
const STREAMS: usize = 64;
/// What a client that is one too many is told to wait.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// A quiet stream says so often that it is alive: proxies cut connections that are quiet for 30 s or a minute.
const HEARTBEAT: Duration = Duration::from_secs(15);
/// What a browser waits before it connects again.
const RECONNECT: Duration = Duration::from_secs(2);
const LAST_EVENT_ID: &str = "last-event-id";

/// Where streams come from.
#[derive(Clone)]
pub struct Events {
    reader: Reader,
    status: watch::Receiver<Status>,
    stopping: watch::Receiver<bool>,
    permits: Arc<Semaphore>,
}

impl Events {
    /// Streams of this journal, which end when `stopping` becomes true.
    pub fn new(reader: Reader, status: watch::Receiver<Status>, stopping: watch::Receiver<bool>) -> Self {
        Self { reader, status, stopping, permits: Arc::new(Semaphore::new(STREAMS)) }
    }
}

/// Which facts, and from where on.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only facts about this service.
    service: Option<String>,
    /// Only facts of these types, separated by commas: check_rollup, incident, recovery, service_error and so on.
    #[serde(rename = "type")]
    #[param(rename = "type")]
    kinds: Option<String>,
    /// Goes on after the event with this `id`; the header `Last-Event-ID`, which browsers send, wins.
    last_event_id: Option<String>,
}

/// What every document has in front.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    service: Option<ServiceName>,
}

/// Recorded facts as they come, as server-sent events.
///
/// `id` is the `_id` of the document, `event` its type, `data` the document as JSON. With `Last-Event-ID` the stream goes on
/// after that event, without gap or repetition, as long as the journal holds it; what it no longer holds is told as an
/// event `gap`. A quiet stream sends a comment every 15 s. A reader that takes nothing for 30 s is cut off, and loses
/// nothing when it resumes.
#[utoipa::path(get, path = "/events", tag = "history", params(Asked),
    responses(
        (status = 200, description = "A stream without end", body = String, content_type = "text/event-stream"),
        (status = 400, description = "A filter or the identity is wrong", body = ProblemBody),
        (status = 503, description = "As many streams are open as are served, or the journal cannot be read",
            body = ProblemBody)
    ))]
pub(super) async fn events(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let resume = last_event_id(&headers, asked.last_event_id.as_deref())?;
    let service = asked.service.map(|name| known_service(&name, &api.engine.view())).transpose()?;
    let filter = Filter::new(service, asked.kinds.as_deref())?;
    let Ok(permit) = Arc::clone(&api.events.permits).try_acquire_owned() else {
        let error = format!("{STREAMS} streams are open, as many as are served; try again later.");
        return Err(Problem::unavailable(error, Some(RETRY_AFTER)));
    };
    let follower = Follower::new(api.events.reader.clone(), api.events.status.clone());
    let follower = match resume {
        Some(id) => follower.after(id).await.map_err(|error| unreadable(&error))?,
        None => follower,
    };
    let mut heartbeat = tokio::time::interval(HEARTBEAT);
    heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stopping = api.events.stopping.clone();
    let position = resume.map(|id| id.to_string());
    let streaming =
        Streaming { follower, filter, stopping, heartbeat, position, is_new: true, _permit: permit };
    let stream = stream::unfold(streaming, |mut streaming| async move {
        let event = streaming.next().await?;
        Some((Ok::<_, Infallible>(event), streaming))
    });
    // Some proxies collect what they pass on unless they are told not to.
    Ok(([("x-accel-buffering", "no"), (header::CACHE_CONTROL.as_str(), "no-store")], Sse::new(stream))
        .into_response())
}

/// One stream to one reader.
struct Streaming {
    follower: Follower,
    filter: Filter,
    stopping: watch::Receiver<bool>,
    heartbeat: Interval,
    /// The document that was looked at last, sent or not.
    position: Option<String>,
    is_new: bool,
    _permit: OwnedSemaphorePermit,
}

impl Streaming {
    /// What is sent next; none at the end. It is asked for when the reader has taken what came before.
    async fn next(&mut self) -> Option<Event> {
        loop {
            let followed = tokio::select! {
                biased;
                // Whoever stops the daemon waits for nobody who only listens.
                () = stopped(&mut self.stopping) => return None,
                _ = self.heartbeat.tick() => None,
                followed = self.follower.next() => Some(followed),
            };
            match followed {
                None => return Some(self.heartbeat()),
                Some(Ok(Followed::Gap)) => return Some(gap(self.position.as_deref())),
                Some(Ok(Followed::Document(document))) => {
                    if let Some(event) = self.event(&document) {
                        return Some(event);
                    }
                }
                Some(Err(JournalError::Closed)) => return None,
                Some(Err(error)) => {
                    tracing::warn!(%error, "a stream of events ends: the journal cannot be read");
                    return None;
                }
            }
        }
    }

    /// A comment, and how far the stream is: a reader whose filter lets nothing through resumes from there.
    fn heartbeat(&mut self) -> Event {
        let event = Event::default().comment("heartbeat");
        let event = match &self.position {
            Some(position) => event.id(position),
            None => event,
        };
        if std::mem::take(&mut self.is_new) { event.retry(RECONNECT) } else { event }
    }

    fn event(&mut self, document: &[u8]) -> Option<Event> {
        let head: Head = serde_json::from_slice(document).ok()?;
        let text = std::str::from_utf8(document).ok()?;
        let event =
            self.filter.wants(&head).then(|| Event::default().id(&head.id).event(&head.kind).data(text));
        self.position = Some(head.id);
        event
    }
}

async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // Without a sender the daemon has ended.
    drop(stopping.wait_for(|stops| *stops).await);
}

/// The event that says that documents are missing.
fn gap(after: Option<&str>) -> Event {
    let reason = "facts between this event and the next are no longer in the journal, or were another journal's: \
                  read the present state anew";
    let data = serde_json::json!({ "after": after, "reason": reason });
    Event::default().event("gap").data(data.to_string())
}

/// Which facts are sent.
struct Filter {
    service: Option<ServiceName>,
    kinds: Option<Vec<String>>,
}

impl Filter {
    fn new(service: Option<ServiceName>, kinds: Option<&str>) -> Result<Self, Problem> {
        let kinds = kinds.map(|kinds| kinds.split(',').map(kind).collect()).transpose()?;
        Ok(Self { service, kinds })
    }

    fn wants(&self, head: &Head) -> bool {
        (self.service.is_none() || self.service == head.service)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&head.kind))
    }
}

/// A type of fact; an unknown one is refused with those that there are.
fn kind(name: &str) -> Result<String, Problem> {
    let unknown = serde_json::from_value::<Fact>(serde_json::json!({ "type": name })).err();
    // Whatever else is wrong with a fact without members, its type is known.
    match unknown.map(|error| error.to_string()).filter(|error| error.starts_with("unknown variant")) {
        Some(error) => Err(Problem::bad_request(format!("type: {error}"))),
        None => Ok(name.to_owned()),
    }
}

fn last_event_id(headers: &HeaderMap, query: Option<&str>) -> Result<Option<DocumentId>, Problem> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let given = header.or(query).filter(|given| !given.is_empty());
    given.map(str::parse).transpose().map_err(|error| Problem::bad_request(format!("Last-Event-ID: {error}")))
}

fn unreadable(error: &JournalError) -> Problem {
    Problem::unavailable(error.to_string(), Some(RETRY_AFTER))
}
