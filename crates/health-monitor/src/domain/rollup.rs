//! What the checks of one service gave within one minute, as one fact: healthy services leave no other trace.
//!
//! Up and down are measured in time and not in checks. A result holds until the next one, so down is from the
//! beginning of the first failing probe to the beginning of the first passing one (availability as the time up by
//! the time up and down, *Site Reliability Engineering*, chapter 3). Shares of checks would exaggerate: a failing service is
//! probed six times as often. Incidents would hide: failures fewer than `fall` concern whoever met them too, and
//! what is an incident depends on the settings of the day. Time in which nobody looked, in which our own fault or
//! isolation blinded us, or in which maintenance was announced, is neither.
//!
//! The minute under way lives in memory. A crash loses it; it then counts as time in which nobody looked.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::ServiceName;

use super::policy::Policy;
use super::reading::{Class, Reading};
use super::schedule::hash;
use super::view::ServiceState;

/// The span of one roll-up in seconds.
pub const SECONDS: u32 = 60;
const SPAN: Duration = Duration::from_secs(SECONDS as u64);
/// Response times of a minute that the 95th percentile is taken of: the newest. Probes every half a second fill it.
const TIMES: usize = 120;
const P95: f64 = 0.95;

/// The checks of one service within one minute.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CheckRollup {
    /// Which service.
    pub service: ServiceName,
    /// When the minute began. Each service has its own second of the minute for that, so that not all are written
    /// at once.
    pub from: Timestamp,
    /// How long it was, in seconds.
    pub seconds: u32,
    /// Probes that came back, the monitor's own faults among them.
    pub checks_total: u32,
    /// Those that failed.
    pub checks_failed: u32,
    /// Those that failed through our own fault; they say nothing about the service.
    pub checks_error: u32,
    /// Part of the observed time in which the service was up, 0 to 1; null when nothing was observed.
    pub up: Option<f64>,
    /// Time in which it was known whether the service was up, in seconds. More than the minute has when it is probed
    /// less than once a minute: the time since the check before belongs to it.
    pub observed_seconds: f64,
    /// Time in which it was up, in seconds.
    pub up_seconds: f64,
    /// How long passing probes took; null when none passed.
    pub response_time: Option<ResponseTime>,
    /// Its state at the end.
    pub state: ServiceState,
}

/// How long the passing probes of a minute took, in seconds.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct ResponseTime {
    /// The mean.
    pub avg: f64,
    /// The 95th percentile, by nearest rank.
    pub p95: f64,
    /// The longest.
    pub max: f64,
}

/// The minutes under way of all services, by their places in the policy.
#[derive(Debug)]
pub struct Rollups {
    tracks: Vec<Track>,
    due: BTreeSet<(Timestamp, usize)>,
    /// When our own network last went away or came back.
    blind_at: Option<Timestamp>,
}

/// What is known of one service.
#[derive(Debug)]
struct Track {
    /// Where its minutes begin within those of the clock.
    offset: Duration,
    /// What the last check said.
    holding: Option<Holding>,
    minute: Option<Minute>,
}

/// A result that holds until the next.
#[derive(Clone, Copy, Debug)]
struct Holding {
    standing: Standing,
    counted_to: Timestamp,
    /// A result that is older is no longer believed.
    until: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Up,
    Down,
    NotKnown,
}

#[derive(Debug, Default)]
struct Minute {
    from: Timestamp,
    total: u32,
    failed: u32,
    error: u32,
    observed: Duration,
    up: Duration,
    passed: u32,
    sum: Duration,
    max: Duration,
    /// Of the newest passes, in no order.
    times: Vec<Duration>,
}

/// How a service is seen at the moment of a decision.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sight {
    /// Its failures would not be its own: maintenance, or our network is gone.
    pub is_excused: bool,
    /// Our network has a part in reaching it.
    pub needs_network: bool,
}

impl Rollups {
    /// Of services of which nothing is known.
    pub fn new(policy: &Policy) -> Self {
        let offset = |name| Duration::from_secs(hash(name) % u64::from(SECONDS));
        let track = |name| Track { offset: offset(name), holding: None, minute: None };
        Self {
            tracks: policy.services.iter().map(|service| track(&service.name)).collect(),
            due: BTreeSet::new(),
            blind_at: None,
        }
    }

    /// The same under another policy; `was` gives the place that each service had.
    pub fn rearranged(&mut self, policy: &Policy, was: &[Option<usize>]) -> Self {
        let mut next = Self { blind_at: self.blind_at, ..Self::new(policy) };
        for (place, old) in was.iter().enumerate().filter_map(|(place, was)| Some((place, (*was)?))) {
            let (track, old) = (&mut next.tracks[place], &mut self.tracks[old]);
            (track.holding, track.minute) = (old.holding, old.minute.take());
            next.due.extend(track.minute.as_ref().map(|minute| (minute.from + SPAN, place)));
        }
        next
    }

    /// When the next minute is over.
    pub fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The services whose minute is over.
    pub fn over(&self, now: Timestamp) -> Vec<usize> {
        self.due.iter().take_while(|(at, _)| *at <= now).map(|(_, service)| *service).collect()
    }

    /// Whether the minute of a service is over.
    pub fn is_over(&self, service: usize, now: Timestamp) -> bool {
        self.tracks[service].minute.as_ref().is_some_and(|minute| minute.from + SPAN <= now)
    }

    /// Our own network went away or came back: what was last seen over it is no longer believed.
    pub fn blinded(&mut self, now: Timestamp) {
        self.blind_at = Some(now);
    }

    /// Takes in one check of ours. `holds_for` says how long it is believed when no other follows. A minute that is
    /// over must have been closed before.
    pub fn take(
        &mut self,
        service: usize,
        reading: &Reading,
        sight: Sight,
        holds_for: Duration,
        now: Timestamp,
    ) {
        let track = &mut self.tracks[service];
        if track.minute.is_none() {
            let from = minute_of(now, track.offset);
            track.minute = Some(Minute { from, ..Minute::default() });
            self.due.insert((from + SPAN, service));
        }
        track.pass_time(reading.started_at, sight, self.blind_at);
        let standing = match reading.class {
            Class::Error => Standing::NotKnown,
            Class::Pass | Class::Degraded | Class::Fail(_) if sight.is_excused => Standing::NotKnown,
            Class::Pass | Class::Degraded => Standing::Up,
            Class::Fail(_) => Standing::Down,
        };
        let before = track.holding.map_or(Timestamp::default(), |holding| holding.counted_to);
        let counted_to = reading.started_at.max(before);
        track.holding = Some(Holding { standing, counted_to, until: now + holds_for });
        if let Some(minute) = &mut track.minute {
            minute.take(reading);
        }
    }

    /// Ends the minute of a service, which must be over.
    pub fn close(
        &mut self,
        service: usize,
        name: &ServiceName,
        state: ServiceState,
        sight: Sight,
    ) -> Option<CheckRollup> {
        let track = &mut self.tracks[service];
        let end = track.minute.as_ref()?.from + SPAN;
        track.pass_time(end, sight, self.blind_at);
        self.due.remove(&(end, service));
        track.minute.take().map(|minute| minute.rolled_up(name.clone(), state))
    }
}

impl Track {
    /// Counts the time up to a moment by what the last check said.
    fn pass_time(&mut self, to: Timestamp, sight: Sight, blind_at: Option<Timestamp>) {
        let (Some(holding), Some(minute)) = (&mut self.holding, &mut self.minute) else { return };
        let span = to.min(holding.until).since(holding.counted_to);
        let is_blinded = sight.needs_network && blind_at.is_some_and(|at| at >= holding.counted_to);
        holding.counted_to = holding.counted_to.max(to);
        if sight.is_excused || is_blinded {
            return;
        }
        match holding.standing {
            Standing::Up => {
                minute.observed += span;
                minute.up += span;
            }
            Standing::Down => minute.observed += span,
            Standing::NotKnown => {}
        }
    }
}

impl Minute {
    fn take(&mut self, reading: &Reading) {
        self.total += 1;
        match reading.class {
            Class::Fail(_) => self.failed += 1,
            Class::Error => self.error += 1,
            Class::Pass | Class::Degraded => {
                let took = reading.response_time();
                let place = self.passed as usize % TIMES;
                match self.times.get_mut(place) {
                    Some(oldest) => *oldest = took,
                    None => self.times.push(took),
                }
                self.passed += 1;
                self.sum += took;
                self.max = self.max.max(took);
            }
        }
    }

    fn rolled_up(self, service: ServiceName, state: ServiceState) -> CheckRollup {
        let (observed_seconds, up_seconds) = (milliseconds(self.observed), milliseconds(self.up));
        CheckRollup {
            service,
            from: self.from,
            seconds: SECONDS,
            checks_total: self.total,
            checks_failed: self.failed,
            checks_error: self.error,
            up: (observed_seconds > 0.0).then(|| up_seconds / observed_seconds),
            observed_seconds,
            up_seconds,
            response_time: self.response_time(),
            state,
        }
    }

    fn response_time(&self) -> Option<ResponseTime> {
        let mut times = self.times.clone();
        times.sort_unstable();
        #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let rank = (times.len() as f64 * P95).ceil() as usize;
        let p95 = times.get(rank.checked_sub(1)?)?;
        let seconds = |time: Duration| time.as_secs_f64();
        Some(ResponseTime {
            avg: seconds(self.sum / self.passed),
            p95: seconds(*p95),
            max: seconds(self.max),
        })
    }
}

/// The beginning of the minute that a moment lies in.
fn minute_of(now: Timestamp, offset: Duration) -> Timestamp {
    let micros = i64::try_from(SPAN.as_micros()).unwrap_or(i64::MAX);
    let offset = i64::try_from(offset.as_micros()).unwrap_or(0);
    let number = (now.as_micros() - offset).div_euclid(micros);
    Timestamp::from_micros(number * micros + offset)
}

/// In seconds, to the millisecond: what sums are kept in.
fn milliseconds(time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 milliseconds")]
    let milliseconds = time.as_millis() as f64;
    milliseconds / 1_000.0
}

#[cfg(test)]
mod tests;
