//! Rolls the checks of each service up, minute by minute.

use shared::clock::Timestamp;
use shared::engine::Decider;

use super::super::fact::Fact;
use super::super::fleet::{PauseKind, pause_in_force};
use super::super::reading::Reading;
use super::super::rollup::Sight;
use super::{Decided, Supervisor};

/// A result is believed for two intervals and the time limit of a probe: one slot may be missed, and the next probe
/// may take all of its time.
const INTERVALS: u32 = 2;

impl Supervisor {
    /// A check of ours, which may be the first after the end of a minute.
    pub(super) fn roll_in(
        &mut self,
        service: usize,
        reading: &Reading,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        if self.rollups.is_over(service, now) {
            self.roll_up(&[service], now, decided);
        }
        let policy = self.policy_of(service);
        let holds_for = policy.interval * INTERVALS + policy.timeout;
        let sight = self.sight(service, now);
        self.rollups.take(service, reading, sight, holds_for, now);
    }

    /// Records what the checks of these services gave within the minute that is over.
    pub(super) fn roll_up(&mut self, services: &[usize], now: Timestamp, decided: &mut Decided) {
        // All states first: what a view shares with the state is copied when the state changes.
        let view = self.view(now);
        let states: Vec<_> = services.iter().map(|service| view.watched(*service).state()).collect();
        drop(view);
        for (service, state) in services.iter().zip(states) {
            let sight = self.sight(*service, now);
            let name = &self.policy.services[*service].name;
            if let Some(minute) = self.rollups.close(*service, name, state, sight) {
                self.record(Fact::CheckRollup(minute), now, decided);
            }
        }
    }

    fn sight(&self, service: usize, now: Timestamp) -> Sight {
        let needs_network = self.needs_witnesses(service);
        let state = self.state.service(&self.policy_of(service).name);
        let pause = state.and_then(|state| state.pause.as_ref());
        let pause = pause_in_force(self.state.fleet.pause.as_ref(), pause, now);
        let is_isolated = needs_network && self.state.fleet.isolation.is_some();
        let is_maintained = pause.is_some_and(|pause| pause.kind == PauseKind::Maintenance);
        Sight { is_excused: is_isolated || is_maintained, needs_network }
    }
}
