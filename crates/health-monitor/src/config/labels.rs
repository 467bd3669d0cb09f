//! What containers ask for by their labels: the weakest layer of the configuration of a service.

use std::collections::{BTreeMap, BTreeSet};

use shared::config::{Fault, Faults, Group, Member, Origin, Setting, Value, Warning};
use shared::platform::Labelled;

use super::settings::PER_SERVICE;

/// The containers that are watched because their labels ask for it have one of these.
pub(crate) const ENABLING: [&str; 2] = ["health-monitor.enable=true", "autoheal=true"];

/// What stands before a setting in its label.
const PREFIX: &str = "health-monitor.";

/// What a label cannot set: what is executed, what is read on this host, where credentials may be, and what follows
/// from the container itself.
const NOT_BY_LABEL: [&str; 5] =
    ["container", "workload", "ca_file", "recovery_webhook_url", "recovery_backend"];

/// The labels that have a container watched.
const SWITCHES: [&str; 2] = ["health-monitor.enable", "autoheal"];

/// Labels of the prefix that are no settings; the last is on a container that a recovery has made.
const OTHERS: [&str; 3] = ["enable", "name", "recovery"];

/// Labels, and whole containers, that are not heeded because of what they say.
#[derive(Default)]
pub(super) struct Ignored {
    labels: BTreeSet<(String, String)>,
    services: BTreeSet<String>,
    pub(super) warnings: Vec<Warning>,
}

impl Ignored {
    /// Blames the labels for the faults that they have caused. False when there is none that they have.
    pub(super) fn blame(&mut self, faults: &Faults, containers: &[Labelled]) -> bool {
        let before = self.warnings.len();
        for fault in faults.iter() {
            if let Some(Origin::Label { container, label }) = &fault.origin
                && !SWITCHES.contains(&label.as_ref())
            {
                self.label(container, label, &fault.reason);
                continue;
            }
            let Some(container) = containers.iter().find(|one| is_about(fault, &service_of(one))) else {
                continue;
            };
            if self.services.insert(service_of(container)) {
                let message = format!("its labels are ignored: {}", fault.reason);
                self.warnings.push(Warning { subject: format!("container {}", container.name), message });
            }
        }
        self.warnings.len() > before
    }

    fn label(&mut self, container: &str, label: &str, reason: &str) {
        if self.labels.insert((container.to_owned(), label.to_owned())) {
            let subject = format!("label {label} of container {container}");
            self.warnings.push(Warning { subject, message: format!("is ignored: {reason}") });
        }
    }
}

fn is_about(fault: &Fault, service: &str) -> bool {
    let rest = fault.key.strip_prefix("services.").and_then(|key| key.strip_prefix(service));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

/// Adds what the labels say to the services, and the services that only labels name.
pub(super) fn add(members: &mut Vec<Member>, containers: &[Labelled], ignored: &mut Ignored) {
    let mut taken: BTreeMap<String, Option<String>> = BTreeMap::new();
    for container in containers {
        let name = service_of(container);
        let is_off = container.labels.get("health-monitor.enable").is_some_and(|value| value == "false");
        if is_off || ignored.services.contains(&name) {
            continue;
        }
        match taken.get(&name) {
            // Another replica of the same service.
            Some(project) if *project == container.project => continue,
            Some(_) => {
                ignored.label(
                    &container.name,
                    "health-monitor.name",
                    "another project has a service of this name",
                );
                continue;
            }
            None => taken.insert(name.clone(), container.project.clone()),
        };
        match members.iter_mut().find(|member| member.name == name) {
            Some(member) => settle(&mut member.group, container, ignored),
            None => {
                let mut member = stranger(container, &name);
                settle(&mut member.group, container, ignored);
                ask_the_engine_without_an_address(&mut member.group, container);
                members.push(member);
            }
        }
    }
}

/// The name of the service that a container is watched as.
pub(crate) fn service_of(container: &Labelled) -> String {
    let named = container.labels.get("health-monitor.name").or(container.service.as_ref());
    named.unwrap_or(&container.name).clone()
}

fn origin(container: &Labelled, label: &str) -> Origin {
    Origin::Label { container: container.name.as_str().into(), label: label.into() }
}

/// A service that only its container names.
fn stranger(container: &Labelled, name: &str) -> Member {
    let enabling = if is_on(container, "autoheal") { "autoheal" } else { "health-monitor.enable" };
    let group = Group { path: format!("services.{name}"), ..Group::default() };
    Member { name: name.to_owned(), origin: origin(container, enabling), group }
}

fn is_on(container: &Labelled, label: &str) -> bool {
    container.labels.get(label).is_some_and(|value| value == "true")
}

/// Settles what nobody stronger has settled.
fn settle(service: &mut Group, container: &Labelled, ignored: &mut Ignored) {
    let mut said: Vec<(String, String, String)> = container
        .labels
        .iter()
        .filter_map(|(label, text)| {
            let key = label.strip_prefix(PREFIX)?.replace('-', "_");
            (!OTHERS.contains(&key.as_str())).then(|| (label.clone(), key, text.clone()))
        })
        .collect();
    if let Some(seconds) = container.labels.get("autoheal.stop.timeout") {
        said.push(("autoheal.stop.timeout".into(), "stop_timeout".into(), seconds.clone()));
    }
    for (label, key, text) in said {
        if ignored.labels.contains(&(container.name.clone(), label.clone())) {
            continue;
        }
        match value(&key, &text) {
            Ok((key, _)) if service.is_given(key) || service.refused.contains(key) => {}
            Ok((key, value)) => service.settle(key, value, origin(container, &label)),
            Err(reason) => ignored.label(&container.name, &label, &reason),
        }
    }
    if !service.is_given("container") && !service.refused.contains("container") {
        let name = container.service.as_deref().unwrap_or(&container.name);
        service.settle("container", Value::Text(name.to_owned()), Origin::Default);
    }
}

/// The state of the container is what is known of every service that only labels name. `autoheal=true` alone means by
/// convention that the health check of the image decides, and that a stopped container is left alone.
fn ask_the_engine_without_an_address(service: &mut Group, container: &Labelled) {
    if service.is_given("url") || service.is_given("probe") {
        return;
    }
    service.settle("probe", Value::Text("docker".into()), Origin::Default);
    if !service.is_given("unhealthy_only") {
        let is_autoheal = is_on(container, "autoheal") && !is_on(container, "health-monitor.enable");
        service.settle("unhealthy_only", Value::Boolean(is_autoheal), Origin::Default);
    }
}

/// What a label says, as the setting of a service.
fn value(key: &str, text: &str) -> Result<(&'static str, Value), String> {
    let setting: Option<&Setting> = PER_SERVICE.settings().find(|setting| setting.key == key);
    let Some(setting) = setting else { return Err("is not a setting of a service".into()) };
    if NOT_BY_LABEL.contains(&setting.key) {
        return Err("cannot be set by a label".into());
    }
    if setting.key == "depends_on" {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        return Ok((setting.key, Value::Words(names.map(str::to_owned).collect())));
    }
    Ok((setting.key, setting.parse(text)?))
}
