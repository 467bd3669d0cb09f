//! A change proves itself or is taken back: it settles, is tried, is judged.

use std::sync::Arc;

use shared::clock::Timestamp;
use shared::engine::Decision;

use super::super::change::{Change, Phase, Trigger};
use super::super::fact::{Fact, Judged};
use super::super::judge::{Outcome, Verdict};
use super::super::trial::{Case, Next};
use super::Evolution;

/// A daemon that was away for so many buckets undoes what it had not judged.
pub(super) const AWAY: u32 = 10;

impl Evolution {
    /// When changes of which the verdict is still to come are looked after: once in each bucket.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        self.state.changes.has_open().then(|| self.policy.shape.begin(self.looked + 1))
    }

    /// Looks after every change of which the verdict is still to come.
    pub(super) fn look_after_changes(&mut self, decision: &mut Decision<Self>, now: Timestamp) {
        if self.next_look().is_none_or(|next| now < next) {
            return;
        }
        for change in self.state.changes.unverified() {
            match self.case(&change).next(now) {
                Next::Wait => {}
                Next::Try(trial) => {
                    let recommendation_id = change.recommendation_id.clone();
                    let service = Arc::clone(&change.baseline.service);
                    self.record(decision, now, Fact::TrialBegan { service, recommendation_id, trial });
                }
                Next::Swap(trial) => {
                    let recommendation_id = change.recommendation_id.clone();
                    let service = Arc::clone(&change.baseline.service);
                    self.record(decision, now, Fact::ArmsSwapped { service, recommendation_id, trial });
                }
                Next::Conclude(verdict) => self.conclude(decision, &change, *verdict, now),
            }
        }
        self.looked = self.policy.shape.slot(now);
    }

    /// A change that nobody watched for long is undone: what it did meanwhile is not known.
    pub(super) fn undo_what_was_unwatched(
        &mut self,
        decision: &mut Decision<Self>,
        last_seen: Option<Timestamp>,
        now: Timestamp,
    ) {
        let Some(away) = last_seen.map(|seen| now.since(seen)) else { return };
        if away < self.policy.shape.length(AWAY) {
            return;
        }
        for change in self.state.changes.unverified() {
            let reason = format!("inconclusive: nobody watched it for {} seconds", away.as_secs());
            let verdict = self.case(&change).without_numbers(Outcome::Inconclusive, reason, now);
            self.take_back(decision, &change, verdict, now);
        }
    }

    fn case<'a>(&'a self, change: &'a Change) -> Case<'a> {
        Case { change, state: &self.state }
    }

    fn conclude(&mut self, decision: &mut Decision<Self>, change: &Change, verdict: Verdict, now: Timestamp) {
        match verdict.outcome {
            Outcome::Better => self.judged(decision, change, verdict, Phase::Kept, now),
            Outcome::Inconclusive if self.policy.keep_inconclusive => {
                self.judged(decision, change, verdict, Phase::Inconclusive, now);
            }
            Outcome::NoGain
            | Outcome::Worse
            | Outcome::Harmful
            | Outcome::Inconclusive
            | Outcome::NotDelivered => self.take_back(decision, change, verdict, now),
        }
    }

    fn take_back(
        &mut self,
        decision: &mut Decision<Self>,
        change: &Change,
        mut verdict: Verdict,
        now: Timestamp,
    ) {
        let reason = verdict.reason.clone();
        if change.platform.is_some() {
            return self.take_back_from_platform(decision, change, verdict, now);
        }
        match self.rollback_of(&change.recommendation_id, reason, Trigger::Automatic, now) {
            Ok(rollback) => {
                self.judged(decision, change, verdict, Phase::RolledBack, now);
                self.record(decision, now, Fact::ChangeRolledBack(Box::new(rollback)));
            }
            Err(refusal) => {
                verdict.reason = format!("{}; it stays, because {refusal}", verdict.reason);
                self.judged(decision, change, verdict, Phase::Inconclusive, now);
            }
        }
    }

    fn take_back_from_platform(
        &mut self,
        decision: &mut Decision<Self>,
        change: &Change,
        mut verdict: Verdict,
        now: Timestamp,
    ) {
        if let Some(obstacle) = self.later_change(change) {
            verdict.reason = format!("{}; it stays, because {obstacle}", verdict.reason);
            return self.judged(decision, change, verdict, Phase::Inconclusive, now);
        }
        let reason = verdict.reason.clone();
        self.judged(decision, change, verdict, Phase::RollingBack, now);
        self.begin_rollback(decision, change, (reason, Trigger::Automatic), now, now);
    }

    fn judged(
        &mut self,
        decision: &mut Decision<Self>,
        change: &Change,
        verdict: Verdict,
        phase: Phase,
        now: Timestamp,
    ) {
        let judged = Judged {
            recommendation_id: change.recommendation_id.clone(),
            service: change.baseline.service.clone(),
            verdict,
            phase,
            kind: Some(change.recommendation.r#type),
            estimated_improvement: Some(change.recommendation.estimated_improvement),
        };
        self.record(decision, now, Fact::ChangeJudged(Box::new(judged)));
    }
}
