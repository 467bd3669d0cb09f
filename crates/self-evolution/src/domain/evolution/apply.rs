//! Carrying out a recommendation, and taking that back.

use shared::clock::Timestamp;
use shared::engine::Decision;

use super::super::ab_test::AbTest;
use super::super::change::{Applied, Baseline, Change, Phase, Rollback, Trigger};
use super::super::fact::{Fact, RolledBack};
use super::super::playbook::{action_of, changes, in_words};
use super::super::recommendation::{Kind, Recommendation, RecommendationId, Status};
use super::super::setting::{MOST_SERVICES, SettingChange};
use super::{Answer, Evolution, Refusal};

impl Evolution {
    pub(super) fn apply_requested(&mut self, id: &RecommendationId, now: Timestamp) -> Decision<Self> {
        let mut decision = Decision::default();
        decision.answer = Some(match self.change_for(id, Trigger::Manual, now) {
            Ok(change) => {
                self.record(&mut decision, now, Fact::ChangeApplied(Box::new(change.clone())));
                Answer::Applied(Box::new(change))
            }
            Err(refusal) => Answer::Refused(refusal),
        });
        decision
    }

    /// The change that carries out a recommendation now: from what, to what, and how the service fares without it.
    pub(super) fn change_for(
        &self,
        id: &RecommendationId,
        trigger: Trigger,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
        let recommendation = self.state.recommendations.get(id).ok_or(Refusal::Unknown)?;
        if recommendation.status != Status::Pending {
            return Err(Refusal::AlreadyProcessed(recommendation.status));
        }
        if let Some(pause) = self.state.pause.as_ref().filter(|pause| pause.holds(now)) {
            return Err(Refusal::Paused(pause.clone()));
        }
        let (service, settings) = (&recommendation.target_service, &self.state.settings);
        let changes = changes(recommendation.r#type, service, settings);
        if changes.is_empty() {
            let reason = format!("{service} is told all of it already: GET /settings/{service}");
            return Err(Refusal::NotExecutable(reason));
        }
        if settings.of(service).is_none() && settings.len() >= MOST_SERVICES {
            let reason = format!("settings are published for {MOST_SERVICES} services already");
            return Err(Refusal::NotExecutable(reason));
        }
        let within = self.policy.shape.last_hour(now);
        let metrics = self.state.window.counters_of(service, &within, |_| true).into();
        if let Some(open) = self.state.changes.open_of(service) {
            return Err(Refusal::BeingJudged(open.recommendation_id.clone()));
        }
        let action = action_of(recommendation.r#type);
        let phase = if self.policy.judged.includes(trigger) { Phase::Settling } else { Phase::Unjudged };
        let ab_test = self.ab_test(recommendation, now).filter(|_| phase == Phase::Settling);
        let whom = if ab_test.is_some() { "half of the instances of " } else { "" };
        let details = format!("Published for {whom}{service}: {}", in_words(&changes));
        Ok(Change {
            recommendation_id: id.clone(),
            recommendation: recommendation.clone(),
            baseline: Baseline { service: service.clone(), timestamp: now, metrics },
            applied_at: now,
            result: Applied { success: true, action: action.into(), details },
            trigger,
            inverse: changes.iter().rev().map(SettingChange::inverse).collect(),
            changes,
            version: settings.of(service).map_or(0, |settings| settings.version) + 1,
            phase,
            ab_test,
            trial: None,
            verdict: None,
            rollback: None,
        })
    }

    /// How the instances of a service are divided to test a change; none where that cannot be done: the operator does not want
    /// it, the service does not say which variant it had, fewer than two instances are known, or the change is about all of
    /// them together.
    fn ab_test(&self, recommendation: &Recommendation, now: Timestamp) -> Option<AbTest> {
        let service = &recommendation.target_service;
        let is_of_one_instance = match recommendation.r#type {
            Kind::Performance | Kind::Reliability => true,
            Kind::Scaling => false,
        };
        let reports = self.state.variants.are_reported_by(service, self.policy.shape.slot(now));
        let settings = self.state.settings.of(service).filter(|settings| settings.deliveries.len() >= 2)?;
        (self.policy.ab_tests && is_of_one_instance && reports)
            .then(|| AbTest::halving(settings.deliveries.keys()))
    }

    pub(super) fn rollback_requested(
        &mut self,
        id: &RecommendationId,
        reason: String,
        now: Timestamp,
    ) -> Decision<Self> {
        let mut decision = Decision::default();
        decision.answer = Some(match self.rollback_of(id, reason, Trigger::Manual, now) {
            Ok(rollback) => {
                let answer = Answer::RolledBack(Box::new(rollback.rollback.clone()));
                self.record(&mut decision, now, Fact::ChangeRolledBack(Box::new(rollback)));
                answer
            }
            Err(refusal) => Answer::Refused(refusal),
        });
        decision
    }

    pub(super) fn rollback_of(
        &self,
        id: &RecommendationId,
        reason: String,
        trigger: Trigger,
        now: Timestamp,
    ) -> Result<RolledBack, Refusal> {
        let recommendation = self.state.recommendations.get(id).ok_or(Refusal::Unknown)?;
        if recommendation.status != Status::Applied {
            return Err(Refusal::NotApplied(recommendation.status));
        }
        let change = self.state.changes.of(id).ok_or(Refusal::Unknown)?;
        let service = &recommendation.target_service;
        for SettingChange { key, after, .. } in &change.changes {
            let now = self.state.settings.value(service, key);
            if now != after.as_ref() {
                let reason =
                    format!("{key} of {service} was changed again since: roll back the later change first");
                return Err(Refusal::Superseded(reason));
            }
        }
        let rollback = Rollback {
            recommendation_id: id.clone(),
            service: service.clone(),
            rollback_time: now,
            baseline_restored: change.baseline.clone(),
            reason,
            trigger,
        };
        Ok(RolledBack { rollback, recommendation: recommendation.clone() })
    }

    pub(super) fn approval_requested(&mut self, id: &RecommendationId, now: Timestamp) -> Decision<Self> {
        self.settle(id, now, |recommendation| {
            recommendation.is_approved = true;
            recommendation.becomes(Status::Pending, now, "approved: the next analysis applies it");
        })
    }

    pub(super) fn dismissal_requested(
        &mut self,
        id: &RecommendationId,
        reason: Option<String>,
        now: Timestamp,
    ) -> Decision<Self> {
        self.settle(id, now, |recommendation| {
            recommendation.becomes(Status::Dismissed, now, reason.unwrap_or_else(|| "dismissed".into()));
        })
    }

    /// A person's word about a pending recommendation.
    fn settle(
        &mut self,
        id: &RecommendationId,
        now: Timestamp,
        settle: impl FnOnce(&mut Recommendation),
    ) -> Decision<Self> {
        let mut decision = Decision::default();
        decision.answer = Some(match self.state.recommendations.get(id) {
            None => Answer::Refused(Refusal::Unknown),
            Some(known) if known.status != Status::Pending => {
                Answer::Refused(Refusal::AlreadyProcessed(known.status))
            }
            Some(known) => {
                let mut recommendation = known.clone();
                settle(&mut recommendation);
                self.record(
                    &mut decision,
                    now,
                    Fact::Recommendation { recommendation: Box::new(recommendation.clone()) },
                );
                Answer::Recommendation(Box::new(recommendation))
            }
        });
        decision
    }
}
