//! The ways to ask a service how it is. A closed set: one file each, one variant each.

mod bodies;
mod client;
mod failure;
mod http;
mod resolver;
mod sentinel;

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::clock::Clock;
use shared::order::ServiceName;

use crate::domain::policy::Policy;
use crate::domain::reading::Measured;

pub use bodies::FailingAnswer;
pub(crate) use client::certificates;
pub use sentinel::Sentinels;

use bodies::Bodies;
use client::Clients;
use http::{FailingBody, HttpProbe};

/// The probes of all services.
pub struct Probes {
    clock: Arc<Clock>,
    resolver: Arc<resolver::SystemResolver>,
    probes: BTreeMap<ServiceName, Probe>,
    bodies: Bodies,
}

enum Probe {
    Http(HttpProbe),
}

impl Probes {
    /// Prepares a probe for each service. The error says for which address none can be made.
    pub fn new(policy: &Policy, clock: Arc<Clock>) -> Result<Self, InvalidProbe> {
        let resolver = Arc::new(resolver::SystemResolver::new(Arc::clone(&clock)));
        let mut clients = Clients::new(Arc::clone(&resolver));
        let mut probes = BTreeMap::new();
        for service in &policy.services {
            let probe = HttpProbe::new(service, &mut clients)
                .map_err(|error| InvalidProbe { service: service.name.clone(), reason: error.to_string() })?;
            probes.insert(service.name.clone(), Probe::Http(probe));
        }
        Ok(Self { clock, resolver, probes, bodies: Bodies::default() })
    }

    /// Probes one service on a fresh connection. None when no service has that name.
    pub async fn measure(&self, service: &ServiceName) -> Option<Measured> {
        let probe = self.probes.get(service)?;
        let started_at = self.clock.now();
        let reply = match probe {
            Probe::Http(probe) => probe.ask(|| self.clock.now().since(started_at)).await,
        };
        let (finished_at, name_found_at) = (self.clock.now(), self.resolver.found_at());
        if let Some(FailingBody { status, body }) = reply.failing {
            self.bodies.keep(service, finished_at, status, &body);
        }
        let answer = reply.answer;
        Some(Measured { started_at, finished_at, answer, name_found_at })
    }

    /// The last failing answers of a service whose bodies were read, at most three, oldest first.
    pub fn last_bodies(&self, service: &ServiceName) -> Vec<FailingAnswer> {
        self.bodies.of(service)
    }
}

/// No probe can be made for a service.
#[derive(Debug, thiserror::Error)]
#[error("{service} cannot be probed: {reason}")]
pub struct InvalidProbe {
    /// Which service.
    pub service: ServiceName,
    /// Why.
    pub reason: String,
}
