//! From a message to its end: one at a time through each channel, again until it is taken.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use shared::backoff::Backoff;
use shared::clock::Timestamp;

use super::super::fact::Fact;
use super::super::notification::alarm::{OpenAlarm, Scope};
use super::super::notification::channel::{ChannelName, ChannelPolicy};
use super::super::notification::{Delivery, Notification, NotificationKind, NotificationStatus};
use super::super::schedule::{fraction, hash};
use super::{Decided, Supervisor, Work};

/// Waits between attempts through a channel that fails.
const BACKOFF: Backoff = Backoff { first: Duration::from_secs(5), longest: Duration::from_secs(300) };
/// A receiver that asks for more patience than this gets this much.
const LONGEST_DEFERRAL: Duration = Duration::from_secs(3_600);
/// What could not be delivered for so long is of no use any more.
const OLDEST: Duration = Duration::from_secs(86_400);
/// An attempt that has not come back after this was lost; one takes 10 s at most.
const LOST: Duration = Duration::from_secs(60);
/// What wants to be renewed is renewed so often; an alert says of itself that it lasts five minutes more.
const RENEW_EVERY: Duration = Duration::from_secs(60);

/// What is under way. In memory only: after a restart whatever was being sent is sent again, under the same identity.
#[derive(Debug, Default)]
pub(super) struct Sending {
    /// Channels that an attempt is under way through, until when it must have come back.
    under_way: BTreeMap<ChannelName, Attempt>,
    /// When each channel that wants it was last told of everything that lasts.
    renewed_at: BTreeMap<ChannelName, Timestamp>,
    /// Why the last renewal failed, of channels whose did.
    pub(super) unrenewed: Arc<BTreeMap<ChannelName, String>>,
}

/// An attempt that is under way.
#[derive(Clone, Copy, Debug)]
struct Attempt {
    /// It must have come back by then.
    until: Timestamp,
    is_renewal: bool,
}

impl Sending {
    /// Whether an attempt is under way through a channel.
    pub(super) fn is_under_way(&self, channel: &ChannelPolicy) -> bool {
        self.under_way.contains_key(&channel.name)
    }
}

impl Supervisor {
    /// The next message of every channel that is free.
    pub(super) fn send_what_waits(&mut self, now: Timestamp, decided: &mut Decided) {
        let policy = Arc::clone(&self.policy);
        self.notices.sending.under_way.retain(|_, attempt| now < attempt.until);
        for channel in &policy.notifications.channels {
            if !self.is_within_reach(channel) || self.notices.sending.is_under_way(channel) {
                continue;
            }
            if let Some(next) = self.next_of(channel, now, decided) {
                self.send(&next, now, decided);
            } else if self.renewal_at(channel).is_some_and(|at| at <= now) {
                self.renew(channel, now, decided);
            }
        }
    }

    /// While our own network is gone, what needs it is held: nobody could tell a receiver's fault from ours.
    fn is_within_reach(&self, channel: &ChannelPolicy) -> bool {
        channel.is_local || self.state.fleet.isolation.is_none()
    }

    /// The message to send now, if there is one; those that have become too old are given up.
    fn next_of(
        &mut self,
        channel: &ChannelPolicy,
        now: Timestamp,
        decided: &mut Decided,
    ) -> Option<Arc<Notification>> {
        loop {
            let queue = self.state.notifications.queues.get(&channel.name)?;
            if queue.not_before.is_some_and(|at| now < at) {
                return None;
            }
            let next = Arc::clone(queue.next()?);
            if now < next.queued_at + OLDEST {
                return Some(next);
            }
            let last = next.reason.as_deref().unwrap_or("it was never tried");
            let reason = format!("not taken within {} h: {last}", OLDEST.as_secs() / 3_600);
            self.settle_notification(&next, NotificationStatus::GivenUp, &reason, now, decided);
        }
    }

    /// Records the attempt, then has it made.
    fn send(&mut self, next: &Notification, now: Timestamp, decided: &mut Decided) {
        let sending = Notification {
            status: NotificationStatus::Sending,
            attempts: next.attempts + 1,
            // An attempt whose end nobody knows: we were interrupted.
            may_have_arrived: next.may_have_arrived || next.status == NotificationStatus::Sending,
            next_at: None,
            ..next.clone()
        };
        self.notices
            .sending
            .under_way
            .insert(sending.channel.clone(), Attempt { until: now + LOST, is_renewal: false });
        self.record(Fact::Notification(Box::new(sending.clone())), now, decided);
        decided.work.push(Work::Notify(Box::new(sending)));
    }

    /// An attempt has come back.
    pub(super) fn notified(
        &mut self,
        channel: &ChannelName,
        id: &str,
        delivery: Delivery,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let queue = self.state.notifications.queues.get(channel);
        let known =
            queue.and_then(|queue| queue.waiting.iter().find(|one| one.notification_id == id)).cloned();
        let Some(sent) = known.filter(|one| one.status == NotificationStatus::Sending) else { return };
        self.notices.sending.under_way.remove(channel);
        let one = Notification { status: NotificationStatus::Queued, ..Notification::clone(&sent) };
        match delivery {
            Delivery::Delivered => {
                let done = Notification {
                    status: NotificationStatus::Delivered,
                    reason: None,
                    settled_at: Some(now),
                    ..one
                };
                self.record(Fact::Notification(Box::new(done)), now, decided);
            }
            Delivery::Refused { reason } => {
                self.settle_notification(&one, NotificationStatus::GivenUp, &reason, now, decided);
            }
            Delivery::Deferred { reason, after } => {
                let wait = after.map_or_else(|| self.back_off_of(&one), |after| after.min(LONGEST_DEFERRAL));
                self.try_again(
                    Notification { reason: Some(reason), next_at: Some(now + wait), ..one },
                    now,
                    decided,
                );
            }
            Delivery::Failed { reason, may_have_arrived } => {
                let next_at = Some(now + self.back_off_of(&one));
                let may_have_arrived = one.may_have_arrived || may_have_arrived;
                self.try_again(
                    Notification { reason: Some(reason), next_at, may_have_arrived, ..one },
                    now,
                    decided,
                );
            }
        }
    }

    /// What was not taken is sent again later, unless it is over meanwhile.
    fn try_again(&mut self, one: Notification, now: Timestamp, decided: &mut Decided) {
        let is_over = !self.state.notifications.open.contains_key(&one.incident_id);
        let is_of_use = one.kind == NotificationKind::Resolved || one.scope == Scope::OwnNetwork || !is_over;
        let reason = one.reason.clone().unwrap_or_default();
        self.record(Fact::Notification(Box::new(one.clone())), now, decided);
        if !is_of_use {
            self.settle_notification(
                &one,
                NotificationStatus::Cancelled,
                &format!("over meanwhile: {reason}"),
                now,
                decided,
            );
        }
    }

    fn back_off_of(&self, one: &Notification) -> Duration {
        let failures = self.state.notifications.queues.get(&one.channel).map_or(0, |queue| queue.failures);
        BACKOFF.after(failures + 1, fraction(hash(&(&one.notification_id, one.attempts))))
    }

    /// When a channel that wants it is told again of everything that lasts.
    fn renewal_at(&self, channel: &ChannelPolicy) -> Option<Timestamp> {
        let last = self.notices.sending.renewed_at.get(&channel.name);
        let at = last.map_or(Timestamp::default(), |last| *last + RENEW_EVERY);
        (channel.kind.wants_renewals() && !self.state.notifications.open.is_empty()).then_some(at)
    }

    fn alarms_of(&self, channel: &ChannelPolicy) -> impl Iterator<Item = &Arc<OpenAlarm>> {
        self.state.notifications.open.values().filter(|open| open.told.contains_key(&channel.name))
    }

    fn renew(&mut self, channel: &ChannelPolicy, now: Timestamp, decided: &mut Decided) {
        let alarms = self.alarms_of(channel).filter(|open| channel.hears(open.alarm.severity));
        let lasting =
            alarms.filter_map(|open| self.message(&open.alarm, NotificationKind::Firing, channel, now));
        let lasting: Vec<Notification> = lasting.collect();
        self.notices.sending.renewed_at.insert(channel.name.clone(), now);
        if !lasting.is_empty() {
            self.notices
                .sending
                .under_way
                .insert(channel.name.clone(), Attempt { until: now + LOST, is_renewal: true });
            decided.work.push(Work::Renew { channel: channel.name.clone(), lasting });
        }
    }

    /// A renewal has come back; one that failed is made again when the next is due.
    pub(super) fn renewed(&mut self, channel: &ChannelName, delivery: Delivery) {
        let sending = &mut self.notices.sending;
        if sending.under_way.get(channel).is_some_and(|attempt| attempt.is_renewal) {
            sending.under_way.remove(channel);
        }
        match delivery {
            Delivery::Delivered if sending.unrenewed.contains_key(channel) => {
                Arc::make_mut(&mut sending.unrenewed).remove(channel);
            }
            Delivery::Delivered => {}
            Delivery::Refused { reason }
            | Delivery::Deferred { reason, .. }
            | Delivery::Failed { reason, .. } => {
                Arc::make_mut(&mut sending.unrenewed).insert(channel.clone(), reason);
            }
        }
    }

    /// When a channel has something to send without any event.
    pub(super) fn next_sending(&self) -> Option<Timestamp> {
        let reachable =
            self.policy.notifications.channels.iter().filter(|channel| self.is_within_reach(channel));
        let next = |channel: &ChannelPolicy| {
            if let Some(attempt) = self.notices.sending.under_way.get(&channel.name) {
                return Some(attempt.until);
            }
            let queue =
                self.state.notifications.queues.get(&channel.name).filter(|queue| !queue.waiting.is_empty());
            queue.and_then(|queue| queue.not_before).into_iter().chain(self.renewal_at(channel)).min()
        };
        reachable.filter_map(next).min()
    }
}
