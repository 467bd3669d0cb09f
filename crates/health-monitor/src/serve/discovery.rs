//! Services that are found by the labels of their containers, whenever the configuration is read.

use shared::config::Sources;
use shared::platform::{DockerEvents, Labelled};
use tokio::task::spawn_blocking;

use crate::config::{Config, ENABLING, Loading};

/// Where the configuration comes from, and the containers that the Docker Engine knew of when it last answered.
pub(super) struct Discovery {
    sources: Sources,
    host: Option<String>,
    found: Vec<Labelled>,
}

impl Discovery {
    /// Nothing is found yet.
    pub(super) fn new(sources: Sources) -> Self {
        Self { sources, host: None, found: Vec::new() }
    }

    /// What the settings are read from, labels apart.
    pub(super) fn sources(&self) -> &Sources {
        &self.sources
    }

    /// The configuration with what the labels of the containers ask for at this moment. An engine that does not answer
    /// has removed nothing: what it said before holds, if it said anything.
    pub(super) async fn with_labels(&mut self, loading: Loading) -> Loading {
        if !loading.config.docker_labels {
            return loading;
        }
        let host = &loading.config.docker_host;
        match labelled(host.as_deref()).await {
            Ok(found) => (self.host, self.found) = (host.clone(), found),
            Err(reason) if self.host == *host && !self.found.is_empty() => {
                tracing::warn!(reason, "the labels of containers are those that were read before");
            }
            Err(reason) => {
                tracing::debug!(reason, "no labels of containers");
                return loading;
            }
        }
        if self.found.is_empty() {
            return loading;
        }
        let (sources, found) = (self.sources.clone(), self.found.clone());
        match spawn_blocking(move || Config::load_labelled(&sources, &found)).await {
            Ok(Ok(labelled)) => labelled,
            // It could be used without the labels a moment ago.
            Ok(Err(faults)) => {
                tracing::error!("the labels of containers are not heeded: {faults}");
                loading
            }
            Err(error) => {
                tracing::error!(%error, "the labels of containers are not heeded");
                loading
            }
        }
    }
}

async fn labelled(host: Option<&str>) -> Result<Vec<Labelled>, String> {
    let engine = DockerEvents::new(host).map_err(|error| error.to_string())?;
    engine.labelled(&ENABLING).await.map_err(|error| error.reason)
}
