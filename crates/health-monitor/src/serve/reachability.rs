//! Whether the Docker Engine that services are healed by can be reached, asked now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::platform::{Docker, PlatformSettings};
use tokio::sync::watch;

use crate::config::Config;

/// Often enough that an outage is shown before somebody looks, rarely enough to cost nothing.
const EVERY: Duration = Duration::from_secs(30);

/// What is known of the Docker Engine: none when no service needs it or nothing is known yet, else its version
/// or why it cannot be reached.
pub(super) type Found = Option<Result<String, String>>;

/// Asks one Docker Engine for each address in the configuration.
#[derive(Clone)]
pub(super) struct Reachability {
    engines: watch::Sender<Vec<PlatformSettings>>,
    publish: watch::Sender<Found>,
}

impl Reachability {
    pub(super) fn new(config: &Config) -> Self {
        Self { engines: watch::Sender::new(engines(config)), publish: watch::Sender::new(None) }
    }

    /// From now on the engines of this configuration are asked.
    pub(super) fn reconfigure(&self, config: &Config) {
        let engines = engines(config);
        if engines.is_empty() {
            self.publish.send_replace(None);
        }
        self.engines.send_replace(engines);
    }

    /// What was last found out.
    pub(super) fn docker(&self) -> Found {
        self.publish.borrow().clone()
    }

    /// Asks now and then, for ever, and logs each change once.
    pub(super) async fn watch(self) {
        let mut every = tokio::time::interval(EVERY);
        loop {
            every.tick().await;
            let engines = self.engines.borrow().clone();
            for settings in &engines {
                let PlatformSettings::Docker(settings) = settings else { continue };
                let found = match Docker::new(settings) {
                    Ok(docker) => docker.ping().await.map_err(|unreachable| unreachable.reason),
                    Err(invalid) => Err(invalid.to_string()),
                };
                self.note(found);
            }
        }
    }

    fn note(&self, found: Result<String, String>) {
        let was_reachable = self.docker().map(|known| known.is_ok());
        match &found {
            Ok(version) if was_reachable != Some(true) => tracing::info!("healing by {version}"),
            Err(reason) if was_reachable != Some(false) => tracing::warn!("{reason}"),
            Ok(_) | Err(_) => {}
        }
        self.publish.send_replace(Some(found));
    }
}

fn engines(config: &Config) -> Vec<PlatformSettings> {
    let mut engines = BTreeMap::new();
    for settings in config.platforms.values() {
        if let PlatformSettings::Docker(docker) = settings {
            engines.entry(docker.host.clone()).or_insert_with(|| settings.clone());
        }
    }
    engines.into_values().collect()
}
