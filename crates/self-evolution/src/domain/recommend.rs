//! From findings to recommendations: one for each service and issue of a day, with all that speaks for it as evidence.

mod groups;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use md5::{Digest, Md5};
use shared::clock::Timestamp;

use super::detect::{Finding, UnderLoad};
use super::evidence::{Interval, LoadSensitivity};
use super::playbook;
use super::policy::Policy;
use super::prior::{LEAST_CORRELATION, Prior, SIGNIFICANCE, goes_with_load};
use super::recommendation::{Confidence, Gain, Kind, Recommendation, RecommendationId, Status};
use super::state::State;
use super::window::bucket::Counters;
use groups::groups;

/// Endpoints that a recommendation names; the worst.
pub(super) const MOST_EVIDENCE: usize = 20;
/// A pending recommendation for which no analysis has found reason for so long is over.
pub const EXPIRES: Duration = Duration::from_secs(86_400);
/// Requests below which the evidence is thin.
const THIN: u64 = 30;

/// The recommendations that findings give now, the most important first. One that exists keeps its identity, its
/// beginning and what has become of it.
pub fn recommend(
    findings: Vec<Finding>,
    state: &State,
    policy: &Policy,
    now: Timestamp,
) -> Vec<Recommendation> {
    let groups = groups(findings, policy.shape);
    let mut recommendations: Vec<_> =
        groups.into_iter().filter_map(|group| of_group(group, state, policy, now)).collect();
    recommendations.sort_by(|a, b| b.priority.cmp(&a.priority).then_with(|| a.id.cmp(&b.id)));
    recommendations
}

fn of_group(group: Vec<Finding>, state: &State, policy: &Policy, now: Timestamp) -> Option<Recommendation> {
    let State { recommendations, settings, calibration, .. } = state;
    let first = group.first()?;
    let (service, issue) = (Arc::clone(&first.service), first.issue.clone());
    // By the constant: what is not offered because of what came of it could never be tried again.
    if issue.prior_improvement < policy.threshold {
        return None;
    }
    let id = identity(&service, issue.name, now);
    let load_sensitivity = load_sensitivity(first);
    let (confidence, confidence_reason) = confidence(&group, issue.kind, load_sensitivity);
    let known = recommendations.get(&id);
    // It has another identity each day, and what a person has said of it holds all the same.
    let is_approved_of_before = recommendations
        .iter()
        .any(|old| old.status == Status::Pending && old.is_approved && old.is_like(&service, issue.name));
    // What is in effect, or over, keeps the changes that it was about.
    let settled = known.filter(|known| known.status != Status::Pending);
    let wanted = || match policy.playbook.of(&service, issue.kind) {
        // Only a look at the platform tells from what to what.
        Some(_) => Vec::new(),
        None => playbook::changes(issue.kind, &service, settings),
    };
    let changes = settled.map_or_else(wanted, |settled| settled.changes.clone());
    let prior = Prior::of(first, &changes);
    let estimate = calibration.estimate(issue.name, &service, &prior);
    let reach = Reach::of(&group);
    Some(Recommendation {
        id,
        r#type: issue.kind,
        target_service: service,
        description: issue.description,
        priority: issue.priority,
        estimated_improvement: estimate.improvement,
        improvement_method: estimate.method,
        improvement_interval: group.iter().find_map(|finding| finding.evidence.shift).map(undone),
        gain: Some(Gain::of(issue.kind, estimate.improvement, &reach.last_hour)),
        onset: group.iter().filter_map(|finding| finding.evidence.onset).min(),
        blast_radius: Some(reach.part),
        expires_at: Some(now + EXPIRES),
        prior_improvement: prior.improvement,
        status: known.map_or(Status::Pending, |known| known.status),
        is_approved: known.map_or(is_approved_of_before, |known| known.is_approved),
        created_at: known.map_or(now, |known| known.created_at),
        confirmed_at: now,
        applied_at: known.and_then(|known| known.applied_at),
        detector: issue.name.into(),
        window_hours: policy.shape.window_hours,
        evidence: group.into_iter().take(MOST_EVIDENCE).map(|finding| finding.evidence).collect(),
        confidence,
        confidence_reason,
        load_sensitivity,
        obstacle: load_sensitivity.as_ref().and_then(does_not_mind_load),
        held_back: known.and_then(|known| known.held_back.clone()),
        changes,
        history: known.map(|known| known.history.clone()).unwrap_or_default(),
    })
}

/// How the response time goes with the load, of what asks for more replicas.
fn load_sensitivity(finding: &Finding) -> Option<LoadSensitivity> {
    match &finding.under_load {
        Some(UnderLoad::Times(times)) => Some(times.sensitivity),
        Some(UnderLoad::Errors(_)) | None => None,
    }
}

/// Which part of the response time would go if what has come on top of it went.
fn undone(Interval { estimate, low, high }: Interval) -> Interval {
    let part = |shift: f64| 1.0 - 1.0 / (1.0 + shift);
    Interval { estimate: part(estimate), low: part(low), high: part(high) }
}

/// How much of a service the endpoints are that findings name.
struct Reach {
    /// What they have answered in the last hour.
    last_hour: Counters,
    /// The part of the service's requests in the window that went to them.
    part: f64,
}

impl Reach {
    fn of(group: &[Finding]) -> Self {
        let (mut last_hour, mut requests, mut of_service) = (Counters::default(), 0, 0);
        let mut counted = BTreeSet::new();
        for finding in group.iter().take(MOST_EVIDENCE) {
            // Several detectors may name one.
            if counted.insert(&finding.evidence.endpoint) {
                last_hour.merge(&finding.last_hour);
                requests += finding.requests;
                of_service = finding.requests_of_service;
            }
        }
        Self { last_hour, part: requests as f64 / of_service.max(1) as f64 }
    }
}

/// The first 12 hexadecimal digits of the MD5 of service, issue and day: what clients of the system before know.
pub(super) fn identity(service: &str, issue: &str, now: Timestamp) -> RecommendationId {
    let moment = now.to_string();
    let day = moment.get(..10).unwrap_or_default();
    let digest = Md5::digest(format!("{service}:{issue}:{day}"));
    let mut digits = String::with_capacity(12);
    for byte in digest.iter().take(6) {
        // Writing to a String cannot fail.
        let _ = write!(digits, "{byte:02x}");
    }
    RecommendationId::named(&digits)
}

fn confidence(group: &[Finding], kind: Kind, load: Option<LoadSensitivity>) -> (Confidence, String) {
    let requests: u64 = group.iter().map(|finding| finding.evidence.now.requests).sum();
    if requests < THIN {
        (Confidence::Low, format!("only {requests} requests were seen; {THIN} say more"))
    } else if kind == Kind::Scaling && load.is_none() {
        (
            Confidence::Low,
            "whether answers take longer under load is not known: it hardly varied, or too briefly"
                .to_owned(),
        )
    } else {
        (Confidence::High, format!("{requests} requests were seen"))
    }
}

/// Why more replicas would not help.
fn does_not_mind_load(load: &LoadSensitivity) -> Option<String> {
    let LoadSensitivity { spearman, p, buckets } = *load;
    (!goes_with_load(load)).then(|| {
        format!(
            "more replicas do not fix a slow dependency: over {buckets} spans answers took no longer when there were more \
             requests (Spearman's correlation {spearman:.2}, p = {p:.2e}, where {LEAST_CORRELATION} and p < {SIGNIFICANCE} are \
             needed)"
        )
    })
}
