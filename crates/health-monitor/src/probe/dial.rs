//! A connection over TCP: the first step of every probe that is not HTTP.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tokio::net::TcpStream;

use super::client::{CONNECT_SHARE, InvalidClient, RESOLVE_SHARE};
use super::failure::{of_connection, of_name};
use super::resolver::SystemResolver;
use crate::domain::policy::ServicePolicy;
use crate::domain::reading::Answer;

/// Connects to one address.
pub(super) struct Dialer {
    resolver: Arc<SystemResolver>,
    host: String,
    port: u16,
    /// How long the whole probe may take.
    pub(super) timeout: Duration,
}

impl Dialer {
    pub(super) fn new(service: &ServicePolicy, resolver: Arc<SystemResolver>) -> Result<Self, InvalidClient> {
        let url = &service.probe_url;
        let parsed =
            Url::parse(url).map_err(|error| InvalidClient(format!("{url} is not a URL ({error})")))?;
        let (Some(host), Some(port)) = (parsed.host_str(), parsed.port()) else {
            return Err(InvalidClient(format!("{url} does not name a host and a port")));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { resolver, host, port, timeout: service.timeout })
    }

    /// Host and port, as in a URL.
    pub(super) fn authority(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }

    /// A connection, or what its absence means.
    pub(super) async fn connect(&self) -> Result<TcpStream, Answer> {
        let limit = self.timeout.mul_f64(CONNECT_SHARE);
        match tokio::time::timeout(limit, self.dial()).await {
            Ok(dialled) => dialled,
            Err(_) => Err(Answer::ConnectTimeout),
        }
    }

    async fn dial(&self) -> Result<TcpStream, Answer> {
        let addresses = self.addresses().await?;
        TcpStream::connect(&addresses[..]).await.map_err(|error| of_connection(&error))
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Answer> {
        if let Ok(address) = self.host.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(address, self.port)]);
        }
        let limit = self.timeout.mul_f64(RESOLVE_SHARE);
        let found = self.resolver.find(&self.host, limit).await.map_err(|unresolved| of_name(&unresolved))?;
        Ok(found.into_iter().map(|address| SocketAddr::new(address.ip(), self.port)).collect())
    }
}
