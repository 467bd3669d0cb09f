//! The means by which a service is acted upon. A closed set: one file each, one variant each.

mod command;
mod docker;
mod file_update;
pub mod kubernetes;
mod update;
mod variables;
mod webhook;

use std::time::Duration;

use secrecy::SecretString;

pub use self::command::{Command, Ended, Program, run};
pub use self::docker::{
    Container, ContainerEvent, ContainerHealth, Docker, DockerEvents, Having, Labelled, Limits, Looked,
};
pub use self::file_update::{Edit, FileUpdate};
use self::kubernetes::{Kubernetes, KubernetesSettings, Workload};
pub use self::update::Update;
pub use self::variables::Variables;
pub use self::webhook::Webhook;
use crate::order::{
    Action, Backend, Observed, Order, Performed, ServiceName, Stage, Standing, Target, Unreachable,
};

/// How the Docker Engine is reached and used.
#[derive(Clone, Debug)]
pub struct DockerSettings {
    /// `unix:///path`, `tcp://host:port` or `http://host:port`, as in `DOCKER_HOST`; none or empty means the
    /// usual socket.
    pub host: Option<String>,
    /// Compose project that the service belongs to; none means whichever single project has it.
    pub project: Option<String>,
    /// Compose service or container name.
    pub container: String,
    /// How long an instance may take to stop before it is killed.
    pub stop_timeout: Duration,
    /// What an update of the configuration changes.
    pub update: Option<Update>,
}

/// A webhook that carries out orders.
#[derive(Clone, Debug)]
pub struct WebhookSettings {
    /// Where orders are posted.
    pub url: String,
    /// Signs the orders: `whsec_` and base64, or plain text; without it they are sent unsigned.
    pub secret: Option<SecretString>,
    /// How long an answer may take.
    pub timeout: Duration,
}

/// Programs on this host that carry out orders. `{service}` in an argument becomes the service's name.
#[derive(Clone, Debug)]
pub struct CommandSettings {
    /// Argument vector that restarts the service; exit code 0 means done.
    pub restart: Vec<String>,
    /// Argument vector that prints what identifies the running instance (a process id with its start time,
    /// say); nothing printed means that it does not run.
    pub inspect: Option<Vec<String>>,
    /// How long each may take before it is killed with its process group; an inspection never longer than 3 s.
    pub timeout: Duration,
    /// The file that an update of the configuration changes.
    pub update: Option<FileUpdate>,
}

/// By which means one service is healed, with everything that is needed to do it.
#[derive(Clone, Debug)]
pub enum PlatformSettings {
    /// The Docker Engine API.
    Docker(DockerSettings),
    /// The API server of a Kubernetes cluster.
    Kubernetes(KubernetesSettings),
    /// A signed HTTP call.
    Webhook(WebhookSettings),
    /// A program on this host.
    Command(CommandSettings),
    /// The service is only watched.
    None,
}

/// How long looking at a target may take, whatever the means. Evidence before an action has the same limit, and
/// an inspection that is slower than a probe's timeout says nothing about the moment that it was asked for.
const INSPECT_LIMIT: Duration = Duration::from_secs(3);

/// How many characters of a stranger's answer are quoted in a reason: its sentence, not its error page.
pub(crate) const QUOTED: usize = 500;

/// One means of acting upon one service, ready for use.
#[derive(Debug)]
pub enum Platform {
    /// Restarts containers.
    Docker(Docker),
    /// Evicts pods and rolls workloads out anew.
    Kubernetes(Box<Kubernetes>),
    /// Posts orders to a receiver.
    Webhook(Webhook),
    /// Runs programs on this host.
    Command(Command),
    /// Does nothing, and says so.
    None,
}

/// Settings that no platform can be made of: what is wrong with which one, without its secret.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct InvalidPlatform {
    /// A sentence for a person.
    pub reason: String,
}

impl Platform {
    /// Checks the settings of a service's platform. Connects to nothing: whether the platform can be reached
    /// shows at the first inspection.
    pub fn new(service: &ServiceName, settings: &PlatformSettings) -> Result<Self, InvalidPlatform> {
        let made = match settings {
            PlatformSettings::Docker(settings) => Docker::new(settings).map(Self::Docker),
            PlatformSettings::Kubernetes(settings) => {
                Kubernetes::new(service, settings).map(|one| Self::Kubernetes(Box::new(one)))
            }
            PlatformSettings::Webhook(settings) => Webhook::new(settings).map(Self::Webhook),
            PlatformSettings::Command(settings) => Command::new(settings).map(Self::Command),
            PlatformSettings::None => Ok(Self::None),
        };
        made.map_err(|InvalidPlatform { reason }| InvalidPlatform {
            reason: format!("service {service}: {reason}"),
        })
    }

    /// What orders are aimed at. Holds no secret; of a webhook's address only the host.
    pub fn target(&self) -> Target {
        let (backend, name) = match self {
            Self::Docker(docker) => (Backend::Docker, docker.container()),
            Self::Kubernetes(kubernetes) => (Backend::Kubernetes, kubernetes.name()),
            Self::Webhook(webhook) => (Backend::Webhook, webhook.host()),
            Self::Command(command) => (Backend::Command, command.program()),
            Self::None => (Backend::None, ""),
        };
        Target { backend, name: name.into() }
    }

    /// Looks at the service's present instance, for at most 3 s. A webhook cannot tell and reports nothing.
    pub async fn inspect(&self, service: &ServiceName) -> Result<Observed, Unreachable> {
        match self {
            Self::Docker(docker) => docker.inspect().await,
            Self::Kubernetes(kubernetes) => kubernetes.inspect().await,
            Self::Webhook(_) => Ok(Observed::default()),
            Self::Command(command) => command.inspect(service).await,
            Self::None => Err(Unreachable { reason: nothing_configured(service) }),
        }
    }

    /// The last lines that the instance has written, at most 64 KiB, as they are: secrets included. Takes as long as
    /// the platform does.
    pub async fn logs(&self) -> Result<String, Unreachable> {
        match self {
            Self::Docker(docker) => docker.logs().await,
            Self::Kubernetes(kubernetes) => kubernetes.logs().await,
            Self::Webhook(_) | Self::Command(_) | Self::None => {
                let backend = self.target().backend.as_str();
                Err(Unreachable { reason: format!("no log can be read by the backend {backend}") })
            }
        }
    }

    /// The workload that the service runs as; none where there is no cluster.
    pub async fn workload(&self) -> Option<Result<Workload, Unreachable>> {
        match self {
            Self::Kubernetes(kubernetes) => Some(kubernetes.workload().await),
            Self::Docker(_) | Self::Webhook(_) | Self::Command(_) | Self::None => None,
        }
    }

    /// Looks at what there is of an order whose end is not known.
    pub async fn examine(&self, order: &Order) -> Result<Standing, Unreachable> {
        if let Some(file) = self.file(order) {
            return update::examine(file, order.id).await;
        }
        match self {
            Self::Docker(docker) => docker.examine(order.id).await,
            Self::Kubernetes(kubernetes) => kubernetes.examine(order).await,
            // They have no other action that keeps what was before.
            Self::Webhook(_) | Self::Command(_) | Self::None => Ok(Standing::Untouched),
        }
    }

    /// Carries an order out, within the time that the settings give: for Docker the stop timeout and 20 s, per
    /// container; for Kubernetes 4 s; for the others their timeout. Dropped before it ends, the outcome is unknown.
    pub async fn perform(&self, order: &Order) -> Performed {
        match self.file(order) {
            Some(file) => self.update_file(file, order).await,
            None => self.perform_itself(order).await,
        }
    }

    async fn perform_itself(&self, order: &Order) -> Performed {
        let performed = match self {
            Self::Docker(docker) => return docker.perform(order).await,
            Self::Kubernetes(kubernetes) => return kubernetes.perform(order).await,
            Self::Webhook(webhook) => webhook.perform(order).await,
            Self::Command(command) => command.perform(order).await,
            Self::None => Performed::NotRun { reason: nothing_configured(&order.service) },
        };
        match order.stage {
            Stage::Act => performed,
            // These keep nothing: what is to be concluded here is no matter of reaching them.
            Stage::Keep | Stage::Revert => update::begun(performed),
        }
    }
}

/// The configuration lets no step through that its backend cannot do; an order that comes nevertheless is not run.
fn not_ours(backend: &str, action: Action) -> Performed {
    Performed::NotRun { reason: format!("{backend} cannot carry out {}", action.as_str()) }
}

fn nothing_configured(service: &ServiceName) -> String {
    format!(
        "no recovery backend is configured for service {service}; \
         set RECOVERY_BACKEND to docker, kubernetes, webhook or command"
    )
}

/// What a stranger wrote, fit for one line of a log: control characters and runs of white space become a space.
pub(crate) fn one_line(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::order::{OrderId, Stage};

    /// An order to restart `web`, given at 2021-02-25T22:42:10Z.
    pub(super) fn order() -> Order {
        let at = Timestamp::from_micros(1_614_292_930_000_000);
        Order {
            id: OrderId::at(at, 7),
            at,
            service: ServiceName::new("web").unwrap(),
            action: Action::Restart,
            stage: Stage::Act,
            change: None,
            incident_id: OrderId::at(at, 3),
            attempt: 2,
        }
    }

    #[tokio::test]
    async fn without_a_backend_nothing_is_done_and_the_way_out_is_named() {
        let service = ServiceName::new("web").unwrap();
        let platform = Platform::new(&service, &PlatformSettings::None).unwrap();
        let sentence = "no recovery backend is configured for service web; \
                        set RECOVERY_BACKEND to docker, kubernetes, webhook or command";
        assert_eq!(platform.target().to_string(), "none");
        assert_eq!(platform.inspect(&service).await.unwrap_err().to_string(), sentence);
        assert_eq!(platform.perform(&order()).await, Performed::NotRun { reason: sentence.into() });
    }

    #[test]
    fn what_a_stranger_wrote_becomes_one_line_without_control_characters() {
        assert_eq!(one_line(b"\x1b[31mno\r\n\tspace left\n"), "[31mno space left");
    }
}
