//! Taking usage in: one event, an array of them, or one a line.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::de::{DeserializeSeed, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;
use shared::http::{Frequent, Json, Problem, ProblemBody};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::bodies::Collected;
use super::{Api, unhandled};
use crate::domain::evolution::{Answer, Event};
use crate::domain::usage::report::{MOST_EVENTS, Reporting};
use crate::domain::usage::{RawEvent, Report};

/// The largest body, in bytes.
pub(super) const BODY: usize = 4 * 1_024 * 1_024;
/// Bodies of either size that are in work at once, in KiB: two of the largest. What is in work may become one commit, and a commit is
/// read as a whole when it is sent to Elasticsearch: a document there is five times an event here.
const IN_WORK: u32 = 8 * 1_024;
/// Bodies from this size on are read on a thread that may be busy for long.
const LARGE: usize = 64 * 1_024;
/// What a client that comes at a bad moment is told to wait.
const SOON: Duration = Duration::from_secs(1);
/// The journal takes no more usage when so many percent of its budget are in use by facts that are still to arrive in
/// Elasticsearch; the rest is for the daemon's own facts.
const FULL_PERCENT: u64 = 85;
/// What has waited for longer than this waits for a server that is away or too slow.
const LAG: Duration = Duration::from_secs(60);

/// How much usage may be in work at once.
///
/// Small bodies have a part of their own, so that slow uploads of large ones do not keep them out.
#[derive(Clone)]
pub struct Budget {
    small: Arc<Semaphore>,
    large: Arc<Semaphore>,
}

impl Default for Budget {
    fn default() -> Self {
        let semaphore = || Arc::new(Semaphore::new(IN_WORK as usize));
        Self { small: semaphore(), large: semaphore() }
    }
}

impl Budget {
    /// Room for a body of the length that the headers tell, or of the largest where they tell none.
    fn take(&self, headers: &HeaderMap) -> Option<OwnedSemaphorePermit> {
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        let length = length.unwrap_or(BODY).min(BODY);
        let kibibytes = length.div_ceil(1_024).max(1);
        let semaphore = if length < LARGE { &self.small } else { &self.large };
        Arc::clone(semaphore).try_acquire_many_owned(u32::try_from(kibibytes).unwrap_or(IN_WORK)).ok()
    }
}

/// How the events of a body are put together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Lines,
}

impl Form {
    fn of(headers: &HeaderMap) -> Option<Self> {
        let content_type = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
        let media = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match media.as_str() {
            "application/x-ndjson" | "application/ndjson" | "application/jsonl" => Some(Self::Lines),
            "application/json" => Some(Self::Json),
            other if other.starts_with("application/") && other.ends_with("+json") => Some(Self::Json),
            _ => None,
        }
    }
}

/// Takes in what services report of their requests.
///
/// One event, `{"service", "endpoint", "response_time" (seconds), "status_code"}` and, if there is more to tell, `method`,
/// `timestamp`, `event_id`, `trace_id` and `variant`; or an array of events; or, as `application/x-ndjson`, one a line. Up to
/// 10,000 events and 4 MiB. What is answered with 200 is recorded. Of a batch the good events are taken, and the bad ones
/// named with their place and the reason.
#[utoipa::path(post, path = "/collect-usage", tag = "usage", request_body = Object,
    responses(
        (status = 200, description = "Recorded", body = Collected),
        (status = 400, description = "Not JSON, or no event could be taken", body = ProblemBody),
        (status = 413, description = "More than 4 MiB or 10,000 events; none was taken", body = ProblemBody),
        (status = 415, description = "Neither JSON nor NDJSON", body = ProblemBody),
        (status = 429, description = "Too much is in work; Retry-After says when to send it again", body = ProblemBody),
        (status = 503, description = "The journal is full or cannot be written", body = ProblemBody)
    ))]
pub(super) async fn collect_usage(State(api): State<Api>, request: Request) -> Response {
    // A line in the log for each report, taken or not, would drown the others; the metrics count them.
    (Extension(Frequent), collect(&api, request).await).into_response()
}

async fn collect(api: &Api, request: Request) -> Result<Json<Collected>, Problem> {
    let Some(form) = Form::of(request.headers()) else {
        return Err(Problem::unsupported_media_type(
            "Usage is JSON or NDJSON: send Content-Type: application/json or application/x-ndjson.",
        ));
    };
    if let Some(reason) = full(api) {
        api.counters.refused();
        return Err(Problem::unavailable(reason, Some(SOON * 10)));
    }
    let Some(room) = api.budget.take(request.headers()) else {
        api.counters.refused();
        return Err(Problem::too_many_requests(
            "Too much usage is in work at once; send it again shortly.",
            SOON,
        ));
    };
    let body = read(request.into_body()).await?;
    let reporting = Reporting::new(api.clock.now(), api.shape.tolerance());
    let (mut report, is_single) = if body.len() < LARGE {
        parse(&body, form, reporting)?
    } else {
        let parsed = tokio::task::spawn_blocking(move || parse(&body, form, reporting)).await;
        parsed.map_err(|_| Problem::internal())??
    };
    api.counters.rejected(report.rejected);
    if report.events.is_empty() && report.rejected > 0 {
        return Err(refused(report, is_single));
    }
    let (rejected, accepted) = (report.rejected, report.events.len());
    let rejections = std::mem::take(&mut report.rejections);
    // The room is taken until the events are recorded, however long the client waits.
    match api.engine.ask_within(room, Event::Usage(report)).await.map_err(unhandled)? {
        Some(Answer::Counted(_)) => api.counters.accepted(accepted),
        Some(
            Answer::Analysing(_)
            | Answer::InspectFirst(_)
            | Answer::Planned(_)
            | Answer::Applied(_)
            | Answer::Begun(_)
            | Answer::RolledBack(_)
            | Answer::Recommendation(_)
            | Answer::Done
            | Answer::Refused(_),
        )
        | None => return Err(Problem::internal()),
    }
    let message = "Usage data collected";
    let timestamp = api.clock.now();
    Ok(Json(Collected { message, timestamp, accepted, rejected, rejections }))
}

/// Why no usage can be taken now. What was acknowledged is never dropped, so that no room can be made.
fn full(api: &Api) -> Option<String> {
    let oldest = api.shipping.as_ref().and_then(|shipping| shipping.borrow().oldest_waiting)?;
    // What waits for less is on its way, and the rest of the journal is history that makes room.
    if api.clock.now().since(oldest) <= LAG {
        return None;
    }
    let (has_arrived, bytes, max_bytes) =
        api.engine.of_journal(|journal| (journal.cursor.has_arrived, journal.bytes, journal.max_bytes));
    let is_full = has_arrived && bytes > max_bytes / 100 * FULL_PERCENT;
    is_full.then(|| {
        format!(
            "The journal is full of what Elasticsearch has not taken yet ({bytes} of {max_bytes} bytes): usage is \
             taken again once it has, or with a larger JOURNAL_MAX_BYTES."
        )
    })
}

async fn read(body: Body) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, BODY).await.map_err(|error| {
        // The limit of the body is all that the reading knows beside a connection that broke.
        let is_too_large = std::iter::successors(Some(&error as &dyn std::error::Error), |e| (*e).source())
            .any(|error| error.is::<http_body_util::LengthLimitError>());
        match is_too_large {
            true => Problem::payload_too_large("A body may have 4 MiB: send the events in several requests."),
            false => Problem::bad_request("The body broke off before its end; nothing of it was taken."),
        }
    })
}

/// The events of a body, and whether it was a single one.
fn parse(body: &[u8], form: Form, mut reporting: Reporting) -> Result<(Report, bool), Problem> {
    let first = body.iter().find(|byte| !byte.is_ascii_whitespace());
    let is_single = form == Form::Json && first != Some(&b'[');
    match (form, first) {
        (Form::Lines, _) => lines(body, &mut reporting)?,
        (Form::Json, Some(b'[')) => reporting = array(body, &reporting)?,
        (Form::Json, _) => reporting.push(&serde_json::from_slice(body).map_err(|error| broken(&error))?),
    }
    Ok((reporting.finish(), is_single))
}

fn lines(body: &[u8], reporting: &mut Reporting) -> Result<(), Problem> {
    for line in body.split(|byte| *byte == b'\n') {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        if reporting.len() == MOST_EVENTS {
            return Err(too_many());
        }
        match serde_json::from_slice::<RawEvent<'_>>(line) {
            Ok(event) => reporting.push(&event),
            Err(error) => reporting.reject(format!("not JSON: {error}")),
        }
    }
    Ok(())
}

/// The events of an array. When one cannot be read, they are read once more one by one, so that it costs only itself.
fn array(body: &[u8], empty: &Reporting) -> Result<Reporting, Problem> {
    let read = |taking| {
        let mut reporting = empty.clone();
        let mut reader = serde_json::Deserializer::from_slice(body);
        Events { reporting: &mut reporting, taking }.deserialize(&mut reader)?;
        reader.end()?;
        Ok(reporting)
    };
    match read(Taking::AtOnce) {
        Err(error) if !is_too_many(&error) => read(Taking::OneByOne),
        other => other,
    }
    .map_err(|error| broken(&error))
}

/// Hands each event of an array on as soon as it is read.
struct Events<'a> {
    reporting: &'a mut Reporting,
    taking: Taking,
}

/// How the events of an array are read.
#[derive(Clone, Copy)]
enum Taking {
    /// As they come, which is quick.
    AtOnce,
    /// Each by itself once its end is found.
    OneByOne,
}

/// What the reader says when there are more events than a request may have.
const TOO_MANY: &str = "more than 10000 events";

impl<'de> DeserializeSeed<'de> for Events<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Events<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut events: A) -> Result<(), A::Error> {
        let Self { reporting, taking } = self;
        loop {
            let event = match taking {
                Taking::AtOnce => events.next_element::<RawEvent<'de>>()?.map(Ok),
                Taking::OneByOne => {
                    events.next_element::<&RawValue>()?.map(|raw| serde_json::from_str(raw.get()))
                }
            };
            let Some(event) = event else { return Ok(()) };
            if reporting.len() == MOST_EVENTS {
                return Err(A::Error::custom(TOO_MANY));
            }
            match event {
                Ok(event) => reporting.push(&event),
                Err(error) => reporting.reject(format!("cannot be read: {error}")),
            }
        }
    }
}

fn is_too_many(error: &serde_json::Error) -> bool {
    error.to_string().starts_with(TOO_MANY)
}

fn broken(error: &serde_json::Error) -> Problem {
    if is_too_many(error) {
        return too_many();
    }
    Problem::bad_request(format!("The body is not JSON, and nothing of it was taken: {error}"))
}

fn too_many() -> Problem {
    Problem::payload_too_large(format!(
        "A request may have {MOST_EVENTS} events: send the others in further ones."
    ))
}

/// No event could be taken.
fn refused(report: Report, is_single: bool) -> Problem {
    let first = report.rejections.first().map(|rejection| rejection.reason.clone()).unwrap_or_default();
    if !is_single {
        let rejections = serde_json::to_value(&report.rejections).unwrap_or_default();
        return Problem::bad_request(format!("No event could be taken; the first: {first}"))
            .with_member("accepted", 0)
            .with_member("rejected", report.rejected)
            .with_member("rejections", rejections);
    }
    if first.starts_with("missing: ") {
        return Problem::new(StatusCode::BAD_REQUEST, "Missing required fields").with_detail(first);
    }
    Problem::bad_request(first)
}
