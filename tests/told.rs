//! Those who are told, as the world has them: what they get, how they answer, and what must hold of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use health_monitor::domain::fact::Fact;
use health_monitor::domain::notification::alarm::Alarm;
use health_monitor::domain::notification::channel::{ChannelKind, ChannelName, ChannelPolicy};
use health_monitor::domain::notification::outbox::MOST_WAITING;
use health_monitor::domain::notification::{Delivery, Notification, NotificationKind, NotificationStatus};
use shared::clock::Timestamp;
use shared::order::OrderId;

use crate::world::World;

/// How a receiver answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnMessage {
    /// Takes it.
    #[default]
    Takes,
    /// Refuses it, as one does who does not know us.
    Refuses,
    /// Has a fault of its own.
    Fails,
    /// Wants it later.
    IsBusy,
    /// Cannot be reached.
    IsGone,
    /// Takes it, and says nothing.
    TakesSilently,
    /// Says nothing, and has not taken it.
    LosesIt,
}

/// A receiver.
#[derive(Clone, Debug, Default)]
pub struct Receiver {
    /// How it answers.
    pub answers: OnMessage,
    /// What it has taken.
    taken: Vec<(Timestamp, Notification)>,
}

/// What the world remembers of all messages.
#[derive(Default)]
pub struct Telling {
    /// Those who are told, by channel.
    pub receivers: BTreeMap<ChannelName, Receiver>,
    /// What each message says, and how it ended.
    known: BTreeMap<String, (Notification, Option<NotificationStatus>)>,
    firing: BTreeMap<(OrderId, ChannelName), String>,
    /// Who was sent anything of which alarm.
    sent: BTreeSet<(OrderId, ChannelName)>,
    /// Who has to be told of the end of what.
    owed: BTreeSet<(OrderId, ChannelName)>,
}

/// A channel that hears everything.
pub fn channel(name: &str, kind: ChannelKind) -> ChannelPolicy {
    ChannelPolicy {
        name: ChannelName::new(name).unwrap_or_else(|error| panic!("{name}: {error}")),
        kind,
        services: Vec::new(),
        severities: Vec::new(),
        sends_resolved: true,
        reminder: Some(Duration::from_secs(1_800)),
        is_local: false,
    }
}

/// What a message says, without how far it is.
fn content(notification: &Notification) -> Notification {
    Notification {
        status: NotificationStatus::Queued,
        attempts: 0,
        may_have_arrived: false,
        is_conditional: false,
        reason: None,
        next_at: None,
        settled_at: None,
        ..notification.clone()
    }
}

impl World {
    /// A message is sent: gives what becomes of it, and after how long.
    pub(super) fn be_told(&mut self, notification: &Notification) -> (Delivery, Duration) {
        self.must_be_on_record(notification);
        let needs_network =
            self.policy.notifications.channel(&notification.channel).is_none_or(|one| !one.is_local);
        let key = (notification.incident_id, notification.channel.clone());
        match notification.kind {
            NotificationKind::Firing | NotificationKind::Reminder => drop(self.telling.sent.insert(key)),
            NotificationKind::Resolved => {
                assert!(
                    self.telling.sent.contains(&key),
                    "the end of what nobody was sent: {notification:#?}"
                );
            }
        }
        let now = self.now;
        let receiver = self.telling.receivers.entry(notification.channel.clone()).or_default();
        let (quick, slow) = (Duration::from_millis(30), Duration::from_secs(10));
        let failed =
            |reason: &str, may_have_arrived| Delivery::Failed { reason: reason.into(), may_have_arrived };
        if self.is_cut_off && needs_network {
            return (failed("no route to host", false), quick);
        }
        let taken = (now, content(notification));
        match receiver.answers {
            OnMessage::Takes => {
                receiver.taken.push(taken);
                (Delivery::Delivered, quick)
            }
            OnMessage::Refuses => (Delivery::Refused { reason: "answered 403".into() }, quick),
            OnMessage::Fails => (failed("answered 500", true), quick),
            OnMessage::IsBusy => {
                let after = Some(Duration::from_secs(120));
                (Delivery::Deferred { reason: "answered 429".into(), after }, quick)
            }
            OnMessage::IsGone => (failed("connection refused", false), quick),
            OnMessage::TakesSilently => {
                receiver.taken.push(taken);
                (failed("no answer within 10 s", true), slow)
            }
            OnMessage::LosesIt => (failed("no answer within 10 s", true), slow),
        }
    }

    /// Only what lasts is told again.
    pub(super) fn must_last(&self, alerts: &[Notification]) {
        let Some(state) = self.state() else { return };
        for one in alerts {
            let is_open = state.notifications.open.contains_key(&one.incident_id);
            assert!(is_open, "told again although it is over: {one:#?}");
        }
    }

    /// Record before act, also of what is only said.
    fn must_be_on_record(&self, notification: &Notification) {
        let id = &notification.notification_id;
        let is_recorded = self.journal.iter().rev().take(500).any(|(_, document)| {
            document.contains(id.as_str()) && document.contains(r#""status":"sending""#)
        });
        assert!(is_recorded, "{id} was sent before it was recorded");
        let (known, _) = &self.telling.known[id];
        assert_eq!(*known, content(notification), "{id} says something else than before");
    }

    /// What must hold of every recorded message.
    pub(super) fn must_tell_rightly(&mut self, fact: &Fact) {
        if let Fact::Alarm(alarm) = fact {
            self.must_be_owed(alarm);
        }
        let Fact::Notification(one) = fact else { return };
        let id = one.notification_id.clone();
        let key = (one.incident_id, one.channel.clone());
        if one.status == NotificationStatus::Queued && one.attempts == 0 {
            let before = self.telling.known.get(&id).and_then(|(_, end)| *end);
            let is_new =
                !self.telling.known.contains_key(&id) || before == Some(NotificationStatus::Cancelled);
            assert!(is_new, "{id} is queued twice");
            if one.kind == NotificationKind::Firing {
                let first = self.telling.firing.entry(key.clone()).or_insert_with(|| id.clone());
                assert_eq!(*first, id, "two firing identities");
            }
            self.telling.known.insert(id.clone(), (content(one), None));
        }
        if one.status.is_end() {
            let known = self.telling.known.get_mut(&id).unwrap_or_else(|| panic!("{id} was never queued"));
            assert!(known.1.is_none(), "{id} ended twice: {known:?}, then {one:?}");
            known.1 = Some(one.status);
            let is_said = one.status == NotificationStatus::Delivered || one.reason.is_some();
            assert!(is_said, "{id} ended without a reason");
        }
    }

    /// Nothing grows without bound.
    pub(super) fn must_stay_few(&self) {
        let Some(state) = self.state() else { return };
        for (channel, queue) in &state.notifications.queues {
            assert!(
                queue.waiting.len() <= MOST_WAITING + 1,
                "{channel}: {} are waiting",
                queue.waiting.len()
            );
        }
        for (name, service) in state.services.iter() {
            let known = service.alarm.map(|alarm| state.notifications.open.contains_key(&alarm));
            assert!(known != Some(false), "{name} belongs to an alarm that is over");
        }
    }

    /// When nothing is wrong any more: whoever has heard of something has heard of its end, and nothing waits.
    pub fn check_that_everything_was_told(&self) {
        let Some(state) = self.state() else { return };
        assert!(state.notifications.is_idle(), "something is still told: {:#?}", state.notifications);
        for (incident_id, channel) in &self.telling.owed {
            let is_end = |(other, end): &&(Notification, Option<NotificationStatus>)| {
                let is_of_it = other.incident_id == *incident_id && other.channel == *channel;
                is_of_it && other.kind == NotificationKind::Resolved && end.is_some()
            };
            let is_told = self.telling.known.values().any(|known| is_end(&known));
            assert!(is_told, "{channel} was never told the end of {incident_id}");
        }
    }

    /// An alarm is over: whoever has heard of it is to be told.
    fn must_be_owed(&mut self, alarm: &Alarm) {
        let told = self.policy.notifications.channels.iter().filter(|one| one.sends_resolved);
        for channel in told.filter(|_| alarm.ended_at.is_some()) {
            let taken =
                self.telling.receivers.get(&channel.name).map(|one| &one.taken[..]).unwrap_or_default();
            if taken.iter().any(|(_, one)| one.incident_id == alarm.alarm_id) {
                self.telling.owed.insert((alarm.alarm_id, channel.name.clone()));
            }
        }
    }

    /// The messages that a channel has taken, a line each.
    pub fn taken(&self, channel: &str) -> Vec<String> {
        let name = ChannelName::new(channel).unwrap_or_else(|error| panic!("{channel}: {error}"));
        let taken = self.telling.receivers.get(&name).map(|receiver| &receiver.taken[..]).unwrap_or_default();
        taken
            .iter()
            .map(|(_, one)| format!("{} {}: {}", one.kind.as_str(), one.severity.as_str(), one.title))
            .collect()
    }
}

/// An alarm as a line.
pub fn alarm(alarm: &Alarm) -> String {
    let of: Vec<&str> = alarm.services.iter().map(|service| service.as_str()).collect();
    let of = if of.is_empty() { String::new() } else { format!(" of {}", of.join(", ")) };
    let what = if alarm.ended_at.is_some() { "over" } else { alarm.severity.as_str() };
    format!("alarm: {}{of} {what}", alarm.scope.as_str())
}

/// A message as a line.
pub fn notification(one: &Notification) -> String {
    let what = format!("{} to {}", one.kind.as_str(), one.channel);
    let reason = one.reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    match one.status {
        NotificationStatus::Queued if one.attempts == 0 => {
            format!("{what} queued, {}: {}. {}", one.severity.as_str(), one.title, one.text)
        }
        NotificationStatus::Queued => {
            let next = one.next_at.map(crate::describe::moment).unwrap_or_default();
            format!("{what} not taken{reason}; again at {next}")
        }
        NotificationStatus::Sending => format!("{what} attempt {}", one.attempts),
        NotificationStatus::Delivered
        | NotificationStatus::GivenUp
        | NotificationStatus::Cancelled
        | NotificationStatus::Dropped => format!("{what} {}{reason}", one.status.as_str()),
    }
}
