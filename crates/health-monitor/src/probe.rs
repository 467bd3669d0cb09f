//! The ways to ask a service how it is. A closed set: one file each, one variant each.

mod bodies;
mod client;
mod dial;
mod docker;
mod failure;
mod grpc;
mod http;
mod plain;
mod resolver;
mod sentinel;
mod tcp;

use std::collections::BTreeMap;
use std::sync::Arc;

use shared::clock::Clock;
use shared::order::ServiceName;

use crate::domain::policy::{Policy, ProbeKind, ServicePolicy};
use crate::domain::reading::{Answer, Measured};

pub use bodies::FailingAnswer;
pub(crate) use client::certificates;
pub use sentinel::Sentinels;

use bodies::Bodies;
use client::{Clients, InvalidClient};
use dial::Dialer;
use docker::DockerProbe;
use grpc::GrpcProbe;
use http::{FailingBody, HttpProbe, Reply};
use resolver::SystemResolver;
use tcp::TcpProbe;

/// The probes of all services.
pub struct Probes {
    clock: Arc<Clock>,
    resolver: Arc<SystemResolver>,
    probes: BTreeMap<ServiceName, Probe>,
    bodies: Arc<Bodies>,
}

enum Probe {
    Http(Box<HttpProbe>),
    Tcp(TcpProbe),
    Grpc(Box<GrpcProbe>),
    Docker(DockerProbe),
    /// What was heard is known to the core.
    Push,
}

impl Probes {
    /// Prepares a probe for each service. The error says for which address none can be made.
    pub fn new(policy: &Policy, clock: Arc<Clock>) -> Result<Self, InvalidProbe> {
        let resolver = Arc::new(SystemResolver::new(Arc::clone(&clock)));
        Self::with(policy, clock, resolver, Arc::default())
    }

    fn with(
        policy: &Policy,
        clock: Arc<Clock>,
        resolver: Arc<SystemResolver>,
        bodies: Arc<Bodies>,
    ) -> Result<Self, InvalidProbe> {
        let mut clients = Clients::new(Arc::clone(&resolver));
        let mut probes = BTreeMap::new();
        for service in &policy.services {
            let probe = Probe::new(service, &resolver, &mut clients)
                .map_err(|error| InvalidProbe { service: service.name.clone(), reason: error.to_string() })?;
            probes.insert(service.name.clone(), probe);
        }
        Ok(Self { clock, resolver, probes, bodies })
    }

    /// Prepares the probes of another policy, with what the resolver and failing answers have shown so far.
    pub fn again(&self, policy: &Policy) -> Result<Self, InvalidProbe> {
        let (clock, resolver) = (Arc::clone(&self.clock), Arc::clone(&self.resolver));
        Self::with(policy, clock, resolver, Arc::clone(&self.bodies))
    }

    /// Probes one service on a fresh connection. None when no service has that name.
    pub async fn measure(&self, service: &ServiceName) -> Option<Measured> {
        let probe = self.probes.get(service)?;
        let started_at = self.clock.now();
        let elapsed = || self.clock.now().since(started_at);
        let reply: Reply = match probe {
            Probe::Http(probe) => probe.ask(elapsed).await,
            Probe::Tcp(probe) => probe.ask(elapsed).await.into(),
            // Those that take much room take it elsewhere: thousands of the others are under way at once.
            Probe::Grpc(probe) => Box::pin(probe.ask(elapsed)).await.into(),
            Probe::Docker(probe) => Box::pin(probe.ask()).await.into(),
            Probe::Push => {
                Answer::OwnFault("it posts heartbeats, and only the daemon hears them".into()).into()
            }
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

impl Probe {
    fn new(
        service: &ServicePolicy,
        resolver: &Arc<SystemResolver>,
        clients: &mut Clients,
    ) -> Result<Self, InvalidClient> {
        let dialer = || Dialer::new(service, Arc::clone(resolver));
        Ok(match &service.probe {
            ProbeKind::Http => Self::Http(Box::new(HttpProbe::new(service, clients, Arc::clone(resolver))?)),
            ProbeKind::Tcp => Self::Tcp(TcpProbe(dialer()?)),
            ProbeKind::Grpc { service: asked } => {
                Self::Grpc(Box::new(GrpcProbe::new(dialer()?, asked.clone())?))
            }
            ProbeKind::Docker(containers) => Self::Docker(DockerProbe::new(containers)?),
            ProbeKind::Push { .. } => Self::Push,
        })
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
