//! The actions of platforms that services have in place of published settings.

mod kubernetes;
mod words;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use shared::config::{Fault, Faults, Group, HttpUrl, Member};
use shared::order::{Backend, Target};
use shared::platform::kubernetes::Access;
use shared::platform::{Docker, DockerSettings};
use shared::redact::redact;

use crate::domain::order::looks_secret;
use crate::domain::play::{Play, Playbook, Want, Wanted};
use crate::domain::recommendation::Kind;
use crate::platforms::{
    Action, ActionKey, CPUS, CommandMeans, Content, DockerMeans, MEMORY, Means, REPLICAS, VARIABLE,
    WebhookMeans,
};

/// The kinds of recommendations that an action can be for.
const KINDS: [Kind; 3] = [Kind::Performance, Kind::Reliability, Kind::Scaling];

/// What is done, and by which means.
#[derive(Default)]
pub(super) struct Actions {
    pub(super) playbook: Playbook,
    pub(super) means: BTreeMap<ActionKey, Action>,
}

/// Checks every action; one with a fault is left out, and the fault makes the whole configuration unusable.
pub(super) fn build(root: &Group, faults: &mut Faults) -> Actions {
    let mut plays = BTreeMap::new();
    let mut means = BTreeMap::new();
    let none = Vec::new();
    let access = kubernetes::access(root, faults);
    for service in root.members.get("services").unwrap_or(&none) {
        for member in service.group.members.get("actions").unwrap_or(&none) {
            let Some(kind) = kind(member, faults) else { continue };
            let Some((play, action)) = action((root, &access), &service.name, &member.group, faults) else {
                continue;
            };
            let key: ActionKey = (service.name.as_str().into(), kind);
            plays.insert(key.clone(), play);
            means.insert(key, action);
        }
    }
    Actions { playbook: Playbook::new(plays), means }
}

fn kind(member: &Member, faults: &mut Faults) -> Option<Kind> {
    let kind = KINDS.into_iter().find(|kind| kind.as_str() == member.name);
    if kind.is_none() {
        let reason = "is not a type of recommendation: there are performance, reliability and scaling";
        faults.push(Fault::new(&member.group.path, reason).from_origin(member.origin.clone()));
    }
    kind
}

fn action(
    (root, access): (&Group, &Access),
    service: &str,
    group: &Group,
    faults: &mut Faults,
) -> Option<(Play, Action)> {
    let wants = wants(group, faults);
    let made = match group.text("backend") {
        Some("webhook") => webhook(group),
        Some("command") => command(group),
        Some("docker") => docker(root, service, group, wants.as_deref().unwrap_or_default()),
        Some("kubernetes") => kubernetes::means(access, service, group, wants.as_deref().unwrap_or_default()),
        Some(_) | None => Err(("backend", "is required: webhook, command, docker or kubernetes".to_owned())),
    };
    let timeout = group.seconds("timeout").unwrap_or_default();
    let (target, means, can_look) = match made {
        Ok(made) => made,
        // A value that cannot be read has its fault already.
        Err((key, _)) if group.refused.contains(key) => return None,
        Err((key, reason)) => {
            faults.push(group.fault(key, reason));
            return None;
        }
    };
    let wants = wants?;
    if let Some(reason) = is_impossible(&wants, &means, can_look) {
        faults.push(group.fault("set", reason));
        return None;
    }
    let keeps_previous = matches!(&means, Means::Docker(DockerMeans { content: Content::Variables, .. }));
    let target = match &means {
        // The target names the service too, as one receiver may have many.
        Means::Webhook(_) => Target { backend: Backend::Webhook, name: format!("{target}/{service}") },
        Means::Command(_) => Target { backend: Backend::Command, name: format!("{target}/{service}") },
        Means::Docker(_) => Target { backend: Backend::Docker, name: target },
        Means::Kubernetes(_) => Target { backend: Backend::Kubernetes, name: target },
    };
    Some((Play { target: target.clone(), wants, keeps_previous }, Action { target, means, timeout }))
}

/// Name, means, and whether the present value can be read; else which setting is missing, and why.
type Made = Result<(String, Means, bool), (&'static str, String)>;

fn timeout(group: &Group) -> Duration {
    group.seconds("timeout").unwrap_or_default()
}

fn webhook(group: &Group) -> Made {
    let Some(url) = group.url("url") else {
        return Err(("url", "is required for the backend webhook".to_owned()));
    };
    let read_url = group.url("read_url").map(|url| url.expose().to_owned());
    let can_look = read_url.is_some();
    let means = WebhookMeans {
        url: url.expose().to_owned(),
        read_url,
        secret: group.secret("secret").cloned(),
        timeout: timeout(group),
    };
    Ok((HttpUrl::authority(url), Means::Webhook(means), can_look))
}

fn command(group: &Group) -> Made {
    let Some(command) = group.words("command") else {
        return Err(("command", "is required for the backend command".to_owned()));
    };
    let read = group.words("read").map(<[String]>::to_vec);
    let can_look = read.is_some();
    let means = CommandMeans { command: command.to_vec(), read, timeout: timeout(group) };
    Ok((command.first().cloned().unwrap_or_default(), Means::Command(means), can_look))
}

/// Limits, variables or the number of containers; never two of them in one action.
fn docker(root: &Group, service: &str, group: &Group, wants: &[Want]) -> Made {
    let contents: BTreeSet<_> = wants.iter().map(|want| content_of(&want.key)).collect();
    let content = match Vec::from_iter(contents).as_slice() {
        [Some(content)] => *content,
        // What is wrong with the words has been told.
        [] => Content::Limits,
        _ => {
            let reason = format!(
                "sets either {MEMORY} and {CPUS}, or variables ({VARIABLE}NAME), or {REPLICAS} for the backend docker"
            );
            return Err(("set", reason));
        }
    };
    no_secrets(wants, |key| key.strip_prefix(VARIABLE))?;
    let settings = DockerSettings {
        host: root.text("DOCKER_HOST").map(str::to_owned),
        project: root.text("COMPOSE_PROJECT_NAME").map(str::to_owned),
        container: group.text("container").unwrap_or(service).to_owned(),
        stop_timeout: group.seconds("stop_timeout").unwrap_or_default(),
        update: None,
    };
    let docker = Docker::new(&settings).map_err(|invalid| ("container", invalid.to_string()))?;
    let means = DockerMeans { docker: Arc::new(docker), content };
    Ok((settings.container, Means::Docker(means), true))
}

fn content_of(key: &str) -> Option<Content> {
    match key {
        MEMORY | CPUS => Some(Content::Limits),
        REPLICAS => Some(Content::Replicas),
        key => key.strip_prefix(VARIABLE).filter(|name| !name.is_empty()).map(|_| Content::Variables),
    }
}

/// Refuses variables whose names or values look like secrets.
fn no_secrets(wants: &[Want], name: impl Fn(&str) -> Option<&str>) -> Result<(), (&'static str, String)> {
    let has_secret = |want: &&Want| {
        let to = match &want.to {
            Wanted::Value(value) => Some(value),
            Wanted::Plus { .. } | Wanted::Times { .. } => None,
        };
        name(&want.key).is_some_and(is_secret) || want.from.as_ref().into_iter().chain(to).any(looks_secret)
    };
    let Some(want) = wants.iter().find(has_secret) else { return Ok(()) };
    Err(("set", format!("sets {}, which looks like a secret: values are recorded and shown", want.key)))
}

fn is_secret(name: &str) -> bool {
    let sample = format!("{name}=abcdefgh");
    redact(&sample) != sample
}

fn is_impossible(wants: &[Want], means: &Means, can_look: bool) -> Option<String> {
    if let Means::Docker(DockerMeans { content, .. }) = means {
        let is_alone = *content != Content::Replicas || wants.len() == 1;
        return (!is_alone).then(|| format!("sets {REPLICAS} twice"));
    }
    if matches!(means, Means::Kubernetes(_)) {
        let is_twice = |want: &Want| wants.iter().filter(|other| other.key == want.key).count() > 1;
        return wants.iter().find(|want| is_twice(want)).map(|want| format!("sets {} twice", want.key));
    }
    if wants.len() != 1 {
        return Some("changes one value at a time for the backends webhook and command".to_owned());
    }
    let blind = wants.iter().find(|want| !can_look && want.from.is_none())?;
    Some(format!(
        "must say what {} is before (OLD => NEW), because nothing reads it: or give read_url or read",
        blind.key
    ))
}

fn wants(group: &Group, faults: &mut Faults) -> Option<Vec<Want>> {
    let Some(words) = group.words("set") else {
        if !group.refused.contains("set") {
            faults.push(group.fault("set", "is required: which value becomes what, as [\"KEY=VALUE\"]"));
        }
        return None;
    };
    let backend = group.text("backend").unwrap_or_default();
    let wants: Result<Vec<_>, _> = words.iter().map(|word| words::want(word, backend)).collect();
    wants.map_err(|reason| faults.push(group.fault("set", reason))).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_whose_name_looks_like_a_secret_is_known() {
        assert!(is_secret("DB_PASSWORD") && !is_secret("CACHE"));
    }
}
