//! What people say to the daemon's core.

use health_monitor::domain::idempotency::IdempotencyKey;
use health_monitor::domain::supervisor::{Answer, Event, Force};

use crate::world::{World, service_name};

impl World {
    /// Somebody asks for a recovery.
    pub fn request(&mut self, name: &str, force: Option<&str>) -> Option<Answer> {
        self.request_under(None, name, force)
    }

    /// Somebody asks for a recovery, and calls the request by a key.
    pub fn request_under(&mut self, key: Option<&str>, name: &str, force: Option<&str>) -> Option<Answer> {
        let key = key.map(|key| IdempotencyKey::new(key).unwrap_or_else(|error| panic!("{key}: {error}")));
        let service = service_name(name);
        let observed = self.hosts[&service].observe();
        let force = force.map(|reason| Force { reason: reason.into() });
        let seen = self.hosts[&service].seen();
        self.deliver(Event::Requested { service, force, key, seen, observed })
    }

    /// A person speaks to the guards.
    pub fn say(&mut self, event: Event) -> Option<Answer> {
        self.deliver(event)
    }
}
