//! Times of log lines: those of the daemon's own clock, in UTC with microseconds.

use std::fmt;

use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;

use crate::clock::{Clock, Timestamp};

/// Writes the present moment as RFC 3339.
pub(super) struct Utc(Clock);

impl Utc {
    pub(super) fn start() -> Self {
        Self(Clock::starting_after(Timestamp::default()))
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.now()
    }
}

impl FormatTime for Utc {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(writer, "{}", self.now())
    }
}
