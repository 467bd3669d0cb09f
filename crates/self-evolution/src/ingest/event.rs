//! The event that is sent for a request that a log tells of.

use std::time::Duration;

use serde::Serialize;
use shared::clock::Timestamp;

use super::entry::{Entry, Skip};
use crate::domain::usage::endpoint::endpoint_of;
use crate::domain::usage::report::MOST_TEXT;

/// What is the same for all events of a log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Reporter {
    /// The service, for lines that name none.
    pub(super) service: Option<String>,
    /// Which time an event gets.
    pub(super) stamp: Stamp,
}

/// Which time an event gets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Stamp {
    /// That of its line. What is further from now than this is skipped.
    OfLine(Duration),
    /// None, so that the daemon takes the moment at which it arrives.
    OfArrival,
}

/// Where a line is, so that its event is known again: the file by its inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Place {
    /// The inode.
    pub(super) inode: u64,
    /// Where the line begins, in bytes.
    pub(super) offset: u64,
}

#[derive(Serialize)]
struct Event<'a> {
    service: &'a str,
    endpoint: &'a str,
    response_time: f64,
    status_code: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timestamp: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    trace_id: Option<&'a str>,
}

impl Reporter {
    /// Writes the event of an entry as a line of JSON, unless it is not to be sent.
    pub(super) fn write(
        &self,
        entry: &Entry<'_>,
        place: Option<Place>,
        now: Timestamp,
        out: &mut Vec<u8>,
    ) -> Result<(), Skip> {
        let service = entry.service.as_deref().filter(|name| !name.is_empty());
        let service = self.service.as_deref().or(service).ok_or(Skip::NoService)?;
        let timestamp = self.stamp.of(entry.at, now)?;
        // The daemon would do the same; but what stands in a query is nobody's business on the way either.
        let endpoint = endpoint_of(&entry.target);
        let event = Event {
            service,
            endpoint: &endpoint,
            response_time: entry.seconds,
            status_code: entry.status,
            method: entry.method.as_deref().and_then(optional),
            timestamp,
            event_id: place.map(|place| place.event_id(entry.at)),
            trace_id: entry.trace_id.as_deref().and_then(optional),
        };
        // Writing into memory works, and every member can be written.
        serde_json::to_writer(&mut *out, &event).map_err(|_| Skip::Unreadable)?;
        out.push(b'\n');
        Ok(())
    }
}

impl Stamp {
    fn of(self, at: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, Skip> {
        match (self, at) {
            (Self::OfLine(most), Some(at)) if now.since(at) > most => Err(Skip::Old),
            (Self::OfLine(most), Some(at)) if at.since(now) > most => Err(Skip::Future),
            (Self::OfLine(_), at) => Ok(at),
            (Self::OfArrival, _) => Ok(None),
        }
    }
}

impl Place {
    /// The same for the same line however often it is read. The time tells apart what stood at the same place of the file
    /// before it was cut.
    fn event_id(self, at: Option<Timestamp>) -> String {
        let Self { inode, offset } = self;
        format!("{inode:x}-{offset:x}-{:x}", at.map_or(0, Timestamp::as_micros) / 1_000_000)
    }
}

/// What is not needed must not cost the event.
fn optional(text: &str) -> Option<&str> {
    (text.len() <= MOST_TEXT && !text.chars().any(char::is_control)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-24T12:10:00Z".parse().unwrap()
    }

    fn entry(at: &str) -> Entry<'static> {
        Entry {
            service: None,
            method: Some("GET".into()),
            target: "https://shop/users/42?token=secret".into(),
            seconds: 0.012,
            status: 200,
            at: at.parse().ok(),
            trace_id: Some("x".repeat(300).into()),
        }
    }

    fn written(reporter: &Reporter, entry: &Entry<'_>) -> Result<String, Skip> {
        let mut out = Vec::new();
        let place = Some(Place { inode: 255, offset: 4_096 });
        reporter.write(entry, place, now(), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    fn of_line() -> Reporter {
        Reporter { service: Some("web".into()), stamp: Stamp::OfLine(Duration::from_secs(600)) }
    }

    #[test]
    fn an_event_has_the_time_of_its_line_and_no_query() {
        let expected = "{\"service\":\"web\",\"endpoint\":\"/users/{id}\",\"response_time\":0.012,\"status_code\":200,\
                        \"method\":\"GET\",\"timestamp\":\"2026-11-24T12:00:00.000000Z\",\"event_id\":\"ff-1000-6b057c40\"}\n";
        let written = written(&of_line(), &entry("2026-11-24T12:00:00Z")).unwrap();
        assert_eq!(written, expected);
    }

    #[test]
    fn what_the_daemon_would_not_take_is_skipped_unless_the_arrival_counts() {
        for (at, skip) in [("2026-11-24T11:59:59Z", Skip::Old), ("2026-11-24T12:20:01Z", Skip::Future)] {
            assert_eq!(written(&of_line(), &entry(at)), Err(skip));
            let reporter = Reporter { stamp: Stamp::OfArrival, ..of_line() };
            assert!(!written(&reporter, &entry(at)).unwrap().contains("timestamp"));
        }
    }

    #[test]
    fn the_operator_names_the_service_over_the_line_and_without_one_nothing_is_sent() {
        let at = "2026-11-24T12:00:00Z";
        let named = Entry { service: Some("other".into()), ..entry(at) };
        assert!(written(&of_line(), &named).unwrap().contains("\"service\":\"web\""));
        let nobody = Reporter { service: None, ..of_line() };
        assert!(written(&nobody, &named).unwrap().contains("\"service\":\"other\""));
        assert_eq!(written(&nobody, &entry(at)), Err(Skip::NoService));
    }

    #[test]
    fn the_same_place_at_another_time_is_another_event() {
        let (a, b) = (entry("2026-11-24T12:00:00Z"), entry("2026-11-24T12:00:01Z"));
        assert_ne!(written(&of_line(), &a), written(&of_line(), &b));
        assert_eq!(written(&of_line(), &a), written(&of_line(), &a.clone()));
    }
}
