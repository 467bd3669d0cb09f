//! The actions of platforms that services have in place of published settings.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;
use shared::config::{Fault, Faults, Group, HttpUrl, Member};
use shared::order::{Backend, Target};

use crate::domain::play::{Play, Playbook, Want, Wanted};
use crate::domain::recommendation::Kind;
use crate::platforms::{Action, ActionKey, CommandMeans, Means, WebhookMeans, scalar};

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
            let Some((play, action)) = action(&service.name, &member.group, faults) else { continue };
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

fn action(service: &str, group: &Group, faults: &mut Faults) -> Option<(Play, Action)> {
    let wants = wants(group, faults);
    let made = match group.text("backend") {
        Some("webhook") => webhook(group),
        Some("command") => command(group),
        Some(_) | None => Err(("backend", "is required: webhook or command".to_owned())),
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
    if let Some(reason) = is_impossible(&wants, can_look) {
        faults.push(group.fault("set", reason));
        return None;
    }
    // The target names the service too, as one receiver may have many.
    let target = Target { name: format!("{target}/{service}"), ..backend_of(&means) };
    Some((Play { target: target.clone(), wants }, Action { target, means, timeout }))
}

fn backend_of(means: &Means) -> Target {
    let backend = match means {
        Means::Webhook(_) => Backend::Webhook,
        Means::Command(_) => Backend::Command,
    };
    Target { backend, name: String::new() }
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

fn is_impossible(wants: &[Want], can_look: bool) -> Option<String> {
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
    let wants: Result<Vec<_>, _> = words.iter().map(|word| want(word)).collect();
    wants.map_err(|reason| faults.push(group.fault("set", reason))).ok()
}

/// Reads `KEY=NEW`, `KEY=OLD => NEW`; NEW may be `+N` or `xN`, with `up to N` behind.
fn want(word: &str) -> Result<Want, String> {
    let wrong = || {
        format!(
            "has {word:?}; write KEY=VALUE, KEY=OLD => VALUE, or a step from what it is: KEY=+1 up to 4, KEY=x2 up to 8"
        )
    };
    let (key, value) = word.split_once('=').ok_or_else(wrong)?;
    let key = key.trim();
    let (from, to) = match value.split_once("=>") {
        Some((from, to)) => (Some(scalar(from.trim())), to.trim()),
        None => (None, value.trim()),
    };
    if key.is_empty() || to.is_empty() {
        return Err(wrong());
    }
    let (step, up_to) = match to.split_once(" up to ") {
        Some((step, up_to)) => (step, Some(number(up_to).ok_or_else(wrong)?)),
        None => (to, None),
    };
    let more = step.strip_prefix('+').and_then(number);
    let factor = step.strip_prefix('x').and_then(number);
    let to = match (more, factor) {
        (Some(more), _) => Wanted::Plus { more, up_to },
        (None, Some(factor)) => Wanted::Times { factor, up_to },
        (None, None) if up_to.is_some() => return Err(wrong()),
        (None, None) => Wanted::Value(scalar(to)),
    };
    let is_whole = matches!(&from, Some(Value::Number(number)) if number.is_i64());
    Ok(Want { key: key.to_owned(), from, to, is_whole })
}

/// A number of a step; never one that makes less of it or nothing.
fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok().filter(|number: &f64| number.is_finite() && *number > 0.0)
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
            from,
            to,
        };
        assert_eq!(want("cache=on").unwrap(), plain("cache", None, Wanted::Value(json!("on"))));
        assert_eq!(
            want("cache=off => on").unwrap(),
            plain("cache", Some(json!("off")), Wanted::Value(json!("on")))
        );
        assert_eq!(
            want("replicas=+1 up to 4").unwrap(),
            plain("replicas", None, Wanted::Plus { more: 1.0, up_to: Some(4.0) })
        );
        assert_eq!(
            want("replicas=2 => x2").unwrap(),
            plain("replicas", Some(json!(2)), Wanted::Times { factor: 2.0, up_to: None })
        );
        for wrong in ["cache", "=on", "cache=", "replicas=+1 up to none", "replicas=3 up to 4"] {
            assert!(want(wrong).unwrap_err().contains("write KEY=VALUE"), "{wrong}");
        }
    }
}
