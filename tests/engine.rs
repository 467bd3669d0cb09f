//! What the platform tells of containers that are stopped and started, by people and by orders of the daemon, and what it
//! remembers for a daemon that comes later.

use std::time::Duration;

use health_monitor::domain::recovery::Phase;
use health_monitor::domain::supervisor::Event;
use shared::clock::Timestamp;
use shared::order::ServiceName;

use crate::host::Host;
use crate::world::{World, service_name};

/// Events that the platform remembers: fewer than a real one, so that some are forgotten.
const REMEMBERED: usize = 40;
/// How long an event is under way.
const UNDER_WAY: Duration = Duration::from_millis(5);

/// A container was stopped or started.
#[derive(Clone)]
pub struct Handled {
    service: ServiceName,
    is_stop: bool,
    at: Timestamp,
}

impl Handled {
    fn event(self) -> Event {
        let Self { service, is_stop, at } = self;
        let container = service.to_string();
        if is_stop {
            Event::Stopped { service, container, at }
        } else {
            Event::StoppedNoLonger { service, container: Some(container), at }
        }
    }
}

impl World {
    /// A person stops the container of a service.
    pub fn stop_by_hand(&mut self, name: &str) {
        let (service, now) = (service_name(name), self.now);
        let Some(host) = self.hosts.get_mut(&service).filter(|host| is_running(host, now)) else { return };
        host.stopped_by_hand = true;
        self.heard_stops.remove(&service);
        self.tell(Handled { service, is_stop: true, at: now }, now + UNDER_WAY);
    }

    /// A person starts the container of a service, as a new instance.
    pub fn start_by_hand(&mut self, name: &str) {
        let (service, now) = (service_name(name), self.now);
        if let Some(host) = self.hosts.get_mut(&service) {
            host.replace(now);
            self.tell(Handled { service, is_stop: false, at: now }, now + UNDER_WAY);
        }
    }

    /// The platform forgets what it has told.
    pub fn forget_what_was_told(&mut self) {
        self.handled.clear();
    }

    /// What an order has done to a container, between the host before and the host now.
    pub(super) fn tell_of_order(&mut self, service: &ServiceName, before: &Host, has_failed: bool) {
        let (now, after) = (self.now, self.hosts[service].clone());
        let has_any = before.replacement.as_ref().is_none_or(|one| one.has_new);
        let (was_running, is_another) =
            (has_any && is_running(before, now), after.instance != before.instance);
        let told = |is_stop, at| Handled { service: service.clone(), is_stop, at };
        if was_running && (is_another || !after.runs()) {
            self.tell(told(true, now), now + UNDER_WAY);
        } else if was_running && has_failed {
            // It could be stopped and not be started again; the answer comes before the event.
            self.tell(told(true, now + Duration::from_millis(990)), now + Duration::from_millis(1_010));
        }
        if is_another {
            let at = after.started_at.max(now);
            self.tell(told(false, at), at + UNDER_WAY);
        }
    }

    fn tell(&mut self, handled: Handled, heard_at: Timestamp) {
        self.handled.push_back(handled.clone());
        if self.handled.len() > REMEMBERED {
            self.handled.pop_front();
        }
        if self.is_monitored() {
            self.put_in(heard_at, handled.event());
        }
    }

    /// A daemon that has just started, or watches others from now on, looks at what stood stopped, and asks for everything that is remembered.
    pub(super) fn tell_again(&mut self) {
        let Some(state) = self.state() else { return };
        let known = state.services.iter().filter(|(_, one)| one.operator_stop.is_some());
        let runs = known
            .map(|(name, _)| name)
            .filter(|name| self.hosts[*name].observe().is_ok_and(|one| one.running == Some(true)));
        let (soon, at) = (self.now + UNDER_WAY, self.now);
        let seen =
            runs.map(|service| Event::StoppedNoLonger { service: service.clone(), container: None, at });
        let all = self.handled.iter().filter(|one| one.at <= at);
        // What was started again is no stop, as the daemon takes what it hears at once.
        let is_undone = |place: usize, stop: &Handled| {
            let later = self.handled.iter().skip(place + 1).filter(|later| later.at <= at);
            stop.is_stop && later.into_iter().any(|later| later.service == stop.service && !later.is_stop)
        };
        let lasting = all.enumerate().filter(|(place, one)| !is_undone(*place, one));
        let remembered = lasting.map(|(_, one)| one.clone().event());
        for event in seen.chain(remembered).collect::<Vec<_>>() {
            self.put_in(soon, event);
        }
    }

    /// The daemon has been told that a person stopped a container, and has recorded it if it records anything.
    pub(super) fn hear_stop(&mut self, event: &Event, has_survived: bool) {
        if let Event::Stopped { service, at, .. } = event {
            let host = &self.hosts[service];
            let was_by_hand = host.stopped_by_hand && *at >= host.started_at;
            if was_by_hand && has_survived && !self.may_be_our_stop(service, *at) {
                self.heard_stops.insert(service.clone());
            }
        }
    }

    /// While nobody knows what became of an order, a stop may be its doing, until it has started a new instance.
    fn may_be_our_stop(&self, service: &ServiceName, at: Timestamp) -> bool {
        let last = self.orders.iter().rev().find(|(_, order)| order.service == *service);
        let is_in_doubt =
            |given: Timestamp| at < given + Duration::from_secs(50) && self.hosts[service].started_at < given;
        let recovery = self.state().and_then(|state| state.service(service)?.recovery.as_ref());
        last.is_some_and(|(given, _)| is_in_doubt(*given))
            || recovery.is_some_and(|recovery| recovery.phase == Phase::Concluding)
    }

    /// What a person has stopped is started by no order that the daemon gives by itself, once it was told.
    pub(super) fn must_respect_stops(&self, service: &ServiceName) {
        let respects =
            self.policy.services.iter().any(|one| one.name == *service && one.respects_operator_stop);
        let stands_stopped = self.hosts[service].stopped_by_hand && self.heard_stops.contains(service);
        assert!(!(respects && stands_stopped), "{service}: acted upon although a person has stopped it");
    }
}

fn is_running(host: &Host, now: Timestamp) -> bool {
    host.runs() && !host.stopped_by_hand && host.started_at <= now
}
