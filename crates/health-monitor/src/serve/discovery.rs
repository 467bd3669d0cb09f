//! Services that are found by the labels of their containers, at the start of the daemon.

use shared::config::Sources;
use shared::platform::{DockerEvents, Labelled};

use crate::config::{Config, ENABLING, Loading};

/// The configuration with what the labels of the containers ask for at this moment. Without an engine that can be
/// reached it stays as it is.
pub(super) async fn with_labels(loading: Loading, sources: &Sources) -> Loading {
    if !loading.config.docker_labels {
        return loading;
    }
    let found = match labelled(loading.config.docker_host.as_deref()).await {
        Ok(found) => found,
        Err(reason) => {
            tracing::debug!(reason, "no labels of containers");
            return loading;
        }
    };
    if found.is_empty() {
        return loading;
    }
    match Config::load_labelled(sources, &found) {
        Ok(labelled) => labelled,
        // It could be used without the labels a moment ago.
        Err(faults) => {
            tracing::error!("the labels of containers are not heeded: {faults}");
            loading
        }
    }
}

async fn labelled(host: Option<&str>) -> Result<Vec<Labelled>, String> {
    let engine = DockerEvents::new(host).map_err(|error| error.to_string())?;
    engine.labelled(&ENABLING).await.map_err(|error| error.reason)
}
