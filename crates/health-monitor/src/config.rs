//! What the operator has configured, checked and ready to use.

mod answer;
mod backend;
mod derive;
mod elasticsearch;
mod fixed;
mod fleet;
mod holding;
mod labels;
mod limits;
mod probed;
mod services;
mod settings;
mod steps;
mod update;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;
use shared::config::{Faults, Group, Loaded, Sources, Warning, load};
use shared::elasticsearch::ElasticsearchSettings;
use shared::http::access::{AccessSettings, Token};
use shared::journal::Durability;
use shared::order::ServiceName;
use shared::platform::{Labelled, PlatformSettings};
use shared::telemetry::LogFormat;

use crate::domain::policy::Policy;

use labels::Ignored;

pub use holding::Holding;
pub(crate) use labels::ENABLING;
pub use settings::{MAX_SERVICES, SETTINGS};

/// The configuration of the daemon.
#[derive(Clone)]
pub struct Config {
    /// Where the API listens.
    pub bind_address: SocketAddr,
    /// Directory of the journal.
    pub data_dir: PathBuf,
    /// What a recorded fact survives.
    pub durability: Durability,
    /// Size of the journal, in bytes, above which the oldest facts are dropped.
    pub journal_max_bytes: u64,
    /// How services are watched and healed.
    pub policy: Policy,
    /// Who bears witness of our own network beside the services, as `host:port`.
    pub sentinels: Vec<String>,
    /// By which means each service of the policy is healed; one entry for every one of them.
    pub platforms: BTreeMap<ServiceName, PlatformSettings>,
    /// Who is called for help by a step of the ladder; one entry for every service that has such a step.
    pub escalations: BTreeMap<ServiceName, PlatformSettings>,
    /// Whether containers that ask for it by their labels are watched.
    pub docker_labels: bool,
    /// The Docker Engine; none for the usual socket.
    pub docker_host: Option<String>,
    /// Who may change something.
    pub access: AccessSettings,
    /// How log lines are written.
    pub log_format: LogFormat,
    /// Whether documents are sent to Elasticsearch.
    pub elasticsearch_enabled: bool,
    /// Where Elasticsearch is, and who we are to it.
    pub elasticsearch: ElasticsearchSettings,
}

/// A configuration that can be used, with what is to be told about it.
#[derive(Debug)]
pub struct Loading {
    /// The configuration.
    pub config: Config,
    /// What is probably a mistake and did no harm.
    pub warnings: Vec<Warning>,
    /// Every value with where it came from, for printing. Large where there are many services: drop it soon.
    pub effective: Group,
}

/// Leaves out the platforms, whose webhook addresses can be credentials.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("bind_address", &self.bind_address)
            .field("data_dir", &self.data_dir)
            .field("durability", &self.durability)
            .field("journal_max_bytes", &self.journal_max_bytes)
            .field("policy", &self.policy)
            .field("sentinels", &self.sentinels)
            .field("access", &self.access)
            .field("log_format", &self.log_format)
            .field("elasticsearch_enabled", &self.elasticsearch_enabled)
            .field("elasticsearch", &self.elasticsearch)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// Reads the configuration from these sources. The error holds everything that is wrong at once.
    pub fn load(sources: &Sources) -> Result<Loading, Faults> {
        Self::load_labelled(sources, &[])
    }

    /// The same with what these containers ask for by their labels. A label that cannot be used is a warning, and
    /// ignored.
    pub fn load_labelled(sources: &Sources, containers: &[Labelled]) -> Result<Loading, Faults> {
        let mut ignored = Ignored::default();
        loop {
            match Self::heeding(sources, containers, &mut ignored) {
                Ok(mut loading) => {
                    loading.warnings.append(&mut ignored.warnings);
                    return Ok(loading);
                }
                // Each round ignores at least one more label.
                Err(faults) if ignored.blame(&faults, containers) => {}
                Err(faults) => return Err(faults),
            }
        }
    }

    fn heeding(sources: &Sources, containers: &[Labelled], ignored: &mut Ignored) -> Result<Loading, Faults> {
        let derive = |root: &mut Group| derive::derive(root, containers, ignored);
        let Loaded { root, mut faults, mut warnings } = load(&SETTINGS, sources, derive);
        warnings.extend(derive::unused_urls(&root));
        let access = access(&root, &mut faults);
        let watched = services::build(&root, &mut faults);
        let (fleet, sentinels) = fleet::build(&root, &mut faults);
        let dependencies = fleet::dependencies(&watched.policies, &mut faults);
        let elasticsearch = elasticsearch::build(&root, &mut faults);
        let (true, Some(bind_address), Some(elasticsearch)) =
            (faults.is_empty(), root.address("BIND_ADDRESS"), elasticsearch)
        else {
            faults.warnings = warnings;
            return Err(faults);
        };
        let config = Self {
            bind_address,
            data_dir: root.text("DATA_DIR").unwrap_or_default().into(),
            durability: durability(&root),
            journal_max_bytes: root.whole("JOURNAL_MAX_BYTES").unwrap_or_default(),
            policy: Policy {
                observe_first: seconds(&root, "HEALTH_CHECK_INTERVAL"),
                max_in_flight: limits::in_flight(&watched.policies),
                max_in_flight_per_host: limits::in_flight_per_host(&watched.policies),
                services: watched.policies,
                dependencies,
                fleet,
            },
            sentinels,
            platforms: watched.platforms,
            escalations: watched.escalations,
            docker_labels: root.boolean("DOCKER_LABELS"),
            docker_host: root.text("DOCKER_HOST").map(str::to_owned),
            access,
            log_format: LogFormat::from_word(root.text("LOG_FORMAT").unwrap_or_default()),
            elasticsearch_enabled: root.boolean("ELASTICSEARCH_ENABLED"),
            elasticsearch,
        };
        Ok(Loading { config, warnings, effective: root })
    }
}

fn durability(root: &Group) -> Durability {
    if root.text("DURABILITY") == Some("os") { Durability::Os } else { Durability::Disk }
}

fn access(root: &Group, faults: &mut Faults) -> AccessSettings {
    let tokens = match root.secret("API_TOKEN").map(|text| Token::parse_list(text.expose_secret())) {
        None => Vec::new(),
        Some(Ok(tokens)) if tokens.is_empty() => {
            faults.push(root.fault("API_TOKEN", "holds no token"));
            tokens
        }
        Some(Ok(tokens)) => tokens,
        Some(Err(invalid)) => {
            faults.push(root.fault("API_TOKEN", invalid.to_string()));
            Vec::new()
        }
    };
    AccessSettings {
        tokens,
        allow_unauthenticated: root.boolean("ALLOW_UNAUTHENTICATED"),
        mutations_per_minute: number(root, "MUTATIONS_PER_MINUTE"),
    }
}

fn seconds(group: &Group, key: &str) -> Duration {
    group.seconds(key).unwrap_or_default()
}

fn number(group: &Group, key: &str) -> u32 {
    group.whole(key).and_then(|value| u32::try_from(value).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
