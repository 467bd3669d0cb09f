//! Reported usage becomes recorded usage: every event is counted under an endpoint that is told apart.

use std::collections::HashMap;
use std::sync::Arc;

use shared::clock::Timestamp;
use shared::engine::Decision;

use super::super::fact::{EventRecorded, Fact, UsageKey, UsageRecorded};
use super::super::usage::Report;
use super::super::usage::report::Reported;
use super::super::window::{Place, UNMATCHED};
use super::{Answer, Evolution};

/// The keys of recorded usage while it is put together.
#[derive(Default)]
struct Keys {
    all: Vec<UsageKey>,
    places: HashMap<UsageKey, u32>,
}

impl Keys {
    fn place(&mut self, key: UsageKey) -> u32 {
        *self.places.entry(key).or_insert_with_key(|key| {
            self.all.push(key.clone());
            u32::try_from(self.all.len() - 1).unwrap_or(u32::MAX)
        })
    }
}

impl Evolution {
    pub(super) fn collect(&mut self, report: Report, now: Timestamp) -> Decision<Self> {
        let mut decision =
            Decision { answer: Some(Answer::Counted(report.events.len())), ..Decision::default() };
        if report.events.is_empty() {
            return decision;
        }
        let known: Vec<UsageKey> = report
            .keys
            .iter()
            .map(|(service, endpoint)| self.admit(&mut decision, service, endpoint, now))
            .collect();
        let mut keys = Keys::default();
        let mut recorded =
            UsageRecorded { events: Vec::with_capacity(report.events.len()), ..UsageRecorded::default() };
        for Reported { key, response_time, status_code, at, details } in report.events {
            let Some((service, endpoint)) = known.get(key as usize) else { continue };
            let is_unmatched = self.state.window.is_unmatched(service, endpoint, status_code);
            let endpoint = if is_unmatched { UNMATCHED.into() } else { Arc::clone(endpoint) };
            let key = keys.place((Arc::clone(service), endpoint));
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

    /// The endpoint that an event is counted under; it is told apart from now on if it can be.
    fn admit(
        &mut self,
        decision: &mut Decision<Self>,
        service: &Arc<str>,
        endpoint: &Arc<str>,
        now: Timestamp,
    ) -> UsageKey {
        loop {
            match self.state.window.place(service, endpoint) {
                Place::Known(service, endpoint) => return (service, endpoint),
                Place::New(service, endpoint) => {
                    let found = Fact::EndpointFound {
                        service: Arc::clone(&service),
                        endpoint: Arc::clone(&endpoint),
                    };
                    self.record(decision, now, found);
                    return (service, endpoint);
                }
                // Each time round one more segment is a value, and paths have few segments.
                Place::Merge { service, prefix } => {
                    self.record(decision, now, Fact::RouteMerged { service, prefix });
                }
            }
        }
    }
}
