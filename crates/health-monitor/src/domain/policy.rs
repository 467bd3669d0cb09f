//! What the operator wants: the settings that decisions are made by.

use std::time::Duration;

use serde::Serialize;
use shared::order::{ServiceName, Target};

/// Whether decisions become actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Services are healed.
    #[default]
    Enforce,
    /// What would be done is decided and recorded, and not done.
    DryRun,
    /// Services are only watched.
    Observe,
}

impl Mode {
    /// The word that configuration, API and logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::DryRun => "dry_run",
            Self::Observe => "observe",
        }
    }
}

/// How one service is watched and healed.
#[derive(Clone, Debug)]
pub struct ServicePolicy {
    /// Its name.
    pub name: ServiceName,
    /// The address of the service, as shown; the probe asks `probe_url`.
    pub url: String,
    /// What the HTTP probe fetches.
    pub probe_url: String,
    /// Time between two probes.
    pub interval: Duration,
    /// Time between two probes while the service is suspect, rising or being verified; at most `interval`.
    pub fast_interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// A pass that takes longer is degraded.
    pub latency_limit: Option<Duration>,
    /// Consecutive hard failures that make it unhealthy.
    pub fall: u32,
    /// Consecutive failures, hard or soft, that make it unhealthy.
    pub fall_soft: u32,
    /// Consecutive passes that make it healthy again.
    pub rise: u32,
    /// After an instance has changed, failures are not counted for this long or until the first pass.
    pub start_period: Duration,
    /// Least time between the starts of two attempts; doubles with each further attempt.
    pub cool_down: Duration,
    /// Where the doubling ends.
    pub cool_down_max: Duration,
    /// Attempts within an hour after which the service is quarantined.
    pub attempts_per_hour: u32,
    /// How long an order to the platform may take at most.
    pub order_limit: Duration,
    /// How long a recovery may take to be verified after the action was accepted.
    pub verification_timeout: Duration,
    /// Verified health that lasts this long clears attempts and back-off.
    pub stable_for: Duration,
    /// Whether decisions become actions.
    pub mode: Mode,
    /// What an action is aimed at.
    pub target: Target,
}

impl ServicePolicy {
    /// The host that the probe asks: name or address, without the port.
    pub fn host(&self) -> &str {
        host(&self.probe_url)
    }
}

fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or(rest);
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
        Some(_) | None => authority,
    }
}

/// How all services are watched and healed.
#[derive(Clone, Debug)]
pub struct Policy {
    /// One entry a service, in the order in which they are shown; names are unique.
    pub services: Vec<ServicePolicy>,
    /// For this long after the daemon's own start it only observes.
    pub observe_first: Duration,
    /// Probes in flight at most, in all.
    pub max_in_flight: usize,
    /// Probes in flight at most towards one host.
    pub max_in_flight_per_host: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_a_url_has_no_port_and_no_path() {
        assert_eq!(host("http://web:80/health"), "web");
        assert_eq!(host("https://web/health?at=1:2"), "web");
        assert_eq!(host("http://[::1]:80/"), "[::1]");
        assert_eq!(host("http://[::1]"), "[::1]");
    }
}
