//! How much of the time a service was up, and how often and how long it was not: bounded sums by hour and by day.

use std::collections::VecDeque;
use std::iter::Sum;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

use super::incident::{Cause, Incident};
use super::rollup::CheckRollup;

const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);
/// The hour under way, and the 24 before it.
const HOURS: usize = 25;
/// The day under way, and the 30 before it.
const DAYS: usize = 31;

/// A span that availability is told for: up to now, and back to the beginning of an hour or of a day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    /// 24 hours, and the part of an hour before them.
    Day,
    /// 7 days, and the part of a day before them.
    Week,
    /// 30 days, and the part of a day before them.
    Month,
}

impl Window {
    /// Every window.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The word that API and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "24h",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }
}

/// What is remembered of one service: under 1 KiB, however long it is watched.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Availability {
    hours: Calendar<Times>,
    days: Calendar<Times>,
    /// Days on which something failed or was mended.
    troubles: Calendar<Troubles>,
}

/// Sums by the number of the hour or day since 1970, newest last; those of which nothing is known are left out.
type Calendar<T> = VecDeque<(u32, T)>;

/// The observed time of one hour or day. A row of numbers in the checkpoint, which holds many of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "(u32, u32)", into = "(u32, u32)")]
struct Times {
    observed_ms: u32,
    up_ms: u32,
}

/// The failures and repairs of one day.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(from = "(u32, u32, u64)", into = "(u32, u32, u64)")]
struct Troubles {
    failures: u32,
    repairs: u32,
    repair_ms: u64,
}

impl From<(u32, u32)> for Times {
    fn from((observed_ms, up_ms): (u32, u32)) -> Self {
        Self { observed_ms, up_ms }
    }
}

impl From<Times> for (u32, u32) {
    fn from(times: Times) -> Self {
        (times.observed_ms, times.up_ms)
    }
}

impl From<(u32, u32, u64)> for Troubles {
    fn from((failures, repairs, repair_ms): (u32, u32, u64)) -> Self {
        Self { failures, repairs, repair_ms }
    }
}

impl From<Troubles> for (u32, u32, u64) {
    fn from(troubles: Troubles) -> Self {
        (troubles.failures, troubles.repairs, troubles.repair_ms)
    }
}

/// Observed time, and failures, of one service or of many together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Observation {
    /// Time in which it was known whether the service was up.
    pub observed: Duration,
    /// Time in which it was up.
    pub up: Duration,
    /// Incidents that failing probes opened.
    pub failures: u32,
    /// Those that ended.
    pub repairs: u32,
    /// From the first failing probe to the end, over all of them that ended.
    pub repair: Duration,
}

impl Observation {
    /// Part of the observed time in which it was up, 0 to 1; none when nothing was observed.
    pub fn uptime(&self) -> Option<f64> {
        (!self.observed.is_zero()).then(|| self.up.as_secs_f64() / self.observed.as_secs_f64())
    }

    /// Mean time between failures in seconds: time up for each failure (IEC 60050-192, 192-05-13); none without a
    /// failure, or when nothing was observed.
    pub fn seconds_between_failures(&self) -> Option<f64> {
        let is_known = self.failures > 0 && !self.observed.is_zero();
        is_known.then(|| self.up.as_secs_f64() / f64::from(self.failures))
    }

    /// Mean time to recover in seconds, from the first failing probe to the end of the incident, whoever ended it
    /// (IEC 60050-192, 192-07-23: time to restoration); none when none has ended.
    pub fn seconds_to_recover(&self) -> Option<f64> {
        (self.repairs > 0).then(|| self.repair.as_secs_f64() / f64::from(self.repairs))
    }
}

impl Sum for Observation {
    fn sum<I: Iterator<Item = Self>>(all: I) -> Self {
        all.fold(Self::default(), |sum, one| Self {
            observed: sum.observed + one.observed,
            up: sum.up + one.up,
            failures: sum.failures.saturating_add(one.failures),
            repairs: sum.repairs.saturating_add(one.repairs),
            repair: sum.repair + one.repair,
        })
    }
}

impl Availability {
    /// Takes in what the checks of a minute gave.
    pub(super) fn observe(&mut self, minute: &CheckRollup) {
        let (observed, up) = (milliseconds(minute.observed_seconds), milliseconds(minute.up_seconds));
        for (calendar, span, most) in [(&mut self.hours, HOUR, HOURS), (&mut self.days, DAY, DAYS)] {
            let times = entry(calendar, number(minute.from, span), most);
            times.observed_ms = times.observed_ms.saturating_add(observed);
            times.up_ms = times.up_ms.saturating_add(up);
        }
    }

    /// Takes in that an incident was opened.
    pub(super) fn fail(&mut self, incident: &Incident) {
        if incident.cause == Cause::Failure {
            let day = entry(&mut self.troubles, number(incident.detected_at, DAY), DAYS);
            day.failures = day.failures.saturating_add(1);
        }
    }

    /// Takes in that an incident has ended.
    pub(super) fn recover(&mut self, incident: &Incident) {
        let (Cause::Failure, Some(failed_at), Some(ended_at)) =
            (incident.cause, incident.failed_at, incident.ended_at)
        else {
            return;
        };
        let day = entry(&mut self.troubles, number(ended_at, DAY), DAYS);
        day.repairs = day.repairs.saturating_add(1);
        let took = u64::try_from(ended_at.since(failed_at).as_millis()).unwrap_or(u64::MAX);
        day.repair_ms = day.repair_ms.saturating_add(took);
    }

    /// What was observed within a window that ends now. Failures are known by the day, so those of 24 hours are
    /// those of this day and the one before.
    pub fn within(&self, window: Window, now: Timestamp) -> Observation {
        let (calendar, span, back, days) = match window {
            Window::Day => (&self.hours, HOUR, 24, 1),
            Window::Week => (&self.days, DAY, 7, 7),
            Window::Month => (&self.days, DAY, 30, 30),
        };
        let mut seen = Observation::default();
        for (_, times) in calendar.iter().filter(|(at, _)| at + back >= number(now, span)) {
            seen.observed += Duration::from_millis(times.observed_ms.into());
            seen.up += Duration::from_millis(times.up_ms.into());
        }
        for (_, day) in self.troubles.iter().filter(|(at, _)| at + days >= number(now, DAY)) {
            seen.failures = seen.failures.saturating_add(day.failures);
            seen.repairs = seen.repairs.saturating_add(day.repairs);
            seen.repair += Duration::from_millis(day.repair_ms);
        }
        seen
    }
}

/// The sums of an hour or day; the oldest make room for it when there are as many as are kept.
fn entry<T: Default>(calendar: &mut Calendar<T>, number: u32, most: usize) -> &mut T {
    let place = calendar.partition_point(|(known, _)| *known < number);
    if calendar.get(place).is_none_or(|(known, _)| *known != number) {
        calendar.insert(place, (number, T::default()));
    }
    let surplus = calendar.len().saturating_sub(most).min(place);
    calendar.drain(..surplus);
    &mut calendar[place - surplus].1
}

/// The number of the hour or day that a moment lies in.
fn number(at: Timestamp, span: Duration) -> u32 {
    u32::try_from(at.as_millis() / u64::try_from(span.as_millis()).unwrap_or(u64::MAX)).unwrap_or(u32::MAX)
}

fn milliseconds(seconds: f64) -> u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates")]
    let milliseconds = (seconds * 1_000.0).round() as u32;
    milliseconds
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::view::ServiceState;
    use shared::order::{OrderId, ServiceName};

    fn at(days: u64, hours: u64) -> Timestamp {
        Timestamp::from_micros(0) + DAY * u32::try_from(days).unwrap() + HOUR * u32::try_from(hours).unwrap()
    }

    fn minute(from: Timestamp, up_seconds: f64) -> CheckRollup {
        CheckRollup {
            service: ServiceName::new("web").unwrap(),
            from,
            seconds: 60,
            checks_total: 2,
            checks_failed: 0,
            checks_error: 0,
            up: Some(up_seconds / 60.0),
            observed_seconds: 60.0,
            up_seconds,
            response_time: None,
            state: ServiceState::Healthy,
        }
    }

    fn incident(failed_at: Timestamp, ended_at: Option<Timestamp>) -> Incident {
        Incident {
            incident_id: OrderId::at(failed_at, 1),
            service: ServiceName::new("web").unwrap(),
            cause: Cause::Failure,
            failed_at: Some(failed_at),
            detected_at: failed_at,
            ended_at,
            attempts: 0,
        }
    }

    #[test]
    fn what_is_older_than_a_window_no_longer_counts_in_it() {
        let mut availability = Availability::default();
        availability.observe(&minute(at(0, 0), 0.0));
        availability.observe(&minute(at(10, 0), 60.0));
        let uptime = |window, now| availability.within(window, now).uptime();
        assert_eq!(uptime(Window::Month, at(10, 1)), Some(0.5));
        assert_eq!(uptime(Window::Week, at(10, 1)), Some(1.0));
        assert_eq!(uptime(Window::Day, at(11, 0)), Some(1.0));
        assert_eq!(uptime(Window::Day, at(11, 1)), None);
        assert_eq!(uptime(Window::Month, at(31, 0)), Some(1.0));
    }

    #[test]
    fn years_of_watching_take_no_more_room_than_a_month() {
        let mut availability = Availability::default();
        for hour in 0..20_000 {
            let from = at(0, hour);
            availability.observe(&minute(from, 60.0));
            availability.fail(&incident(from, None));
            availability.recover(&incident(from, Some(from + HOUR)));
        }
        assert_eq!((availability.hours.len(), availability.days.len()), (HOURS, DAYS));
        assert_eq!(availability.troubles.len(), DAYS);
        assert!(serde_json::to_string(&availability).unwrap().len() < 2_048);
    }

    #[test]
    fn failures_and_repairs_are_divided_by_their_numbers() {
        let mut availability = Availability::default();
        assert_eq!(availability.within(Window::Month, at(1, 0)).seconds_between_failures(), None);
        for hour in [1, 3] {
            availability.observe(&minute(at(0, hour), 30.0));
            availability.fail(&incident(at(0, hour), None));
        }
        availability.recover(&incident(at(0, 1), Some(at(0, 2))));
        let seen = availability.within(Window::Month, at(1, 0));
        assert_eq!(seen.seconds_between_failures(), Some(30.0));
        assert_eq!(seen.seconds_to_recover(), Some(3_600.0));
    }

    #[test]
    fn a_request_of_a_person_is_no_failure() {
        let mut availability = Availability::default();
        let asked = Incident { cause: Cause::Request, failed_at: None, ..incident(at(0, 0), Some(at(0, 1))) };
        availability.fail(&asked);
        availability.recover(&asked);
        assert_eq!(availability, Availability::default());
    }
}
