//! Taking back what a platform has made: as often as it takes, each time after another look.

use std::sync::Arc;
use std::time::Duration;

use shared::clock::Timestamp;
use shared::engine::Decision;

use super::super::change::{Change, Phase, Rollback, Trigger};
use super::super::fact::{Fact, RolledBack};
use super::super::on_platform::{Discarded, Undo, Undoing};
use super::super::order::{AfterRollback, Stage, Written};
use super::super::recommendation::{RecommendationId, Status};
use super::super::setting::SettingChange;
use super::{Answer, Evolution, Refusal};

/// The longest pause between two tries, in buckets.
const LONGEST_PAUSE: u32 = 15;
/// The pause before what was kept is to be discarded once more, as after so many failures: four buckets.
const AFTER_KEEPING: u32 = 4;

impl Evolution {
    pub(super) fn after_rollback(
        &mut self,
        decision: &mut Decision<Self>,
        change: &Change,
        then: AfterRollback,
        now: Timestamp,
    ) {
        let Some(undo) = change.platform.as_ref().and_then(|platform| platform.undo.clone()) else { return };
        match then {
            AfterRollback::WasBack if !change.took_effect() => {
                let reason = format!("{}; nothing was written", undo.reason);
                self.end(decision, change, Phase::Failed, reason, now);
            }
            AfterRollback::IsBack | AfterRollback::WasBack => self.rolled_back(decision, change, undo, now),
            AfterRollback::Superseded(reason) => self.end(decision, change, Phase::Superseded, reason, now),
            AfterRollback::Failed(reason) => {
                let failures = undo.failures + 1;
                let due = now + self.pause_after(failures);
                let undo = Undo { failures, due, failure: Some(reason), ..undo };
                self.record(decision, now, Fact::RollbackFailed(Box::new(undoing(change, undo))));
            }
        }
    }

    /// The pause after so many failed tries, from 1: half a bucket, and twice as long after each further one.
    pub(super) fn pause_after(&self, failures: u32) -> Duration {
        let bucket = self.policy.shape.length(1);
        let doubled = bucket / 2 * 2_u32.saturating_pow((failures - 1).min(8));
        doubled.min(bucket * LONGEST_PAUSE)
    }

    fn rolled_back(&mut self, decision: &mut Decision<Self>, change: &Change, undo: Undo, now: Timestamp) {
        let known = self.state.recommendations.get(&change.recommendation_id);
        let recommendation = known.unwrap_or(&change.recommendation).clone();
        let rollback = Rollback {
            recommendation_id: change.recommendation_id.clone(),
            service: Arc::clone(&change.baseline.service),
            rollback_time: now,
            baseline_restored: change.baseline.clone(),
            reason: undo.reason,
            trigger: undo.trigger,
        };
        let rolled_back = RolledBack { rollback, recommendation };
        self.record(decision, now, Fact::ChangeRolledBack(Box::new(rolled_back)));
    }

    /// Has a change taken back for this reason, by whoever wants it, from that moment on.
    pub(super) fn begin_rollback(
        &mut self,
        decision: &mut Decision<Self>,
        change: &Change,
        (reason, trigger): (String, Trigger),
        due: Timestamp,
        now: Timestamp,
    ) {
        let failures =
            change.platform.as_ref().and_then(|it| it.undo.as_ref()).map_or(0, |undo| undo.failures);
        let undo = Undo { reason, trigger, failures, due, failure: None };
        self.record(decision, now, Fact::RollbackBegun(Box::new(undoing(change, undo))));
        self.order_what_is_due(decision, now);
    }

    /// Gives the orders that are due: to take back, or to discard what was kept of before.
    pub(super) fn order_what_is_due(&mut self, decision: &mut Decision<Self>, now: Timestamp) {
        for id in self.orders.due(now) {
            if let Some(change) = self.state.changes.of(&id).cloned() {
                let is_undone = change.undo_due().is_some();
                let stage = if is_undone { Stage::Rollback } else { Stage::Keep };
                self.order(decision, &change, stage, now);
            }
        }
    }

    /// What was kept of before a change that stays was to be discarded. What fails is tried again; nobody waits for it.
    pub(super) fn after_keep(
        &mut self,
        decision: &mut Decision<Self>,
        change: &Change,
        written: &Written,
        now: Timestamp,
    ) {
        match written {
            // Where there is nothing to discard, somebody else has done it.
            Written::Done | Written::Needless | Written::Foreign(_) => {
                let recommendation_id = change.recommendation_id.clone();
                let service = Arc::clone(&change.baseline.service);
                let discarded = Discarded { recommendation_id, service };
                self.record(decision, now, Fact::PreviousDiscarded(discarded));
            }
            Written::NotRun(_) | Written::Failed(_) | Written::Unknown(_) => {
                let again = now + self.pause_after(AFTER_KEEPING);
                self.orders.due.insert(change.recommendation_id.clone(), again);
            }
        }
    }

    /// A person wants a change taken back that a platform has made.
    pub(super) fn rollback_on_platform(
        &mut self,
        change: &Change,
        reason: String,
        now: Timestamp,
    ) -> Decision<Self> {
        let mut decision = Decision::default();
        let is_under_way = self.orders.under_way.contains(&change.recommendation_id);
        let refusal = match change.phase {
            Phase::Unjudged | Phase::Kept | Phase::Inconclusive if is_under_way => {
                let reason = "what was kept of before is being discarded: ask again".to_owned();
                Some(Refusal::NotExecutable(reason))
            }
            Phase::Unjudged | Phase::Settling | Phase::Verifying | Phase::Kept | Phase::Inconclusive => {
                self.later_change(change).map(Refusal::Superseded)
            }
            Phase::RollingBack | Phase::RollbackFailed => None,
            Phase::Applying => {
                Some(Refusal::NotExecutable("it is being applied: take it back once it is".to_owned()))
            }
            Phase::RolledBack => Some(Refusal::NotApplied(Status::RolledBack)),
            Phase::Failed | Phase::Superseded => Some(Refusal::NotApplied(Status::Failed)),
        };
        decision.answer = Some(match refusal {
            Some(refusal) => Answer::Refused(refusal),
            None => {
                if !is_under_way {
                    self.begin_rollback(&mut decision, change, (reason, Trigger::Manual), now, now);
                }
                Answer::Begun(Box::new(change.clone()))
            }
        });
        decision
    }

    /// Why a change cannot be taken back by its verdict or by a person: a later one has begun from it.
    pub(super) fn later_change(&self, change: &Change) -> Option<String> {
        let target = &change.platform.as_ref()?.target;
        let later = self.state.changes.iter().rev().take_while(|other| {
            (&other.recommendation_id, other.applied_at) != (&change.recommendation_id, change.applied_at)
        });
        let has_begun_from_it = |other: &&Arc<Change>| {
            let has_key = |one: &SettingChange| change.changes.iter().any(|own| own.key == one.key);
            other.is_in_effect_at(target) && other.changes.iter().any(has_key)
        };
        let later = later.into_iter().find(has_begun_from_it)?;
        Some(format!("the change {} of {target} came later: roll it back first", later.recommendation_id))
    }

    /// A person takes a change over that cannot be taken back; none where it is not such a one.
    pub(super) fn given_up(
        &mut self,
        id: &RecommendationId,
        reason: Option<&str>,
        now: Timestamp,
    ) -> Option<Decision<Self>> {
        let change =
            self.state.changes.of(id).filter(|change| change.phase == Phase::RollbackFailed).cloned()?;
        let mut decision = Decision::default();
        if self.orders.under_way.contains(id) {
            let reason = "it is being tried to take it back at this moment: ask again".to_owned();
            decision.answer = Some(Answer::Refused(Refusal::NotExecutable(reason)));
            return Some(decision);
        }
        let reason = format!("a person has taken it over: {}", reason.unwrap_or("dismissed"));
        self.end(&mut decision, &change, Phase::Superseded, reason, now);
        let recommendation = self.state.recommendations.get(id)?.clone();
        decision.answer = Some(Answer::Recommendation(Box::new(recommendation)));
        Some(decision)
    }
}

fn undoing(change: &Change, undo: Undo) -> Undoing {
    Undoing {
        recommendation_id: change.recommendation_id.clone(),
        service: Arc::clone(&change.baseline.service),
        undo,
    }
}
