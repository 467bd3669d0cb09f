//! A change that was made because of a recommendation, and the way back.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use utoipa::ToSchema;

use super::ab_test::AbTest;
use super::judge::Verdict;
use super::on_platform::OnPlatform;
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
    /// Somebody who has made it without the daemon, which only judges it: a backtest is told of such changes.
    Outside,
}

impl Trigger {
    /// Its word in the API, logs and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Manual => "manual",
            Self::Automatic => "automatic",
            Self::Outside => "outside",
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
    /// What a platform has to do with it; none where its settings are published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<OnPlatform>,
    /// How far it has come.
    #[serde(default)]
    pub phase: Phase,
    /// How the instances are divided that have it and have it not, where it is judged by comparing these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ab_test: Option<AbTest>,
    /// The span over which it is judged, once it has settled.
    #[serde(default)]
    pub trial: Option<Trial>,
    /// How it turned out.
    #[serde(default)]
    pub verdict: Option<Verdict>,
    /// When it was taken back, and why.
    #[serde(default)]
    pub rollback: Option<Rollback>,
}

/// How far a change has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It is in effect, and nobody judges it.
    #[default]
    Unjudged,
    /// It is on record, and a platform was told to make it.
    Applying,
    /// It is in effect, and has yet to reach the service and to show what it does.
    Settling,
    /// What the service answers with it is compared with what it answered before.
    Verifying,
    /// It is better, and stays.
    Kept,
    /// Nobody can say whether it is better, and the operator wants it to stay then.
    Inconclusive,
    /// A platform was told to take it back, or is about to be.
    RollingBack,
    /// It could not be taken back; that is tried again.
    RollbackFailed,
    /// It was taken back.
    RolledBack,
    /// It could not be made.
    Failed,
    /// Somebody else has changed the same, or has taken it over.
    Superseded,
}

impl Phase {
    /// Its word in the API, logs and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unjudged => "unjudged",
            Self::Applying => "applying",
            Self::Settling => "settling",
            Self::Verifying => "verifying",
            Self::Kept => "kept",
            Self::Inconclusive => "inconclusive",
            Self::RollingBack => "rolling_back",
            Self::RollbackFailed => "rollback_failed",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
        }
    }

    /// Every phase.
    pub const ALL: [Self; 11] = [
        Self::Unjudged,
        Self::Applying,
        Self::Settling,
        Self::Verifying,
        Self::Kept,
        Self::Inconclusive,
        Self::RollingBack,
        Self::RollbackFailed,
        Self::RolledBack,
        Self::Failed,
        Self::Superseded,
    ];

    /// Whether it has yet to end: a verdict is still to come, or a platform still has to do something.
    pub fn is_open(self) -> bool {
        match self {
            Self::Applying | Self::Settling | Self::Verifying | Self::RollingBack | Self::RollbackFailed => {
                true
            }
            Self::Unjudged
            | Self::Kept
            | Self::Inconclusive
            | Self::RolledBack
            | Self::Failed
            | Self::Superseded => false,
        }
    }

    /// Whether a verdict is still to come.
    pub fn is_unverified(self) -> bool {
        matches!(self, Self::Settling | Self::Verifying)
    }

    /// Whether it never came to be in effect, or has been replaced by what somebody else did.
    pub fn has_failed(self) -> bool {
        matches!(self, Self::Applying | Self::Failed | Self::Superseded)
    }
}

/// The span over which a change is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Trial {
    /// Since when what is answered counts.
    pub since: Timestamp,
    /// Until when; later when little was seen by then.
    pub until: Timestamp,
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
    /// Who wanted it.
    #[serde(default = "manual")]
    pub trigger: Trigger,
}

fn manual() -> Trigger {
    Trigger::Manual
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
    /// Those that have yet to end, by recommendation.
    #[serde(default)]
    open: Arc<BTreeSet<RecommendationId>>,
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

    /// Whether any has yet to end.
    pub fn has_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// Those that have yet to end.
    pub fn open(&self) -> impl Iterator<Item = &Arc<Change>> {
        self.open.iter().filter_map(|id| self.of(id))
    }

    /// Those that a verdict is still to come of.
    pub fn unverified(&self) -> Vec<Arc<Change>> {
        self.open().filter(|change| change.phase.is_unverified()).cloned().collect()
    }

    /// Whether a platform is being told to make the change of a recommendation.
    pub fn is_applying(&self, id: &RecommendationId) -> bool {
        self.open.contains(id) && self.of(id).is_some_and(|change| change.phase == Phase::Applying)
    }

    /// The change of a service that has yet to end.
    pub fn open_of(&self, service: &str) -> Option<&Arc<Change>> {
        self.open().find(|change| *change.baseline.service == *service)
    }

    /// Something has become of the newest change of a recommendation.
    pub fn update(&mut self, id: &RecommendationId, update: impl FnOnce(&mut Change)) {
        let changes = Arc::make_mut(&mut self.changes);
        if let Some(change) = changes.iter_mut().rev().find(|change| change.recommendation_id == *id) {
            let change = Arc::make_mut(change);
            update(change);
            let open = Arc::make_mut(&mut self.open);
            // What had ended is open again once it is to be taken back.
            if change.phase.is_open() {
                open.insert(id.clone())
            } else {
                open.remove(id)
            };
        }
    }

    /// A change was made.
    pub fn put(&mut self, change: Change) {
        let baselines = Arc::make_mut(&mut self.baselines);
        baselines.insert(Arc::clone(&change.baseline.service), change.baseline.clone());
        if change.phase.is_open() {
            Arc::make_mut(&mut self.open).insert(change.recommendation_id.clone());
        }
        let changes = Arc::make_mut(&mut self.changes);
        changes.push_back(Arc::new(change));
        if changes.len() > MOST_KEPT {
            let is_over = |change: &Arc<Change>| change.rollback.is_some();
            let has_ended = |change: &Arc<Change>| !change.phase.is_open();
            let over = changes.iter().position(is_over).or_else(|| changes.iter().position(has_ended));
            let gone = changes.remove(over.unwrap_or(0));
            if let Some(gone) = gone.filter(|gone| gone.phase.is_open()) {
                Arc::make_mut(&mut self.open).remove(&gone.recommendation_id);
            }
        }
    }

    /// The newest change of a recommendation was taken back.
    pub fn roll_back(&mut self, rollback: Rollback) {
        self.update(&rollback.recommendation_id, |change| {
            change.phase = Phase::RolledBack;
            change.rollback = Some(rollback.clone());
        });
        let rollbacks = Arc::make_mut(&mut self.rollbacks);
        rollbacks.push_back(Arc::new(rollback));
        if rollbacks.len() > MOST_KEPT {
            rollbacks.pop_front();
        }
    }
}
