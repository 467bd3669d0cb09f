//! When which service is probed: spread, jittered, never twice at once, within the caps.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use shared::clock::Timestamp;

use super::policy::Policy;

/// Hints bring no probe of a service sooner than this after the one before, however many there are.
const HINTS_APART: Duration = Duration::from_millis(500);

/// Part of the interval by which a slot is varied either way.
const JITTER: f64 = 0.1;

/// The schedule of all probes. Lives in memory only: a restart begins a new sweep.
#[derive(Debug)]
pub struct Schedule {
    slots: Vec<Slot>,
    due: BTreeSet<(Timestamp, usize)>,
    /// Services whose slot has come while a cap was reached, in that order.
    held: VecDeque<usize>,
    in_flight: usize,
    in_flight_by_host: HashMap<u64, usize>,
    max_in_flight: usize,
    max_in_flight_per_host: usize,
}

#[derive(Clone, Debug)]
struct Slot {
    host: u64,
    seed: u64,
    at: Timestamp,
    interval: Duration,
    slots: u64,
    /// Until when the probe under way must have come back; then it is given up for lost.
    probing_until: Option<Timestamp>,
    lost_after: Duration,
    is_held: bool,
    /// A hint came while a probe was under way, which may have looked too early.
    is_hinted: bool,
    begun_at: Option<Timestamp>,
    missed: u64,
}

impl Schedule {
    /// The first sweep, spread over one interval from `start` by a hash of each name.
    pub fn new(policy: &Policy, start: Timestamp) -> Self {
        let slots: Vec<Slot> = policy
            .services
            .iter()
            .map(|service| {
                let seed = hash(&service.name);
                let at = start + service.interval.mul_f64(fraction(seed));
                Slot {
                    host: hash(service.host()),
                    seed,
                    at,
                    interval: service.interval,
                    slots: 0,
                    probing_until: None,
                    lost_after: service.timeout * 2 + Duration::from_secs(60),
                    is_held: false,
                    is_hinted: false,
                    begun_at: None,
                    missed: 0,
                }
            })
            .collect();
        Self {
            due: slots.iter().enumerate().map(|(service, slot)| (slot.at, service)).collect(),
            slots,
            held: VecDeque::new(),
            in_flight: 0,
            in_flight_by_host: HashMap::new(),
            max_in_flight: policy.max_in_flight,
            max_in_flight_per_host: policy.max_in_flight_per_host,
        }
    }

    /// The schedule under another policy. A service that was probed before keeps its slot, and the probe under way
    /// with it; `was` gives the place that each service had.
    pub fn rearranged(&self, policy: &Policy, was: &[Option<usize>], now: Timestamp) -> Self {
        let mut next = Self::new(policy, now);
        let mut new_place = vec![None; self.slots.len()];
        for (place, old) in was.iter().enumerate().filter_map(|(place, was)| Some((place, (*was)?))) {
            new_place[old] = Some(place);
            let slot = &mut next.slots[place];
            // A shorter interval holds at once.
            let at = self.slots[old].at.min(now + slot.interval);
            *slot = Slot { host: slot.host, lost_after: slot.lost_after, at, ..self.slots[old].clone() };
            if slot.probing_until.is_some() {
                next.in_flight += 1;
                *next.in_flight_by_host.entry(slot.host).or_default() += 1;
            }
        }
        next.due = next.slots.iter().enumerate().map(|(place, slot)| (slot.at, place)).collect();
        next.held = self.held.iter().filter_map(|old| new_place[*old]).collect();
        next
    }

    /// A schedule of nothing.
    pub(super) fn empty() -> Self {
        Self {
            slots: Vec::new(),
            due: BTreeSet::new(),
            held: VecDeque::new(),
            in_flight: 0,
            in_flight_by_host: HashMap::new(),
            max_in_flight: 0,
            max_in_flight_per_host: 0,
        }
    }

    /// When the next slot comes.
    pub fn next(&self) -> Option<Timestamp> {
        self.due.first().map(|(at, _)| *at)
    }

    /// The services to probe now. `interval` gives the present interval of a service.
    pub fn start_due(&mut self, now: Timestamp, interval: impl Fn(usize) -> Duration) -> Vec<usize> {
        let mut started = Vec::new();
        while let Some((at, service)) = self.due.first().copied().filter(|(at, _)| *at <= now) {
            self.due.remove(&(at, service));
            self.advance(service, now, interval(service));
            let slot = &mut self.slots[service];
            if slot.probing_until.is_some_and(|until| now < until) || slot.is_held {
                slot.missed += 1;
                continue;
            }
            if slot.probing_until.is_some() {
                // The probe was lost; its place is free again.
                self.release(service);
            }
            self.slots[service].is_held = true;
            self.held.push_back(service);
        }
        self.start_held(now, &mut started);
        started
    }

    /// Starts held services as far as the caps allow; one whose host is at its cap lets others pass.
    fn start_held(&mut self, now: Timestamp, started: &mut Vec<usize>) {
        let mut still_held = VecDeque::new();
        while let Some(service) = self.held.pop_front() {
            if self.in_flight >= self.max_in_flight {
                still_held.push_back(service);
                break;
            }
            let slot = &mut self.slots[service];
            let at_host = self.in_flight_by_host.entry(slot.host).or_default();
            if *at_host >= self.max_in_flight_per_host {
                still_held.push_back(service);
                continue;
            }
            *at_host += 1;
            self.in_flight += 1;
            slot.is_held = false;
            slot.probing_until = Some(now + slot.lost_after);
            slot.begun_at = Some(now);
            started.push(service);
        }
        still_held.append(&mut self.held);
        self.held = still_held;
    }

    /// A probe has come back. The services that waited for its place are started.
    pub fn finished(&mut self, service: usize, now: Timestamp) -> Vec<usize> {
        let mut started = Vec::new();
        if self.slots[service].probing_until.is_some() {
            self.release(service);
            self.start_held(now, &mut started);
        }
        started
    }

    /// Counts the next slot from now, with a shorter interval than the one that it was set with.
    pub fn hasten(&mut self, service: usize, now: Timestamp, interval: Duration) {
        let at = now + interval;
        if interval < self.slots[service].interval && at < self.slots[service].at {
            self.due.remove(&(self.slots[service].at, service));
            self.slots[service].at = at;
            self.due.insert((at, service));
        }
    }

    /// Brings the next slot to now, as far as the probe before is long enough ago. While it is under way, the hint is
    /// kept until it has come back.
    pub fn hint(&mut self, service: usize, now: Timestamp) {
        let slot = &mut self.slots[service];
        if slot.probing_until.is_some() {
            slot.is_hinted = true;
            return;
        }
        let at = slot.begun_at.map_or(now, |begun_at| now.max(begun_at + HINTS_APART));
        if at < slot.at {
            self.due.remove(&(slot.at, service));
            slot.at = at;
            self.due.insert((at, service));
        }
    }

    /// Sets the next slot to this moment.
    pub fn postpone(&mut self, service: usize, at: Timestamp) {
        self.due.remove(&(self.slots[service].at, service));
        self.slots[service].at = at;
        self.due.insert((at, service));
    }

    /// Whether a hint came while the probe was under way that has just come back; asking forgets it.
    pub fn take_hint(&mut self, service: usize) -> bool {
        std::mem::take(&mut self.slots[service].is_hinted)
    }

    /// Slots of a service that came while its probe was still under way or held back.
    pub fn missed(&self, service: usize) -> u64 {
        self.slots[service].missed
    }

    /// Whether there is room for more probes than the usual ones: none waits, and half of the places are free. Faster
    /// probes of services in doubt must not hold the others' slots up when all of them hang.
    pub fn has_room(&self) -> bool {
        self.held.is_empty() && self.in_flight * 2 <= self.max_in_flight
    }

    /// Probes under way.
    pub fn in_flight(&self) -> usize {
        self.in_flight
    }

    fn release(&mut self, service: usize) {
        let slot = &mut self.slots[service];
        slot.probing_until = None;
        self.in_flight -= 1;
        if let Some(at_host) = self.in_flight_by_host.get_mut(&slot.host) {
            *at_host -= 1;
            if *at_host == 0 {
                self.in_flight_by_host.remove(&slot.host);
            }
        }
    }

    /// Moves to the next slot after `now`, on the grid of the interval so that lateness does not add up; the
    /// slots that were slept through are missed.
    fn advance(&mut self, service: usize, now: Timestamp, interval: Duration) {
        let slot = &mut self.slots[service];
        slot.slots += 1;
        let jitter = interval.mul_f64(JITTER * 2.0 * fraction(hash(&(slot.seed, slot.slots))));
        let mut base = slot.at;
        if interval == slot.interval {
            let behind = now.since(base).as_micros() / interval.as_micros().max(1);
            let skipped = u32::try_from(behind).unwrap_or(u32::MAX);
            slot.missed += u64::from(skipped);
            base = base + interval.saturating_mul(skipped);
        } else {
            base = now;
        }
        slot.interval = interval;
        slot.at = (base + interval.mul_f64(1.0 - JITTER) + jitter).max(now + Duration::from_millis(1));
        self.due.insert((slot.at, service));
    }
}

/// A number that spreads names: the same for the same name in every run of one version.
pub(super) fn hash(value: &(impl Hash + ?Sized)) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A number in 0..1 that looks random and depends on the seed alone.
#[expect(clippy::cast_precision_loss, reason = "52 bits are plenty for spreading")]
pub fn fraction(seed: u64) -> f64 {
    (seed >> 12) as f64 / (1_u64 << 52) as f64
}
