//! What people are told of: alarms are raised, become worse, are remembered and end.

use std::collections::BTreeSet;
use std::time::Duration;

use shared::clock::Timestamp;
use shared::order::{OrderId, ServiceName};

use super::super::fact::Fact;
use super::super::fleet::pause_in_force;
use super::super::guard::unmet;
use super::super::notification::alarm::{Alarm, AlarmSeverity, Scope, Trouble, severity};
use super::super::notification::outbox::AT_ONCE;
use super::deliver::Sending;
use super::tell::Why;
use super::{Decided, Supervisor};

/// The span within which [`AT_ONCE`] alarms of services are raised one by one; of those that come on top, one message
/// tells.
const AT_ONCE_WITHIN: Duration = Duration::from_secs(60);
/// Services that one alarm is about at most, so that a fact does not grow with the fleet.
const MOST_MEMBERS: usize = 1_000;
/// What is held back by something that ends without an event is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_secs(10);

/// What is to be told soon. In memory only: it follows from the state, and is worked out again after a restart.
#[derive(Debug, Default)]
pub(super) struct Notices {
    /// Services in trouble that nobody has been told of, by when that is due.
    due: BTreeSet<(Timestamp, usize)>,
    due_at: Vec<Option<Timestamp>>,
    /// Services that something has happened to in this decision.
    touched: Vec<usize>,
    /// Alarms whose services something has happened to.
    touched_alarms: Vec<OrderId>,
    /// When an alarm that lasts wants to be thought of again.
    pub(super) reminders: BTreeSet<(Timestamp, OrderId)>,
    pub(super) sending: Sending,
    /// When all this was last looked at.
    pub(super) looked_at: Timestamp,
}

impl Notices {
    /// For this many services, of which nothing is known.
    pub(super) fn new(services: usize) -> Self {
        Self { due_at: vec![None; services], ..Self::default() }
    }

    fn set(&mut self, place: usize, at: Option<Timestamp>) {
        if let Some(old) = std::mem::replace(&mut self.due_at[place], at) {
            self.due.remove(&(old, place));
        }
        self.due.extend(at.map(|at| (at, place)));
    }
}

impl Supervisor {
    /// A fact is about to change the state.
    pub(super) fn notice(&mut self, fact: &Fact) {
        let concerns = matches!(
            fact,
            Fact::Incident(_)
                | Fact::Recovery(_)
                | Fact::Flapping { .. }
                | Fact::GuardReset { .. }
                | Fact::ServiceStable { .. }
                | Fact::ServiceWatched { .. }
        );
        let Some(name) = fact.service().filter(|_| concerns) else { return };
        self.notices.touched.extend(self.index.get(name).copied());
        self.notices.touched_alarms.extend(self.state.service(name).and_then(|service| service.alarm));
    }

    /// Works out anew what is to be told, after the state or the services have come from elsewhere. What is being sent
    /// goes on.
    pub(super) fn notice_everything(&mut self, now: Timestamp, decided: &mut Decided) {
        let sending = std::mem::take(&mut self.notices.sending);
        self.notices = Notices { sending, looked_at: now, ..Notices::new(self.policy.services.len()) };
        self.notices.touched = (0..self.policy.services.len()).collect();
        self.notices.touched_alarms = self.state.notifications.open.keys().copied().collect();
        self.cancel_what_nobody_gets(now, decided);
        for alarm in self.notices.touched_alarms.clone() {
            // A channel may have been mended that refused everything so far.
            self.tell_again(alarm, Why::Unheard, now, decided);
            self.tell(alarm, now, decided);
            self.remind_later(alarm);
        }
    }

    /// After whatever has happened: who is to be told of what.
    pub(super) fn notify(&mut self, now: Timestamp, decided: &mut Decided) {
        self.notices.looked_at = now;
        let touched = std::mem::take(&mut self.notices.touched);
        let touched_alarms = std::mem::take(&mut self.notices.touched_alarms);
        if self.policy.notifications.channels.is_empty() && self.state.notifications.is_idle() {
            return;
        }
        touched_alarms.into_iter().for_each(|alarm| self.end_if_over(alarm, now, decided));
        touched.into_iter().for_each(|place| self.look_at_trouble(place, now, decided));
        self.raise_what_concerns_all(now, decided);
        self.raise_what_is_due(now, decided);
        self.remind(now, decided);
        self.send_what_waits(now, decided);
    }

    /// Sets when people are to be told of a service, or tells them that it has become worse.
    fn look_at_trouble(&mut self, place: usize, now: Timestamp, decided: &mut Decided) {
        let service = self.service(place);
        let trouble = Trouble::of(&service);
        match (trouble, service.alarm) {
            (None, _) => self.notices.set(place, None),
            (Some(trouble), None) => {
                let usual = self.notices.due_at[place]
                    .unwrap_or(trouble.detected_at + self.policy.notifications.after);
                let at = if trouble.needs_a_person { usual.min(now) } else { usual };
                self.notices.set(place, Some(at));
            }
            (Some(trouble), Some(alarm)) => {
                self.notices.set(place, None);
                if trouble.needs_a_person {
                    self.worsen(alarm, now, decided);
                }
            }
        }
    }

    /// A person is needed now who was not before.
    fn worsen(&mut self, id: OrderId, now: Timestamp, decided: &mut Decided) {
        let Some(open) = self.state.notifications.open.get(&id) else { return };
        if open.alarm.severity == AlarmSeverity::Critical {
            return;
        }
        let worse = Alarm { severity: AlarmSeverity::Critical, was_milder: true, ..open.alarm.clone() };
        self.record(Fact::Alarm(Box::new(worse)), now, decided);
        self.tell_again(id, Why::Worse, now, decided);
        self.tell(id, now, decided);
        self.remind_later(id);
    }

    fn end_if_over(&mut self, id: OrderId, now: Timestamp, decided: &mut Decided) {
        let Some(open) = self.state.notifications.open.get(&id) else { return };
        if open.alarm.scope.has_members() && open.remaining == 0 {
            self.end_alarm(id, now, decided);
        }
    }

    fn end_alarm(&mut self, id: OrderId, now: Timestamp, decided: &mut Decided) {
        let Some(open) = self.state.notifications.open.get(&id).cloned() else { return };
        self.tell_the_end(&open, now, decided);
        let ended = Alarm { ended_at: Some(now), ..open.alarm.clone() };
        self.record(Fact::Alarm(Box::new(ended)), now, decided);
    }

    /// Our own network, storms and the budget are told of once, and not by each service that suffers from them.
    fn raise_what_concerns_all(&mut self, now: Timestamp, decided: &mut Decided) {
        for scope in Scope::OF_ALL {
            let fleet = &self.state.fleet;
            let since = match scope {
                Scope::OwnNetwork => fleet.isolation.as_ref().map(|one| one.since),
                Scope::Storm => fleet.storm.as_ref().map(|one| one.since),
                Scope::Budget => fleet.tripped.as_ref().map(|one| one.since),
                Scope::Service | Scope::Services | Scope::Test => None,
            };
            let known = self.state.notifications.of_all.get(&scope).copied();
            let known_since =
                known.and_then(|id| self.state.notifications.open.get(&id)).map(|one| one.alarm.since);
            if let Some(id) = known.filter(|_| since != known_since) {
                self.end_alarm(id, now, decided);
            }
            if let Some(since) = since.filter(|since| Some(*since) != known_since && !self.is_all_paused(now))
            {
                let severity = AlarmSeverity::Critical;
                let alarm_id = self.new_id(now);
                self.raise(Alarm::new(alarm_id, scope, severity, since, now), now, decided);
            }
        }
    }

    /// Alarms of services whose time has come. When many wait, one message tells of all of them.
    fn raise_what_is_due(&mut self, now: Timestamp, decided: &mut Decided) {
        if self.holds_services(now) || self.room_at().is_some_and(|at| now < at) {
            return;
        }
        let due: Vec<usize> =
            self.notices.due.iter().take_while(|(at, _)| *at <= now).map(|(_, at)| *at).collect();
        let (held, mut ready): (Vec<usize>, Vec<usize>) =
            due.into_iter().partition(|place| self.is_held(*place, now));
        held.into_iter().for_each(|place| self.notices.set(place, Some(now + LOOK_AGAIN)));
        if ready.is_empty() {
            return;
        }
        let later = self.notices.due.iter().filter(|(at, _)| *at > now).map(|(_, place)| *place);
        let waiting: Vec<usize> =
            later.filter(|place| !self.is_held(*place, now)).take(MOST_MEMBERS).collect();
        if ready.len() + waiting.len() > AT_ONCE {
            ready.extend(waiting);
            ready.truncate(MOST_MEMBERS);
            self.raise_for(&ready, now, decided);
            return;
        }
        for place in ready {
            if self.room_at().is_none_or(|at| at <= now) {
                self.raise_for(&[place], now, decided);
            }
        }
    }

    fn raise_for(&mut self, places: &[usize], now: Timestamp, decided: &mut Decided) {
        let troubles = places.iter().filter_map(|place| Trouble::of(&self.service(*place)));
        let (mut since, mut incident_id) = (now, None);
        for trouble in troubles {
            since = since.min(trouble.since);
            incident_id = trouble.incident_id.filter(|_| places.len() == 1);
        }
        let worst = places.iter().map(|place| severity(&self.service(*place))).max();
        let (scope, severity) = match places {
            [_] => (Scope::Service, worst.unwrap_or(AlarmSeverity::Critical)),
            _ => (Scope::Services, AlarmSeverity::Critical),
        };
        let services = places.iter().map(|place| self.policy_of(*place).name.clone()).collect();
        let instance = places.first().filter(|_| scope == Scope::Service);
        let instance = instance.map(|place| self.policy_of(*place).url.clone());
        let alarm_id = incident_id.unwrap_or_else(|| self.new_id(now));
        let alarm = Alarm { services, instance, ..Alarm::new(alarm_id, scope, severity, since, now) };
        self.raise(alarm, now, decided);
        places.iter().for_each(|place| self.notices.set(*place, None));
    }

    fn raise(&mut self, alarm: Alarm, now: Timestamp, decided: &mut Decided) {
        let id = alarm.alarm_id;
        self.record(Fact::Alarm(Box::new(alarm)), now, decided);
        self.tell(id, now, decided);
        self.remind_later(id);
    }

    /// Those who want it are told again of what lasts.
    fn remind(&mut self, now: Timestamp, decided: &mut Decided) {
        while let Some((at, id)) = self.notices.reminders.first().copied().filter(|(at, _)| *at <= now) {
            self.notices.reminders.remove(&(at, id));
            let Some(open) = self.state.notifications.open.get(&id).cloned() else { continue };
            if self.is_quiet(&open.alarm, now) {
                self.notices.reminders.insert((now + LOOK_AGAIN, id));
                continue;
            }
            self.tell_again(id, Why::Due, now, decided);
            self.remind_later(id);
        }
    }

    /// Whether nobody wants to be reminded of it now: a person works on it, something larger has been told, or it may be
    /// over.
    fn is_quiet(&self, alarm: &Alarm, now: Timestamp) -> bool {
        let is_quiet =
            |name: &ServiceName| self.index.get(name).is_none_or(|place| self.is_held(*place, now));
        match alarm.scope {
            Scope::Service => self.holds_services(now) || alarm.services.iter().all(is_quiet),
            Scope::Services => self.holds_services(now),
            Scope::Storm | Scope::Budget | Scope::OwnNetwork | Scope::Test => self.is_all_paused(now),
        }
    }

    fn is_all_paused(&self, now: Timestamp) -> bool {
        self.state.fleet.pause.as_ref().is_some_and(|pause| now < pause.until)
    }

    /// Whether nobody is told of single services now: something larger has been told, or a person works on them all.
    fn holds_services(&self, now: Timestamp) -> bool {
        let fleet = &self.state.fleet;
        fleet.storm.is_some() || fleet.isolation.is_some() || self.is_all_paused(now)
    }

    /// Whether nobody is told of this service now: it has not been looked at since the start, a person works on it, what
    /// it needs is down, or it may be over.
    fn is_held(&self, place: usize, now: Timestamp) -> bool {
        let service = self.service(place);
        now < self.watches[place].observe_until
            || pause_in_force(None, service.pause.as_ref(), now).is_some()
            || Trouble::is_in_doubt(&service)
            || unmet(&self.policy, &self.state, place, now).is_some()
    }

    /// When the next alarm of a service may be raised; none for at once.
    fn room_at(&self) -> Option<Timestamp> {
        let raised = &self.state.notifications.raised;
        raised.front().filter(|_| raised.len() == AT_ONCE).map(|first| *first + AT_ONCE_WITHIN)
    }

    /// When something is to be told or sent without any event.
    pub(super) fn wakeup_of_notices(&self) -> Option<Timestamp> {
        if self.policy.notifications.channels.is_empty() && self.state.notifications.is_idle() {
            return None;
        }
        let (fleet, now) = (&self.state.fleet, self.notices.looked_at);
        let first = self.notices.due.first().map(|(at, _)| *at);
        let first = first.map(|at| self.room_at().map_or(at, |room| room.max(at)));
        let pause = fleet.pause.as_ref().map(|pause| pause.until).filter(|_| self.is_all_paused(now));
        let first = match pause {
            Some(until) => Some(until),
            None => first.filter(|_| !self.holds_services(now)),
        };
        let reminder = self.notices.reminders.first().map(|(at, _)| *at);
        first.into_iter().chain(reminder).chain(self.next_sending()).min()
    }
}
