//! Recorded facts as log lines: each reads alone, with the same fields everywhere.

use crate::domain::fact::Fact;
use crate::domain::on_platform::{Discarded, Undoing};
use crate::domain::recommendation::{Recommendation, Status};

/// Logs one recorded fact.
pub(super) fn fact(fact: &Fact) {
    match fact {
        Fact::EvolutionStarted { .. } => tracing::info!("the journal is replayed; decisions begin"),
        Fact::Usage(recorded) => tracing::debug!(events = recorded.events.len(), "usage recorded"),
        Fact::EndpointFound { service, endpoint } => {
            tracing::info!(%service, %endpoint, "an endpoint is told apart");
        }
        Fact::EndpointFolded { service, endpoint } => {
            tracing::info!(%service, endpoint = endpoint.as_deref(), "it makes room for a busier one, and is counted under {{other}}");
        }
        Fact::RouteMerged { service, prefix } => {
            tracing::info!(%service, prefix, "paths differ in a value here, and are one endpoint");
        }
        Fact::Analysed(analysed) => {
            let (patterns, found) = (analysed.patterns, analysed.recommendations.len());
            tracing::info!(patterns, recommendations = found, next_at = %analysed.next_at, "analysed");
        }
        Fact::Recommendation { recommendation } => self::recommendation(recommendation),
        Fact::ChangeBegun(change) => {
            let (service, id, details) =
                (&change.baseline.service, &change.recommendation_id, &change.result.details);
            tracing::info!(%service, recommendation_id = %id, trigger = change.trigger.as_str(), details, "change begun");
        }
        Fact::ChangeEnded(ended) => {
            let (service, id, phase) = (&ended.service, &ended.recommendation_id, ended.phase.as_str());
            tracing::warn!(%service, recommendation_id = %id, phase, reason = ended.reason, "change ended");
        }
        Fact::ChangeApplied(change) => {
            let (service, id, trigger) =
                (&change.baseline.service, &change.recommendation_id, change.trigger.as_str());
            tracing::info!(%service, recommendation_id = %id, trigger, details = change.result.details, "change applied");
        }
        Fact::TrialBegan { service, recommendation_id: id, trial } => {
            tracing::info!(%service, recommendation_id = %id, since = %trial.since, until = %trial.until, "change is being tried");
        }
        Fact::ArmsSwapped { service, recommendation_id: id, trial } => {
            tracing::info!(%service, recommendation_id = %id, until = %trial.until, "the two groups of instances have changed places");
        }
        Fact::ChangeJudged(judged) => {
            let (service, id, verdict) = (&judged.service, &judged.recommendation_id, &judged.verdict);
            let outcome = verdict.outcome.as_str();
            tracing::info!(%service, recommendation_id = %id, outcome, reason = verdict.reason, "change judged");
        }
        Fact::PreviousDiscarded(discarded) => self::discarded(discarded),
        Fact::RollbackBegun(undoing) | Fact::RollbackFailed(undoing) => self::undoing(undoing),
        Fact::ChangeRolledBack(rolled_back) => {
            let rollback = &rolled_back.rollback;
            let (service, id) = (&rollback.service, &rollback.recommendation_id);
            tracing::warn!(%service, recommendation_id = %id, reason = rollback.reason, "change rolled back");
        }
        Fact::SettingsDelivered { service, instance, version } => {
            tracing::info!(%service, %instance, version, "settings delivered");
        }
        Fact::Paused(pause) => {
            let until = pause.until.map(|until| until.to_string());
            tracing::warn!(until, reason = pause.reason, "changes are held back by a person");
        }
        Fact::Resumed => tracing::info!("changes go on"),
    }
}

fn discarded(discarded: &Discarded) {
    let (service, id) = (&discarded.service, &discarded.recommendation_id);
    tracing::info!(%service, recommendation_id = %id, "what was kept of before is discarded");
}

fn undoing(undoing: &Undoing) {
    let (service, id, undo) = (&undoing.service, &undoing.recommendation_id, &undoing.undo);
    let (next_at, reason) = (undo.due, &undo.reason);
    match &undo.failure {
        None => {
            tracing::warn!(%service, recommendation_id = %id, %next_at, reason, "change is being taken back");
        }
        Some(failure) => {
            let failures = undo.failures;
            tracing::error!(%service, recommendation_id = %id, failures, %next_at, failure, reason, "change could not be taken back");
        }
    }
}

fn recommendation(recommendation: &Recommendation) {
    let (service, id) = (&recommendation.target_service, &recommendation.id);
    let (status, priority) = (recommendation.status.as_str(), recommendation.priority.as_str());
    let description = &recommendation.description;
    if recommendation.status == Status::Pending {
        tracing::info!(%service, recommendation_id = %id, priority, status, description, "recommended");
    } else {
        tracing::debug!(%service, recommendation_id = %id, priority, status, description, "confirmed");
    }
}
