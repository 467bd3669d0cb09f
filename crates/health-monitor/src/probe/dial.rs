//! A connection over TCP: the first step of every probe that is not HTTP.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use reqwest::Url;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::client::{CONNECT_SHARE, InvalidClient, RESOLVE_SHARE};
use super::failure::{of_connection, of_name};
use super::resolver::SystemResolver;
use crate::domain::policy::ServicePolicy;
use crate::domain::reading::Answer;

/// How long the addresses of one family are tried alone (RFC 8305 has 250 ms, the usual HTTP clients 300 ms).
const FAMILY_ALONE: Duration = Duration::from_millis(300);

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
        Self::to(&parsed, service.timeout, resolver)
    }

    /// Connects to the host of this URL.
    pub(super) fn to(
        url: &Url,
        timeout: Duration,
        resolver: Arc<SystemResolver>,
    ) -> Result<Self, InvalidClient> {
        let (Some(host), Some(port)) = (url.host_str(), url.port_or_known_default()) else {
            return Err(InvalidClient(format!("{url} does not name a host and a port")));
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { resolver, host, port, timeout })
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
        match timeout(limit, self.dial()).await {
            Ok(dialled) => dialled,
            Err(_) => Err(Answer::ConnectTimeout),
        }
    }

    async fn dial(&self) -> Result<TcpStream, Answer> {
        let addresses = self.addresses().await?;
        let is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
        let (preferred, others): (Vec<_>, Vec<_>) =
            addresses.into_iter().partition(|address| address.is_ipv6() == is_v6);
        let connected = match others.is_empty() {
            true => TcpStream::connect(&preferred[..]).await,
            false => either(&preferred, &others).await,
        };
        connected.map_err(|error| of_connection(&error))
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

/// Tries the addresses of one family, and those of the other beside them when that takes long or fails: where one of both
/// leads nowhere, the other decides.
async fn either(preferred: &[SocketAddr], others: &[SocketAddr]) -> std::io::Result<TcpStream> {
    let mut first = pin!(TcpStream::connect(preferred));
    if let Ok(done) = timeout(FAMILY_ALONE, &mut first).await {
        return match done {
            Ok(stream) => Ok(stream),
            Err(_) => TcpStream::connect(others).await,
        };
    }
    match select(first, pin!(TcpStream::connect(others))).await {
        Either::Left((Err(_), second)) => second.await,
        Either::Right((Err(_), first)) => first.await,
        Either::Left((connected, _)) | Either::Right((connected, _)) => connected,
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn where_one_family_leads_nowhere_the_other_is_taken() {
        let there = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = listener.local_addr().unwrap();
        for (preferred, others) in [(there, here), (here, there)] {
            let stream = either(&[preferred], &[others]).await.unwrap();
            assert_eq!(stream.peer_addr().unwrap(), here);
        }
        assert!(either(&[there], &[there]).await.is_err());
    }
}
