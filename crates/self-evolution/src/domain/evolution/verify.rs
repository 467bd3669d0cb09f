//! A change proves itself or is taken back: it settles, is tried, is judged.

use shared::clock::Timestamp;
use shared::engine::Decision;

use super::super::change::{Change, Phase, Trigger};
use super::super::fact::{Fact, Judged};
use super::super::judge::{Outcome, Verdict};
use super::super::recommendation::RecommendationId;
use super::super::trial::Case;
use super::Evolution;

/// A daemon that was away for so many buckets undoes what it had not judged.
const AWAY: u32 = 10;

impl Evolution {
    /// When changes of which the verdict is still to come are looked after: once in each bucket.
    pub(super) fn next_look(&self) -> Option<Timestamp> {
        (self.state.changes.open().len() > 0).then(|| self.policy.shape.begin(self.looked + 1))
    }

    /// Looks after every change of which the verdict is still to come.
    pub(super) fn look_after_changes(&mut self, decision: &mut Decision<Self>, now: Timestamp) {
        if self.next_look().is_none_or(|next| now < next) {
            return;
        }
        let open: Vec<RecommendationId> = self.state.changes.open().cloned().collect();
        for id in open {
            if let Some(change) = self.state.changes.of(&id).cloned() {
                self.look_after(decision, &change, now);
            }
        }
        self.looked = self.policy.shape.slot(now);
    }

    fn look_after(&mut self, decision: &mut Decision<Self>, change: &Change, now: Timestamp) {
        let case = self.case(change);
        if let Some(verdict) = case.ends_early(now) {
            return self.conclude(decision, change, verdict, now);
        }
        let trial = match change.trial {
            None if now < case.settles_at() => return,
            Some(trial) if now < case.is_over_at(trial) => return,
            None if !case.is_delivered() => {
                let reason = "not delivered: no instance of the service has fetched it".to_owned();
                let verdict = case.without_numbers(Outcome::NotDelivered, reason, now);
                return self.conclude(decision, change, verdict, now);
            }
            None => match case.is_without_past(now) {
                Some(verdict) => return self.conclude(decision, change, verdict, now),
                None => case.trial(now),
            },
            Some(trial) => match case.prolonged(trial) {
                Some(longer) => longer,
                None => {
                    let verdict = case.judge(trial, now);
                    return self.conclude(decision, change, verdict, now);
                }
            },
        };
        let recommendation_id = change.recommendation_id.clone();
        self.record(decision, now, Fact::TrialBegan { recommendation_id, trial });
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
        let open: Vec<RecommendationId> = self.state.changes.open().cloned().collect();
        for change in open.iter().filter_map(|id| self.state.changes.of(id).cloned()).collect::<Vec<_>>() {
            let reason = format!("inconclusive: nobody watched it for {} seconds", away.as_secs());
            let verdict = self.case(&change).without_numbers(Outcome::Inconclusive, reason, now);
            self.take_back(decision, &change, verdict, now);
        }
    }

    fn case<'a>(&'a self, change: &'a Change) -> Case<'a> {
        let state = &self.state;
        Case { change, changes: &state.changes, window: &state.window, settings: &state.settings }
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
        };
        self.record(decision, now, Fact::ChangeJudged(Box::new(judged)));
    }
}
