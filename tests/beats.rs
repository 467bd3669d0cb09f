//! Services of the world that post heartbeats while they are well enough.

use std::collections::BTreeMap;
use std::time::Duration;

use health_monitor::domain::policy::{Policy, ProbeKind};
use health_monitor::domain::reading::Answer;
use health_monitor::domain::supervisor::Event;
use shared::clock::Timestamp;
use shared::order::ServiceName;

use crate::world::World;

/// Whether a service posts heartbeats.
pub fn posts_beats(policy: &Policy, service: &ServiceName) -> bool {
    policy.services.iter().any(|one| one.name == *service && matches!(one.probe, ProbeKind::Push { .. }))
}

impl World {
    pub(super) fn first_beats(policy: &Policy) -> BTreeMap<ServiceName, Timestamp> {
        let posting = policy.services.iter().filter(|one| posts_beats(policy, &one.name));
        posting.map(|one| (one.name.clone(), Timestamp::from_micros(0) + Duration::from_secs(7))).collect()
    }

    pub(super) fn next_beat(&self) -> Option<Timestamp> {
        self.beats.values().min().copied()
    }

    /// The heartbeat that is due, if one is: posted by a service that is up, with a complaint by one that is sick, and
    /// not at all by one that is down.
    pub(super) fn post_beat(&mut self) -> bool {
        let due = self.beats.iter().find(|(_, at)| **at <= self.now).map(|(name, _)| name.clone());
        let Some(service) = due else { return false };
        let interval = self.policy.services.iter().find(|one| one.name == service).map(|one| one.interval);
        self.beats.insert(service.clone(), self.now + interval.unwrap_or(Duration::from_secs(30)));
        let (answer, _) = self.hosts[&service].probe(self.now, Duration::ZERO);
        let failing = match answer {
            _ if self.is_cut_off => return true,
            Answer::Status(200) => None,
            Answer::Examined(_) => Some("the queue is stuck".to_owned()),
            _ => return true,
        };
        self.deliver(Event::Beat { service, failing });
        true
    }
}
