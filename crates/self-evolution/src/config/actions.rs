//! The actions of platforms that services have in place of published settings.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use shared::config::{Fault, Faults, Group, HttpUrl, Member};
use shared::order::{Backend, Target};
use shared::platform::{Docker, DockerSettings};
use shared::redact::redact;

use crate::domain::play::{Play, Playbook, Want, Wanted, as_number};
use crate::domain::recommendation::Kind;
use crate::platforms::{
    Action, ActionKey, CPUS, CommandMeans, Content, DockerMeans, MEMORY, Means, REPLICAS, VARIABLE,
    WebhookMeans, scalar,
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
    for service in root.members.get("services").unwrap_or(&none) {
        for member in service.group.members.get("actions").unwrap_or(&none) {
            let Some(kind) = kind(member, faults) else { continue };
            let Some((play, action)) = action(root, &service.name, &member.group, faults) else { continue };
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

fn action(root: &Group, service: &str, group: &Group, faults: &mut Faults) -> Option<(Play, Action)> {
    let wants = wants(group, faults);
    let made = match group.text("backend") {
        Some("webhook") => webhook(group),
        Some("command") => command(group),
        Some("docker") => docker(root, service, group, wants.as_deref().unwrap_or_default()),
        Some(_) | None => Err(("backend", "is required: webhook, command or docker".to_owned())),
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
    if let Some(want) = wants.iter().find(|want| is_secret(&want.key)) {
        let reason = format!("sets {}, which looks like a secret: values are recorded and shown", want.key);
        return Err(("set", reason));
    }
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

fn is_secret(key: &str) -> bool {
    let Some(name) = key.strip_prefix(VARIABLE) else { return false };
    let sample = format!("{name}=abcdefgh");
    redact(&sample) != sample
}

fn is_impossible(wants: &[Want], means: &Means, can_look: bool) -> Option<String> {
    if let Means::Docker(DockerMeans { content, .. }) = means {
        let is_alone = *content != Content::Replicas || wants.len() == 1;
        return (!is_alone).then(|| format!("sets {REPLICAS} twice"));
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
    let is_docker = group.text("backend") == Some("docker");
    let wants: Result<Vec<_>, _> = words.iter().map(|word| want(word, is_docker)).collect();
    wants.map_err(|reason| faults.push(group.fault("set", reason))).ok()
}

/// How the values of a key are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writing {
    /// As they look.
    Scalar,
    /// As text, whatever they look like; no steps.
    Text,
    /// As bytes, or with `k`, `m` or `g` behind.
    Bytes,
    /// As numbers.
    Number,
    /// As whole numbers.
    Count,
}

impl Writing {
    fn of(key: &str, is_docker: bool) -> Self {
        match key {
            MEMORY if is_docker => Self::Bytes,
            CPUS if is_docker => Self::Number,
            REPLICAS if is_docker => Self::Count,
            _ if is_docker => Self::Text,
            _ => Self::Scalar,
        }
    }

    fn value(self, text: &str) -> Option<Value> {
        match self {
            Self::Scalar => Some(scalar(text)),
            Self::Text => Some(Value::String(text.to_owned())),
            Self::Bytes | Self::Number => self.number(text).map(as_number),
            Self::Count => self.number(text).filter(|number| number.fract() == 0.0).map(as_number),
        }
    }

    /// A number of a step; never one that makes less of it or nothing.
    fn number(self, text: &str) -> Option<f64> {
        let text = text.trim();
        let lower = text.to_ascii_lowercase();
        let (digits, unit) = match lower.trim_end_matches("ib").trim_end_matches('b') {
            rest if self != Self::Bytes => (rest, 1.0),
            rest => [("k", 1_024.0), ("m", 1_048_576.0), ("g", 1_073_741_824.0)]
                .into_iter()
                .find_map(|(suffix, unit)| Some((rest.strip_suffix(suffix)?, unit)))
                .unwrap_or((rest, 1.0)),
        };
        let number = digits.trim().parse().ok().map(|number: f64| number * unit);
        number.filter(|number| number.is_finite() && *number > 0.0)
    }
}

/// Reads `KEY=NEW`, `KEY=OLD => NEW`; NEW may be `+N` or `xN`, with `up to N` behind.
fn want(word: &str, is_docker: bool) -> Result<Want, String> {
    let wrong = || {
        format!(
            "has {word:?}; write KEY=VALUE, KEY=OLD => VALUE, or a step from what it is: KEY=+1 up to 4, KEY=x2 up to 8"
        )
    };
    let (key, value) = word.split_once('=').ok_or_else(wrong)?;
    let key = key.trim();
    let (from, to) = match value.split_once("=>") {
        Some((from, to)) => (Some(from.trim()), to.trim()),
        None => (None, value.trim()),
    };
    let writing = Writing::of(key, is_docker);
    let read = |text: &str| writing.value(text).ok_or_else(wrong);
    let from = from.map(read).transpose()?;
    if key.is_empty() || to.is_empty() {
        return Err(wrong());
    }
    let is_text = writing == Writing::Text;
    let (step, up_to) = match to.split_once(" up to ").filter(|_| !is_text) {
        Some((step, up_to)) => (step, Some(writing.number(up_to).ok_or_else(wrong)?)),
        None => (to, None),
    };
    let number = |sign: char, writing: Writing| {
        step.strip_prefix(sign).filter(|_| !is_text).and_then(|text| writing.number(text))
    };
    let (more, factor) = (number('+', writing), number('x', Writing::Number));
    let to = match (more, factor) {
        (Some(more), _) => Wanted::Plus { more, up_to },
        (None, Some(factor)) => Wanted::Times { factor, up_to },
        (None, None) if up_to.is_some() => return Err(wrong()),
        (None, None) => Wanted::Value(read(to)?),
    };
    let is_whole = match writing {
        Writing::Bytes | Writing::Count => true,
        Writing::Number => false,
        Writing::Scalar | Writing::Text => from.as_ref().is_some_and(Value::is_i64),
    };
    let may_be_unset = !matches!(writing, Writing::Bytes | Writing::Number);
    Ok(Want { key: key.to_owned(), from, to, is_whole, may_be_unset })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_word_says_what_becomes_of_a_value() {
        let plain = |key: &str, from: Option<Value>, to: Wanted| Want {
            key: key.to_owned(),
            is_whole: from.as_ref().is_some_and(Value::is_i64),
            may_be_unset: true,
            from,
            to,
        };
        assert_eq!(want("cache=on", false).unwrap(), plain("cache", None, Wanted::Value(json!("on"))));
        assert_eq!(
            want("cache=off => on", false).unwrap(),
            plain("cache", Some(json!("off")), Wanted::Value(json!("on")))
        );
        assert_eq!(
            want("replicas=+1 up to 4", false).unwrap(),
            plain("replicas", None, Wanted::Plus { more: 1.0, up_to: Some(4.0) })
        );
        assert_eq!(
            want("replicas=2 => x2", false).unwrap(),
            plain("replicas", Some(json!(2)), Wanted::Times { factor: 2.0, up_to: None })
        );
        for wrong in ["cache", "=on", "cache=", "replicas=+1 up to none", "replicas=3 up to 4"] {
            assert!(want(wrong, false).unwrap_err().contains("write KEY=VALUE"), "{wrong}");
        }
    }

    #[test]
    fn values_of_containers_are_read_by_their_kind() {
        let read = |word: &str| want(word, true).map(|want| (want.from, want.to, want.may_be_unset));
        let up_to = Some(1_073_741_824.0);
        assert_eq!(read("memory=x2 up to 1g"), Ok((None, Wanted::Times { factor: 2.0, up_to }, false)));
        let (from, to) = (Some(json!(268_435_456)), Wanted::Value(json!(536_870_912)));
        assert_eq!(read("memory=256MiB => 512m"), Ok((from, to, false)));
        assert_eq!(read("cpus=+0.5"), Ok((None, Wanted::Plus { more: 0.5, up_to: None }, false)));
        assert_eq!(read("env.CACHE=+1"), Ok((None, Wanted::Value(json!("+1")), true)), "text stays text");
        assert_eq!(read("replicas=3"), Ok((None, Wanted::Value(json!(3)), true)));
        assert!(read("replicas=2.5").is_err() && read("memory=much").is_err());
        assert!(is_secret("env.DB_PASSWORD") && !is_secret("env.CACHE"));
    }
}
