//! What is durable of the notifications: the alarms that last, what waits to be sent, and what became of the rest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::OrderId;

use super::alarm::{Alarm, OpenAlarm, Scope};
use super::channel::{ChannelKind, ChannelName};
use super::{Notification, NotificationKind, NotificationStatus};

/// Messages that wait for one channel at most.
pub const MOST_WAITING: usize = 200;
/// Channels that are remembered beside those that something waits for: twice as many as there can be.
const MOST_QUEUES: usize = 40;
/// Messages that have come to their end and are remembered.
pub const KEPT: usize = 500;
/// Alarms of services that are raised one by one within a minute; of more, one message tells.
pub const AT_ONCE: usize = 5;

/// Ends of messages by kind of channel, kind of message, and end.
type Counts = BTreeMap<ChannelKind, BTreeMap<NotificationKind, BTreeMap<NotificationStatus, u64>>>;

/// The durable state of all notifications.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Notifications {
    /// Alarms that last.
    pub open: BTreeMap<OrderId, Arc<OpenAlarm>>,
    /// Those among them that concern all services.
    pub of_all: BTreeMap<Scope, OrderId>,
    /// What waits, by channel.
    pub queues: BTreeMap<ChannelName, Queue>,
    /// What has come to its end, newest last.
    pub history: VecDeque<Arc<Notification>>,
    /// When alarms of services were last raised, newest last.
    pub raised: VecDeque<Timestamp>,
    /// How many came to which end.
    pub counts: Counts,
}

/// What waits for one channel.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Queue {
    /// The messages, oldest first.
    pub waiting: VecDeque<Arc<Notification>>,
    /// Attempts in a row that failed.
    pub failures: u32,
    /// Nothing is sent before that.
    pub not_before: Option<Timestamp>,
    /// Why the last attempt failed; none after one that did not.
    pub failing: Option<String>,
}

impl Notifications {
    /// Takes in that an alarm was raised, became worse, or is over.
    pub(in crate::domain) fn take_alarm(&mut self, alarm: &Alarm) {
        let id = alarm.alarm_id;
        if alarm.ended_at.is_some() {
            self.open.remove(&id);
            self.of_all.retain(|_, known| *known != id);
        } else if let Some(open) = self.open.get_mut(&id) {
            Arc::make_mut(open).alarm = alarm.clone();
        } else {
            let remaining = alarm.services.len();
            self.open
                .insert(id, Arc::new(OpenAlarm { alarm: alarm.clone(), remaining, told: BTreeMap::new() }));
            if alarm.scope.has_members() {
                if self.raised.len() == AT_ONCE {
                    self.raised.pop_front();
                }
                self.raised.push_back(alarm.raised_at);
            } else {
                self.of_all.insert(alarm.scope, id);
            }
        }
    }

    /// One of the services of an alarm is no longer in trouble.
    pub(in crate::domain) fn leave(&mut self, alarm: OrderId) {
        if let Some(open) = self.open.get_mut(&alarm) {
            let open = Arc::make_mut(open);
            open.remaining = open.remaining.saturating_sub(1);
        }
    }

    /// Our own network is back: whoever was out of reach may be in it again.
    pub(in crate::domain) fn reach_again(&mut self) {
        for queue in self.queues.values_mut() {
            queue.not_before = None;
        }
    }

    /// The settings may be others: what failed by those before says nothing.
    pub(in crate::domain) fn begin_anew(&mut self) {
        for queue in self.queues.values_mut() {
            *queue = Queue { waiting: std::mem::take(&mut queue.waiting), ..Queue::default() };
        }
        self.queues.retain(|_, queue| !queue.waiting.is_empty());
    }

    /// Takes in how far a message is.
    pub(in crate::domain) fn take(&mut self, at: Timestamp, notification: &Notification) {
        self.tell(at, notification);
        let queue = self.queues.entry(notification.channel.clone()).or_default();
        let known = |one: &Arc<Notification>| one.notification_id == notification.notification_id;
        let place = queue.waiting.iter().position(known);
        match (notification.status.is_end(), place) {
            (false, Some(place)) => queue.waiting[place] = Arc::new(notification.clone()),
            (false, None) => queue.waiting.push_back(Arc::new(notification.clone())),
            (true, Some(place)) => drop(queue.waiting.remove(place)),
            (true, None) => {}
        }
        queue.learn(notification);
        let is_forgotten = queue.waiting.is_empty()
            && matches!(notification.status, NotificationStatus::Cancelled | NotificationStatus::Delivered);
        if is_forgotten {
            self.queues.remove(&notification.channel);
        }
        if self.queues.len() > MOST_QUEUES {
            self.queues.retain(|_, queue| !queue.waiting.is_empty());
        }
        if notification.status.is_end() {
            let of_kind = self.counts.entry(notification.channel_kind).or_default();
            *of_kind.entry(notification.kind).or_default().entry(notification.status).or_default() += 1;
            if self.history.len() == KEPT {
                self.history.pop_front();
            }
            self.history.push_back(Arc::new(notification.clone()));
        }
    }

    /// What the alarm remembers of it.
    fn tell(&mut self, at: Timestamp, notification: &Notification) {
        let Some(open) = self.open.get_mut(&notification.incident_id) else { return };
        let open = Arc::make_mut(open);
        let told = open.told.entry(notification.channel.clone()).or_default();
        let has_arrived = notification.may_have_arrived;
        told.has_arrived |= has_arrived || notification.status == NotificationStatus::Delivered;
        match notification.status {
            NotificationStatus::Queued if notification.attempts == 0 => {
                told.last_at = at;
                told.reminders += u32::from(notification.kind == NotificationKind::Reminder);
            }
            // Nobody has been told, so that the channel can be told when it is there again.
            NotificationStatus::Cancelled if !told.has_arrived => {
                open.told.remove(&notification.channel);
            }
            NotificationStatus::Queued
            | NotificationStatus::Sending
            | NotificationStatus::Delivered
            | NotificationStatus::GivenUp
            | NotificationStatus::Cancelled
            | NotificationStatus::Dropped => {}
        }
    }

    /// How many came to this end.
    pub fn count(&self, channel: ChannelKind, kind: NotificationKind, end: NotificationStatus) -> u64 {
        let by_end = self.counts.get(&channel).and_then(|by_kind| by_kind.get(&kind));
        by_end.and_then(|by_end| by_end.get(&end)).copied().unwrap_or_default()
    }

    /// Whether there is nothing that anybody would have to see to.
    pub fn is_idle(&self) -> bool {
        self.open.is_empty() && self.queues.values().all(|queue| queue.waiting.is_empty())
    }
}

impl Queue {
    /// What the end of an attempt says of the channel.
    fn learn(&mut self, notification: &Notification) {
        match notification.status {
            NotificationStatus::Delivered => {
                *self = Self { waiting: std::mem::take(&mut self.waiting), ..Self::default() };
            }
            NotificationStatus::Queued if notification.attempts > 0 => {
                self.failures = self.failures.saturating_add(1);
                self.not_before = notification.next_at;
                self.failing.clone_from(&notification.reason);
            }
            // The next message may fare better.
            NotificationStatus::GivenUp => {
                self.failures = 0;
                self.not_before = None;
                self.failing.clone_from(&notification.reason);
            }
            NotificationStatus::Queued
            | NotificationStatus::Sending
            | NotificationStatus::Cancelled
            | NotificationStatus::Dropped => {}
        }
    }

    /// The message that is sent next: the one that was tried least, so that one that a receiver chokes on holds up no
    /// other; of one alarm always the oldest.
    pub fn next(&self) -> Option<&Arc<Notification>> {
        let is_first = |place: usize, one: &Notification| {
            !self.waiting.iter().take(place).any(|before| before.incident_id == one.incident_id)
        };
        let first = self.waiting.iter().enumerate().filter(|(place, one)| is_first(*place, one));
        first.min_by_key(|(place, one)| (one.attempts, *place)).map(|(_, one)| one)
    }

    /// The message that gives way when too many wait: the oldest reminder; else the oldest that nobody knows of yet;
    /// else the oldest. One that is being sent stays.
    pub fn least_needed(&self) -> Option<&Arc<Notification>> {
        let rank = |kind| match kind {
            NotificationKind::Reminder => 0,
            NotificationKind::Firing => 1,
            NotificationKind::Resolved => 2,
        };
        let idle = self.waiting.iter().filter(|one| one.status == NotificationStatus::Queued);
        idle.min_by_key(|one| rank(one.kind))
    }
}
