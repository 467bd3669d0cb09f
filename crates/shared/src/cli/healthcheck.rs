//! Asks the running daemon whether it is well: the health check of a container without a shell.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::Exit;

/// Docker's own default for a health check is 30 s; a daemon that needs 5 s for a constant is not well.
const LIMIT: Duration = Duration::from_secs(5);

/// Asks `/livez` at the address that the daemon listens on.
pub async fn healthcheck(bind_address: SocketAddr, out: &mut dyn Write) -> io::Result<Exit> {
    let url = format!("http://{}/livez", reachable(bind_address));
    match ask(&url).await {
        Ok(status) if status.is_success() => {
            writeln!(out, "{url}: {status}")?;
            Ok(Exit::Ok)
        }
        Ok(status) => {
            writeln!(io::stderr(), "{url}: {status}")?;
            Ok(Exit::Failed)
        }
        Err(error) => {
            let cause =
                std::iter::successors(Some(&error as &dyn std::error::Error), |error| (*error).source())
                    .last();
            writeln!(io::stderr(), "{url}: {}; does the daemon run?", cause.unwrap_or(&error))?;
            Ok(Exit::Failed)
        }
    }
}

async fn ask(url: &str) -> reqwest::Result<reqwest::StatusCode> {
    let client = reqwest::Client::builder().no_proxy().timeout(LIMIT).build()?;
    Ok(client.get(url).send().await?.status())
}

/// An address to connect to, for one that is listened on.
fn reachable(bound: SocketAddr) -> SocketAddr {
    let ip = match bound.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, bound.port())
}
