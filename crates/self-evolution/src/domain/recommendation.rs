//! What is recommended, with the evidence for it and what has become of it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use utoipa::ToSchema;

pub use super::evidence::{Evidence, Figures, Interval, LoadSensitivity};
use super::setting::SettingChange;
use super::window::bucket::Counters;

/// The identity of a recommendation: 12 hexadecimal digits, the same for one service, issue and day.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, example = "1f0c9e2ab34d")]
pub struct RecommendationId(Arc<str>);

impl RecommendationId {
    /// The identity that a text names; it need not exist.
    pub fn named(text: &str) -> Self {
        Self(text.into())
    }

    /// The identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RecommendationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a recommendation is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Answers take too long.
    Performance,
    /// Answers are errors.
    Reliability,
    /// There are many requests.
    Scaling,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Performance, Self::Reliability, Self::Scaling];

    /// Its word in the API, logs and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Performance => "performance",
            Self::Reliability => "reliability",
            Self::Scaling => "scaling",
        }
    }
}

/// How much it matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Worth a look.
    Low,
    /// Worth a change.
    Medium,
    /// Users notice.
    High,
    /// Users are turned away.
    Critical,
}

impl Priority {
    /// Its word in the API, logs and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// What has become of a recommendation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Nothing yet.
    Pending,
    /// Its change is in effect.
    Applied,
    /// Its change was taken back.
    RolledBack,
    /// Its change could not be made.
    Failed,
    /// A person does not want it.
    Dismissed,
    /// What it was about has not been seen for a day.
    Expired,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 6] =
        [Self::Pending, Self::Applied, Self::RolledBack, Self::Failed, Self::Dismissed, Self::Expired];

    /// Its word in the API, logs and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Applied => "applied",
            Self::RolledBack => "rolled_back",
            Self::Failed => "failed",
            Self::Dismissed => "dismissed",
            Self::Expired => "expired",
        }
    }

    /// The status of this word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == word)
    }
}

/// How far the evidence can be relied on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Confidence {
    /// There is little of it.
    Low,
    /// There is enough of it.
    High,
}

/// Something that is recommended.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Recommendation {
    /// Its identity.
    pub id: RecommendationId,
    /// What it is about.
    pub r#type: Kind,
    /// The service that it is for.
    #[schema(value_type = String)]
    pub target_service: Arc<str>,
    /// What was seen, and what could be done.
    pub description: String,
    /// How much it matters.
    pub priority: Priority,
    /// Which part of the trouble is expected to go, from 0 to 1.
    pub estimated_improvement: f64,
    /// Where that number comes from.
    pub improvement_method: String,
    /// Which part of the response time would go if all went that has come on top of it, with its interval; of what has
    /// become slower.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub improvement_interval: Option<Interval>,
    /// What that would spare users, by what was seen in the last hour.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gain: Option<Gain>,
    /// When what it is about began, as far as that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub onset: Option<Timestamp>,
    /// The part of the service's requests that went to the endpoints that it names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blast_radius: Option<f64>,
    /// When it is over, unless an analysis finds reason for it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The constant that it was worked out from.
    #[serde(default)]
    pub prior_improvement: f64,
    /// What has become of it.
    pub status: Status,
    /// Whether a person has approved of it.
    #[serde(default)]
    pub is_approved: bool,
    /// When it was first made.
    pub created_at: Timestamp,
    /// When an analysis last found reason for it.
    pub confirmed_at: Timestamp,
    /// When its change was applied.
    pub applied_at: Option<Timestamp>,
    /// Which detector found it.
    pub detector: String,
    /// The span that was looked at, in hours.
    pub window_hours: u32,
    /// What was seen, the endpoint that matters most first.
    pub evidence: Vec<Evidence>,
    /// How far the evidence can be relied on.
    pub confidence: Confidence,
    /// Why so far.
    pub confidence_reason: String,
    /// Why the daemon has not applied it by itself, where it may do so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_back: Option<String>,
    /// How the service's response time goes with its load, of what asks for more replicas.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_sensitivity: Option<LoadSensitivity>,
    /// Why applying it would help nobody, whatever the service is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub obstacle: Option<String>,
    /// What applying it would change, and what that would be from and to.
    pub changes: Vec<SettingChange>,
    /// What has happened to it, oldest first; the newest 20.
    #[serde(default)]
    pub history: Vec<Step>,
}

/// What users are spared.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Gain {
    /// So much an hour.
    pub per_hour: f64,
    /// Of what.
    pub of: GainOf,
}

/// What users are spared of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GainOf {
    /// Seconds that they wait, all users together.
    UserSeconds,
    /// Answers that are errors.
    Errors,
}

impl Gain {
    /// What an improvement would have spared, of what was counted over an hour.
    pub fn of(kind: Kind, improvement: f64, last_hour: &Counters) -> Self {
        match kind {
            Kind::Performance | Kind::Scaling => {
                Self { per_hour: last_hour.sum * improvement, of: GainOf::UserSeconds }
            }
            Kind::Reliability => {
                Self { per_hour: last_hour.errors() as f64 * improvement, of: GainOf::Errors }
            }
        }
    }
}

/// Something that has happened to a recommendation.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Step {
    /// When.
    pub at: Timestamp,
    /// What it became.
    pub status: Status,
    /// Why, in words.
    pub reason: String,
}

/// Steps of a recommendation that are kept.
const MOST_STEPS: usize = 20;
/// Recommendations that are kept; the oldest that are over go first.
const MOST_KEPT: usize = 1_000;

impl Recommendation {
    /// Whether it is about this issue of this service, whatever its day.
    pub fn is_like(&self, service: &str, detector: &str) -> bool {
        *self.target_service == *service && self.detector == detector
    }

    /// Notes what has become of it.
    pub fn becomes(&mut self, status: Status, at: Timestamp, reason: impl Into<String>) {
        self.status = status;
        self.history.push(Step { at, status, reason: reason.into() });
        if self.history.len() > MOST_STEPS {
            self.history.remove(0);
        }
    }
}

/// All recommendations. A clone shares what is not changed afterwards.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Recommendations {
    by_id: Arc<BTreeMap<RecommendationId, Arc<Recommendation>>>,
}

impl Recommendations {
    /// The one of this identity.
    pub fn get(&self, id: &RecommendationId) -> Option<&Recommendation> {
        self.by_id.get(id).map(|recommendation| &**recommendation)
    }

    /// All, in no order that means something.
    pub fn iter(&self) -> impl Iterator<Item = &Recommendation> {
        self.by_id.values().map(|recommendation| &**recommendation)
    }

    /// All, in the order in which they were made.
    pub fn in_order(&self) -> Vec<&Arc<Recommendation>> {
        let mut all: Vec<_> = self.by_id.values().collect();
        all.sort_by(|a, b| a.created_at.cmp(&b.created_at).then_with(|| a.id.cmp(&b.id)));
        all
    }

    /// How many there are of each status.
    pub fn count(&self, status: Status) -> usize {
        self.by_id.values().filter(|recommendation| recommendation.status == status).count()
    }

    /// Takes one in, in place of an earlier one of the same identity.
    pub fn put(&mut self, recommendation: Recommendation) {
        let by_id = Arc::make_mut(&mut self.by_id);
        by_id.insert(recommendation.id.clone(), Arc::new(recommendation));
        if by_id.len() > MOST_KEPT {
            let over = by_id.values().filter(|r| !matches!(r.status, Status::Pending | Status::Applied));
            let oldest =
                over.min_by_key(|r| r.created_at).or_else(|| by_id.values().min_by_key(|r| r.created_at));
            if let Some(id) = oldest.map(|oldest| oldest.id.clone()) {
                by_id.remove(&id);
            }
        }
    }

    /// Changes one, if it exists.
    pub fn change(&mut self, id: &RecommendationId, change: impl FnOnce(&mut Recommendation)) {
        if let Some(recommendation) = Arc::make_mut(&mut self.by_id).get_mut(id) {
            change(Arc::make_mut(recommendation));
        }
    }
}
