//! The state of a container, as a probe of the engine goes by it.

use bollard::models::HealthStatusEnum;

use crate::clock::Timestamp;

/// The containers of a service, or why there is none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Looked {
    /// At least one.
    Containers(Vec<Container>),
    /// None, or it is not clear which: a sentence that says what was looked for.
    NotFound(String),
}

/// One container.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Container {
    /// Its name.
    pub name: String,
    /// Its state in Docker's words: `running`, `exited (137)`, `paused`, `restarting`, `dead`.
    pub state: String,
    /// Whether it really runs: a paused one or one that waits for its next start does not.
    pub is_running: bool,
    /// What the health check of its image says.
    pub health: ContainerHealth,
    /// How often its restart policy has started it again since it was last started by somebody.
    pub restarts: u64,
    /// Since when it runs, by the clock of the engine; none when it does not.
    pub started_at: Option<Timestamp>,
}

/// What the health check of an image (`HEALTHCHECK`) says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ContainerHealth {
    /// There is none.
    None,
    /// It has not come to a result since the start.
    Starting,
    /// It passes.
    Healthy,
    /// It fails.
    Unhealthy,
}

impl ContainerHealth {
    pub(super) fn of(status: Option<HealthStatusEnum>) -> Self {
        match status {
            Some(HealthStatusEnum::STARTING) => Self::Starting,
            Some(HealthStatusEnum::HEALTHY) => Self::Healthy,
            Some(HealthStatusEnum::UNHEALTHY) => Self::Unhealthy,
            Some(HealthStatusEnum::NONE | HealthStatusEnum::EMPTY) | None => Self::None,
        }
    }
}
