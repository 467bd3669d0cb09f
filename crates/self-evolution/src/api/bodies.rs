//! What the routes answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use shared::clock::Timestamp;
use shared::order::Target;
use utoipa::ToSchema;

use crate::domain::change::{Baseline, Change, Rollback};
use crate::domain::cost::cost;
use crate::domain::evolution::Refusal;
use crate::domain::playbook;
use crate::domain::recommendation::{Recommendation, RecommendationId, Status};
use crate::domain::setting::{Delivery, ServiceSettings, Setting, SettingChange, Split};
use crate::domain::usage::Rejection;
use crate::domain::view::View;

/// `GET /health`.
#[derive(Serialize, ToSchema)]
pub(super) struct HealthBody {
    pub(super) status: &'static str,
    pub(super) service: &'static str,
    pub(super) timestamp: Timestamp,
    pub(super) elasticsearch_enabled: bool,
    pub(super) auto_apply_enabled: bool,
}

/// `POST /collect-usage`.
#[derive(Serialize, ToSchema)]
pub(super) struct Collected {
    pub(super) message: &'static str,
    pub(super) timestamp: Timestamp,
    /// Events that were taken; they are recorded.
    pub(super) accepted: usize,
    /// Events that were not.
    pub(super) rejected: usize,
    /// The first 100 of these, with the reason.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) rejections: Vec<Rejection>,
}

/// A recommendation, and what could be done about it now.
#[derive(Serialize, ToSchema)]
pub(super) struct RecommendationBody {
    #[serde(flatten)]
    recommendation: Recommendation,
    /// `status` in more detail: `pending`, `approved`, `applying`; of what is applied `settling`, `verifying`, `kept`,
    /// `inconclusive`, `unjudged`, `rolling_back`, `rollback_failed`; of what failed `failed`, `superseded`; and as
    /// `status` otherwise.
    phase: &'static str,
    /// Whether applying it now would do something.
    is_executable: bool,
    /// Why not.
    not_executable_because: Option<String>,
    /// The change as the owner of what it changes could make it, where that is somebody else.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    patch: Option<Value>,
    /// Whether it can be taken back now.
    is_revertable: bool,
    /// What must be so when it is applied; it is looked at then.
    preconditions: Vec<String>,
    /// How much more of what the service is given: replicas by number, `cpus` in processors, `memory` in bytes.
    #[schema(value_type = std::collections::BTreeMap<String, f64>)]
    cost_delta: BTreeMap<&'static str, f64>,
    /// The platform that applying is aimed at; none where settings are published.
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<Target>,
}

impl RecommendationBody {
    pub(super) fn new(recommendation: &Recommendation, view: &View) -> Self {
        let status = recommendation.status;
        let service = &recommendation.target_service;
        let play = view.playbook.of(service, recommendation.r#type);
        let is_told =
            play.is_none() && playbook::changes(recommendation.r#type, service, &view.settings).is_empty();
        let plan = view.plans.get(&recommendation.id).filter(|_| play.is_some());
        let change = view.changes.of(&recommendation.id);
        let open = change.filter(|change| change.phase.is_open());
        let hindrance = plan.and_then(|plan| plan.as_ref().err()).filter(|_| status == Status::Pending);
        let obstacle = match (status, &view.pause) {
            (Status::Pending, Some(_)) => Some("changes are paused: POST /resume".to_owned()),
            (Status::Pending, None) if recommendation.obstacle.is_some() => recommendation.obstacle.clone(),
            (Status::Pending, None) if is_told => Some(format!("{service} is told all of it already")),
            (Status::Pending, None) => {
                let open = view.changes.open_of(service);
                let judged =
                    open.map(|open| Refusal::BeingJudged(open.recommendation_id.clone()).to_string());
                judged.or_else(|| hindrance.map(ToString::to_string))
            }
            (
                Status::Applied | Status::RolledBack | Status::Failed | Status::Dismissed | Status::Expired,
                _,
            ) => Some(format!("it is {} already", status.as_str())),
        };
        let planned = plan.and_then(|plan| plan.as_ref().ok()).filter(|_| status == Status::Pending);
        let changes = planned.unwrap_or(&recommendation.changes);
        Self {
            phase: match status {
                Status::Pending if recommendation.is_approved && open.is_none() => "approved",
                Status::Pending => open.map_or(status.as_str(), |change| change.phase.as_str()),
                Status::Applied | Status::Failed => {
                    change.map_or(status.as_str(), |change| change.phase.as_str())
                }
                Status::RolledBack | Status::Dismissed | Status::Expired => status.as_str(),
            },
            is_executable: obstacle.is_none(),
            not_executable_because: obstacle,
            patch: hindrance.and_then(|hindrance| hindrance.patch.clone()),
            is_revertable: status == Status::Applied
                || open.is_some_and(|change| change.undo_due().is_some()),
            preconditions: playbook::preconditions(changes),
            cost_delta: cost(changes),
            target: play.map(|play| play.target.clone()),
            recommendation: Recommendation { changes: changes.clone(), ..recommendation.clone() },
        }
    }
}

/// `POST /analyze`.
#[derive(Serialize, ToSchema)]
pub(super) struct Analysis {
    /// Endpoints with requests in the window.
    pub(super) patterns_analyzed: usize,
    /// How many recommendations this analysis gave.
    pub(super) recommendations_generated: usize,
    /// These, the most important first.
    pub(super) recommendations: Vec<RecommendationBody>,
    pub(super) timestamp: Timestamp,
}

/// `GET /recommendations`.
#[derive(Serialize, ToSchema)]
pub(super) struct RecommendationList {
    pub(super) count: usize,
    /// In the order in which they were made.
    pub(super) recommendations: Vec<RecommendationBody>,
}

/// `POST /apply-optimization/<id>`.
#[derive(Serialize, ToSchema)]
pub(super) struct AppliedBody {
    pub(super) success: bool,
    /// What was done, in one word.
    pub(super) action: String,
    /// What was done, in one sentence.
    pub(super) details: String,
    pub(super) recommendation_id: RecommendationId,
    #[schema(value_type = String)]
    pub(super) service: Arc<str>,
    /// What changed, from what to what.
    pub(super) changes: Vec<SettingChange>,
    /// The version of the service's settings from now on.
    pub(super) version: u64,
    pub(super) applied_at: Timestamp,
}

impl From<Change> for AppliedBody {
    fn from(change: Change) -> Self {
        Self {
            success: change.result.success,
            action: change.result.action,
            details: change.result.details,
            recommendation_id: change.recommendation_id,
            service: change.baseline.service,
            changes: change.changes,
            version: change.version,
            applied_at: change.applied_at,
        }
    }
}

/// `POST /apply-optimization/<id>?dry_run=true`: what would be done, and nothing was.
#[derive(Serialize, ToSchema)]
pub(super) struct PlanBody {
    /// Always true.
    dry_run: bool,
    /// What would be done, in one word.
    action: String,
    /// What would be done, in one sentence.
    details: String,
    recommendation_id: RecommendationId,
    #[schema(value_type = String)]
    service: Arc<str>,
    /// The platform that would do it; none where settings are published.
    target: Option<Target>,
    /// What would change, from what to what; what is before is there now.
    changes: Vec<SettingChange>,
    /// What would take it back.
    inverse: Vec<SettingChange>,
    /// What the precondition says now.
    precondition: &'static str,
}

impl From<Change> for PlanBody {
    fn from(change: Change) -> Self {
        Self {
            dry_run: true,
            action: change.result.action,
            details: format!("Would be done: {}", change.result.details),
            recommendation_id: change.recommendation_id,
            service: change.baseline.service,
            target: change.platform.map(|platform| platform.target),
            changes: change.changes,
            inverse: change.inverse,
            precondition: "holds: every value is what `before` says",
        }
    }
}

/// A change, what has become of it, and who has it.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangeBody {
    #[serde(flatten)]
    change: Change,
    /// Instances of the service that have fetched a version with it.
    delivered_to: usize,
}

impl ChangeBody {
    pub(super) fn new(change: &Change, view: &View) -> Self {
        let mut change = change.clone();
        if let Some(now) = view.recommendations.get(&change.recommendation_id) {
            change.recommendation = now.clone();
        }
        let deliveries = view.settings.of(&change.baseline.service).map(|settings| &settings.deliveries);
        let has_it = |delivery: &&Delivery| delivery.version >= change.version;
        let delivered_to = deliveries.map_or(0, |all| all.values().filter(has_it).count());
        Self { change, delivered_to }
    }
}

/// `GET /applied-optimizations`.
#[derive(Serialize, ToSchema)]
pub(super) struct Optimizations {
    pub(super) count: usize,
    /// Oldest first.
    pub(super) optimizations: Vec<ChangeBody>,
}

/// `GET /changes`.
#[derive(Serialize, ToSchema)]
pub(super) struct ChangeList {
    /// Newest first.
    pub(super) items: Vec<ChangeBody>,
}

/// `GET /rollback-history`.
#[derive(Serialize, ToSchema)]
pub(super) struct Rollbacks {
    pub(super) count: usize,
    /// Oldest first.
    pub(super) rollbacks: Vec<Rollback>,
}

/// `GET /performance-baselines`: the newest of each service that was changed.
pub(super) type Baselines = BTreeMap<Arc<str>, Baseline>;

/// `GET /settings/<service>`.
#[derive(Serialize, ToSchema)]
pub(super) struct SettingsBody {
    #[schema(value_type = String)]
    pub(super) service: Arc<str>,
    /// Grows with every change; 0 before the first.
    pub(super) version: u64,
    /// By key; while a change is tested on half of the instances, those that this instance is to have.
    pub(super) settings: BTreeMap<String, Setting>,
    /// What this instance is to report as `variant` with its usage, while a change is tested on half of the instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) variant: Option<String>,
    /// The test of a change on half of the instances.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) split: Option<Split>,
    /// Who has fetched them: the version and since when.
    #[schema(value_type = BTreeMap<String, Delivery>)]
    pub(super) deliveries: BTreeMap<Arc<str>, Delivery>,
}

impl SettingsBody {
    pub(super) fn new(service: &str, settings: Option<&Arc<ServiceSettings>>) -> Self {
        let settings = settings.map(|settings| (**settings).clone()).unwrap_or_default();
        Self {
            service: service.into(),
            version: settings.version,
            settings: settings.settings,
            variant: None,
            split: settings.split,
            deliveries: settings.deliveries,
        }
    }

    /// What an instance is told.
    pub(super) fn told_to(instance: &str, service: &str, settings: Option<&Arc<ServiceSettings>>) -> Self {
        let body = Self::new(service, settings);
        let Some(settings) = settings.filter(|settings| settings.split.is_some()) else { return body };
        let told = |key: &String| Some((key.clone(), settings.told_to(instance, key)?.clone()));
        let told = settings.settings.keys().filter_map(told).collect();
        Self { settings: told, variant: settings.variant_of(instance), ..body }
    }
}

/// `GET /settings/<service>/<key>`.
#[derive(Serialize, ToSchema)]
pub(super) struct SettingBody {
    /// The value.
    #[schema(value_type = Object)]
    pub(super) value: serde_json::Value,
}

/// What a person wanted, done.
#[derive(Serialize, ToSchema)]
pub(super) struct Recorded {
    /// What was done, in a sentence.
    pub(super) message: String,
    pub(super) timestamp: Timestamp,
    /// Until when it lasts, if it ends by itself.
    pub(super) until: Option<Timestamp>,
}
