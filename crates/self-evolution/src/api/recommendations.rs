//! What is recommended, and what a person or a program wants done about it.

use axum::Json;
use axum::extract::{Path, State};
use serde::Deserialize;
use shared::http::{Problem, ProblemBody, Query};
use utoipa::IntoParams;

use super::bodies::{Analysis, RecommendationBody, RecommendationList};
use super::{Api, unhandled};
use crate::domain::evolution::{Answer, Event, Refusal};
use crate::domain::recommendation::{RecommendationId, Status};

/// Characters of a reason that are taken.
pub(super) const MOST_REASON: usize = 500;

/// Which recommendations.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Only those with this status: pending, applied, rolled_back, failed, dismissed, expired.
    status: Option<String>,
}

/// Why.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Because {
    /// Why; recorded and shown.
    reason: Option<String>,
}

/// Analyses everything that was reported so far, and waits for the result.
#[utoipa::path(post, path = "/analyze", tag = "recommendations",
    responses((status = 200, description = "What the analysis gave", body = Analysis),
        (status = 503, description = "The journal cannot be written", body = ProblemBody)))]
pub(super) async fn analyze(State(api): State<Api>) -> Result<Json<Analysis>, Problem> {
    let answer = api.engine.ask(Event::AnalysisRequested).await.map_err(unhandled)?;
    let Some(Answer::Analysing(run)) = answer else { return Err(Problem::internal()) };
    let mut engine = api.engine.clone();
    let mut view = engine.view();
    while view.run < run {
        view = engine.changed().await.map_err(unhandled)?;
    }
    let (patterns, ids) = view
        .analysed
        .as_ref()
        .map(|(_, analysed)| (analysed.patterns, analysed.recommendations.clone()))
        .unwrap_or_default();
    let found = ids.iter().filter_map(|id| view.recommendations.get(id));
    let recommendations: Vec<_> = found.map(|found| RecommendationBody::new(found, &view)).collect();
    Ok(Json(Analysis {
        patterns_analyzed: patterns,
        recommendations_generated: recommendations.len(),
        recommendations,
        timestamp: api.clock.now(),
    }))
}

/// What is recommended.
#[utoipa::path(get, path = "/recommendations", tag = "recommendations", params(Asked),
    responses((status = 200, description = "All, or those with one status", body = RecommendationList),
        (status = 400, description = "There is no such status", body = ProblemBody)))]
pub(super) async fn recommendations(
    State(api): State<Api>,
    Query(asked): Query<Asked>,
) -> Result<Json<RecommendationList>, Problem> {
    let status = asked.status.map(|word| status(&word)).transpose()?;
    let view = api.engine.view();
    let wanted = view.recommendations.in_order().into_iter().filter(|r| status.is_none_or(|s| r.status == s));
    let recommendations: Vec<_> = wanted.map(|wanted| RecommendationBody::new(wanted, &view)).collect();
    Ok(Json(RecommendationList { count: recommendations.len(), recommendations }))
}

fn status(word: &str) -> Result<Status, Problem> {
    Status::from_word(word).ok_or_else(|| {
        let all: Vec<&str> = Status::ALL.iter().map(|status| status.as_str()).collect();
        Problem::bad_request(format!("status {word:?} is unknown: there are {}", all.join(", ")))
    })
}

/// One recommendation.
#[utoipa::path(get, path = "/recommendations/{id}", tag = "recommendations",
    params(("id" = String, Path, description = "Its identity")),
    responses((status = 200, description = "The recommendation", body = RecommendationBody),
        (status = 404, description = "There is no such recommendation", body = ProblemBody)))]
pub(super) async fn recommendation(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<RecommendationBody>, Problem> {
    let view = api.engine.view();
    match view.recommendations.get(&RecommendationId::named(&id)) {
        Some(recommendation) => Ok(Json(RecommendationBody::new(recommendation, &view))),
        None => Err(Problem::not_found("Recommendation not found")),
    }
}

/// Approves of a recommendation: the next analysis applies it, whatever its priority.
#[utoipa::path(post, path = "/approve/{id}", tag = "recommendations",
    params(("id" = String, Path, description = "Identity of the recommendation")),
    responses((status = 200, description = "Recorded", body = RecommendationBody),
        (status = 404, description = "There is no such recommendation", body = ProblemBody),
        (status = 409, description = "It is not pending", body = ProblemBody)))]
pub(super) async fn approve(
    State(api): State<Api>,
    Path(id): Path<String>,
) -> Result<Json<RecommendationBody>, Problem> {
    settled(&api, Event::ApprovalRequested { id: RecommendationId::named(&id) }).await
}

/// Dismisses a recommendation: it is not applied, and comes back tomorrow at the earliest.
#[utoipa::path(post, path = "/dismiss/{id}", tag = "recommendations",
    params(("id" = String, Path, description = "Identity of the recommendation"), Because),
    responses((status = 200, description = "Recorded", body = RecommendationBody),
        (status = 404, description = "There is no such recommendation", body = ProblemBody),
        (status = 409, description = "It is not pending", body = ProblemBody)))]
pub(super) async fn dismiss(
    State(api): State<Api>,
    Path(id): Path<String>,
    Query(because): Query<Because>,
) -> Result<Json<RecommendationBody>, Problem> {
    let reason = because.reason()?;
    settled(&api, Event::DismissalRequested { id: RecommendationId::named(&id), reason }).await
}

async fn settled(api: &Api, event: Event) -> Result<Json<RecommendationBody>, Problem> {
    match ask(api, event, &APPLYING).await? {
        Answer::Recommendation(recommendation) => {
            Ok(Json(RecommendationBody::new(&recommendation, &api.engine.view())))
        }
        Answer::Counted(_)
        | Answer::Analysing(_)
        | Answer::InspectFirst(_)
        | Answer::Planned(_)
        | Answer::Applied(_)
        | Answer::Begun(_)
        | Answer::RolledBack(_)
        | Answer::Done
        | Answer::Refused(_) => Err(Problem::internal()),
    }
}

impl Because {
    pub(super) fn reason(self) -> Result<Option<String>, Problem> {
        match self.reason {
            Some(reason) if reason.chars().count() > MOST_REASON => {
                Err(Problem::bad_request(format!("reason may have {MOST_REASON} characters")))
            }
            reason => Ok(reason),
        }
    }
}

/// The sentences of the contract for what cannot be done.
pub(super) struct Sentences {
    unknown: &'static str,
    not_now: &'static str,
}

pub(super) const APPLYING: Sentences =
    Sentences { unknown: "Recommendation not found", not_now: "Recommendation already processed" };
pub(super) const ROLLING_BACK: Sentences = Sentences {
    unknown: "Optimization not found or not applied",
    not_now: "Optimization not found or not applied",
};

/// Asks the core; what it refuses becomes a problem.
pub(super) async fn ask(api: &Api, event: Event, sentences: &Sentences) -> Result<Answer, Problem> {
    let answer = api.engine.ask(event).await.map_err(unhandled)?.ok_or_else(Problem::internal)?;
    let Answer::Refused(refusal) = answer else { return Ok(answer) };
    let reason = refusal.to_string();
    Err(match refusal {
        Refusal::Unknown => Problem::not_found(sentences.unknown),
        Refusal::AlreadyProcessed(status) | Refusal::NotApplied(status) => {
            Problem::conflict(sentences.not_now)
                .with_detail(reason)
                .with_member("recommendation_status", status.as_str())
        }
        Refusal::HandedOut(hindrance) => {
            Problem::conflict(reason).with_member("patch", hindrance.patch.unwrap_or_default())
        }
        Refusal::NotExecutable(_) | Refusal::Superseded(_) | Refusal::BeingJudged(_) => {
            Problem::conflict(reason)
        }
        Refusal::Paused(pause) => {
            let problem = Problem::locked(reason);
            match pause.until {
                Some(until) => problem.with_retry_after(until.since(api.clock.now())),
                None => problem,
            }
        }
    })
}
