//! How much of the time the services were up, as statistics show it.

use serde::Serialize;
use utoipa::ToSchema;

use crate::domain::availability::{Observation, Window};
use crate::domain::view::{View, Watched};

/// How much of the time a service, or all of them, was up. Time in which nobody looked, in which the monitor's own
/// fault blinded it, and in which maintenance was announced does not count.
#[derive(Serialize, ToSchema)]
pub(super) struct Availability {
    /// Part of the last 24 hours in which it was up, 0 to 1; null when nothing was observed.
    uptime_24h: Option<f64>,
    /// The same over 7 days.
    uptime_7d: Option<f64>,
    /// The same over 30 days.
    uptime_30d: Option<f64>,
    /// Time within 30 days in which it was known whether it was up, in seconds.
    observed_seconds: f64,
    /// Incidents within 30 days that failing probes opened.
    failures: u32,
    /// Mean time between failures over 30 days, in seconds: time up for each failure; null without one.
    mtbf_seconds: Option<f64>,
    /// Mean time to recover over 30 days, in seconds: from the first failing probe to the end of the incident,
    /// whoever ended it; null when none has ended.
    mttr_seconds: Option<f64>,
}

impl Availability {
    /// Of one service.
    pub(super) fn of(watched: &Watched<'_>, view: &View) -> Self {
        Self::new(|window| observed(watched, window, view))
    }

    /// Of all services together: each weighs as much as the time in which it was observed.
    pub(super) fn of_all(view: &View) -> Self {
        Self::new(|window| view.services().map(|watched| observed(&watched, window, view)).sum())
    }

    fn new(within: impl Fn(Window) -> Observation) -> Self {
        let [day, week, month] = Window::ALL.map(within);
        Self {
            uptime_24h: day.uptime(),
            uptime_7d: week.uptime(),
            uptime_30d: month.uptime(),
            observed_seconds: month.observed.as_secs_f64(),
            failures: month.failures,
            mtbf_seconds: month.seconds_between_failures(),
            mttr_seconds: month.seconds_to_recover(),
        }
    }
}

fn observed(watched: &Watched<'_>, window: Window, view: &View) -> Observation {
    watched.service.map(|service| service.availability.within(window, view.at)).unwrap_or_default()
}
