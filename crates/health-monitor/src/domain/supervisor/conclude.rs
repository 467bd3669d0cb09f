//! The end of an action that keeps what was before: discarded after a good verdict, put back after a bad one.
//!
//! Each of these is an order of its own, recorded before it is given. The platform does what is missing, so that an
//! order whose end is not known is given again.

use std::time::Duration;

use shared::clock::Timestamp;
use shared::order::{Observed, Order, OrderId, Performed, Stage, Standing, Unreachable};

use super::super::fact::Fact;
use super::super::incident::Incident;
use super::super::recovery::{Outcome, Phase, Recovery};
use super::verify::joined;
use super::{Decided, Supervisor, Work};

/// Tries to discard or put back, before a person has to.
const MOST_TRIES: u32 = 20;
/// Tries that did not reach the platform count only up to here, where the pauses are longest: however long it is away,
/// enough tries are left for when it is back.
const MOST_UNREACHED: u32 = 12;
/// Pause after the first try that went wrong, and the longest between two.
const PAUSES: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(60));
/// How often a platform that does not answer is asked what there is of an order.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// After this long what there is of an order is taken for a part of it, and is put back.
const LOOK_FOR: Duration = Duration::from_secs(600);

/// A look at what there is of an order whose end is not known. In memory only: after a restart it begins anew.
#[derive(Clone, Debug)]
pub(super) struct Look {
    since: Timestamp,
    /// When the platform is asked again; none while it is being asked.
    next: Option<Timestamp>,
    /// Why the end of the order is not known.
    why: String,
}

impl Look {
    /// The next moment at which time decides something about it.
    pub(super) fn deadline(&self) -> Timestamp {
        let over = self.since + LOOK_FOR;
        self.next.map_or(over, |next| next.min(over))
    }
}

impl Supervisor {
    /// The order of a recovery at this stage.
    pub(super) fn order_of(recovery: &Recovery, stage: Stage, now: Timestamp) -> Order {
        Order {
            id: recovery.recovery_id,
            at: now,
            service: recovery.service.clone(),
            action: recovery.action,
            stage,
            incident_id: recovery.incident_id,
            attempt: recovery.attempt,
            change: recovery.change.clone(),
        }
    }

    /// What was under way when the daemon was interrupted. It may be with the platform still, and when it was only
    /// our host that slept its answer may come yet, so the platform is left a moment.
    pub(super) fn interrupted_midway(
        &mut self,
        service: usize,
        recovery: Recovery,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        if recovery.phase == Phase::Concluding {
            let waiting = Recovery { conclude_at: Some(now + LOOK_EVERY), ..recovery };
            self.record(Fact::Recovery(Box::new(waiting)), now, decided);
        } else {
            let why = "the monitor was interrupted while acting".to_owned();
            self.watches[service].look = Some(Look { since: now, next: Some(now + LOOK_EVERY), why });
        }
    }

    /// Nobody knows how far an order came: the platform is asked what there is of it.
    pub(super) fn look(
        &mut self,
        service: usize,
        recovery: &Recovery,
        why: String,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        self.watches[service].look = Some(Look { since: now, next: None, why });
        decided.work.push(Work::Examine(Self::order_of(recovery, Stage::Act, now)));
    }

    /// Asks again, or gives up asking.
    pub(super) fn look_on(
        &mut self,
        service: usize,
        recovery: Recovery,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let Some(look) = &mut self.watches[service].look else { return };
        if now >= look.since + LOOK_FOR {
            let why = std::mem::take(&mut look.why);
            self.watches[service].look = None;
            self.conclude(service, recovery, Outcome::UnknownOutcome, &why, now, decided);
        } else if look.next.is_some_and(|next| now >= next) {
            look.next = None;
            decided.work.push(Work::Examine(Self::order_of(&recovery, Stage::Act, now)));
        }
    }

    /// The platform tells what there is of an order.
    pub(super) fn examined(
        &mut self,
        service: usize,
        recovery_id: OrderId,
        standing: Result<Standing, Unreachable>,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let Some(recovery) = self.under_way(service, recovery_id, Phase::Acting) else { return };
        let Some(look) = &mut self.watches[service].look else { return };
        let Ok(standing) = standing else {
            look.next = Some(now + LOOK_EVERY);
            return;
        };
        let why = std::mem::take(&mut look.why);
        self.watches[service].look = None;
        match standing {
            Standing::Untouched => {
                let reason = format!("{why}; nothing of it was done");
                self.finish(recovery, Outcome::UnknownOutcome, &reason, now, decided);
            }
            Standing::Partial => {
                let reason = format!("{why}; it was done in part");
                self.conclude(service, recovery, Outcome::ActionFailed, &reason, now, decided);
            }
            Standing::Complete => {
                let reason = joined(&recovery, &format!("{why}; it was done"));
                let recovery = Recovery { reason: Some(reason), ..recovery };
                self.start_verifying(service, recovery, now, now, decided);
            }
        }
    }

    /// Ends a recovery by this verdict. Where something was kept, it is discarded or put back first.
    pub(super) fn conclude(
        &mut self,
        service: usize,
        recovery: Recovery,
        verdict: Outcome,
        reason: &str,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        if !recovery.action.keeps_previous() {
            return self.close(service, recovery, verdict, reason, now, decided);
        }
        let reason = Some(joined(&recovery, reason));
        let concluding = Recovery { phase: Phase::Concluding, verdict: Some(verdict), reason, ..recovery };
        self.give_conclusion(service, concluding, now, decided);
    }

    /// Gives the order to discard or to put back, for the first time or again.
    pub(super) fn give_conclusion(
        &mut self,
        service: usize,
        recovery: Recovery,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let order = Self::order_of(&recovery, recovery.conclusion(), now);
        self.watches[service].started.clear();
        let given = Recovery {
            conclusion_tries: recovery.conclusion_tries + 1,
            conclude_at: Some(now + self.lost_after(service)),
            ..recovery
        };
        self.record(Fact::Recovery(Box::new(given)), now, decided);
        decided.work.push(Work::Perform(order));
    }

    /// The platform has answered such an order.
    pub(super) fn concluded(
        &mut self,
        service: usize,
        (recovery_id, stage): (OrderId, Stage),
        performed: Performed,
        observed: Option<Observed>,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let under_way = self.under_way(service, recovery_id, Phase::Concluding);
        let Some(recovery) = under_way.filter(|recovery| recovery.conclusion() == stage) else { return };
        let verdict = recovery.verdict.unwrap_or(Outcome::UnknownOutcome);
        let (outcome, reason) = match performed {
            Performed::Accepted if stage == Stage::Keep => {
                (verdict, "what it replaced was removed".to_owned())
            }
            Performed::Accepted => (verdict, "what was there before was put back".to_owned()),
            Performed::AcceptedAs { how } => (verdict, how),
            Performed::Superseded { reason } => (Outcome::Superseded, reason),
            Performed::NotRun { reason } => {
                let conclusion_tries = recovery.conclusion_tries.min(MOST_UNREACHED);
                return self.wait(Recovery { conclusion_tries, ..recovery }, reason, now, decided);
            }
            Performed::Failed { reason } | Performed::Unknown { reason } => {
                if recovery.conclusion_tries < MOST_TRIES {
                    return self.wait(recovery, reason, now, decided);
                }
                (verdict, format!("given up after {MOST_TRIES} tries, a person has to look: {reason}"))
            }
        };
        if let Some(observed) = observed {
            self.see_instance(service, &observed, true, now, decided);
        }
        // What was put back has just been started, and is given time before anything else is done.
        let rest = (stage == Stage::Revert).then(|| now + self.policy_of(service).start_period);
        let mut recovery = Recovery { not_before: recovery.not_before.max(rest), ..recovery };
        if stage == Stage::Keep && outcome == Outcome::Superseded {
            // What was proven is there no more.
            (recovery.verified_at, recovery.time_to_recover_seconds) = (None, None);
        }
        self.close(service, recovery, outcome, &reason, now, decided);
    }

    /// Such an order was not carried out; it is given again after a pause.
    fn wait(&mut self, recovery: Recovery, reason: String, now: Timestamp, decided: &mut Decided) {
        let pause = PAUSES.0.saturating_mul(recovery.conclusion_tries).min(PAUSES.1);
        let (conclude_at, conclusion_error) = (Some(now + pause), Some(reason));
        let waiting = Recovery { conclude_at, conclusion_error, ..recovery };
        self.record(Fact::Recovery(Box::new(waiting)), now, decided);
    }

    /// Ends a recovery, and its incident when the service was proven to be well.
    fn close(
        &mut self,
        service: usize,
        recovery: Recovery,
        outcome: Outcome,
        reason: &str,
        now: Timestamp,
        decided: &mut Decided,
    ) {
        let is_proven = recovery.verified_at.is_some();
        self.finish(recovery, outcome, reason, now, decided);
        if let Some(incident) = self.service(service).incident.clone().filter(|_| is_proven) {
            self.record(Fact::Incident(Incident { ended_at: Some(now), ..incident }), now, decided);
        }
    }
}
