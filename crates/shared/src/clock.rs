//! The only place that reads a clock: wall time, made monotone.

use std::fmt;
use std::ops::{Add, Sub};
use std::str::FromStr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A moment in UTC, in whole microseconds since 1970. Written as RFC 3339 with `Z` and six decimals.
///
/// It is the only time type of the domain, the journal and the API.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, utoipa::ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-11-24T10:15:30.000250Z")]
pub struct Timestamp(i64);

impl Timestamp {
    /// The moment that lies this many microseconds after the start of 1970.
    pub const fn from_micros(micros: i64) -> Self {
        Self(micros)
    }

    /// Microseconds since the start of 1970.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Whole milliseconds since the start of 1970; never negative.
    pub fn as_millis(self) -> u64 {
        u64::try_from(self.0 / 1_000).unwrap_or(0)
    }

    /// How long after `earlier` this is; zero when it is not after it.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp:.6}"),
            Err(_) => write!(f, "@{}us", self.0),
        }
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = jiff::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse::<jiff::Timestamp>().map(|timestamp| Self(timestamp.as_microsecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Wall time that never goes backwards, not even across a restart.
///
/// Between two readings it advances with the monotonic clock. When the wall clock turns out to be ahead (the
/// host slept, or NTP stepped forward) it jumps to it; when the wall clock is behind, time goes on from where
/// it was, because a deadline that moves away again would hold back an action.
#[derive(Debug)]
pub struct Clock {
    anchor: Instant,
    anchor_micros: i64,
    /// Microseconds that forward steps of the wall clock have added since the anchor.
    stepped: AtomicI64,
}

/// A wall clock that is ahead by less than this is drift, not a step.
const STEP: i64 = 1_000_000;

impl Clock {
    /// A clock that starts now, or right after `last` when the wall clock reads earlier than that.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn starting_after(last: Timestamp) -> Self {
        Self { anchor: Instant::now(), anchor_micros: wall_micros().max(last.0), stepped: AtomicI64::new(0) }
    }

    /// The present moment; not before any moment that this clock gave earlier.
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    pub fn now(&self) -> Timestamp {
        let elapsed =
            i64::try_from(Instant::now().duration_since(self.anchor).as_micros()).unwrap_or(i64::MAX);
        let steady = self.anchor_micros.saturating_add(elapsed);
        let ahead = wall_micros().saturating_sub(steady);
        let stepped = self.stepped.load(Ordering::Relaxed);
        let stepped = if ahead > stepped.saturating_add(STEP) {
            self.stepped.fetch_max(ahead, Ordering::Relaxed).max(ahead)
        } else {
            stepped
        };
        Timestamp(steady.saturating_add(stepped))
    }
}

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn wall_micros() -> i64 {
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_micros()).unwrap_or(i64::MAX)
}

/// How long the machine runs already, sleep included: by this it is told how long something lasts that others count too.
pub fn since_boot() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_is_written_as_rfc_3339_with_six_decimals_and_read_back() {
        let timestamp = Timestamp::from_micros(1_795_450_000_000_120);
        assert_eq!(timestamp.to_string(), "2026-11-23T16:06:40.000120Z");
        assert_eq!(timestamp.to_string().parse::<Timestamp>().unwrap(), timestamp);
    }

    #[test]
    fn a_clock_never_reads_earlier_than_what_was_recorded_before_a_restart() {
        let future = Clock::starting_after(Timestamp::default()).now() + Duration::from_secs(3_600);
        let clock = Clock::starting_after(future);
        let first = clock.now();
        assert!(first >= future);
        assert!(clock.now() >= first);
    }
}
