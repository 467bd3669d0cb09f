//! From an alarm to messages: who is told, who is reminded, who hears of the end.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Timestamp;
use shared::order::{OrderId, ServiceName};

use super::super::fact::Fact;
use super::super::notification::alarm::{Alarm, AlarmSeverity, OpenAlarm, Scope};
use super::super::notification::channel::ChannelPolicy;
use super::super::notification::outbox::{MOST_WAITING, Queue};
use super::super::notification::wording::Scene;
use super::super::notification::{NAMED, Notification, NotificationKind, NotificationStatus};
use super::{Decided, Supervisor};

/// What a reminder is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Why {
    /// Its time has come.
    Due,
    /// It has become worse.
    Worse,
    /// Nothing that was sent has arrived, and that may be different now.
    Unheard,
}

impl Supervisor {
    /// Queues a message for every channel that is concerned and has not been told.
    pub(super) fn tell(&mut self, id: OrderId, now: Timestamp, decided: &mut Decided) {
        let policy = Arc::clone(&self.policy);
        for channel in &policy.notifications.channels {
            let Some(open) = self.state.notifications.open.get(&id).cloned() else { return };
            if !open.told.contains_key(&channel.name) && channel.hears(open.alarm.severity) {
                self.queue(&open.alarm, NotificationKind::Firing, channel, now, decided);
            }
        }
    }

    /// Queues a reminder for every channel that has been told, as far as that is what it is for.
    pub(super) fn tell_again(&mut self, id: OrderId, why: Why, now: Timestamp, decided: &mut Decided) {
        let policy = Arc::clone(&self.policy);
        for channel in &policy.notifications.channels {
            let Some(open) = self.state.notifications.open.get(&id).cloned() else { return };
            let Some(told) = open.told.get(&channel.name) else { continue };
            let is_waiting = self.waiting_for(channel).any(|one| one.incident_id == id);
            let is_wanted = match why {
                Why::Worse => true,
                Why::Due => !is_waiting && reminder(channel).is_some_and(|every| told.last_at + every <= now),
                Why::Unheard => !is_waiting && !told.has_arrived,
            };
            if is_wanted && channel.hears(open.alarm.severity) {
                self.queue(&open.alarm, NotificationKind::Reminder, channel, now, decided);
            }
        }
    }

    /// When somebody wants to be reminded of an alarm.
    pub(super) fn remind_later(&mut self, id: OrderId) {
        let Some(open) = self.state.notifications.open.get(&id) else { return };
        let now = self.notices.looked_at;
        let next = open.told.iter().filter_map(|(name, told)| {
            let every = reminder(self.policy.notifications.channel(name)?)?;
            let at = told.last_at + every;
            // One that was due and not sent: the message before still waits.
            Some(if at <= now { now + every } else { at })
        });
        if let Some(at) = next.min() {
            self.notices.reminders.insert((at, id));
        }
    }

    /// It is over: whoever knows of it is told, and what nobody knows of is not sent any more.
    pub(super) fn tell_the_end(&mut self, open: &OpenAlarm, now: Timestamp, decided: &mut Decided) {
        let policy = Arc::clone(&self.policy);
        for channel in &policy.notifications.channels {
            let Some(told) = open.told.get(&channel.name) else { continue };
            let mut has_arrived = told.has_arrived;
            let mut is_open = false;
            let is_of_it = |one: &&Arc<Notification>| one.incident_id == open.alarm.alarm_id;
            let waiting: Vec<_> = self.waiting_for(channel).filter(is_of_it).cloned().collect();
            for one in waiting {
                let is_under_way =
                    one.status == NotificationStatus::Sending && self.notices.sending.is_under_way(channel);
                if is_under_way || self.is_told_late(&open.alarm, now) {
                    is_open = true;
                } else {
                    has_arrived |= one.status == NotificationStatus::Sending;
                    self.settle_notification(
                        &one,
                        NotificationStatus::Cancelled,
                        "over before it was taken",
                        now,
                        decided,
                    );
                }
            }
            if channel.sends_resolved && (has_arrived || is_open) {
                let ended = Alarm { ended_at: Some(now), ..open.alarm.clone() };
                let resolved = self.message(&ended, NotificationKind::Resolved, channel, now);
                if let Some(resolved) = resolved {
                    self.enqueue(Notification { is_conditional: !has_arrived, ..resolved }, now, decided);
                }
            }
        }
    }

    /// That our own network was gone cannot be told before it is back, and is worth knowing nevertheless.
    fn is_told_late(&self, alarm: &Alarm, now: Timestamp) -> bool {
        alarm.scope == Scope::OwnNetwork && now >= alarm.since + self.policy.notifications.after
    }

    fn queue(
        &mut self,
        alarm: &Alarm,
        kind: NotificationKind,
        channel: &ChannelPolicy,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        if let Some(message) = self.message(alarm, kind, channel, now) {
            self.enqueue(message, now, decided);
        }
    }

    fn enqueue(&mut self, message: Notification, now: Timestamp, decided: &mut Decided) {
        let queue = self.state.notifications.queues.get(&message.channel);
        let full = queue.filter(|queue| queue.waiting.len() >= MOST_WAITING);
        if let Some(least) = full.and_then(Queue::least_needed).cloned() {
            self.settle_notification(
                &least,
                NotificationStatus::Dropped,
                "too many are waiting for this channel",
                now,
                decided,
            );
        }
        self.record(Fact::Notification(Box::new(message)), now, decided);
    }

    /// A message as it is queued; none when the channel is not concerned.
    pub(super) fn message(
        &self,
        alarm: &Alarm,
        kind: NotificationKind,
        channel: &ChannelPolicy,
        now: Timestamp,
    ) -> Option<Notification> {
        let down: Vec<ServiceName> =
            self.census.first_down(NAMED).map(|place| self.policy_of(place).name.clone()).collect();
        let scene = Scene { state: &self.state, down: &down, down_count: self.census.down(), now };
        let wording = scene.tell(alarm, kind, channel)?;
        let (id, name) = (alarm.alarm_id, &channel.name);
        let told = self.state.notifications.open.get(&id).and_then(|open| open.told.get(name));
        let number = told.map_or(0, |told| told.reminders) + 1;
        let notification_id = match kind {
            NotificationKind::Firing | NotificationKind::Resolved => format!("{id}_{}_{name}", kind.as_str()),
            NotificationKind::Reminder => format!("{id}_{}-{number}_{name}", kind.as_str()),
        };
        let service = alarm.services.first().filter(|_| alarm.scope == Scope::Service);
        Some(Notification {
            notification_id,
            channel: name.clone(),
            channel_kind: channel.kind,
            kind,
            incident_id: id,
            scope: alarm.scope,
            service: service.cloned(),
            services: wording.services,
            count: wording.count,
            severity: alarm.severity,
            former_severity: alarm.was_milder.then_some(AlarmSeverity::Warning),
            title: wording.title,
            text: wording.text,
            instance: alarm.instance.clone(),
            since: alarm.since,
            ended_at: alarm.ended_at,
            queued_at: now,
            status: NotificationStatus::Queued,
            attempts: 0,
            may_have_arrived: false,
            is_conditional: false,
            reason: None,
            next_at: None,
            settled_at: None,
        })
    }

    fn waiting_for(&self, channel: &ChannelPolicy) -> impl Iterator<Item = &Arc<Notification>> {
        self.state.notifications.queues.get(&channel.name).into_iter().flat_map(|queue| queue.waiting.iter())
    }

    pub(super) fn settle_notification(
        &mut self,
        one: &Notification,
        status: NotificationStatus,
        reason: &str,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let may_have_arrived = one.may_have_arrived || one.status == NotificationStatus::Sending;
        let settled = Notification {
            status,
            may_have_arrived,
            reason: Some(reason.to_owned()),
            next_at: None,
            settled_at: Some(now),
            ..one.clone()
        };
        self.record(Fact::Notification(Box::new(settled)), now, decided);
        if !may_have_arrived && one.kind != NotificationKind::Resolved {
            self.drop_pointless_end(one, now, decided);
        }
    }

    /// The end of something that the receiver has certainly never heard of is not told.
    fn drop_pointless_end(&mut self, unheard: &Notification, now: Timestamp, decided: &mut Decided) {
        let queue = self.state.notifications.queues.get(&unheard.channel);
        let waiting = queue.into_iter().flat_map(|queue| &queue.waiting);
        let of_it: Vec<_> = waiting.filter(|one| one.incident_id == unheard.incident_id).cloned().collect();
        if let [end] = of_it.as_slice()
            && end.is_conditional
        {
            self.settle_notification(
                end,
                NotificationStatus::Cancelled,
                "nothing of it had arrived",
                now,
                decided,
            );
        }
    }

    /// What waits for a channel that is no longer configured will never be sent.
    pub(super) fn cancel_what_nobody_gets(&mut self, now: Timestamp, decided: &mut Decided) {
        let queues = &self.state.notifications.queues;
        let gone = queues.iter().filter(|(name, _)| self.policy.notifications.channel(name).is_none());
        let gone: Vec<_> = gone.flat_map(|(_, queue)| queue.waiting.iter()).cloned().collect();
        // The newest first: an end that is pointless without its begin must not be settled twice.
        for one in gone.iter().rev() {
            self.settle_notification(
                one,
                NotificationStatus::Cancelled,
                "the channel is no longer configured",
                now,
                decided,
            );
        }
    }
}

/// Time between two reminders through a channel, if it has any.
fn reminder(channel: &ChannelPolicy) -> Option<Duration> {
    channel.reminder.filter(|_| !channel.kind.wants_renewals())
}
