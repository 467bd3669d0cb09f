//! Restarts containers through the Docker Engine API.

mod address;
mod blueprint;
mod choice;
mod container;
mod events;
mod failure;
mod instance;
mod labelled;
mod limits;
mod logs;
mod recreate;
mod replicas;
mod verdict;

use std::collections::HashMap;
use std::time::Duration;

use bollard::query_parameters::{
    InspectContainerOptions, ListContainersOptionsBuilder, RestartContainerOptionsBuilder,
};
use tokio::time::timeout;

use self::address::Address;
use self::choice::{Listed, PROJECT_LABEL, SERVICE_LABEL, Wanted};
pub use self::container::{Container, ContainerHealth, Looked};
pub use self::events::{ContainerEvent, DockerEvents};
use self::failure::Failure;
use self::instance::{Instance, observed};
pub use self::labelled::Labelled;
pub use self::limits::{Having, Limits};
use super::{DockerSettings, INSPECT_LIMIT, InvalidPlatform, Update, Variables};
use crate::order::{Action, Observed, Order, OrderId, Performed, Stage, Unreachable};

/// How much longer than the stop timeout an engine may take over a restart: to kill, unmount, and start anew.
const RESTART_MARGIN: Duration = Duration::from_secs(20);

/// The containers of one service on a Docker Engine.
///
/// They are looked up anew for every inspection and order, because a container that was replaced has another
/// identity. Several replicas of a Compose service are one target.
#[derive(Debug)]
pub struct Docker {
    address: Address,
    project: Option<String>,
    container: String,
    stop_timeout: Duration,
    pub(super) update: Option<Update>,
}

impl Docker {
    /// Checks the settings; connects to nothing.
    pub fn new(settings: &DockerSettings) -> Result<Self, InvalidPlatform> {
        let container = settings.container.trim_start_matches('/');
        let well_formed = container.starts_with(|c: char| c.is_ascii_alphanumeric())
            && container.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if !well_formed {
            let reason = format!(
                "{container:?} cannot be the name of a container; \
                 it has letters, digits, '.', '_' and '-' and begins with a letter or digit"
            );
            return Err(InvalidPlatform { reason });
        }
        if let Some(Update::File(file)) = &settings.update {
            file.check()?;
        }
        Ok(Self {
            address: Address::parse(settings.host.as_deref())?,
            project: settings.project.clone().filter(|project| !project.is_empty()),
            container: container.into(),
            stop_timeout: settings.stop_timeout,
            update: settings.update.clone(),
        })
    }

    /// Asks the engine for its name and version, within 3 s: `Docker Engine 20.10.24`.
    pub async fn ping(&self) -> Result<String, Unreachable> {
        let asked = async { Ok(self.address.client()?.version().await?) };
        let version = within(INSPECT_LIMIT, asked).await.map_err(|failure| Unreachable {
            reason: format!("ask Docker for its version: {}", failure.sentence(&self.address)),
        })?;
        Ok(format!("Docker Engine {}", version.version.as_deref().unwrap_or("of unknown version")))
    }

    /// Compose service or container name.
    pub(super) fn container(&self) -> &str {
        &self.container
    }

    /// Looks at the containers of the service, within 3 s.
    pub(super) async fn inspect(&self) -> Result<Observed, Unreachable> {
        match self.instances().await {
            Ok(instances) => Ok(observed(&instances)),
            Err(reason) => {
                Err(Unreachable { reason: format!("inspect container {}: {reason}", self.container) })
            }
        }
    }

    /// Looks at the state of the containers of the service, within 3 s. The error says why the engine could not be
    /// asked; that there is no such container is no error.
    pub async fn look(&self) -> Result<Looked, Unreachable> {
        match within(INSPECT_LIMIT, self.look_up()).await {
            Ok(Ok(instances)) => {
                Ok(Looked::Containers(instances.into_iter().map(|instance| instance.container).collect()))
            }
            Ok(Err(reason)) => Ok(Looked::NotFound(reason)),
            Err(failure) => Err(Unreachable { reason: failure.sentence(&self.address) }),
        }
    }

    /// Carries an action out on the containers of the service, one after the other.
    pub(super) async fn perform(&self, order: &Order) -> Performed {
        match (order.action, order.stage) {
            (Action::Restart, _) => self.restart(order.id).await,
            (Action::Recreate, Stage::Act) => self.recreate(order.id, &Variables::default()).await,
            (Action::UpdateConfiguration, Stage::Act) => match &self.update {
                Some(Update::Variables(variables)) => self.recreate(order.id, variables).await,
                Some(Update::File(_)) | None => super::not_ours("Docker", order.action),
            },
            (Action::Recreate | Action::UpdateConfiguration, Stage::Keep) => self.keep(order.id).await,
            (Action::Recreate | Action::UpdateConfiguration, Stage::Revert) => self.revert(order.id).await,
            (Action::Webhook, _) => super::not_ours("Docker", order.action),
        }
    }

    async fn restart(&self, id: OrderId) -> Performed {
        let mut instances = match self.instances().await {
            Ok(instances) => instances,
            Err(reason) => {
                return Performed::NotRun {
                    reason: format!("restart container {}: {reason}", self.container),
                };
            }
        };
        if instances.iter().any(|instance| !instance.running) {
            // The replicas that run need not suffer for those that do not.
            instances.retain(|instance| !instance.running);
        }
        for (restarted, instance) in instances.iter().enumerate() {
            let limit = self.stop_timeout + RESTART_MARGIN;
            if let Err(failure) = within(limit, self.restart_one(&instance.id)).await {
                let tried = format!("restart container {}", instance.name);
                return of_several(restarted, instances.len(), failure.of_order(&tried, &self.address));
            }
            self.tidy_up(&instance.name, id).await;
        }
        Performed::Accepted
    }

    /// Removes what an engine has made for an earlier recovery only after we had given it up.
    async fn tidy_up(&self, name: &str, id: OrderId) {
        let cleared = async { self.clear_away(&self.address.client()?, name, id).await };
        if let Err(failure) = within(INSPECT_LIMIT, cleared).await {
            let failure = failure.sentence(&self.address);
            tracing::debug!(name, failure, "what an earlier recovery may have left aside was not looked for");
        }
    }

    async fn restart_one(&self, id: &str) -> Result<(), Failure> {
        // Rounded up: less than what is configured could kill an instance that was about to stop.
        let seconds = self.stop_timeout.as_secs_f64().ceil() as i32;
        let options = RestartContainerOptionsBuilder::new().t(seconds).build();
        Ok(self.address.client()?.restart_container(id, Some(options)).await?)
    }

    /// The containers of the service as they are now, at least one; else a sentence that says why not.
    async fn instances(&self) -> Result<Vec<Instance>, String> {
        within(INSPECT_LIMIT, self.look_up())
            .await
            .unwrap_or_else(|failure| Err(failure.sentence(&self.address)))
    }

    async fn look_up(&self) -> Result<Result<Vec<Instance>, String>, Failure> {
        let client = self.address.client()?;
        let wanted = Wanted { container: &self.container, project: self.project.as_deref() };
        let mut labelled = list(&client, "label", format!("{SERVICE_LABEL}={}", self.container)).await?;
        labelled.retain(|listed| !recreate::is_set_aside(&listed.name));
        let chosen = match wanted.replicas(&labelled) {
            Ok(none) if none.is_empty() => {
                // The engine takes the name as a pattern; the choice is by the whole name.
                let named = list(&client, "name", self.container.clone()).await?;
                Vec::from_iter(wanted.named(&named))
            }
            Ok(replicas) => replicas,
            Err(ambiguous) => return Ok(Err(ambiguous)),
        };
        if chosen.is_empty() {
            return Ok(Err(self.not_found()));
        }
        let mut instances = Vec::with_capacity(chosen.len());
        for listed in chosen {
            let inspected = client.inspect_container(&listed.id, None::<InspectContainerOptions>).await?;
            instances.push(Instance::new(listed, inspected));
        }
        Ok(Ok(instances))
    }

    fn not_found(&self) -> String {
        let project = self.project.as_ref().map(|project| format!(" and {PROJECT_LABEL}={project}"));
        format!(
            "no container at {} has the label {SERVICE_LABEL}={}{} or exactly this name, running or stopped; \
             create it, or correct the container or project name",
            self.address,
            self.container,
            project.unwrap_or_default()
        )
    }
}

/// All containers, stopped ones too, that the engine finds by one filter.
async fn list(client: &bollard::Docker, filter: &str, value: String) -> Result<Vec<Listed>, Failure> {
    let filters = HashMap::from([(filter, vec![value])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let summaries = client.list_containers(Some(options)).await?;
    Ok(summaries.into_iter().filter_map(Listed::from_summary).collect())
}

/// Gives a call to the engine a limit.
async fn within<T>(limit: Duration, call: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    timeout(limit, call).await.unwrap_or_else(|_| Err(Failure::timed_out(limit)))
}

/// How an order to several containers ended when one of them went wrong: once some were restarted it is no
/// longer true that nothing happened.
fn of_several(restarted: usize, all: usize, one: Performed) -> Performed {
    let partly = |reason: String| format!("{restarted} of {all} containers were done, then: {reason}");
    match one {
        Performed::NotRun { reason } | Performed::Failed { reason } if restarted > 0 => {
            Performed::Failed { reason: partly(reason) }
        }
        Performed::Unknown { reason } if restarted > 0 => Performed::Unknown { reason: partly(reason) },
        Performed::Accepted
        | Performed::AcceptedAs { .. }
        | Performed::NotRun { .. }
        | Performed::Failed { .. }
        | Performed::Unknown { .. }
        | Performed::Superseded { .. } => one,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn docker(host: &str) -> Docker {
        let settings = DockerSettings {
            host: Some(host.into()),
            project: Some(String::new()),
            container: "web".into(),
            stop_timeout: Duration::from_secs(10),
            update: None,
        };
        Docker::new(&settings).unwrap()
    }

    #[tokio::test]
    async fn without_an_engine_nothing_is_done_and_the_sentence_says_what_to_do() {
        let docker = docker("unix:///nowhere/docker.sock");
        let sentence = "Docker is not reachable at unix:///nowhere/docker.sock: no such file; start Docker, \
                        set DOCKER_HOST, or choose another RECOVERY_BACKEND";
        let not_run = Performed::NotRun { reason: format!("restart container web: {sentence}") };
        assert_eq!(docker.perform(&super::super::tests::order()).await, not_run);
        let inspected = docker.inspect().await.unwrap_err().to_string();
        assert_eq!(inspected, format!("inspect container web: {sentence}"));
        let asked = docker.ping().await.unwrap_err().to_string();
        assert_eq!(asked, format!("ask Docker for its version: {sentence}"));
    }

    #[tokio::test]
    async fn a_refused_port_is_no_connection_too() {
        let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let outcome = docker(&format!("tcp://{free}")).perform(&super::super::tests::order()).await;
        let Performed::NotRun { reason } = outcome else { panic!("{outcome:?}") };
        assert!(reason.contains(&format!("not reachable at tcp://{free}: Connection refused")), "{reason}");
    }

    #[test]
    fn a_name_that_no_container_can_have_is_refused() {
        for name in ["", "-web", "../x", "web?all=1"] {
            let settings = DockerSettings {
                host: None,
                project: None,
                container: name.into(),
                stop_timeout: Duration::from_secs(10),
                update: None,
            };
            let error = Docker::new(&settings).unwrap_err().to_string();
            assert!(error.contains("cannot be the name of a container"), "{error}");
        }
    }

    #[test]
    fn once_a_replica_was_restarted_it_is_no_longer_true_that_nothing_happened() {
        let not_run = || Performed::NotRun { reason: "gone".into() };
        let unknown = || Performed::Unknown { reason: "silence".into() };
        assert_eq!(of_several(0, 3, not_run()), not_run());
        assert_eq!(
            of_several(1, 3, not_run()),
            Performed::Failed { reason: "1 of 3 containers were done, then: gone".into() }
        );
        assert_eq!(
            of_several(2, 3, unknown()),
            Performed::Unknown { reason: "2 of 3 containers were done, then: silence".into() }
        );
    }
}
