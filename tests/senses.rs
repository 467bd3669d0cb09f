//! What the daemon gets to see of the world: by its probes, and by the witnesses of its network.

use std::time::Duration;

use health_monitor::domain::network::Witness;
use health_monitor::domain::reading::{Answer, Measured};
use shared::order::ServiceName;

use crate::beats::posts_beats;
use crate::host::Behaviour;
use crate::world::World;

impl World {
    pub(super) fn witnesses(&self, peers: &[ServiceName]) -> Vec<Witness> {
        let sentinels = (1..=self.sentinels).map(|number| format!("sentinel-{number}"));
        let names = sentinels.chain(peers.iter().map(ToString::to_string));
        let reached = !self.is_cut_off;
        let error = self.is_cut_off.then(|| "no route to host".to_owned());
        names.map(|name| Witness { name, reached, error: error.clone() }).collect()
    }

    pub(super) fn measure(&mut self, service: &ServiceName) -> (Measured, Duration) {
        let timeout = self.policy.services.iter().find(|policy| policy.name == *service).map(|p| p.timeout);
        let is_refused_by_us = self.hosts[service].behaviour == Behaviour::OwnFault;
        let (answer, takes) = if posts_beats(&self.policy, service) {
            // The core knows better: it is not asked.
            (Answer::NoBeat(Duration::ZERO), Duration::from_millis(1))
        } else if self.is_cut_off && !is_refused_by_us {
            (Answer::NoConnection("no route to host".into()), Duration::from_millis(2))
        } else {
            self.hosts[service].probe(self.now, timeout.unwrap_or_default())
        };
        let finished_at = self.now + takes;
        // A name is found whenever the resolver answers for a service that has one.
        if !matches!(answer, Answer::ResolverFailed(_)) {
            self.name_found_at = Some(self.now);
        }
        (Measured { started_at: self.now, finished_at, answer, name_found_at: self.name_found_at }, takes)
    }
}
