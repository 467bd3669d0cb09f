//! What the events of the Docker Engine mean for the services that are watched.

use std::collections::{BTreeMap, BTreeSet};

use shared::order::ServiceName;
use shared::platform::{ContainerEvent, PlatformSettings};

use super::pods::Clustered;
use crate::config::{Config, ENABLING};
use crate::domain::policy::ProbeKind;
use crate::domain::supervisor::Event;

/// Whose containers are listened for.
#[derive(PartialEq, Eq)]
pub(super) struct Hints {
    host: Option<String>,
    project: Option<String>,
    /// Services by the name of their containers.
    services: BTreeMap<String, Vec<ServiceName>>,
    /// Whether containers are watched that ask for it by their labels.
    heeds_labels: bool,
    /// Whether some service is left alone once somebody has stopped it.
    respects_stops: bool,
    /// Whose pods are watched, in a cluster.
    clustered: Clustered,
}

impl Hints {
    /// Listens for the containers of this configuration.
    pub(super) fn new(config: &Config) -> Self {
        let mut services = BTreeMap::<String, Vec<ServiceName>>::new();
        let (mut project, mut respects_stops) = (None, false);
        for policy in &config.policy.services {
            let container = match (&policy.probe, config.platforms.get(&policy.name)) {
                (ProbeKind::Docker(containers), _) => {
                    project.clone_from(&containers.project);
                    &containers.container
                }
                (_, Some(PlatformSettings::Docker(docker))) => {
                    project.clone_from(&docker.project);
                    &docker.container
                }
                (_, Some(_) | None) => continue,
            };
            respects_stops |= policy.respects_operator_stop;
            services.entry(container.clone()).or_default().push(policy.name.clone());
        }
        let (host, heeds_labels) = (config.docker_host.clone(), config.docker_labels);
        let clustered = Clustered::new(config);
        Self { host, project, services, heeds_labels, respects_stops, clustered }
    }

    /// The services in a cluster.
    pub(super) fn clustered(&self) -> &Clustered {
        &self.clustered
    }

    /// The engine that is listened to, if there is anything to hear.
    pub(super) fn engine(&self) -> Option<&Option<String>> {
        (self.heeds_labels || !self.services.is_empty()).then_some(&self.host)
    }

    /// Every service that has containers on the engine.
    pub(super) fn services(&self) -> impl Iterator<Item = &ServiceName> {
        self.services.values().flatten()
    }

    /// Whether it matters who has had a container stopped.
    pub(super) fn respects_stops(&self) -> bool {
        self.respects_stops
    }

    /// What these events, the oldest first, mean: who stopped and started what, and then who is worth a probe. Those up to
    /// `heard` were hints before.
    pub(super) fn meaning(&self, events: &[ContainerEvent], heard: i64) -> Vec<Event> {
        let is_undone = |place: usize| {
            let ends = |later: &ContainerEvent| later.name == events[place].name && later.ends_stop();
            events[place].is_stop() && events[place + 1..].iter().any(ends)
        };
        let lasting = events.iter().enumerate().filter(|(place, _)| !is_undone(*place));
        let told = lasting.flat_map(|(_, event)| {
            self.services_of(event).filter_map(|service| standing(event, service.clone()))
        });
        let hinting = events.iter().filter(|event| event.at_nanos > heard && event.is_of_health());
        let hinted: BTreeSet<&ServiceName> = hinting.flat_map(|event| self.services_of(event)).collect();
        let hints = hinted.into_iter().map(|service| Event::Hinted { service: service.clone() });
        told.chain(hints).collect()
    }

    /// Whether some of them may change which containers ask to be watched.
    pub(super) fn change_who_asks(&self, events: &[ContainerEvent]) -> bool {
        let asks = |event: &ContainerEvent| {
            event.is_of_presence() && ENABLING.iter().any(|label| event.has_label(label))
        };
        self.heeds_labels && events.iter().any(asks)
    }

    fn services_of(&self, event: &ContainerEvent) -> impl Iterator<Item = &ServiceName> {
        let names = [event.service.as_deref(), Some(event.name.as_str())];
        let known = names.into_iter().flatten().filter(|name| event.is_about(name, self.project.as_deref()));
        known.filter_map(|name| self.services.get(name)).flatten()
    }
}

/// Whether the container stands stopped after this event, where it tells that.
fn standing(event: &ContainerEvent, service: ServiceName) -> Option<Event> {
    let (container, at) = (event.name.clone(), event.at());
    if event.is_stop() {
        Some(Event::Stopped { service, container, at })
    } else if event.ends_stop() {
        Some(Event::StoppedNoLonger { service, container: Some(container), at })
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(action: &str, name: &str, second: i64) -> ContainerEvent {
        let (action, name) = (action.to_owned(), name.to_owned());
        let labels = BTreeMap::new();
        ContainerEvent {
            action,
            name,
            at_nanos: second * 1_000_000_000,
            service: None,
            project: None,
            labels,
        }
    }

    fn check(events: &[(&str, &str, i64)], heard: i64, meant: &[&str]) {
        let name = |name| ServiceName::new(name).unwrap();
        let services = ["web", "db"].map(|one| (one.to_owned(), vec![name(one)])).into();
        let clustered = Clustered::default();
        let (host, project) = (None, None);
        let hints = Hints { host, project, services, heeds_labels: false, respects_stops: false, clustered };
        let events: Vec<_> = events.iter().map(|(action, name, at)| event(action, name, *at)).collect();
        let told = hints.meaning(&events, heard * 1_000_000_000).into_iter().map(|event| {
            if let Event::Stopped { container, .. } = event {
                format!("{container} stopped")
            } else if let Event::StoppedNoLonger { container, .. } = event {
                format!("{} no longer", container.unwrap())
            } else {
                format!("look at {}", event.service().unwrap())
            }
        });
        assert_eq!(told.collect::<Vec<_>>(), meant);
    }

    #[test]
    fn who_stopped_it_is_told_before_the_probe_that_sees_it_dead() {
        check(&[("die", "web", 1), ("stop", "web", 2)], 0, &["web stopped", "look at web"]);
    }

    #[test]
    fn a_restart_by_somebody_is_no_stop_and_a_stop_after_a_start_is_one() {
        check(&[("stop", "web", 1), ("start", "web", 2)], 9, &["web no longer"]);
        check(&[("stop", "db", 1), ("start", "web", 2)], 9, &["db stopped", "web no longer"]);
        check(&[("start", "web", 1), ("stop", "web", 2)], 9, &["web no longer", "web stopped"]);
        check(&[("stop", "web", 1), ("destroy", "web", 2)], 9, &["web no longer"]);
    }

    #[test]
    fn a_container_that_is_killed_or_a_strangers_is_nobodys_stop() {
        check(&[("die", "web", 1), ("oom", "web", 1), ("stop", "mail", 2)], 0, &["look at web"]);
    }

    #[test]
    fn what_was_heard_before_is_no_hint_again() {
        check(&[("die", "web", 1), ("die", "db", 2)], 1, &["look at db"]);
    }
}
