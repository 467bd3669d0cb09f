//! What is told to people: one message to one receiver, from the decision to its end.

pub mod alarm;
mod applied;
pub mod channel;
pub mod outbox;
pub mod wording;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::{OrderId, ServiceName};

use alarm::{AlarmSeverity, Scope};
use channel::{ChannelKind, ChannelName, ChannelPolicy};

/// Services that a message names at most; of more it says how many there are.
pub const NAMED: usize = 5;

/// Why a message is sent.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationKind {
    /// Something is wrong. One for each alarm and receiver.
    Firing,
    /// It still is, or has become worse.
    Reminder,
    /// It is over.
    Resolved,
}

impl NotificationKind {
    /// Every kind, for what is counted by kind.
    pub const ALL: [Self; 3] = [Self::Firing, Self::Reminder, Self::Resolved];

    /// The word that API, messages and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Firing => "firing",
            Self::Reminder => "reminder",
            Self::Resolved => "resolved",
        }
    }
}

/// How far a message is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationStatus {
    /// It waits to be sent, for the first time or again.
    Queued,
    /// It is being sent. Recorded before, so that nothing is sent that is not on record.
    Sending,
    /// The receiver has taken it.
    Delivered,
    /// It will not be sent again: the receiver refuses it, or it has become too old.
    GivenUp,
    /// It had become pointless before it could be sent.
    Cancelled,
    /// Too many were waiting.
    Dropped,
}

impl NotificationStatus {
    /// The ends that a message can come to, for what is counted by outcome.
    pub const ENDS: [Self; 4] = [Self::Delivered, Self::GivenUp, Self::Cancelled, Self::Dropped];

    /// The word that API, documents and metrics use.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Sending => "sending",
            Self::Delivered => "delivered",
            Self::GivenUp => "given_up",
            Self::Cancelled => "cancelled",
            Self::Dropped => "dropped",
        }
    }

    /// Whether nothing more becomes of it.
    pub fn is_end(self) -> bool {
        match self {
            Self::Queued | Self::Sending => false,
            Self::Delivered | Self::GivenUp | Self::Cancelled | Self::Dropped => true,
        }
    }
}

/// One message to one receiver. What it says is settled when it is queued: however often it is sent, it is the same.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Notification {
    /// Identity: follows from alarm, kind and channel, so that a receiver can tell what it has had already.
    pub notification_id: String,
    /// Who gets it.
    #[schema(value_type = String)]
    pub channel: ChannelName,
    /// Of which kind that channel is.
    pub channel_kind: ChannelKind,
    /// Why it is sent.
    pub kind: NotificationKind,
    /// What it is about; the incident's identity where it is about one.
    #[schema(value_type = String, format = Uuid)]
    pub incident_id: OrderId,
    /// One service, several, or all.
    pub scope: Scope,
    /// Which service; null when it is about several or all.
    #[schema(value_type = Option<String>)]
    pub service: Option<ServiceName>,
    /// The first few services that are concerned.
    #[schema(value_type = Vec<String>)]
    pub services: Vec<ServiceName>,
    /// How many there are.
    pub count: usize,
    /// How serious it is.
    pub severity: AlarmSeverity,
    /// How serious it was before; null unless that has changed.
    #[serde(default)]
    pub former_severity: Option<AlarmSeverity>,
    /// What is wrong, in a few words.
    pub title: String,
    /// What is wrong, what the daemon does about it, or why it does nothing.
    pub text: String,
    /// Where the service is.
    pub instance: Option<String>,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// Until when; null while it lasts.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// When it was decided.
    #[schema(value_type = String, format = DateTime)]
    pub queued_at: Timestamp,
    /// How far it is.
    pub status: NotificationStatus,
    /// How often sending it was begun.
    pub attempts: u32,
    /// Whether an attempt may have reached the receiver although nobody has said so.
    pub may_have_arrived: bool,
    /// It is pointless unless what went before it, and was under way when it was decided, has arrived.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_conditional: bool,
    /// Why the last attempt failed, or why it was given up.
    pub reason: Option<String>,
    /// Nothing is sent through this channel before that.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub next_at: Option<Timestamp>,
    /// When it came to its end.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub settled_at: Option<Timestamp>,
}

impl Notification {
    /// A message that says nothing but that the channel works; `id` makes it differ from others.
    pub fn test(channel: &ChannelPolicy, id: OrderId, now: Timestamp) -> Self {
        Self {
            notification_id: format!("{id}_test_{}", channel.name),
            channel: channel.name.clone(),
            channel_kind: channel.kind,
            kind: NotificationKind::Firing,
            incident_id: id,
            scope: Scope::Test,
            service: None,
            services: Vec::new(),
            count: 0,
            severity: AlarmSeverity::Warning,
            former_severity: None,
            title: format!("Test of the channel {}", channel.name),
            text: "Somebody has asked health-monitor to send this. Nothing is wrong.".to_owned(),
            instance: None,
            since: now,
            ended_at: None,
            queued_at: now,
            status: NotificationStatus::Sending,
            attempts: 1,
            may_have_arrived: false,
            is_conditional: false,
            reason: None,
            next_at: None,
            settled_at: None,
        }
    }
}

/// What became of one attempt to deliver.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delivery {
    /// The receiver has taken it.
    Delivered,
    /// The receiver refuses it, and would again: a matter of configuration.
    Refused {
        /// What it answered.
        reason: String,
    },
    /// The receiver wants it later.
    Deferred {
        /// What it answered.
        reason: String,
        /// How much later, if it says so.
        after: Option<Duration>,
    },
    /// It was not taken.
    Failed {
        /// Why.
        reason: String,
        /// Whether the receiver may have had it nevertheless.
        may_have_arrived: bool,
    },
}
