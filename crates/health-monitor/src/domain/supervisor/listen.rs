//! Heartbeats: services that are not asked, and tell by themselves how they are.

use std::sync::Arc;

use shared::clock::Timestamp;

use super::super::health::HealthState;
use super::super::reading::{self, Measured};
use super::{Answer, Decided, Supervisor};

/// The last that was heard of a service.
#[derive(Clone, Debug)]
pub(super) struct Beat {
    at: Timestamp,
    /// Why it is not well, if it says so.
    failing: Option<Arc<str>>,
}

impl Supervisor {
    /// A heartbeat is the reading of its moment, and moves the deadline of the next one.
    pub(super) fn beat(
        &mut self,
        service: usize,
        failing: Option<String>,
        now: Timestamp,
        decided: &mut Decided,
    ) -> Answer {
        let Some(patience) = self.policy_of(service).patience() else { return Answer::NotListening };
        self.watches[service].beat = Some(Beat { at: now, failing: failing.map(Into::into) });
        self.schedule.postpone(service, now + patience);
        self.take_in(service, now, decided);
        Answer::Done
    }

    /// The slot of a service that posts heartbeats: the next one is overdue, unless it came meanwhile.
    pub(super) fn miss(&mut self, service: usize, now: Timestamp, decided: &mut Decided) {
        let Some(due) = self.beat_due(service) else { return };
        if now < due {
            return self.schedule.postpone(service, due);
        }
        if self.state.fleet.isolation.is_some() {
            // Nothing can reach us. Once our network is back, there is as much time as after a heartbeat.
            self.watches[service].excused_at = Some(now);
            return;
        }
        self.take_in(service, now, decided);
        self.settle(service, now, decided);
    }

    fn take_in(&mut self, service: usize, now: Timestamp, decided: &mut Decided) {
        let Some(measured) = self.heard(service, now) else { return };
        let reading = self.seen(service, &measured, now, decided);
        self.count(service, &reading, now, decided);
    }

    /// When the next heartbeat is overdue. A service that was never heard of is waited for in patience; one that was
    /// known before our restart has until then as much time as if it had posted at that moment.
    fn beat_due(&self, service: usize) -> Option<Timestamp> {
        let patience = self.policy_of(service).patience()?;
        let is_known = self.service(service).health.state != HealthState::Unknown;
        let heard_at = self.watches[service].beat.as_ref().map(|beat| beat.at);
        let since = heard_at.or_else(|| is_known.then_some(self.state.started_at))?;
        Some(self.watches[service].excused_at.map_or(since, |excused_at| since.max(excused_at)) + patience)
    }

    /// What the heartbeats of a service say at this moment; none for a service that is asked.
    pub(super) fn heard(&self, service: usize, now: Timestamp) -> Option<Measured> {
        let patience = self.policy_of(service).patience()?;
        let due = self.beat_due(service);
        let (at, answer) = match (&self.watches[service].beat, due) {
            (_, Some(due)) if now >= due => (now, reading::Answer::NoBeat(now.since(due - patience))),
            (Some(Beat { at, failing: None }), _) => (*at, reading::Answer::Serving),
            (Some(Beat { at, failing: Some(reason) }), _) => {
                (*at, reading::Answer::NotServing(reason.as_ref().into()))
            }
            (None, _) => (now, reading::Answer::OwnFault("no heartbeat has come yet".into())),
        };
        Some(Measured { started_at: at, finished_at: at, answer, name_found_at: None })
    }
}
