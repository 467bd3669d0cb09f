//! Who is told of what: the channels of the file, and one of each kind from variables.

use std::collections::BTreeMap;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use shared::config::{Fault, Faults, Files, Group, HttpUrl, Member};

use super::seconds;
use crate::domain::network::is_local;
use crate::domain::notification::alarm::AlarmSeverity;
use crate::domain::notification::channel::{ChannelKind, ChannelName, ChannelPolicy, NotificationPolicy};
use crate::receivers::{Receiver, ReceiverSettings};

/// Longest pattern of a service: a name, and some stars.
const LONGEST_PATTERN: usize = 100;

/// Who is told of what, and where that goes.
pub(super) struct Told {
    pub(super) policy: NotificationPolicy,
    pub(super) receivers: BTreeMap<ChannelName, ReceiverSettings>,
}

/// A channel, and where its messages go.
type Channel = (ChannelPolicy, ReceiverSettings);

pub(super) fn build(root: &Group, files: &Files, faults: &mut Faults) -> Told {
    let members = root.members.get("notifications").map(Vec::as_slice).unwrap_or_default();
    let mut channels: Vec<Channel> =
        members.iter().filter_map(|member| of_the_file(member, files, faults)).collect();
    for (kind, key) in [
        (ChannelKind::Webhook, "NOTIFY_WEBHOOK_URL"),
        (ChannelKind::Slack, "NOTIFY_SLACK_URL"),
        (ChannelKind::Alertmanager, "NOTIFY_ALERTMANAGER_URL"),
    ] {
        if members.iter().any(|member| member.name == kind.as_str()) && root.url(key).is_some() {
            let reason = format!("names the channel {} that the file has too", kind.as_str());
            faults.push(root.fault(key, reason).suggesting(Some("give one of them another name".to_owned())));
        } else {
            channels.extend(of_a_variable(root, kind, key, faults));
        }
    }
    if root.secret("NOTIFY_WEBHOOK_SECRET").is_some() && root.url("NOTIFY_WEBHOOK_URL").is_none() {
        let fault =
            root.fault("NOTIFY_WEBHOOK_SECRET", "signs nothing, because NOTIFY_WEBHOOK_URL is not set");
        faults.push(fault);
    }
    let receivers =
        channels.iter().map(|(channel, receiver)| (channel.name.clone(), receiver.clone())).collect();
    let channels = channels.into_iter().map(|(channel, _)| channel).collect();
    Told { policy: NotificationPolicy { after: seconds(root, "NOTIFY_AFTER"), channels }, receivers }
}

fn of_a_variable(root: &Group, kind: ChannelKind, key: &str, faults: &mut Faults) -> Option<Channel> {
    let url = root.url(key)?;
    let secret = root.secret("NOTIFY_WEBHOOK_SECRET").filter(|_| kind == ChannelKind::Webhook).cloned();
    let receiver = ReceiverSettings { kind, url: url.expose().into(), secret };
    if let Err(invalid) = Receiver::new(&receiver) {
        // The URL has been read already.
        let key = if receiver.secret.is_some() { "NOTIFY_WEBHOOK_SECRET" } else { key };
        faults.push(root.fault(key, format!("its {invalid}")));
        return None;
    }
    let policy = ChannelPolicy {
        name: ChannelName::new(kind.as_str()).ok()?,
        kind,
        services: Vec::new(),
        severities: Vec::new(),
        sends_resolved: true,
        reminder: reminder(seconds(root, "NOTIFY_REMINDER")),
        is_local: is_on_this_host(url),
    };
    Some((policy, receiver))
}

fn of_the_file(member: &Member, files: &Files, faults: &mut Faults) -> Option<Channel> {
    let group = &member.group;
    let name = ChannelName::new(&member.name)
        .map_err(|error| {
            faults.push(Fault::new(&group.path, error.to_string()).from_origin(member.origin.clone()))
        })
        .ok();
    let kind = kind(member, faults);
    let url = url(member, files, faults);
    if let Some(url) =
        url.as_ref().filter(|url| kind == Some(ChannelKind::Alertmanager) && url.has_query_or_fragment())
    {
        let reason = format!("must be the address of the Alertmanager, without a query: {}", url.origin());
        faults.push(Fault::new(group.name_of("url"), reason).from_origin(member.origin.clone()));
        return None;
    }
    let secret = secret(group, files, faults);
    let services = patterns(group, faults);
    let severities = severities(group, faults);
    let (name, kind, url) = (name?, kind?, url?);
    if secret.as_ref().is_ok_and(Option::is_some) && kind != ChannelKind::Webhook {
        let key = if group.secret("secret").is_some() { "secret" } else { "secret_file" };
        faults.push(
            group.fault(key, format!("is for the kind webhook, and {name} is of the kind {}", kind.as_str())),
        );
        return None;
    }
    let is_local = is_on_this_host(&url);
    let receiver = ReceiverSettings { kind, url: url.expose().into(), secret: secret.ok()? };
    if let Err(invalid) = Receiver::new(&receiver) {
        let fault = Fault::new(&group.path, format!("its {invalid}"));
        faults.push(fault.from_origin(member.origin.clone()));
        return None;
    }
    let policy = ChannelPolicy {
        name,
        kind,
        services: services?,
        severities: severities?,
        sends_resolved: group.boolean("send_resolved"),
        reminder: reminder(seconds(group, "reminder")),
        is_local,
    };
    Some((policy, receiver))
}

fn reminder(every: Duration) -> Option<Duration> {
    // More often than once a minute would be no reminder.
    (!every.is_zero()).then_some(every.max(Duration::from_secs(1)))
}

fn is_on_this_host(url: &HttpUrl) -> bool {
    let url = reqwest::Url::parse(url.expose());
    url.is_ok_and(|url| url.host_str().is_some_and(is_local))
}

fn kind(member: &Member, faults: &mut Faults) -> Option<ChannelKind> {
    let group = &member.group;
    let known = ChannelKind::ALL.into_iter().find(|kind| Some(kind.as_str()) == group.text("kind"));
    if known.is_none() && !group.refused.contains("kind") {
        let fault = Fault::new(group.name_of("kind"), "is required: webhook, slack or alertmanager");
        faults.push(fault.from_origin(member.origin.clone()));
    }
    known
}

fn url(member: &Member, files: &Files, faults: &mut Faults) -> Option<HttpUrl> {
    let group = &member.group;
    match (group.url("url"), group.text("url_file")) {
        (Some(url), None) => Some(url.clone()),
        (None, Some(path)) => {
            let read = files.value(path).and_then(|text| HttpUrl::parse(text.expose_secret().trim()));
            read.map_err(|reason| faults.push(group.fault("url_file", reason))).ok()
        }
        (Some(_), Some(_)) => {
            faults.push(group.fault("url_file", "is set beside url, and one has to be chosen"));
            None
        }
        (None, None) => {
            if !group.refused.contains("url") {
                let fault = Fault::new(group.name_of("url"), "is required, or url_file");
                faults.push(fault.from_origin(member.origin.clone()));
            }
            None
        }
    }
}

/// The key, if there is one; nothing after a fault.
fn secret(group: &Group, files: &Files, faults: &mut Faults) -> Result<Option<SecretString>, ()> {
    match (group.secret("secret"), group.text("secret_file")) {
        (None, None) => Ok(None),
        (Some(secret), None) => Ok(Some(secret.clone())),
        (None, Some(path)) => match files.value(path) {
            Ok(text) => Ok(Some(text.expose_secret().trim().into())),
            Err(reason) => {
                faults.push(group.fault("secret_file", reason));
                Err(())
            }
        },
        (Some(_), Some(_)) => {
            faults.push(group.fault("secret_file", "is set beside secret, and one has to be chosen"));
            Err(())
        }
    }
}

fn patterns(group: &Group, faults: &mut Faults) -> Option<Vec<String>> {
    let patterns = group.words("services").map(<[String]>::to_vec).unwrap_or_default();
    let is_name = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'*');
    let wrong = patterns
        .iter()
        .find(|one| one.is_empty() || one.len() > LONGEST_PATTERN || !one.bytes().all(is_name));
    if let Some(wrong) = wrong {
        faults.push(
            group.fault("services", format!("{wrong:?} is no name of a service, nor one with * in it")),
        );
        return None;
    }
    Some(patterns)
}

fn severities(group: &Group, faults: &mut Faults) -> Option<Vec<AlarmSeverity>> {
    let words = group.words("severities").unwrap_or_default();
    let known = |word: &String| AlarmSeverity::ALL.into_iter().find(|one| one.as_str() == word);
    if let Some(wrong) = words.iter().find(|word| known(word).is_none()) {
        faults
            .push(group.fault("severities", format!("{wrong:?} is unknown: there are warning and critical")));
        return None;
    }
    Some(words.iter().filter_map(known).collect())
}
