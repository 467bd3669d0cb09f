//! The ways to ask a service how it is. A closed set: one file each, one variant each.

mod http;
mod resolver;
mod sentinel;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared::clock::Clock;
use shared::order::ServiceName;

use crate::domain::policy::Policy;
use crate::domain::reading::Measured;

pub use sentinel::Sentinels;

/// The probes of all services.
pub struct Probes {
    clock: Arc<Clock>,
    resolver: Arc<resolver::SystemResolver>,
    probes: BTreeMap<ServiceName, Probe>,
}

enum Probe {
    Http(http::HttpProbe),
}

impl Probes {
    /// Prepares a probe for each service. The error says for which address none can be made.
    pub fn new(policy: &Policy, clock: Arc<Clock>) -> Result<Self, InvalidProbe> {
        let resolver = Arc::new(resolver::SystemResolver::new(Arc::clone(&clock)));
        let mut clients = BTreeMap::<Duration, reqwest::Client>::new();
        let mut probes = BTreeMap::new();
        for service in &policy.services {
            let client = match clients.get(&service.timeout) {
                Some(client) => client.clone(),
                None => {
                    let client = http::client(service.timeout, Arc::clone(&resolver)).map_err(|error| {
                        InvalidProbe { service: service.name.clone(), reason: error.to_string() }
                    })?;
                    clients.entry(service.timeout).or_insert(client).clone()
                }
            };
            let probe = http::HttpProbe::new(client, &service.probe_url, service.timeout)
                .map_err(|reason| InvalidProbe { service: service.name.clone(), reason })?;
            probes.insert(service.name.clone(), Probe::Http(probe));
        }
        Ok(Self { clock, resolver, probes })
    }

    /// Probes one service on a fresh connection. None when no service has that name.
    pub async fn measure(&self, service: &ServiceName) -> Option<Measured> {
        let probe = self.probes.get(service)?;
        let started_at = self.clock.now();
        let answer = match probe {
            Probe::Http(probe) => probe.ask(|| self.clock.now().since(started_at)).await,
        };
        let (finished_at, name_found_at) = (self.clock.now(), self.resolver.found_at());
        Some(Measured { started_at, finished_at, answer, name_found_at })
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
