//! Recorded facts as server-sent events, from any point that the journal still holds.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, header};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Interval;

use super::Problem;
use crate::journal::{DocumentId, Followed, Follower, JournalError, Reader, Status};

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

    /// A stream of the facts that a filter lets through. It begins after the event that `Last-Event-ID`, or weaker
    /// `last_event_id`, names, else now.
    pub async fn stream(
        &self,
        filter: Filter,
        headers: &HeaderMap,
        last_event_id: Option<&str>,
    ) -> Result<Response, Problem> {
        let resume = self::last_event_id(headers, last_event_id)?;
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            let error = format!("{STREAMS} streams are open, as many as are served; try again later.");
            return Err(Problem::unavailable(error, Some(RETRY_AFTER)));
        };
        let follower = Follower::new(self.reader.clone(), self.status.clone());
        let follower = match resume {
            Some(id) => follower.after(id).await.map_err(|error| unreadable(&error))?,
            None => follower,
        };
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stopping = self.stopping.clone();
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
}

/// Which facts are sent: those of this service and of these types, where they are named.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// The service.
    pub service: Option<String>,
    /// The types.
    pub kinds: Option<Vec<String>>,
}

impl Filter {
    /// The identity of a document whose type is not wanted. The documents that are not wanted are often the many and the
    /// long ones, so only their beginning is read.
    fn passes_over<'a>(&self, document: &'a [u8]) -> Option<&'a str> {
        let kinds = self.kinds.as_ref()?;
        let (id, kind) = beginning(document)?;
        (!kinds.iter().any(|wanted| wanted == kind)).then_some(id)
    }

    fn wants(&self, head: &Head) -> bool {
        (self.service.is_none() || self.service == head.service)
            && self.kinds.as_ref().is_none_or(|kinds| kinds.contains(&head.kind))
    }
}

/// What every document has in front.
#[derive(Deserialize)]
struct Head {
    #[serde(rename = "_id")]
    id: String,
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    service: Option<String>,
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
        if let Some(id) = self.filter.passes_over(document) {
            self.position = Some(id.to_owned());
            return None;
        }
        let head: Head = serde_json::from_slice(document).ok()?;
        let text = std::str::from_utf8(document).ok()?;
        let event =
            self.filter.wants(&head).then(|| Event::default().id(&head.id).event(&head.kind).data(text));
        self.position = Some(head.id);
        event
    }
}

/// Identity and type of a document, which the journal and a fact write in front; none where they stand elsewhere.
fn beginning(document: &[u8]) -> Option<(&str, &str)> {
    let (id, rest) = text(document.strip_prefix(br#"{"_id":"#)?)?;
    let (_, rest) = text(rest.strip_prefix(br#","@timestamp":"#)?)?;
    let (kind, _) = text(rest.strip_prefix(br#","type":"#)?)?;
    Some((id, kind))
}

/// A text without escapes, and what follows it.
fn text(json: &[u8]) -> Option<(&str, &[u8])> {
    let text = json.strip_prefix(b"\"")?;
    let end = text.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    let rest = text[end..].strip_prefix(b"\"")?;
    Some((std::str::from_utf8(&text[..end]).ok()?, rest))
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

fn last_event_id(headers: &HeaderMap, query: Option<&str>) -> Result<Option<DocumentId>, Problem> {
    let header = headers.get(LAST_EVENT_ID).map(|value| value.to_str().unwrap_or("?"));
    let given = header.or(query).filter(|given| !given.is_empty());
    given.map(str::parse).transpose().map_err(|error| Problem::bad_request(format!("Last-Event-ID: {error}")))
}

fn unreadable(error: &JournalError) -> Problem {
    Problem::unavailable(error.to_string(), Some(RETRY_AFTER))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_document_that_is_not_wanted_only_the_beginning_is_read() {
        let filter = Filter { service: None, kinds: Some(vec!["paused".to_owned()]) };
        let passed = |document: &str| filter.passes_over(document.as_bytes()).map(str::to_owned);
        let head = r#"{"_id":"1-2-3","@timestamp":"2026-11-24T10:00:00Z","type":"#;
        assert_eq!(passed(&format!(r#"{head}"usage","keys":[["#)).as_deref(), Some("1-2-3"));
        assert_eq!(passed(&format!(r#"{head}"paused"}}"#)), None);
        assert_eq!(passed(&format!(r#"{head}"pau\u0073ed"}}"#)), None, "it is read as a whole");
        assert_eq!(passed(r#"{"type":"usage"}"#), None, "it is read as a whole");
        let all = Filter::default();
        assert_eq!(all.passes_over(format!(r#"{head}"usage"}}"#).as_bytes()), None);
    }
}
