//! Carrying out a recommendation, and taking that back.

use shared::clock::Timestamp;
use shared::engine::Decision;

use super::super::ab_test::AbTest;
use super::super::change::{Applied, Change, Phase, Rollback, Trigger};
use super::super::fact::{Fact, RolledBack};
use super::super::order::Inspection;
use super::super::playbook::{action_of, changes, in_words};
use super::super::recommendation::{Kind, Recommendation, RecommendationId, Status};
use super::super::setting::{MOST_SERVICES, SettingChange};
use super::{Aim, Answer, Evolution, Refusal, Work};

/// What comes first where a recommendation is applied.
enum Step {
    /// A platform is looked at.
    Look(Box<Inspection>),
    /// Settings are published, and that is all.
    Publish(Box<Change>),
}

impl Evolution {
    pub(super) fn apply_requested(&mut self, id: &RecommendationId, now: Timestamp) -> Decision<Self> {
        let mut decision = Decision::default();
        decision.answer = Some(match self.first_step(id, Trigger::Manual, now) {
            Ok(Step::Look(look)) => Answer::InspectFirst(look),
            Ok(Step::Publish(change)) => {
                self.record(&mut decision, now, Fact::ChangeApplied(change.clone()));
                Answer::Applied(change)
            }
            Err(refusal) => Answer::Refused(refusal),
        });
        decision
    }

    /// What applying a recommendation would do: asked of what cannot change anything.
    pub(super) fn plan_requested(&self, id: &RecommendationId, now: Timestamp) -> Answer {
        match self.first_step(id, Trigger::Manual, now) {
            Ok(Step::Look(look)) => Answer::InspectFirst(look),
            Ok(Step::Publish(change)) => Answer::Planned(change),
            Err(refusal) => Answer::Refused(refusal),
        }
    }

    /// Applies a recommendation without a person, or says why not. A platform is looked at first.
    pub(super) fn apply_automatically(
        &mut self,
        decision: &mut Decision<Self>,
        id: &RecommendationId,
        now: Timestamp,
    ) -> Option<String> {
        match self.first_step(id, Trigger::Automatic, now) {
            Ok(Step::Publish(change)) => self.record(decision, now, Fact::ChangeApplied(change)),
            Ok(Step::Look(look)) => {
                decision.work.push(Work::Inspect { look, aim: Aim::Apply(Trigger::Automatic) });
            }
            Err(refusal) => return Some(refusal.to_string()),
        }
        None
    }

    /// What comes first where a recommendation is applied: where a platform is to act, a look at it.
    fn first_step(&self, id: &RecommendationId, trigger: Trigger, now: Timestamp) -> Result<Step, Refusal> {
        let recommendation = self.requested(id, now)?;
        let service = &recommendation.target_service;
        let Some(look) = self.inspection(recommendation) else {
            return Ok(Step::Publish(Box::new(self.change_for(recommendation, trigger, now)?)));
        };
        match self.state.changes.open_of(service) {
            Some(open) => Err(Refusal::BeingJudged(open.recommendation_id.clone())),
            None => Ok(Step::Look(Box::new(look))),
        }
    }

    /// The recommendation that is to be applied, if changes may be made.
    pub(super) fn requested(
        &self,
        id: &RecommendationId,
        now: Timestamp,
    ) -> Result<&Recommendation, Refusal> {
        let recommendation = self.state.recommendations.get(id).ok_or(Refusal::Unknown)?;
        if recommendation.status != Status::Pending {
            return Err(Refusal::AlreadyProcessed(recommendation.status));
        }
        if let Some(pause) = self.state.pause.as_ref().filter(|pause| pause.holds(now)) {
            return Err(Refusal::Paused(pause.clone()));
        }
        match &recommendation.obstacle {
            Some(obstacle) => Err(Refusal::NotExecutable(obstacle.clone())),
            None => Ok(recommendation),
        }
    }

    /// The change that publishes what is recommended: from what, to what, and how the service fares without it.
    fn change_for(
        &self,
        recommendation: &Recommendation,
        trigger: Trigger,
        now: Timestamp,
    ) -> Result<Change, Refusal> {
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
        if let Some(open) = self.state.changes.open_of(service) {
            return Err(Refusal::BeingJudged(open.recommendation_id.clone()));
        }
        let action = action_of(recommendation.r#type);
        let phase = self.policy.judged.first_phase(trigger);
        let ab_test = self.ab_test(recommendation, now).filter(|_| phase == Phase::Settling);
        let whom = if ab_test.is_some() { "half of the instances of " } else { "" };
        let details = format!("Published for {whom}{service}: {}", in_words(&changes));
        Ok(Change {
            recommendation_id: recommendation.id.clone(),
            recommendation: recommendation.clone(),
            baseline: self.baseline(service, now),
            applied_at: now,
            result: Applied { success: true, action: action.into(), details },
            trigger,
            inverse: changes.iter().rev().map(SettingChange::inverse).collect(),
            changes,
            version: settings.version(service) + 1,
            platform: None,
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
        if let Some(change) = self.state.changes.of(id).filter(|change| change.platform.is_some()).cloned() {
            return self.rollback_on_platform(&change, reason, now);
        }
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
        if self.state.changes.of(id).is_some_and(|change| change.trigger == Trigger::Outside) {
            let reason = "it was made without the daemon: whoever has made it can take it back";
            return Err(Refusal::NotExecutable(reason.to_owned()));
        }
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
        if let Some(decision) = self.given_up(id, reason.as_deref(), now) {
            return decision;
        }
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
            Some(known) if self.state.changes.is_applying(&known.id) => {
                Answer::Refused(Refusal::BeingJudged(known.id.clone()))
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
