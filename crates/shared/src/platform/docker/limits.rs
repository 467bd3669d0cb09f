//! What containers have that can be changed: their limits while they run, and their variables.

use bollard::models::{ContainerInspectResponse, ContainerUpdateBody, HostConfig};

use super::blueprint::RECOVERY_LABEL;
use super::recreate::{CALL, inspect};
use super::replicas::REPLICAS_LABEL;
use super::{Docker, of_several, within};
use crate::order::{Performed, Unreachable};

/// What one container has.
#[derive(Clone, PartialEq, Debug)]
pub struct Having {
    /// Its name.
    pub name: String,
    /// Whether it really runs.
    pub is_running: bool,
    /// The memory that it may use, in bytes; none without a limit.
    pub memory: Option<i64>,
    /// The processors that it may use; none without a limit.
    pub cpus: Option<f64>,
    /// Its variables, `NAME=value` each.
    pub variables: Vec<String>,
    /// The order that it was made for, in words, if it was made for one.
    pub made_for: Option<String>,
    /// How many that order was to make, if it made further ones.
    pub made_of: Option<usize>,
}

/// Limits to set; none for those that stay.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<i64>,
    /// Processors.
    pub cpus: Option<f64>,
}

/// A processor in the engine's unit.
const NANO: f64 = 1e9;

impl Having {
    fn of(name: String, is_running: bool, inspected: ContainerInspectResponse) -> Self {
        let host = inspected.host_config.unwrap_or_default();
        let config = inspected.config.unwrap_or_default();
        let mut labels = config.labels.unwrap_or_default();
        Self {
            name,
            is_running,
            memory: host.memory.filter(|memory| *memory > 0),
            cpus: host.nano_cpus.filter(|nano| *nano > 0).map(|nano| nano as f64 / NANO),
            variables: config.env.unwrap_or_default(),
            made_for: labels.remove(RECOVERY_LABEL),
            made_of: labels.get(REPLICAS_LABEL).and_then(|number| number.parse().ok()),
        }
    }
}

impl Docker {
    /// What the containers of the service have, at least one; within 3 s for each call.
    pub async fn having(&self) -> Result<Vec<Having>, Unreachable> {
        let tried = format!("look at container {}", self.container());
        let unreachable = |reason: String| Unreachable { reason: format!("{tried}: {reason}") };
        let instances = self.instances().await.map_err(unreachable)?;
        let mut all = Vec::with_capacity(instances.len());
        for instance in instances {
            let inspected = async { inspect(&self.address.client()?, &instance.id).await };
            let inspected = within(super::INSPECT_LIMIT, inspected)
                .await
                .map_err(|failure| unreachable(failure.sentence(&self.address)))?;
            all.push(Having::of(instance.name, instance.running, inspected));
        }
        Ok(all)
    }

    /// Sets limits of the containers of the service while they run, one after the other.
    pub async fn limit(&self, limits: Limits) -> Performed {
        let tried = |name: &str| format!("change the limits of container {name}");
        let instances = match self.instances().await {
            Ok(instances) => instances,
            Err(reason) => {
                return Performed::NotRun { reason: format!("{}: {reason}", tried(self.container())) };
            }
        };
        for (done, instance) in instances.iter().enumerate() {
            let updated = async {
                let client = self.address.client()?;
                let host = inspect(&client, &instance.id).await?.host_config.unwrap_or_default();
                Ok(client.update_container(&instance.id, update(limits, &host)).await?)
            };
            if let Err(failure) = within(CALL, updated).await {
                let one = failure.of_order(&tried(&instance.name), &self.address);
                return of_several(done, instances.len(), one);
            }
        }
        Performed::Accepted
    }
}

/// The engine wants to be told of memory and swap together, and counts the memory in: what there is beyond it stays.
fn update(limits: Limits, host: &HostConfig) -> ContainerUpdateBody {
    let (memory, swap) = (host.memory.unwrap_or_default(), host.memory_swap.unwrap_or_default());
    let with_it = |wanted: i64| if swap > 0 { wanted + (swap - memory).max(0) } else { swap };
    ContainerUpdateBody {
        memory: limits.memory,
        memory_swap: limits.memory.map(with_it).filter(|swap| *swap != 0),
        nano_cpus: limits.cpus.map(|cpus| (cpus * NANO).round() as i64),
        ..ContainerUpdateBody::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_swap_beyond_the_memory_stays_what_it_is() {
        let limits = Limits { memory: Some(128), cpus: Some(1.5) };
        let updated = |memory, memory_swap| {
            let host = HostConfig { memory: Some(memory), memory_swap, ..HostConfig::default() };
            let body = update(limits, &host);
            (body.memory, body.memory_swap, body.nano_cpus)
        };
        assert_eq!(updated(64, Some(128)), (Some(128), Some(192), Some(1_500_000_000)));
        assert_eq!(updated(64, Some(64)), (Some(128), Some(128), Some(1_500_000_000)), "none stays none");
        assert_eq!(updated(64, Some(-1)), (Some(128), Some(-1), Some(1_500_000_000)), "no limit stays none");
        assert_eq!(updated(64, None), (Some(128), None, Some(1_500_000_000)));
    }
}
