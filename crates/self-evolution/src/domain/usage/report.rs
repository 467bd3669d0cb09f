//! Events that were checked, together with those that were not taken.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

use super::super::fact::UsageKey;
use super::endpoint::endpoint_of;
use super::raw::{Member, RawEvent};

/// The longest text that is taken, in bytes.
pub const MOST_TEXT: usize = 256;
/// The longest response time that is taken, in seconds.
pub const MOST_SECONDS: f64 = 3_600.0;
/// Events of one request.
pub const MOST_EVENTS: usize = 10_000;
/// Rejections that are named one by one; the others are counted.
pub const MOST_REJECTIONS: usize = 100;

/// One event that was checked. Its service and endpoint are in the report's list of keys.
#[derive(Clone, PartialEq, Debug)]
pub struct Reported {
    /// Which key of the report.
    pub key: u32,
    /// Seconds.
    pub response_time: f64,
    /// The HTTP status.
    pub status_code: u16,
    /// When, where the reporter has said so.
    pub at: Option<Timestamp>,
    /// What few reporters send.
    pub details: Option<Box<Details>>,
}

/// What few reporters send, and Elasticsearch is told.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Details {
    /// The HTTP method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Box<str>>,
    /// What the reporter calls the event.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event_id: Option<Box<str>>,
    /// The trace that the request belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Box<str>>,
    /// The variant of a setting that the service had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<Box<str>>,
}

/// Why an event was not taken.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, utoipa::ToSchema)]
pub struct Rejection {
    /// Its place in the request, from 0.
    pub index: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// The events of one request.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// Services and endpoints, each once.
    pub keys: Vec<UsageKey>,
    /// The events that are taken.
    pub events: Vec<Reported>,
    /// Those that are not; the first of them.
    pub rejections: Vec<Rejection>,
    /// How many are not.
    pub rejected: usize,
}

/// Checks events one by one and gathers them.
#[derive(Clone)]
pub struct Reporting {
    report: Report,
    /// The key of each service and path as they were sent, and of each service and endpoint.
    known: HashMap<Box<str>, u32>,
    /// Where the next one to be looked up is put together.
    wanted: String,
    now: Timestamp,
    tolerance: Duration,
}

impl Reporting {
    /// A report that arrives now. Time stamps may be off by the tolerance.
    pub fn new(now: Timestamp, tolerance: Duration) -> Self {
        Self { report: Report::default(), known: HashMap::new(), wanted: String::new(), now, tolerance }
    }

    /// Takes an event, or tells why not.
    pub fn push(&mut self, event: &RawEvent<'_>) {
        match Checked::of(event).and_then(|checked| self.timely(checked)) {
            Ok(checked) => self.take(checked),
            Err(reason) => self.reject(reason.to_string()),
        }
    }

    /// Takes an event that was checked, whatever its time.
    pub fn take(&mut self, event: Checked<'_>) {
        let Checked { service, path, response_time, status_code, at, details } = event;
        let key = self.key(service, path);
        self.report.events.push(Reported { key, response_time, status_code, at, details });
    }

    /// Tells why what stands here is not taken.
    pub fn reject(&mut self, reason: String) {
        let index = self.len();
        self.report.rejected += 1;
        if self.report.rejections.len() < MOST_REJECTIONS {
            self.report.rejections.push(Rejection { index, reason });
        }
    }

    /// Events that were looked at.
    pub fn len(&self) -> usize {
        self.report.events.len() + self.report.rejected
    }

    /// Whether none was looked at.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The report.
    pub fn finish(self) -> Report {
        self.report
    }

    fn timely<'a>(&self, event: Checked<'a>) -> Result<Checked<'a>, Reason> {
        let off = event.at.map(|at| at.since(self.now).max(self.now.since(at)));
        match off {
            Some(off) if off > self.tolerance => Err(Reason::Untimely(self.tolerance)),
            Some(_) | None => Ok(event),
        }
    }

    fn key(&mut self, service: &str, path: &str) -> u32 {
        if self.report.keys.is_empty() {
            // Most requests report one event, for which nothing has to be looked up.
            return self.add(service, &endpoint_of(path));
        }
        if let Some(key) = self.known(service, path) {
            return key;
        }
        let endpoint = endpoint_of(path);
        // A path with an identity in it seldom comes again.
        let sent: Option<Box<str>> =
            matches!(endpoint, Cow::Borrowed(_)).then(|| self.wanted.as_str().into());
        let key = match self.known(service, &endpoint) {
            Some(key) => key,
            None => {
                let key = self.add(service, &endpoint);
                self.known.insert(self.wanted.as_str().into(), key);
                key
            }
        };
        self.known.extend(sent.map(|sent| (sent, key)));
        key
    }

    fn add(&mut self, service: &str, endpoint: &str) -> u32 {
        self.report.keys.push((service.into(), endpoint.into()));
        u32::try_from(self.report.keys.len() - 1).unwrap_or(u32::MAX)
    }

    fn known(&mut self, service: &str, path: &str) -> Option<u32> {
        self.wanted.clear();
        self.wanted.push_str(service);
        // No text that is taken has it.
        self.wanted.push('\0');
        self.wanted.push_str(path);
        if let Some(key) = self.known.get(self.wanted.as_str()) {
            return Some(*key);
        }
        // The first key was not entered when it came.
        let (first_service, first_endpoint) = self.report.keys.first()?;
        (**first_service == *service && **first_endpoint == *path).then_some(0)
    }
}

/// An event of which everything is right that does not depend on the moment.
#[derive(Debug)]
pub struct Checked<'a> {
    service: &'a str,
    path: &'a str,
    response_time: f64,
    status_code: u16,
    /// When, where the reporter has said so.
    pub at: Option<Timestamp>,
    details: Option<Box<Details>>,
}

impl<'a> Checked<'a> {
    /// Checks an event; the error says what is wrong with it.
    pub fn of(event: &'a RawEvent<'_>) -> Result<Self, Reason> {
        if let Some(kind) = event.not_an_object {
            return Err(Reason::NotAnObject(kind));
        }
        let required = [
            ("service", &event.service),
            ("endpoint", &event.endpoint),
            ("response_time", &event.response_time),
            ("status_code", &event.status_code),
        ];
        if required.iter().any(|(_, member)| **member == Member::Absent) {
            let missing = required.into_iter().filter(|(_, member)| **member == Member::Absent);
            return Err(Reason::Missing(missing.map(|(name, _)| name).collect()));
        }
        Ok(Self {
            service: name("service", &event.service)?,
            path: text("endpoint", &event.endpoint)?,
            response_time: response_time(&event.response_time)?,
            status_code: status_code(&event.status_code)?,
            at: time(&event.timestamp)?,
            details: details(event)?,
        })
    }
}

/// Why an event is not taken.
#[derive(Debug)]
pub enum Reason {
    /// It is something else than an object.
    NotAnObject(&'static str),
    /// Members that are not there.
    Missing(Vec<&'static str>),
    /// A member, and what it is instead.
    Wrong(&'static str, &'static str),
    /// A member that is too long.
    TooLong(&'static str),
    /// Its time is further from now than this.
    Untimely(Duration),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnObject(kind) => write!(f, "an event is an object, this is {kind}"),
            Self::Missing(names) => write!(f, "missing: {}", names.join(", ")),
            Self::Wrong(name, what) => write!(f, "{name} is {what}"),
            Self::TooLong(name) => write!(f, "{name} has more than {MOST_TEXT} bytes"),
            Self::Untimely(tolerance) => {
                write!(f, "timestamp is more than {} seconds from now", tolerance.as_secs())
            }
        }
    }
}

fn text<'a>(name: &'static str, member: &'a Member<'_>) -> Result<&'a str, Reason> {
    match member {
        Member::Text(text) if text.len() > MOST_TEXT => Err(Reason::TooLong(name)),
        Member::Text(text) if text.chars().any(char::is_control) => {
            Err(Reason::Wrong(name, "a text with control characters"))
        }
        Member::Text(text) => Ok(text),
        Member::Number(_) => Err(Reason::Wrong(name, "a number, and must be a text")),
        Member::Wrong(_) | Member::Absent => Err(Reason::Wrong(name, "not a text")),
    }
}

/// A text that is not blank.
fn name<'a>(name: &'static str, member: &'a Member<'_>) -> Result<&'a str, Reason> {
    let text = text(name, member)?.trim();
    if text.is_empty() { Err(Reason::Wrong(name, "empty")) } else { Ok(text) }
}

fn time(member: &Member<'_>) -> Result<Option<Timestamp>, Reason> {
    if *member == Member::Absent {
        return Ok(None);
    }
    let at = text("timestamp", member)?.parse();
    at.map(Some).map_err(|_| Reason::Wrong("timestamp", "no time such as 2026-11-24T10:00:00Z"))
}

fn response_time(member: &Member<'_>) -> Result<f64, Reason> {
    match member {
        Member::Number(seconds) if (0.0..=MOST_SECONDS).contains(seconds) => Ok(*seconds),
        Member::Number(_) => Err(Reason::Wrong("response_time", "not from 0 to 3600 seconds")),
        Member::Text(_) => Err(Reason::Wrong("response_time", "a text, and must be a number of seconds")),
        Member::Wrong(_) | Member::Absent => Err(Reason::Wrong("response_time", "not a number of seconds")),
    }
}

fn status_code(member: &Member<'_>) -> Result<u16, Reason> {
    match member {
        Member::Number(status) if (100.0..=599.0).contains(status) && status.fract() == 0.0 => {
            Ok(*status as u16)
        }
        Member::Number(_) => Err(Reason::Wrong("status_code", "not a whole number from 100 to 599")),
        Member::Text(_) => Err(Reason::Wrong("status_code", "a text, and must be a number")),
        Member::Wrong(_) | Member::Absent => Err(Reason::Wrong("status_code", "not a number")),
    }
}

fn details(event: &RawEvent<'_>) -> Result<Option<Box<Details>>, Reason> {
    let optional = |name, member: &Member<'_>| {
        let is_given = *member != Member::Absent;
        is_given.then(|| text(name, member).map(Box::from)).transpose()
    };
    let details = Details {
        method: optional("method", &event.method)?,
        event_id: optional("event_id", &event.event_id)?,
        trace_id: optional("trace_id", &event.trace_id)?,
        variant: optional("variant", &event.variant)?,
    };
    Ok((details != Details::default()).then(|| Box::new(details)))
}

#[cfg(test)]
mod tests;
