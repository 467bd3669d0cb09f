//! What recorded facts change of the alarms.

use std::sync::Arc;

use super::super::fact::Fact;
use super::super::state::State;
use super::alarm::{Alarm, Trouble};
use super::outbox::Notifications;

impl State {
    pub(in crate::domain) fn notifications_mut(&mut self) -> &mut Notifications {
        Arc::make_mut(&mut self.notifications)
    }

    pub(in crate::domain) fn apply_alarm(&mut self, alarm: &Alarm) {
        let id = alarm.alarm_id;
        if alarm.scope.has_members() && !self.notifications.open.contains_key(&id) {
            for service in alarm.services.iter().filter(|_| alarm.ended_at.is_none()) {
                self.service_mut(service).alarm = Some(id);
            }
        }
        self.notifications_mut().take_alarm(alarm);
    }

    /// After a fact that may have ended the trouble of a service: if it has, its alarm has one service less.
    pub(in crate::domain) fn leave_alarm(&mut self, fact: &Fact) {
        let may_end = matches!(
            fact,
            Fact::Incident(_) | Fact::Flapping { .. } | Fact::GuardReset { .. } | Fact::ServiceWatched { .. }
        );
        let Some(name) = fact.service().filter(|_| may_end) else { return };
        let is_over = |service: &super::super::state::Service| Trouble::of(service).is_none();
        let known = self.service(name).filter(|service| is_over(service)).and_then(|service| service.alarm);
        if let Some(alarm) = known {
            let name = name.clone();
            self.service_mut(&name).alarm = None;
            self.notifications_mut().leave(alarm);
        }
    }
}
