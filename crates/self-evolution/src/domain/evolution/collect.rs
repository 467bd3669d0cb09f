//! Reported usage becomes recorded usage: every event is counted under an endpoint that is told apart.

use std::collections::HashMap;

use shared::clock::Timestamp;
use shared::engine::Decision;

use super::super::fact::{EventRecorded, Fact, UsageKey, UsageRecorded};
use super::super::usage::Report;
use super::super::usage::report::Reported;
use super::super::window::series::says_nothing_is_there;
use super::super::window::{OTHER, Place};
use super::{Answer, Evolution};

/// The keys of recorded usage while it is put together.
#[derive(Default)]
pub(super) struct Keys {
    pub(super) all: Vec<UsageKey>,
    /// The place of each, once there are many.
    places: HashMap<UsageKey, u32>,
}

/// Keys that are found by looking at each; most requests report one.
const FEW: usize = 8;

impl Keys {
    pub(super) fn place(&mut self, key: UsageKey) -> u32 {
        let known = match self.all.len() {
            ..=FEW => self.all.iter().position(|known| *known == key),
            _ => self.places.get(&key).map(|place| *place as usize),
        };
        let place = known.unwrap_or_else(|| {
            self.all.push(key.clone());
            self.all.len() - 1
        });
        let place = u32::try_from(place).unwrap_or(u32::MAX);
        if known.is_none() {
            self.index(key, place);
        }
        place
    }

    fn index(&mut self, key: UsageKey, place: u32) {
        if self.all.len() == FEW + 1 {
            self.places.extend(self.all.iter().cloned().zip(0..));
        } else if self.all.len() > FEW {
            self.places.insert(key, place);
        }
    }
}

/// Where an endpoint is counted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Admitted {
    /// By itself.
    Apart,
    /// With all that is beyond the bounds.
    Beyond,
}

impl Evolution {
    pub(super) fn collect(&mut self, report: Report, now: Timestamp) -> Decision<Self> {
        let mut decision =
            Decision { answer: Some(Answer::Counted(report.events.len())), ..Decision::default() };
        if report.events.is_empty() {
            return decision;
        }
        let known = self.places(&mut decision, &report, now);
        let mut keys = Keys::default();
        let mut placed: Vec<Option<u32>> = vec![None; known.len()];
        let mut recorded =
            UsageRecorded { events: Vec::with_capacity(report.events.len()), ..UsageRecorded::default() };
        for Reported { key, response_time, status_code, at, details } in report.events {
            let place = key as usize;
            let (Some(counted), Some(placed)) = (known.get(place), placed.get_mut(place)) else { continue };
            let key = *placed.get_or_insert_with(|| keys.place(counted.clone()));
            let age = at.map_or(0, |at| now.as_micros() - at.as_micros());
            if let (Some(details), Ok(place)) = (details, recorded.events.len().try_into()) {
                recorded.details.push((place, details));
            }
            recorded.events.push(EventRecorded { key, response_time, status_code, age });
        }
        recorded.keys = keys.all;
        self.record(&mut decision, now, Fact::Usage(recorded));
        decision
    }

    /// Where the events of each key of a report are counted. A path under which nothing was ever found, in this report
    /// neither, is not told apart: strangers try many.
    fn places(&mut self, decision: &mut Decision<Self>, report: &Report, now: Timestamp) -> Vec<UsageKey> {
        let mut found = vec![0_u64; report.keys.len()];
        for event in &report.events {
            if let Some(found) = found.get_mut(event.key as usize) {
                *found += u64::from(!says_nothing_is_there(event.status_code));
            }
        }
        for (key, found) in report.keys.iter().zip(&found).filter(|(_, found)| **found > 0) {
            if self.admit(decision, key, now) == Admitted::Beyond {
                self.look_for_room(decision, key, *found, now);
            }
        }
        // Only now, because what was admitted later can have made one endpoint of earlier ones.
        let place = |((service, endpoint), found): (&UsageKey, &u64)| {
            self.state.window.known(service, endpoint, *found > 0)
        };
        report.keys.iter().zip(&found).map(place).collect()
    }

    /// Tells an endpoint apart from now on, if it can be.
    fn admit(
        &mut self,
        decision: &mut Decision<Self>,
        (service, endpoint): &UsageKey,
        now: Timestamp,
    ) -> Admitted {
        let admitted = |endpoint: &str| if endpoint == OTHER { Admitted::Beyond } else { Admitted::Apart };
        loop {
            match self.state.window.place(service, endpoint) {
                Place::Known(_, endpoint) => return admitted(&endpoint),
                Place::New(service, endpoint) => {
                    let admitted = admitted(&endpoint);
                    self.record(decision, now, Fact::EndpointFound { service, endpoint });
                    return admitted;
                }
                // Each time round one more segment is a value, and paths have few segments.
                Place::Merge { service, prefix } => {
                    self.record(decision, now, Fact::RouteMerged { service, prefix });
                }
            }
        }
    }

    /// Notes an endpoint for which there was no room. One that is much busier than another takes its place.
    fn look_for_room(
        &mut self,
        decision: &mut Decision<Self>,
        key: &UsageKey,
        requests: u64,
        now: Timestamp,
    ) {
        let slot = self.state.window.shape().slot(now);
        self.newcomers.count(key, requests, slot);
        let Some(claim) = self.newcomers.claim(slot) else { return };
        if let Some((service, endpoint)) = self.state.window.outdone_by(&claim) {
            self.record(decision, now, Fact::EndpointFolded { service, endpoint });
            self.admit(decision, &claim.key, now);
        }
    }
}
