//! Who is told, and what of: the receivers as the operator has configured them.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::order::ServiceName;

use super::alarm::AlarmSeverity;

/// The name of a channel: 1 to 32 lower-case letters, digits, `_` or `-`, beginning with a letter or digit. It is part
/// of identities and of labels.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// Checks the form of a name; the error says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, InvalidChannelName> {
        let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let well_formed = name.len() <= 32
            && name.bytes().next().is_some_and(is_word)
            && name.bytes().all(|b| is_word(b) || matches!(b, b'_' | b'-'));
        if well_formed { Ok(Self(name.into())) } else { Err(InvalidChannelName) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A name that no channel can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a channel's name is 1 to 32 lower-case letters, digits, '_' or '-' and begins with a letter or digit"
)]
pub struct InvalidChannelName;

impl TryFrom<String> for ChannelName {
    type Error = InvalidChannelName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<ChannelName> for String {
    fn from(name: ChannelName) -> Self {
        name.0.as_ref().into()
    }
}

impl fmt::Display for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ChannelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a channel speaks.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// Signed JSON.
    Webhook,
    /// Text that Slack, Mattermost and Rocket.Chat take.
    Slack,
    /// Alerts of the second version of Alertmanager's API.
    Alertmanager,
}

impl ChannelKind {
    /// Every kind, for what is counted by kind.
    pub const ALL: [Self; 3] = [Self::Webhook, Self::Slack, Self::Alertmanager];

    /// The word that configuration, API and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Webhook => "webhook",
            Self::Slack => "slack",
            Self::Alertmanager => "alertmanager",
        }
    }

    /// Whether an alert is over for it when it is not repeated; it needs no reminders.
    pub fn wants_renewals(self) -> bool {
        match self {
            Self::Webhook | Self::Slack => false,
            Self::Alertmanager => true,
        }
    }
}

/// How one receiver is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChannelPolicy {
    /// Its name.
    pub name: ChannelName,
    /// What it speaks.
    pub kind: ChannelKind,
    /// Services that it is told of, `*` standing for any letters; all when there is none.
    pub services: Vec<String>,
    /// Severities that it is told of; all when there is none.
    pub severities: Vec<AlarmSeverity>,
    /// Whether it is told of the end.
    pub sends_resolved: bool,
    /// Time between two reminders; none for no reminders.
    pub reminder: Option<Duration>,
    /// Whether our network has no part in reaching it.
    pub is_local: bool,
}

impl ChannelPolicy {
    /// Whether it is told of this service.
    pub fn is_about(&self, service: &ServiceName) -> bool {
        self.services.is_empty() || self.services.iter().any(|pattern| matches(pattern, service.as_str()))
    }

    /// Whether it is told of something this serious.
    pub fn hears(&self, severity: AlarmSeverity) -> bool {
        self.severities.is_empty() || self.severities.contains(&severity)
    }
}

/// Who is told, and when.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotificationPolicy {
    /// How long an incident lasts before anybody is told, unless a person is needed.
    pub after: Duration,
    /// The receivers; names are unique.
    pub channels: Vec<ChannelPolicy>,
}

/// The documented default: nobody is told.
impl Default for NotificationPolicy {
    fn default() -> Self {
        Self { after: Duration::from_secs(60), channels: Vec::new() }
    }
}

impl NotificationPolicy {
    /// The channel of this name.
    pub fn channel(&self, name: &ChannelName) -> Option<&ChannelPolicy> {
        self.channels.iter().find(|channel| channel.name == *name)
    }
}

/// Whether a name is of a pattern in which `*` stands for any letters.
fn matches(pattern: &str, name: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut left) = name.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_letters_and_for_none() {
        let cases = [
            ("web", "web", true),
            ("web", "web-1", false),
            ("web*", "web", true),
            ("web-*", "web-1", true),
            ("*-db", "orders-db", true),
            ("a*b*c", "a1b2c", true),
            ("a*b*b", "ab", false),
            ("*", "anything", true),
            ("web-*-1", "web-1", false),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn a_channel_is_named_by_a_lower_case_word() {
        for name in ["ops", "team_1", "0-ops"] {
            assert!(ChannelName::new(name).is_ok(), "{name}");
        }
        for name in ["", "Ops", "-ops", "a.b", &"a".repeat(33)] {
            assert!(ChannelName::new(name).is_err(), "{name}");
        }
    }
}
