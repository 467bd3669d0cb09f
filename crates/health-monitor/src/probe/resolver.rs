//! The resolver of the operating system, with its failures told apart and its last success remembered.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use shared::clock::{Clock, Timestamp};

/// Looks names up, for all probes.
pub(super) struct SystemResolver {
    clock: Arc<Clock>,
    /// Microseconds since 1970; zero before the first.
    found_at: AtomicI64,
}

/// Why a name has no address.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unresolved {
    #[error("{0}")]
    UnknownName(String),
    #[error("{0}")]
    ResolverFailed(String),
}

impl SystemResolver {
    pub(super) fn new(clock: Arc<Clock>) -> Self {
        Self { clock, found_at: AtomicI64::new(0) }
    }

    /// When a name was last found. `localhost` is known without asking and does not count.
    pub(super) fn found_at(&self) -> Option<Timestamp> {
        let micros = self.found_at.load(Ordering::Relaxed);
        (micros != 0).then(|| Timestamp::from_micros(micros))
    }

    /// The addresses of a name, without a port.
    pub(super) async fn find(&self, name: &str, limit: Duration) -> Result<Vec<SocketAddr>, Unresolved> {
        let asking = tokio::net::lookup_host((name, 0));
        let Ok(found) = tokio::time::timeout(limit, asking).await else {
            let seconds = limit.as_secs_f64();
            let reason = format!("the name {name} could not be looked up (no answer within {seconds:.1} s)");
            return Err(Unresolved::ResolverFailed(reason));
        };
        let addresses = found.map_err(|error| unresolved(name, &error))?.collect();
        if name != "localhost" && !name.ends_with(".localhost") {
            self.found_at.fetch_max(self.clock.now().as_micros(), Ordering::Relaxed);
        }
        Ok(addresses)
    }
}

/// The resolver with the time limit of one kind of probe.
pub(super) struct Bounded {
    pub(super) resolver: Arc<SystemResolver>,
    pub(super) limit: Duration,
}

impl Resolve for Bounded {
    fn resolve(&self, name: Name) -> Resolving {
        let (resolver, limit) = (Arc::clone(&self.resolver), self.limit);
        Box::pin(async move {
            let addresses = resolver.find(name.as_str(), limit).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

fn unresolved(name: &str, error: &std::io::Error) -> Unresolved {
    // The standard library passes on the words of gai_strerror only; these are glibc's and musl's for a name
    // that does not exist or has no address.
    const UNKNOWN: [&str; 4] = [
        "Name or service not known",
        "No address associated with hostname",
        "Name does not resolve",
        "Name has no usable address",
    ];
    let text = error.to_string();
    let reason = text.rsplit(": ").next().unwrap_or(&text).to_lowercase();
    if UNKNOWN.iter().any(|unknown| text.contains(unknown)) {
        Unresolved::UnknownName(format!("the name {name} is not known ({reason})"))
    } else {
        Unresolved::ResolverFailed(format!("the name {name} could not be looked up ({reason})"))
    }
}
