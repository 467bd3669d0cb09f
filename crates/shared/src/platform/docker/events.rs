//! What happens to the containers of an engine, as it tells it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{EventActor, EventMessage};
use bollard::query_parameters::EventsOptionsBuilder;
use futures_util::{Stream, StreamExt};

use super::address::Address;
use super::choice::{PROJECT_LABEL, SERVICE_LABEL};
use super::failure::Failure;
use super::{INSPECT_LIMIT, within};
use crate::clock::Timestamp;
use crate::order::Unreachable;
use crate::platform::InvalidPlatform;

/// What can change how a service is. `kill` and `stop` are not among them: a container that they end dies, and until
/// then it may well answer.
const OF_HEALTH: [&str; 7] = ["die", "oom", "health_status", "start", "pause", "unpause", "destroy"];

/// What tells who wants a container not to run. `stop` is told of a container that was stopped by a request, and of no
/// other death: `docker kill`, a crash and the want of memory go without. A restart has one too, with a `start` after.
const STOPPED: &str = "stop";
const NO_LONGER_STOPPED: [&str; 2] = ["start", "destroy"];

/// What can change which containers there are, and which of them have ever run.
const OF_PRESENCE: [&str; 4] = ["create", "start", "rename", "destroy"];

/// Something has happened to a container. It is a hint: the container may have changed again since.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContainerEvent {
    /// What has happened, in Docker's word: `die`, `start`, `health_status`.
    pub action: String,
    /// When, in nanoseconds since 1970 by the clock of the engine.
    pub at_nanos: i64,
    /// Name of the container.
    pub name: String,
    /// Its Compose service.
    pub service: Option<String>,
    /// Its Compose project.
    pub project: Option<String>,
    /// Its labels, beside a few attributes of the event itself.
    pub labels: BTreeMap<String, String>,
}

impl ContainerEvent {
    /// Whether it can change how the container is.
    pub fn is_of_health(&self) -> bool {
        OF_HEALTH.contains(&self.action.as_str())
    }

    /// Whether it can change which containers there are.
    pub fn is_of_presence(&self) -> bool {
        OF_PRESENCE.contains(&self.action.as_str())
    }

    /// Whether somebody has had it stopped.
    pub fn is_stop(&self) -> bool {
        self.action == STOPPED
    }

    /// Whether it ends that it stands stopped: it runs, or is there no longer.
    pub fn ends_stop(&self) -> bool {
        NO_LONGER_STOPPED.contains(&self.action.as_str())
    }

    /// The moment, by the clock of the engine.
    pub fn at(&self) -> Timestamp {
        Timestamp::from_micros(self.at_nanos / 1_000)
    }

    /// Whether its container has this label (`label=value`).
    pub fn has_label(&self, wanted: &str) -> bool {
        let (label, value) = wanted.split_once('=').unwrap_or((wanted, ""));
        self.labels.get(label).is_some_and(|has| has == value)
    }

    /// Whether it is about a container that goes by this name, as a Compose service or its own.
    pub fn is_about(&self, container: &str, project: Option<&str>) -> bool {
        let is_strange = project.is_some() && self.project.is_some() && self.project.as_deref() != project;
        let is_named = self.service.as_deref() == Some(container) || self.name == container;
        is_named && !is_strange
    }

    fn from_message(message: EventMessage) -> Option<Self> {
        let EventActor { attributes, .. } = message.actor?;
        let mut attributes = attributes?;
        // `health_status: unhealthy`.
        let action = message.action?.split(':').next()?.to_owned();
        Some(Self {
            action,
            at_nanos: message.time_nano.unwrap_or_default(),
            name: attributes.remove("name")?,
            service: attributes.remove(SERVICE_LABEL),
            project: attributes.remove(PROJECT_LABEL),
            labels: attributes.into_iter().collect(),
        })
    }
}

/// The events of one engine.
#[derive(Clone, Debug)]
pub struct DockerEvents {
    pub(super) address: Address,
}

impl DockerEvents {
    /// Checks the address, in the form of `DOCKER_HOST`; connects to nothing.
    pub fn new(host: Option<&str>) -> Result<Self, InvalidPlatform> {
        Ok(Self { address: Address::parse(host)? })
    }

    /// Events after this moment, in nanoseconds by the clock of the engine, as far as it remembers them (it keeps the
    /// last 256 of every kind), and then those that come, until the stream breaks off, which it does without a word when
    /// the engine goes away. The error says why there is none.
    pub async fn follow(
        &self,
        after: i64,
    ) -> Result<impl Stream<Item = ContainerEvent> + use<>, Unreachable> {
        let asked = async {
            let client = self.address.client()?;
            client.version().await?;
            Ok(client)
        };
        let client = within(INSPECT_LIMIT, asked).await.map_err(|failure: Failure| Unreachable {
            reason: format!("follow the events of Docker: {}", failure.sentence(&self.address)),
        })?;
        let actions: BTreeSet<&str> = OF_HEALTH.into_iter().chain(OF_PRESENCE).chain([STOPPED]).collect();
        let actions = actions.into_iter().map(str::to_owned).collect();
        let since = after + 1;
        let since = format!("{}.{:09}", since / 1_000_000_000, since % 1_000_000_000);
        let filters = HashMap::from([("type", vec!["container".to_owned()]), ("event", actions)]);
        let events = client.events(Some(EventsOptionsBuilder::new().since(&since).filters(&filters).build()));
        let told = events.take_while(|event| std::future::ready(event.is_ok()));
        Ok(told.filter_map(|event| std::future::ready(event.ok().and_then(ContainerEvent::from_message))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_about_a_compose_service_or_a_container_by_name() {
        let attributes =
            [("name", "shop_web_1"), (SERVICE_LABEL, "web"), (PROJECT_LABEL, "shop"), ("autoheal", "true")];
        let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let message = EventMessage {
            action: Some("health_status: unhealthy".into()),
            actor: Some(EventActor { id: None, attributes: Some(attributes.into()) }),
            ..EventMessage::default()
        };
        let event = ContainerEvent::from_message(message).unwrap();
        assert_eq!(event.action, "health_status");
        assert!(event.is_about("web", None) && event.is_about("shop_web_1", Some("shop")));
        assert!(!event.is_about("web", Some("other")) && !event.is_about("db", None));
        assert!(event.has_label("autoheal=true") && !event.has_label("autoheal=false"));
        assert!(event.is_of_health() && !event.is_of_presence());
        assert!(!event.is_stop() && !event.ends_stop());
        assert_eq!(ContainerEvent::from_message(EventMessage::default()), None);
    }
}
