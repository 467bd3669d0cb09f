//! What the operator wants: the settings that decisions are made by.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::order::{Action, ServiceName, Target};

use super::dependency::Dependencies;
use super::expected::Expected;
use super::ladder::Step;
use super::network::is_local;
use super::notification::channel::NotificationPolicy;

/// Whether decisions become actions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, utoipa::ToSchema)]
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

/// How one service is asked how it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ProbeKind {
    /// `GET` over HTTP.
    Http,
    /// A connection over TCP.
    Tcp,
    /// The health service of gRPC.
    Grpc {
        /// The service that is asked for; empty for the server as a whole.
        service: String,
    },
    /// The state of its containers, as the Docker Engine has it.
    Docker(Containers),
    /// It is not asked: it posts a heartbeat at least once in every interval.
    Push {
        /// How much later than its interval a heartbeat may come.
        grace: Duration,
    },
}

/// Which containers are looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Containers {
    /// Where the engine answers; none for the usual socket.
    pub host: Option<String>,
    /// The Compose project.
    pub project: Option<String>,
    /// Compose service or container name.
    pub container: String,
}

/// How one service is watched and healed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServicePolicy {
    /// Its name.
    pub name: ServiceName,
    /// The address of the service, as shown; the probe asks `probe_url`.
    pub url: String,
    /// How it is asked.
    pub probe: ProbeKind,
    /// What the probe asks: a whole URL whose host is where the probe goes.
    pub probe_url: String,
    /// Time between two probes.
    pub interval: Duration,
    /// Time between two probes while the service is suspect, rising or being verified; at most `interval`.
    pub fast_interval: Duration,
    /// How long one probe may take.
    pub timeout: Duration,
    /// What an HTTP answer must be like to pass.
    pub expected: Expected,
    /// Redirects that the probe follows at most.
    pub redirects: u32,
    /// A file with certificates (PEM) that the probe trusts beside the usual ones.
    pub ca_file: Option<String>,
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
    /// Whether a container that somebody had stopped is left alone.
    pub respects_operator_stop: bool,
    /// What an action is aimed at.
    pub target: Target,
    /// What is done, step by step, as long as it does not help; at least one.
    pub steps: Arc<[Step]>,
    /// Who is called by a step that escalates.
    pub escalation: Option<Target>,
    /// Services that it cannot work without.
    pub depends_on: Vec<String>,
    /// What fails together with it; one recovery at a time within each. None = it stands alone.
    pub failure_domain: Option<String>,
}

impl ServicePolicy {
    /// Whether what is probed and acted upon is still the same. Otherwise what was seen, and what is under way,
    /// speaks of something else.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        self.probe == other.probe && self.probe_url == other.probe_url && self.target == other.target
    }

    /// Whether its containers, where it has any, are still the same.
    pub fn has_the_containers_of(&self, other: &Self) -> bool {
        self.probe == other.probe && self.target == other.target
    }

    /// Whether our network has no part in reaching it.
    pub fn is_local(&self) -> bool {
        match self.probe {
            ProbeKind::Http | ProbeKind::Tcp | ProbeKind::Grpc { .. } => is_local(self.host()),
            // Heartbeats come from anywhere.
            ProbeKind::Push { .. } => false,
            // An engine that cannot be reached is never held against the service.
            ProbeKind::Docker(_) => true,
        }
    }

    /// What an action is aimed at.
    pub fn target_of(&self, action: Action) -> &Target {
        match action {
            Action::Webhook => self.escalation.as_ref().unwrap_or(&self.target),
            Action::Restart | Action::Recreate | Action::UpdateConfiguration => &self.target,
        }
    }

    /// Whether it can tell us, by an answer, that our network is there.
    pub fn bears_witness(&self) -> bool {
        match self.probe {
            ProbeKind::Http | ProbeKind::Tcp | ProbeKind::Grpc { .. } => !is_local(self.host()),
            ProbeKind::Docker(_) | ProbeKind::Push { .. } => false,
        }
    }

    /// How long after a heartbeat the next one is overdue; none for a service that is asked.
    pub fn patience(&self) -> Option<Duration> {
        match self.probe {
            ProbeKind::Http | ProbeKind::Tcp | ProbeKind::Grpc { .. } | ProbeKind::Docker(_) => None,
            ProbeKind::Push { grace } => Some(self.interval + grace),
        }
    }

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
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// One entry a service, in the order in which they are shown; names are unique.
    pub services: Vec<ServicePolicy>,
    /// For this long after the daemon's own start it only observes.
    pub observe_first: Duration,
    /// Probes in flight at most, in all.
    pub max_in_flight: usize,
    /// Probes in flight at most towards one host.
    pub max_in_flight_per_host: usize,
    /// Which service needs which, by their places in `services`.
    pub dependencies: Dependencies,
    /// What holds for all services together.
    pub fleet: FleetPolicy,
    /// Who is told of what.
    pub notifications: NotificationPolicy,
}

/// The guards across services.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FleetPolicy {
    /// Whether witnesses are asked before our own network's fault is taken for the services'.
    pub guards_own_network: bool,
    /// Witnesses beside the watched services: how many are asked.
    pub sentinels: usize,
    /// Whether services that go down together are healed one at a time.
    pub guards_storm: bool,
    /// Percent of the services that must go down within [`FleetPolicy::storm_within`] to make a storm.
    pub storm_percent: u32,
    /// The span in which services that go down belong together.
    pub storm_within: Duration,
    /// How long most services must be up before a storm is over.
    pub storm_cool_down: Duration,
    /// Recoveries under way at most.
    pub max_concurrent: usize,
    /// Actions at most within [`FleetPolicy::budget_within`]; one more trips the budget.
    pub max_actions: usize,
    /// Percent of the services that are acted upon at most within [`FleetPolicy::budget_within`].
    pub max_percent: u32,
    /// The span of the budget.
    pub budget_within: Duration,
}

/// With fewer services than this, percentages say nothing.
pub const FEWEST_FOR_PERCENTAGES: usize = 4;
/// Fewer services than this are no storm.
pub const FEWEST_FOR_STORM: usize = 3;

/// The documented defaults.
impl Default for FleetPolicy {
    fn default() -> Self {
        Self {
            guards_own_network: true,
            sentinels: 0,
            guards_storm: true,
            storm_percent: 50,
            storm_within: Duration::from_secs(60),
            storm_cool_down: Duration::from_secs(120),
            max_concurrent: 2,
            max_actions: 10,
            max_percent: 30,
            budget_within: Duration::from_secs(600),
        }
    }
}

impl FleetPolicy {
    /// How many of `eligible` services may be acted upon within the span; none when nothing limits it.
    pub fn most_services(&self, eligible: usize) -> Option<usize> {
        let share = eligible * self.max_percent as usize / 100;
        (eligible >= FEWEST_FOR_PERCENTAGES && self.max_percent < 100).then_some(share.max(1))
    }

    /// Whether so many services of the eligible ones going down together are a storm.
    pub fn is_storm(&self, down: usize, eligible: usize) -> bool {
        self.guards_storm
            && eligible >= FEWEST_FOR_PERCENTAGES
            && down >= FEWEST_FOR_STORM
            && down * 100 >= eligible * self.storm_percent as usize
    }
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
