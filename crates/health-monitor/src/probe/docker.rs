//! The state of a service's containers, as the Docker Engine has it.

use std::time::Duration;

use shared::platform::{Docker, DockerSettings, Looked};

use super::client::InvalidClient;
use crate::domain::policy::Containers;
use crate::domain::reading::Answer;

/// Probes the containers of one service.
pub(super) struct DockerProbe(Docker);

impl DockerProbe {
    pub(super) fn new(containers: &Containers) -> Result<Self, InvalidClient> {
        let settings = DockerSettings {
            host: containers.host.clone(),
            project: containers.project.clone(),
            container: containers.container.clone(),
            update: None,
            // It only looks.
            stop_timeout: Duration::ZERO,
        };
        Docker::new(&settings).map(Self).map_err(|error| InvalidClient(error.to_string()))
    }

    /// Asks once. An engine that cannot be reached says nothing about the service.
    pub(super) async fn ask(&self) -> Answer {
        match self.0.look().await {
            Ok(Looked::Containers(containers)) => Answer::Containers(containers),
            Ok(Looked::NotFound(reason)) => Answer::NotServing(reason),
            Err(unreachable) => Answer::OwnFault(unreachable.reason),
        }
    }
}
