//! What the platform wants of a service in trouble: seen with every look, and looked for until it is over.

use std::time::Duration;

use shared::clock::Timestamp;
use shared::order::{Observed, Unreachable};

use super::super::fact::Fact;
use super::super::intent::Intended;
use super::{Decided, Supervisor, Work};

/// How often it is looked whether what holds a service back is over.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A hint is followed at most this often: a rollout gives many of them.
const LOOK_AT_HINTS_EVERY: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Remembers what a look has told, where it is news.
    pub(super) fn see_intent(
        &mut self,
        service: usize,
        observed: &Observed,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let state = self.service(service);
        let seen = Intended::seen(state.intent.as_ref(), observed.intent.as_ref(), now);
        if seen != state.intent {
            let service = self.policy_of(service).name.clone();
            self.record(Fact::Intent { service, intended: seen }, now, decided);
        }
    }

    /// Looks again at a service that is held back.
    pub(super) fn look_for_intent(&mut self, service: usize, now: Timestamp, decided: &mut Decided) {
        if self.intent_due(service, now).is_some_and(|due| now >= due) {
            self.watches[service].intent_asked_at = Some(now);
            decided.work.push(Work::Look { service: self.policy_of(service).name.clone() });
        }
    }

    /// When a service that is held back is looked at again.
    pub(super) fn intent_due(&self, service: usize, now: Timestamp) -> Option<Timestamp> {
        let state = self.state.service(&self.policy_of(service).name)?;
        let is_held = state.incident.is_some() && state.recovery.is_none() && state.intent.is_some();
        let asked_at = self.watches[service].intent_asked_at;
        is_held.then(|| asked_at.map_or(now, |at| at + LOOK_EVERY))
    }

    /// Something may have happened to it: whether it is still held back is looked at soon.
    pub(super) fn look_for_intent_soon(&mut self, service: usize, now: Timestamp) {
        let asked_at = &mut self.watches[service].intent_asked_at;
        if asked_at.is_some_and(|at| now >= at + LOOK_AT_HINTS_EVERY) {
            *asked_at = None;
        }
    }

    /// Such a look has come back. What cannot be seen is as it was.
    pub(super) fn looked(
        &mut self,
        service: usize,
        observed: Result<Observed, Unreachable>,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        // A recovery that has begun meanwhile has looks of its own.
        if self.service(service).recovery.is_some() {
            return;
        }
        if let Ok(observed) = observed {
            self.see_intent(service, &observed, now, decided);
        }
    }
}
