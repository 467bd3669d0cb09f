//! What a change that a platform carries out has beside one that is published.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use shared::order::{OrderId, Target};
use utoipa::ToSchema;

use super::change::{Change, Phase, Trigger};
use super::order::{Order, Stage};
use super::recommendation::RecommendationId;

/// How a platform carries a change out.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct OnPlatform {
    /// What it is aimed at.
    pub target: Target,
    /// The identity of the change towards the platform.
    #[schema(value_type = String)]
    pub order: OrderId,
    /// When it was decided and recorded; the order was given after that.
    pub begun_at: Timestamp,
    /// Whether it is known to have been in effect.
    pub took_effect: bool,
    /// Whether the platform still keeps what was before, to put it back.
    #[serde(default)]
    pub keeps_previous: bool,
    /// How far taking it back is.
    pub undo: Option<Undo>,
    /// Why it failed, or what somebody else did instead.
    pub ended: Option<String>,
}

/// How far taking a change back is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Undo {
    /// Why.
    pub reason: String,
    /// Who wanted it.
    pub trigger: Trigger,
    /// Tries that have failed.
    pub failures: u32,
    /// When the next try is made.
    pub due: Timestamp,
    /// Why the last try has failed.
    pub failure: Option<String>,
}

/// That a change is to be taken back, or that a try to do so has failed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Undoing {
    /// The change of this recommendation.
    pub recommendation_id: RecommendationId,
    /// The service.
    pub service: Arc<str>,
    /// How far it is.
    pub undo: Undo,
}

/// That what a platform kept of before a change is discarded.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Discarded {
    /// The change of this recommendation.
    pub recommendation_id: RecommendationId,
    /// The service.
    pub service: Arc<str>,
}

/// That a change has ended without a verdict: it could not be made, or somebody else has changed the same.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Ended {
    /// The change of this recommendation.
    pub recommendation_id: RecommendationId,
    /// The service.
    pub service: Arc<str>,
    /// Failed or superseded.
    pub phase: Phase,
    /// Why, or by what.
    pub reason: String,
}

impl Change {
    /// The order that applies it or takes it back; none for a change that is published.
    pub fn order(&self, stage: Stage, now: Timestamp) -> Option<Order> {
        let OnPlatform { target, order, begun_at, keeps_previous, undo, .. } = self.platform.as_ref()?;
        let failures = undo.as_ref().map_or(0, |undo| undo.failures);
        let (attempt, changes) = match stage {
            Stage::Apply => (1, self.changes.clone()),
            Stage::Rollback => (failures + 1, self.inverse.clone()),
            Stage::Keep => (1, Vec::new()),
        };
        Some(Order {
            change: *order,
            recommendation_id: self.recommendation_id.clone(),
            service: Arc::clone(&self.baseline.service),
            kind: self.recommendation.r#type,
            target: target.clone(),
            stage,
            attempt,
            changes,
            is_kept: *keeps_previous,
            at: *begun_at,
            given_at: now,
        })
    }

    /// Whether it was ever in effect, as far as is known.
    pub fn took_effect(&self) -> bool {
        self.platform.as_ref().is_none_or(|platform| platform.took_effect)
    }

    /// Whether it is in effect at this target, as far as is known.
    pub fn is_in_effect_at(&self, target: &Target) -> bool {
        let is_there = self.platform.as_ref().is_some_and(|platform| platform.target == *target);
        is_there && self.took_effect() && self.rollback.is_none() && !self.phase.has_failed()
    }

    /// When the next try to take it back is to be made, while it is being taken back.
    pub fn undo_due(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::RollingBack | Phase::RollbackFailed => {
                self.platform.as_ref()?.undo.as_ref().map(|undo| undo.due)
            }
            Phase::Unjudged
            | Phase::Applying
            | Phase::Settling
            | Phase::Verifying
            | Phase::Kept
            | Phase::Inconclusive
            | Phase::RolledBack
            | Phase::Failed
            | Phase::Superseded => None,
        }
    }

    /// Since when what the platform keeps of before is to be discarded, once the change stays.
    pub fn keep_due(&self) -> Option<Timestamp> {
        let keeps = self.platform.as_ref().is_some_and(|platform| platform.keeps_previous);
        match self.phase {
            Phase::Kept | Phase::Inconclusive | Phase::Unjudged if keeps => Some(self.applied_at),
            Phase::Unjudged
            | Phase::Applying
            | Phase::Settling
            | Phase::Verifying
            | Phase::Kept
            | Phase::Inconclusive
            | Phase::RollingBack
            | Phase::RollbackFailed
            | Phase::RolledBack
            | Phase::Failed
            | Phase::Superseded => None,
        }
    }
}
