//! A change that somebody has made without the daemon: it is judged as every other, and can be taken back by nobody here.

use std::cmp::Reverse;
use std::sync::Arc;

use shared::clock::Timestamp;
use shared::engine::Decision;

use super::super::change::{Applied, Change, Trigger};
use super::super::fact::Fact;
use super::super::playbook::action_of;
use super::super::recommend::{MOST_EVIDENCE, identity};
use super::super::recommendation::{Confidence, Evidence, Kind, Priority, Recommendation, Status};
use super::super::window::shape::HOUR;
use super::super::window::{Key, UNMATCHED};
use super::{Answer, Evolution, Refusal};

/// What stands for the detector of a change that nothing was recommended for.
const NOT_RECOMMENDED: &str = "made_outside";

impl Evolution {
    pub(super) fn changed_outside(
        &mut self,
        service: &Arc<str>,
        kind: Kind,
        now: Timestamp,
    ) -> Decision<Self> {
        let mut decision = Decision::default();
        if let Some(open) = self.state.changes.open_of(service) {
            let refusal = Refusal::BeingJudged(open.recommendation_id.clone());
            decision.answer = Some(Answer::Refused(refusal));
            return decision;
        }
        let change = self.made_outside(service, kind, now);
        self.record(&mut decision, now, Fact::ChangeApplied(Box::new(change.clone())));
        decision.answer = Some(Answer::Applied(Box::new(change)));
        decision
    }

    fn made_outside(&self, service: &Arc<str>, kind: Kind, now: Timestamp) -> Change {
        let is_meant = |r: &&Recommendation| {
            r.status == Status::Pending && r.target_service == *service && r.r#type == kind
        };
        let recommendation = match self.state.recommendations.iter().find(is_meant) {
            Some(recommendation) => recommendation.clone(),
            None => self.not_recommended(service, kind, now),
        };
        let trigger = Trigger::Outside;
        Change {
            recommendation_id: recommendation.id.clone(),
            recommendation,
            baseline: self.baseline(service, now),
            applied_at: now,
            result: Applied {
                success: true,
                action: action_of(kind).into(),
                details: format!("{service} was changed without the daemon"),
            },
            trigger,
            changes: Vec::new(),
            inverse: Vec::new(),
            version: self.state.settings.version(service),
            phase: self.policy.judged.first_phase(trigger),
            platform: None,
            ab_test: None,
            trial: None,
            verdict: None,
            rollback: None,
        }
    }

    /// What stands for the recommendation where there was none. Such a change is judged by what all endpoints answer, the
    /// busiest where there are many.
    fn not_recommended(&self, service: &Arc<str>, kind: Kind, now: Timestamp) -> Recommendation {
        Recommendation {
            id: identity(service, NOT_RECOMMENDED, now),
            r#type: kind,
            target_service: Arc::clone(service),
            description: "A change that was made without the daemon, which had not recommended it".into(),
            priority: Priority::Low,
            estimated_improvement: 0.0,
            improvement_method: "nothing was expected".into(),
            improvement_interval: None,
            gain: None,
            onset: None,
            blast_radius: None,
            expires_at: None,
            load_sensitivity: None,
            obstacle: None,
            prior_improvement: 0.0,
            status: Status::Applied,
            is_approved: false,
            created_at: now,
            confirmed_at: now,
            applied_at: Some(now),
            detector: NOT_RECOMMENDED.into(),
            window_hours: self.policy.shape.window_hours,
            evidence: self.busiest(service, now),
            confidence: Confidence::Low,
            confidence_reason: "nothing was expected".into(),
            held_back: None,
            changes: Vec::new(),
            history: Vec::new(),
        }
    }

    fn busiest(&self, service: &Arc<str>, now: Timestamp) -> Vec<Evidence> {
        let within = self.policy.shape.last_hour(now);
        let of_service = self.state.window.keys().filter(|key| key.service == service);
        let seen = |key: Key<'_>| Evidence {
            endpoint: Arc::clone(key.endpoint),
            detector: NOT_RECOMMENDED.into(),
            now: key.series.total(&within, &[]).into(),
            buckets: Some(HOUR),
            baseline: None,
            shift: None,
            p: None,
            burn: None,
            onset: None,
        };
        let mut all: Vec<_> = of_service
            .filter(|key| **key.endpoint != *UNMATCHED)
            .map(seen)
            .filter(|evidence| evidence.now.requests > 0)
            .collect();
        all.sort_by_key(|evidence| Reverse(evidence.now.requests));
        all.truncate(MOST_EVIDENCE);
        all
    }
}
