//! What the labels of containers ask for, as the Docker Engine tells it at this moment.

use shared::config::{Faults, Sources};
use shared::platform::{DockerEvents, Labelled};

use crate::config::{Config, ENABLING, Loading};

/// A configuration with what labels ask for.
pub(crate) struct Labelling {
    /// The configuration.
    pub(crate) loading: Loading,
    /// Services that only labels name.
    pub(crate) services: usize,
    /// Why the labels could not be read, if they are heeded at all.
    pub(crate) unread: Option<String>,
}

/// Reads the configuration, and lets the labels of the containers of this moment add to it. Blocks for 3 s at most.
pub(crate) fn load(sources: &Sources) -> Result<Labelling, Faults> {
    let loading = Config::load(sources)?;
    if !loading.config.docker_labels {
        return Ok(Labelling { loading, services: 0, unread: None });
    }
    match ask(loading.config.docker_host.as_deref()) {
        Err(reason) => Ok(Labelling { loading, services: 0, unread: Some(reason) }),
        Ok(mut containers) => {
            containers.retain(|container| container.has_run);
            let known = loading.config.policy.services.len();
            let loading = Config::load_labelled(sources, &containers)?;
            let services = loading.config.policy.services.len().saturating_sub(known);
            Ok(Labelling { loading, services, unread: None })
        }
    }
}

fn ask(host: Option<&str>) -> Result<Vec<Labelled>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(containers(host))
}

/// The containers that ask by their labels to be watched, those that were never started included.
pub(crate) async fn containers(host: Option<&str>) -> Result<Vec<Labelled>, String> {
    let engine = DockerEvents::new(host).map_err(|error| error.to_string())?;
    engine.labelled(&ENABLING).await.map_err(|error| error.reason)
}
