//! Which part of the supervisor an event is for.

use shared::clock::Timestamp;
use shared::order::Stage;

use super::{Decided, Event, Supervisor};

impl Supervisor {
    /// An event of one service.
    pub(super) fn handle_of(&mut self, service: usize, event: Event, now: Timestamp, decided: &mut Decided) {
        match event {
            Event::Probed { measured, .. } => self.probed(service, &measured, now, decided),
            Event::Hinted { .. } => self.hinted(service, now),
            Event::Stopped { container, at, .. } => self.stopped(service, &container, at, now, decided),
            Event::StoppedNoLonger { container, at, .. } => {
                self.stopped_no_longer(service, container, at, now, decided);
            }
            Event::Beat { failing, .. } => {
                decided.answer = Some(self.beat(service, failing, now, decided));
            }
            Event::Checked { measured, .. } => self.checked(service, &measured),
            Event::Preflighted { recovery_id, measured, observed, witnesses, seen, .. } => {
                self.preflighted(service, recovery_id, &measured, (observed, witnesses, seen), now, decided);
            }
            Event::Performed { recovery_id, stage: Stage::Act, performed, change, .. } => {
                self.performed(service, recovery_id, (performed, change), now, decided);
            }
            Event::Performed { recovery_id, stage, performed, observed, .. } => {
                self.concluded(service, (recovery_id, stage), performed, observed, now, decided);
            }
            Event::Examined { recovery_id, standing, .. } => {
                self.examined(service, recovery_id, standing, now, decided);
            }
            Event::Inspected { recovery_id, observed, .. } => {
                self.inspected(service, recovery_id, observed, now, decided);
            }
            Event::Looked { observed, .. } => self.looked(service, observed, now, decided),
            Event::Requested { force, key, observed, seen, .. } => {
                let seen = (observed, seen);
                let answer = self.requested_under(key, service, force.as_ref(), seen, now, decided);
                decided.answer = Some(answer);
            }
            Event::Paused { kind, reason, until, .. } => {
                self.pause(Some(service), kind, reason, until, now, decided)
            }
            Event::Resumed { .. } => self.resume(Some(service), now, decided),
            Event::Reset { guard, reason, .. } => self.reset(Some(service), guard, reason, now, decided),
            Event::Consulted { .. }
            | Event::Reconfigured { .. }
            | Event::Notified { .. }
            | Event::Renewed { .. } => {}
        }
    }

    /// An event that is about all services.
    pub(super) fn handle_of_all(&mut self, event: Event, now: Timestamp, decided: &mut Decided) {
        match event {
            Event::Consulted { witnesses } => self.consulted(witnesses, now, decided),
            Event::Reconfigured { policy } => self.reconfigured(policy, now, decided),
            Event::Notified { channel, notification_id, delivery } => {
                self.notified(&channel, &notification_id, delivery, now, decided);
            }
            Event::Renewed { channel, delivery } => self.renewed(&channel, delivery),
            Event::Paused { kind, reason, until, .. } => self.pause(None, kind, reason, until, now, decided),
            Event::Resumed { .. } => self.resume(None, now, decided),
            Event::Reset { guard, reason, .. } => self.reset(None, guard, reason, now, decided),
            Event::Probed { .. }
            | Event::Hinted { .. }
            | Event::Stopped { .. }
            | Event::StoppedNoLonger { .. }
            | Event::Beat { .. }
            | Event::Checked { .. }
            | Event::Preflighted { .. }
            | Event::Performed { .. }
            | Event::Examined { .. }
            | Event::Inspected { .. }
            | Event::Looked { .. }
            | Event::Requested { .. } => {}
        }
    }
}
