//! What the operator has configured, checked and ready to use.

mod answer;
mod backend;
mod derive;
mod fleet;
mod labels;
mod limits;
mod notifications;
mod probed;
mod services;
mod settings;
mod steps;
mod stops;
mod update;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use shared::config::foundation::Foundation;
use shared::config::{Faults, Group, Loaded, Sources, Warning, load};
use shared::order::ServiceName;
use shared::platform::{Labelled, PlatformSettings};

use crate::domain::notification::channel::ChannelName;
use crate::domain::policy::Policy;
use crate::receivers::ReceiverSettings;

use labels::Ignored;

pub(crate) use labels::{ENABLING, service_of};
pub use settings::{MAX_SERVICES, SETTINGS};

/// The configuration of the daemon.
#[derive(Clone)]
pub struct Config {
    /// What every daemon has: address, journal, access, outputs.
    pub foundation: Foundation,
    /// How services are watched and healed.
    pub policy: Arc<Policy>,
    /// Who bears witness of our own network beside the services, as `host:port`.
    pub sentinels: Vec<String>,
    /// By which means each service of the policy is healed; one entry for every one of them.
    pub platforms: BTreeMap<ServiceName, PlatformSettings>,
    /// Who is called for help by a step of the ladder; one entry for every service that has such a step.
    pub escalations: BTreeMap<ServiceName, PlatformSettings>,
    /// Where the messages of each channel go; one entry for every channel of the policy.
    pub receivers: BTreeMap<ChannelName, ReceiverSettings>,
    /// Whether containers that ask for it by their labels are watched.
    pub docker_labels: bool,
    /// How long a service outlives the container whose labels name it.
    pub docker_labels_grace: Duration,
    /// The Docker Engine; none for the usual socket.
    pub docker_host: Option<String>,
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
            .field("foundation", &self.foundation)
            .field("policy", &self.policy)
            .field("sentinels", &self.sentinels)
            .finish_non_exhaustive()
    }
}

impl Config {
    /// This configuration with what cannot change while the daemon runs as it is in `running`. Gives the settings
    /// that ask for something else, by name.
    #[must_use]
    pub fn keeping_what_is_fixed(self, running: &Self) -> (Self, Vec<&'static str>) {
        let (foundation, asked) = self.foundation.keeping_what_is_fixed(&running.foundation);
        (Self { foundation, ..self }, asked)
    }

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
        let foundation = Foundation::build(&root, &mut faults);
        let watched = services::build(&root, &mut faults);
        warnings.extend(stops::unheard(&root, &watched));
        let (fleet, sentinels) = fleet::build(&root, &mut faults);
        let told = notifications::build(&root, &sources.files, &mut faults);
        let dependencies = fleet::dependencies(&watched.policies, &mut faults);
        let (true, Some(foundation)) = (faults.is_empty(), foundation) else {
            faults.warnings = warnings;
            return Err(faults);
        };
        let config = Self {
            foundation,
            policy: Arc::new(Policy {
                observe_first: seconds(&root, "HEALTH_CHECK_INTERVAL"),
                max_in_flight: limits::in_flight(&watched.policies),
                max_in_flight_per_host: limits::in_flight_per_host(&watched.policies),
                services: watched.policies,
                dependencies,
                fleet,
                notifications: told.policy,
            }),
            receivers: told.receivers,
            sentinels,
            platforms: watched.platforms,
            escalations: watched.escalations,
            docker_labels: root.boolean("DOCKER_LABELS"),
            docker_labels_grace: seconds(&root, "DOCKER_LABELS_GRACE"),
            docker_host: root.text("DOCKER_HOST").map(str::to_owned),
        };
        Ok(Loading { config, warnings, effective: root })
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
