//! When the window is analysed, and what follows from what was found.

use std::sync::Arc;

use shared::clock::Timestamp;
use shared::engine::Decision;

use super::super::detect::{Detected, Look, Over};
use super::super::evidence::Evidence;
use super::super::fact::{Analysed, Fact};
use super::super::rails::Rails;
use super::super::recommend::{EXPIRES, recommend};
use super::super::recommendation::{Recommendation, RecommendationId, Status};
use super::{Answer, Evolution, Work};

impl Evolution {
    pub(super) fn is_idle(&self) -> bool {
        !self.runs.is_under_way
    }

    pub(super) fn next_analysis(&self) -> Timestamp {
        let last = self.state.analysed.as_ref().map_or(self.began, |(at, _)| *at);
        last + self.policy.analysis_interval
    }

    pub(super) fn analysis_requested(&mut self, now: Timestamp) -> Decision<Self> {
        let mut decision = Decision::default();
        if self.is_idle() {
            self.begin_analysis(&mut decision, now);
            decision.answer = Some(Answer::Analysing(self.runs.begun));
        } else {
            // What runs has taken its look, and may not have seen what was reported since.
            self.runs.is_wanted_again = true;
            decision.answer = Some(Answer::Analysing(self.runs.begun + 1));
        }
        decision
    }

    pub(super) fn begin_analysis(&mut self, decision: &mut Decision<Self>, now: Timestamp) {
        if self.is_idle() {
            self.runs.begun += 1;
            self.runs.is_under_way = true;
            let look = Box::new(Look::new(&self.state, self.policy.shape, now));
            decision.work.push(Work::Analyse { run: self.runs.begun, look });
        }
    }

    pub(super) fn analysed(&mut self, run: u64, detected: Detected, now: Timestamp) -> Decision<Self> {
        let Detected { findings, patterns, over, dropped } = detected;
        let mut decision = Decision::default();
        if run != self.runs.begun || self.is_idle() {
            return decision;
        }
        self.runs.over = run;
        self.runs.is_under_way = false;
        let found = recommend(findings, &self.state, &self.policy, now);
        let recommendations = found.iter().map(|recommendation| recommendation.id.clone()).collect();
        for mut recommendation in found {
            if self.rails(now).is_offered_again(&recommendation) {
                recommendation.becomes(
                    Status::Pending,
                    now,
                    "still found, and its time to be tried again has come",
                );
            }
            self.replace_older(&mut decision, &recommendation, now);
            self.record(
                &mut decision,
                now,
                Fact::Recommendation { recommendation: Box::new(recommendation) },
            );
        }
        self.end_what_is_over(&mut decision, &over, now);
        self.expire(&mut decision, now);
        let next_at = now + self.policy.analysis_interval;
        self.record(
            &mut decision,
            now,
            Fact::Analysed(Analysed { patterns, recommendations, next_at, dropped }),
        );
        self.apply_what_may_be_applied(&mut decision, now);
        self.look_at_platforms(&mut decision);
        if std::mem::take(&mut self.runs.is_wanted_again) {
            self.begin_analysis(&mut decision, now);
        }
        decision
    }

    /// A recommendation has another identity each day: what is still pending of an earlier day is over.
    fn replace_older(&mut self, decision: &mut Decision<Self>, new: &Recommendation, now: Timestamp) {
        let reason = format!("replaced by {}, which says the same of today", new.id);
        self.let_expire(decision, now, &reason, |old| {
            old.id != new.id && old.is_like(&new.target_service, &new.detector)
        });
        let reason = format!("it is part of {} now", new.id);
        self.let_expire(decision, now, &reason, |old| {
            let is_part = |evidence: &Evidence| old.is_like(&new.target_service, &evidence.detector);
            old.id != new.id && !old.is_approved && new.evidence.iter().any(is_part)
        });
    }

    /// What compares is over when what it was about is: at every endpoint that it names. A person's approval holds.
    fn end_what_is_over(&mut self, decision: &mut Decision<Self>, over: &[Over], now: Timestamp) {
        if over.is_empty() {
            return;
        }
        let is_over = |recommendation: &Recommendation, evidence: &Evidence| {
            over.iter().any(|over| {
                over.service == recommendation.target_service
                    && over.endpoint == evidence.endpoint
                    && over.detector == evidence.detector
            })
        };
        self.let_expire(decision, now, "what it was about is over", |old| {
            !old.is_approved
                && old.confirmed_at < now
                && old.evidence.iter().all(|evidence| is_over(old, evidence))
        });
    }

    fn expire(&mut self, decision: &mut Decision<Self>, now: Timestamp) {
        let reason = "no analysis has found reason for it for a day";
        self.let_expire(decision, now, reason, |old| now.since(old.confirmed_at) >= EXPIRES);
    }

    fn let_expire(
        &mut self,
        decision: &mut Decision<Self>,
        now: Timestamp,
        reason: &str,
        is_over: impl Fn(&Recommendation) -> bool,
    ) {
        let pending = self.state.recommendations.iter().filter(|r| r.status == Status::Pending);
        let is_applying = |r: &&Recommendation| self.state.changes.is_applying(&r.id);
        let over: Vec<Recommendation> = pending.filter(|r| is_over(r) && !is_applying(r)).cloned().collect();
        for mut recommendation in over {
            recommendation.becomes(Status::Expired, now, reason);
            let recommendation = Box::new(recommendation);
            self.record(decision, now, Fact::Recommendation { recommendation });
        }
    }

    /// Applies what a person has approved of, and, where the operator wants that, what matters much and is well founded.
    fn apply_what_may_be_applied(&mut self, decision: &mut Decision<Self>, now: Timestamp) {
        let pending =
            |r: &&Arc<Recommendation>| r.status == Status::Pending && !self.state.changes.is_applying(&r.id);
        let all = self.state.recommendations.in_order();
        let wanted: Vec<Arc<Recommendation>> = all.into_iter().filter(pending).cloned().collect();
        for recommendation in wanted {
            let held_back = if recommendation.is_approved {
                None
            } else if self.policy.auto_apply {
                self.rails(now).hold_back(&recommendation)
            } else {
                continue;
            };
            // What is refused now may be possible after the next analysis.
            let held_back = held_back.or_else(|| self.apply_automatically(decision, &recommendation.id, now));
            self.note_what_holds_back(decision, &recommendation.id, held_back, now);
        }
    }

    pub(super) fn rails(&self, now: Timestamp) -> Rails<'_> {
        Rails { state: &self.state, policy: &self.policy, now }
    }

    /// Why the daemon does nothing is part of the recommendation.
    pub(super) fn note_what_holds_back(
        &mut self,
        decision: &mut Decision<Self>,
        id: &RecommendationId,
        held_back: Option<String>,
        now: Timestamp,
    ) {
        let known = self.state.recommendations.get(id).filter(|r| r.status == Status::Pending);
        if let Some(known) = known.filter(|known| known.held_back != held_back) {
            let recommendation = Box::new(Recommendation { held_back, ..known.clone() });
            self.record(decision, now, Fact::Recommendation { recommendation });
        }
    }
}
