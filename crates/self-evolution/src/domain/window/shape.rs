//! How the window divides time.

use std::ops::Range;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;

/// The number of a bucket's span, counted from 1970 in buckets.
pub type Slot = u32;

/// Fine buckets that are kept: 3 hours of minutes.
pub const FINE: Slot = 180;
/// Fine buckets that make a coarse one of a window of a day: 15 minutes. No coarse bucket has fewer.
pub const COARSE: Slot = 15;
/// Coarse buckets that a window has at most: those of a day. A longer window, or one of shorter buckets, has longer ones,
/// so that memory and checkpoints do not grow with it.
const MOST_COARSE: Slot = 96;
/// How many buckets late, or early, an event may be: 10 minutes.
pub const LATE: Slot = 10;
/// The buckets of an hour, over which baselines are taken.
pub const HOUR: Slot = 60;

/// The buckets of a day.
pub const DAY: Slot = 24 * HOUR;

/// How the window divides time. Every length that is counted in buckets scales with the length of a bucket.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Shape {
    /// The length of a fine bucket.
    pub bucket_seconds: u32,
    /// How far back the window reaches.
    pub window_hours: u32,
}

impl Default for Shape {
    fn default() -> Self {
        Self { bucket_seconds: 60, window_hours: 24 }
    }
}

impl Shape {
    /// The slot of a moment.
    pub fn slot(self, at: Timestamp) -> Slot {
        let seconds = at.as_micros().div_euclid(1_000_000);
        Slot::try_from(seconds.div_euclid(i64::from(self.bucket_seconds))).unwrap_or(0)
    }

    /// When a slot begins.
    pub fn begin(self, slot: Slot) -> Timestamp {
        Timestamp::from_micros(i64::from(slot) * i64::from(self.bucket_seconds) * 1_000_000)
    }

    /// The length of so many buckets.
    pub fn length(self, buckets: Slot) -> Duration {
        Duration::from_secs(u64::from(self.bucket_seconds) * u64::from(buckets))
    }

    /// The buckets that make a coarse one.
    pub fn coarse(self) -> Slot {
        let seconds = u64::from(self.window_hours) * 3_600;
        let slots = seconds.div_ceil(u64::from(self.bucket_seconds.max(1)));
        let times = slots.div_ceil(u64::from(MOST_COARSE * COARSE)).max(1);
        COARSE.saturating_mul(Slot::try_from(times).unwrap_or(Slot::MAX))
    }

    /// How late, or early, an event may be.
    pub fn tolerance(self) -> Duration {
        self.length(LATE)
    }

    /// The slots of the window that ends now. What began before the window is not in it.
    pub fn window(self, now: Timestamp) -> Range<Slot> {
        let begin = now - Duration::from_secs(u64::from(self.window_hours) * 3_600);
        let first = self.slot(begin);
        let first = if self.begin(first) < begin { first + 1 } else { first };
        // Clocks of reporters may be ahead.
        first..self.slot(now) + LATE + 1
    }

    /// The first slot that is kept: the window, and whatever changes are judged by and traffic is compared with, where that
    /// reaches further back.
    pub fn oldest(self, now: Timestamp) -> Slot {
        let slot = self.slot(now);
        let yesterday = if self.reaches_a_day() { DAY + 2 * self.coarse() } else { 0 };
        self.window(now).start.min(slot.saturating_sub(FINE.max(yesterday)))
    }

    /// Whether the window has the buckets of a day.
    pub fn reaches_a_day(self) -> bool {
        u64::from(self.window_hours) * 3_600 >= u64::from(DAY) * u64::from(self.bucket_seconds)
    }

    /// The slots of the last hour, or what stands for it with buckets of another length.
    pub fn last_hour(self, now: Timestamp) -> Range<Slot> {
        let now = self.slot(now);
        (now + 1).saturating_sub(HOUR)..now + LATE + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_began_before_the_window_is_in_it() {
        let shape = Shape::default();
        let now = Timestamp::from_micros(1_800_000_030 * 1_000_000);
        let window = shape.window(now);
        let begin = now - Duration::from_secs(86_400);
        assert!(shape.begin(window.start) >= begin);
        assert!(shape.begin(window.start) < begin + Duration::from_secs(60));
        assert!(window.contains(&shape.slot(now)));
    }

    #[test]
    fn a_coarse_bucket_is_as_long_as_it_takes_for_ninety_six_to_make_a_window() {
        for (bucket_seconds, window_hours, expected) in
            [(60, 24, 15), (60, 1, 15), (60, 168, 105), (1, 24, 900)]
        {
            assert_eq!(Shape { bucket_seconds, window_hours }.coarse(), expected);
        }
    }

    #[test]
    fn the_last_hour_has_sixty_minutes() {
        let shape = Shape::default();
        let now = Timestamp::from_micros(1_800_000_030 * 1_000_000);
        let hour = shape.last_hour(now);
        assert_eq!(shape.slot(now) - hour.start, 59);
    }
}
