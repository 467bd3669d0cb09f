//! The HTTP clients of all probes: as few as the services' demands allow.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Certificate, Client, redirect};

use super::resolver::{Bounded, SystemResolver};
use crate::domain::policy::ServicePolicy;

/// As whom we ask.
pub(super) const USER_AGENT: &str = concat!("health-monitor/", env!("CARGO_PKG_VERSION"));
/// Part of the time limit within which the connection must be there. The rest tells a host that cannot be
/// reached from one that accepts and is silent.
pub(super) const CONNECT_SHARE: f64 = 0.95;
/// Part of the time limit within which the name must be found; the connection's part includes it. Whoever drops
/// our questions to the resolver must not look like a service that cannot be reached.
pub(super) const RESOLVE_SHARE: f64 = 0.5;
/// Authorities that one file may hold at most: more than any operating system ships.
const MAX_CA_BYTES: usize = 4 * 1024 * 1024;

/// What a service demands of its client.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct Demands {
    pub(super) timeout: Duration,
    /// Redirects that are followed.
    pub(super) redirects: u32,
    /// Whether the certificate of the peer is looked at.
    pub(super) shows_certificate: bool,
    /// A file with further certificates to trust.
    pub(super) ca_file: Option<String>,
}

/// No client meets the demands of a service: why.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct InvalidClient(pub(super) String);

/// The clients by what is demanded of them.
pub(super) struct Clients {
    resolver: Arc<SystemResolver>,
    by_demands: HashMap<Demands, Client>,
}

impl Clients {
    pub(super) fn new(resolver: Arc<SystemResolver>) -> Self {
        Self { resolver, by_demands: HashMap::new() }
    }

    /// The client for a service.
    pub(super) fn of(&mut self, service: &ServicePolicy) -> Result<Client, InvalidClient> {
        self.with(Demands {
            timeout: service.timeout,
            redirects: service.redirects,
            shows_certificate: service.expected.certificate_for.is_some(),
            ca_file: service.ca_file.clone(),
        })
    }

    /// The client that meets these demands.
    pub(super) fn with(&mut self, demands: Demands) -> Result<Client, InvalidClient> {
        if let Some(client) = self.by_demands.get(&demands) {
            return Ok(client.clone());
        }
        let client = client(&demands, Arc::clone(&self.resolver))?;
        self.by_demands.insert(demands, client.clone());
        Ok(client)
    }
}

/// A fresh connection for each probe, no proxy.
fn client(demands: &Demands, resolver: Arc<SystemResolver>) -> Result<Client, InvalidClient> {
    let Demands { timeout, redirects, shows_certificate, ca_file } = demands;
    let redirects = match redirects {
        0 => redirect::Policy::none(),
        most => redirect::Policy::limited(*most as usize),
    };
    let certificates = ca_file.as_deref().map(certificates).transpose().map_err(InvalidClient)?;
    let builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(redirects)
        .no_proxy()
        .pool_max_idle_per_host(0)
        .connect_timeout(timeout.mul_f64(CONNECT_SHARE))
        .tls_info(*shows_certificate)
        .dns_resolver(Arc::new(Bounded { resolver, limit: timeout.mul_f64(RESOLVE_SHARE) }));
    let builder =
        certificates.into_iter().flatten().fold(builder, reqwest::ClientBuilder::add_root_certificate);
    builder.build().map_err(|error| InvalidClient(error.to_string()))
}

/// The certificates of a file; the error says what is wrong with it.
pub(crate) fn certificates(path: &str) -> Result<Vec<Certificate>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{path} cannot be read: {error}"))?;
    if bytes.len() > MAX_CA_BYTES {
        return Err(format!("{path} must be at most {MAX_CA_BYTES} bytes long"));
    }
    let certificates = Certificate::from_pem_bundle(&bytes)
        .map_err(|error| format!("{path} holds no certificates in PEM: {error}"))?;
    if certificates.is_empty() {
        return Err(format!("{path} holds no certificate in PEM"));
    }
    Ok(certificates)
}
