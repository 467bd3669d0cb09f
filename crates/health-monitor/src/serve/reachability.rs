//! Whether what services are healed by can be reached, a Docker Engine or the API server of a cluster, asked now and then.

use std::collections::BTreeMap;
use std::time::Duration;

use shared::platform::kubernetes::Access;
use shared::platform::{Docker, PlatformSettings};
use tokio::sync::watch;

use crate::config::Config;

/// Often enough that an outage is shown before somebody looks, rarely enough to cost nothing.
const EVERY: Duration = Duration::from_secs(30);

/// What is known of a platform: none when no service needs it or nothing is known yet, else its version or why it cannot
/// be reached.
pub(super) type Found = Option<Result<String, String>>;

/// Asks one Docker Engine for each address in the configuration, and the API server if a service needs it.
#[derive(Clone)]
pub(super) struct Reachability {
    asked: watch::Sender<Asked>,
    docker: watch::Sender<Found>,
    kubernetes: watch::Sender<Found>,
}

/// Who is asked.
#[derive(Clone)]
struct Asked {
    engines: Vec<PlatformSettings>,
    api_server: Option<Access>,
}

impl Reachability {
    pub(super) fn new(config: &Config) -> Self {
        let asked = watch::Sender::new(Asked::of(config));
        Self { asked, docker: watch::Sender::new(None), kubernetes: watch::Sender::new(None) }
    }

    /// From now on those of this configuration are asked.
    pub(super) fn reconfigure(&self, config: &Config) {
        let asked = Asked::of(config);
        if asked.engines.is_empty() {
            self.docker.send_replace(None);
        }
        if asked.api_server.is_none() {
            self.kubernetes.send_replace(None);
        }
        self.asked.send_replace(asked);
    }

    /// What was last found out of the Docker Engine.
    pub(super) fn docker(&self) -> Found {
        self.docker.borrow().clone()
    }

    /// What was last found out of the API server.
    pub(super) fn kubernetes(&self) -> Found {
        self.kubernetes.borrow().clone()
    }

    /// Asks now and then, for ever, and logs each change once.
    pub(super) async fn watch(self) {
        let mut every = tokio::time::interval(EVERY);
        loop {
            every.tick().await;
            let Asked { engines, api_server } = self.asked.borrow().clone();
            for settings in &engines {
                let PlatformSettings::Docker(settings) = settings else { continue };
                let found = match Docker::new(settings) {
                    Ok(docker) => docker.ping().await.map_err(|unreachable| unreachable.reason),
                    Err(invalid) => Err(invalid.to_string()),
                };
                note(&self.docker, found);
            }
            if let Some(access) = api_server {
                note(&self.kubernetes, access.ping().await.map_err(|failure| failure.to_string()));
            }
        }
    }
}

impl Asked {
    fn of(config: &Config) -> Self {
        let mut engines = BTreeMap::new();
        let mut api_server = None;
        for settings in config.platforms.values() {
            if let PlatformSettings::Docker(docker) = settings {
                engines.entry(docker.host.clone()).or_insert_with(|| settings.clone());
            } else if let PlatformSettings::Kubernetes(kubernetes) = settings {
                api_server.get_or_insert_with(|| kubernetes.access.clone());
            }
        }
        Self { engines: engines.into_values().collect(), api_server }
    }
}

fn note(known: &watch::Sender<Found>, found: Result<String, String>) {
    let was_reachable = known.borrow().as_ref().map(Result::is_ok);
    match &found {
        Ok(version) if was_reachable != Some(true) => tracing::info!("healing by {version}"),
        Err(reason) if was_reachable != Some(false) => tracing::warn!("{reason}"),
        Ok(_) | Err(_) => {}
    }
    known.send_replace(Some(found));
}
