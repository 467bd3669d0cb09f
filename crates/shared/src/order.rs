//! What a daemon may order a platform to do, and what the platform answers: plain data, no I/O.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;

/// The name of a watched service: 1 to 63 letters, digits, `.`, `_` or `-`, beginning with a letter or digit.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ServiceName(Arc<str>);

impl ServiceName {
    /// Checks the form of a name; the error says what is wrong with it.
    pub fn new(name: &str) -> Result<Self, InvalidServiceName> {
        let well_formed = name.len() <= 63
            && name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
        if well_formed { Ok(Self(name.into())) } else { Err(InvalidServiceName) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A service name that is empty, too long or has a character that is not allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a service name is 1 to 63 letters, digits, '.', '_' or '-' and begins with a letter or digit")]
pub struct InvalidServiceName;

impl TryFrom<String> for ServiceName {
    type Error = InvalidServiceName;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name)
    }
}

impl From<ServiceName> for String {
    fn from(name: ServiceName) -> Self {
        name.0.as_ref().into()
    }
}

impl fmt::Display for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ServiceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Identity of one order to a platform: time-ordered, unique, and the idempotency key towards the outside.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderId(Uuid);

impl OrderId {
    /// The identity of the order that is given at this moment under this number. The same moment and number
    /// give the same identity, so a pure decision can make it; the number must not repeat within a journal.
    pub fn at(moment: Timestamp, number: u64) -> Self {
        // RFC 9562, section 5.7: 48 bits of milliseconds, then bits that need only be unique. Two journals on
        // two machines can give the same number in the same millisecond, hence the microseconds are in too.
        let mut unique = [0_u8; 10];
        let micros = u16::try_from(moment.as_micros().rem_euclid(1_000)).unwrap_or(0);
        unique[..2].copy_from_slice(&micros.to_be_bytes());
        unique[2..].copy_from_slice(&number.to_be_bytes());
        Self(uuid::Builder::from_unix_timestamp_millis(moment.as_millis(), &unique).into_uuid())
    }

    /// When the order was given, to the millisecond.
    pub fn moment(self) -> Timestamp {
        // RFC 9562, section 5.7: the first 48 of 128 bits are milliseconds since 1970.
        let millis = i64::try_from(self.0.as_u128() >> 80).unwrap_or_default();
        Timestamp::from_micros(millis * 1_000)
    }

    /// A number that differs from order to order and looks random: for variation that must be reproducible.
    pub fn scatter(self) -> u64 {
        let (high, low) = self.0.as_u64_pair();
        // The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
        let mut x = high.rotate_left(32) ^ low;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
}

impl FromStr for OrderId {
    type Err = uuid::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

impl fmt::Display for OrderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What can be done to a target.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Stop the instance if it still runs, and start it again.
    Restart,
    /// Make the instance anew from its own configuration; the old one is kept until the verdict.
    Recreate,
    /// Change its configuration, variables or a file; what was before is kept until the verdict.
    UpdateConfiguration,
    /// Call somebody who may know more: a signed webhook.
    Webhook,
}

impl Action {
    /// Every action, mildest first.
    pub const ALL: [Self; 4] = [Self::Restart, Self::Recreate, Self::UpdateConfiguration, Self::Webhook];

    /// The word that API, logs and documents use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Restart => "restart",
            Self::Recreate => "recreate",
            Self::UpdateConfiguration => "update_configuration",
            Self::Webhook => "webhook",
        }
    }

    /// Whether another instance is the sign that it took effect.
    pub fn changes_instance(self) -> bool {
        match self {
            Self::Restart | Self::Recreate | Self::UpdateConfiguration => true,
            Self::Webhook => false,
        }
    }

    /// Whether what was there before is kept until the verdict, and then discarded or put back.
    pub fn keeps_previous(self) -> bool {
        match self {
            Self::Recreate | Self::UpdateConfiguration => true,
            Self::Restart | Self::Webhook => false,
        }
    }
}

/// By what means a service is reached for an action.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// The Docker Engine API.
    Docker,
    /// The API server of a Kubernetes cluster.
    Kubernetes,
    /// A signed HTTP call.
    Webhook,
    /// A program on this host.
    Command,
    /// Nothing: the service is only watched.
    None,
}

impl Backend {
    /// The word that configuration, API, logs and documents use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Kubernetes => "kubernetes",
            Self::Webhook => "webhook",
            Self::Command => "command",
            Self::None => "none",
        }
    }
}

/// Which thing an action is aimed at, as a person would name it. Holds no secret: it is recorded and shown.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Target {
    /// By what means.
    pub backend: Backend,
    /// Compose service or container name, workload, host of the webhook, program of the command; empty for none.
    pub name: String,
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.backend {
            Backend::None => f.write_str("none"),
            Backend::Docker | Backend::Kubernetes | Backend::Webhook | Backend::Command => {
                write!(f, "{}:{}", self.backend.as_str(), self.name)
            }
        }
    }
}

/// Which part of an action is ordered. Only actions that keep what was before have more than the first.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// The action itself.
    Act,
    /// The verdict is good: what was kept is discarded.
    Keep,
    /// The verdict is bad: what was kept is put back.
    Revert,
}

impl Stage {
    /// The word that logs use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Act => "act",
            Self::Keep => "keep",
            Self::Revert => "revert",
        }
    }
}

/// What there is of an order whose end is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// Nothing: all is as it was before.
    Untouched,
    /// It was begun and not finished.
    Partial,
    /// It was carried out.
    Complete,
}

/// A file that an action has changed, by the hashes (SHA-256, hexadecimal) of its content.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FileChange {
    /// Absolute.
    pub path: String,
    /// Of the version that is kept.
    pub previous: String,
    /// Of what was written. Another content is somebody else's, and is not overwritten.
    pub next: String,
}

/// One order to a platform. It is recorded before it is carried out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Order {
    /// Identity; receivers use it to drop a repetition.
    pub id: OrderId,
    /// When it was given.
    pub at: Timestamp,
    /// Which service it is for.
    pub service: ServiceName,
    /// What to do.
    pub action: Action,
    /// Which part of it.
    pub stage: Stage,
    /// The incident that it belongs to.
    pub incident_id: OrderId,
    /// The how-manieth attempt within the incident, from 1.
    pub attempt: u32,
    /// The file that the action has changed, as far as that is known.
    pub change: Option<FileChange>,
}

/// Why a target is to be as it is, as the platform tells it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Intent {
    /// Somebody rolls another version out, and it is on its way.
    RollingOut {
        /// How long that may take, in seconds.
        deadline_seconds: u64,
    },
    /// Nothing of it is to run.
    ScaledToZero,
    /// Its rollouts are held.
    Paused,
}

/// What a platform reports of a target.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Observed {
    /// Changes whenever the instance is another one than before (replaced or started anew); none where the
    /// platform cannot tell.
    pub identity: Option<String>,
    /// Whether the instance runs; none where the platform cannot tell.
    pub running: Option<bool>,
    /// Since when the present instance runs.
    pub started_at: Option<Timestamp>,
    /// The state in the platform's words, for a person: `exited (137)`.
    pub detail: Option<String>,
    /// Whether the instance is being replaced: what there is now is not yet what will be.
    #[serde(default)]
    pub in_transition: bool,
    /// Why it is to be left as it is, if somebody wants that.
    #[serde(default)]
    pub intent: Option<Intent>,
}

/// The target could not be looked at: what was tried, on what, why it failed, and what to do about it.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{reason}")]
pub struct Unreachable {
    /// A sentence for a person.
    pub reason: String,
}

/// How an order ended on the platform's side. Accepted is not recovered: the proof comes from probes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Performed {
    /// The platform says that it carried the order out, or will.
    Accepted,
    /// The same, and something is worth telling about how.
    AcceptedAs {
        /// A sentence for a person.
        how: String,
    },
    /// Certainly nothing happened: no connection, not found, not allowed. May be tried again later.
    NotRun {
        /// A sentence for a person.
        reason: String,
    },
    /// The platform tried and reports failure.
    Failed {
        /// A sentence for a person.
        reason: String,
    },
    /// Nobody knows whether it happened (the answer did not come in time). Never repeated blindly.
    Unknown {
        /// A sentence for a person.
        reason: String,
    },
    /// Somebody else came first, and nothing is left to do.
    Superseded {
        /// A sentence for a person.
        reason: String,
    },
}
