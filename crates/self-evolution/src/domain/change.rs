//! A change that was made because of a recommendation, and the way back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use utoipa::ToSchema;

use super::recommendation::{Recommendation, RecommendationId};
use super::setting::SettingChange;
use super::window::bucket::Counters;

/// Who wanted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trigger {
    /// A person or a program asked for it.
    Manual,
    /// The daemon, because it was told to apply what matters.
    Automatic,
}

impl Trigger {
    /// Its word in the API, logs and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Automatic => "automatic",
        }
    }
}

/// How a service fared over the hour before a change.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Baseline {
    /// The service.
    #[schema(value_type = String)]
    pub service: Arc<str>,
    /// When it was taken.
    pub timestamp: Timestamp,
    /// The figures.
    pub metrics: Metrics,
}

/// The figures of a baseline.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Metrics {
    /// Mean response time in seconds; 0 where nothing was seen.
    pub avg_response_time: f64,
    /// Part of the answers with a status from 400 on, from 0 to 1.
    pub error_rate: f64,
    /// Requests within the hour.
    pub throughput: u64,
}

impl From<Counters> for Metrics {
    fn from(counters: Counters) -> Self {
        Self {
            avg_response_time: counters.mean().unwrap_or_default(),
            error_rate: counters.error_rate().unwrap_or_default(),
            throughput: counters.requests,
        }
    }
}

/// What whoever asked for a change is told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Applied {
    /// Always true: what cannot be done is refused.
    pub success: bool,
    /// What was done, in one word.
    pub action: String,
    /// What was done, in one sentence.
    pub details: String,
}

/// A change and what has become of it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The recommendation that it carries out.
    pub recommendation_id: RecommendationId,
    /// The recommendation as it was then.
    pub recommendation: Recommendation,
    /// How the service fared before.
    pub baseline: Baseline,
    /// When it took effect.
    pub applied_at: Timestamp,
    /// What was answered.
    pub result: Applied,
    /// Who wanted it.
    pub trigger: Trigger,
    /// What it changed.
    pub changes: Vec<SettingChange>,
    /// What takes it back.
    pub inverse: Vec<SettingChange>,
    /// The version of the service's settings with it.
    pub version: u64,
    /// When it was taken back, and why.
    #[serde(default)]
    pub rollback: Option<Rollback>,
}

/// That a change was taken back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Rollback {
    /// The recommendation whose change it was.
    pub recommendation_id: RecommendationId,
    /// The service.
    #[schema(value_type = String)]
    pub service: Arc<str>,
    /// When.
    pub rollback_time: Timestamp,
    /// How the service fared before the change: the state that it is back in.
    pub baseline_restored: Baseline,
    /// Why.
    pub reason: String,
}

/// Changes that are kept; the oldest that are over go first.
const MOST_KEPT: usize = 500;

/// All changes, their rollbacks and the baselines. A clone shares what is not changed afterwards.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Changes {
    /// Oldest first.
    changes: Arc<VecDeque<Arc<Change>>>,
    /// Oldest first.
    rollbacks: Arc<VecDeque<Arc<Rollback>>>,
    /// The newest of each service.
    baselines: Arc<BTreeMap<Arc<str>, Baseline>>,
}

impl Changes {
    /// All changes, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<Change>> + ExactSizeIterator {
        self.changes.iter()
    }

    /// All rollbacks, oldest first.
    pub fn rollbacks(&self) -> impl ExactSizeIterator<Item = &Arc<Rollback>> {
        self.rollbacks.iter()
    }

    /// The newest baseline of each service.
    pub fn baselines(&self) -> &BTreeMap<Arc<str>, Baseline> {
        &self.baselines
    }

    /// The newest change of a recommendation.
    pub fn of(&self, id: &RecommendationId) -> Option<&Arc<Change>> {
        self.changes.iter().rev().find(|change| change.recommendation_id == *id)
    }

    /// A change was made.
    pub fn put(&mut self, change: Change) {
        let baselines = Arc::make_mut(&mut self.baselines);
        baselines.insert(Arc::clone(&change.baseline.service), change.baseline.clone());
        let changes = Arc::make_mut(&mut self.changes);
        changes.push_back(Arc::new(change));
        if changes.len() > MOST_KEPT {
            let over = changes.iter().position(|change| change.rollback.is_some());
            changes.remove(over.unwrap_or(0));
        }
    }

    /// The newest change of a recommendation was taken back.
    pub fn roll_back(&mut self, rollback: Rollback) {
        let changes = Arc::make_mut(&mut self.changes);
        let id = &rollback.recommendation_id;
        if let Some(change) = changes.iter_mut().rev().find(|change| change.recommendation_id == *id) {
            Arc::make_mut(change).rollback = Some(rollback.clone());
        }
        let rollbacks = Arc::make_mut(&mut self.rollbacks);
        rollbacks.push_back(Arc::new(rollback));
        if rollbacks.len() > MOST_KEPT {
            rollbacks.pop_front();
        }
    }
}
