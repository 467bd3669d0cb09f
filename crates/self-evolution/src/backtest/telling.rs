//! What a backtest prints: one JSON object a line, each with its time.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use shared::clock::Timestamp;

use super::changes::Made;
use super::counts::Counts;
use super::simulation::Ended;
use crate::domain::change::Trigger;
use crate::domain::detect::Finding;
use crate::domain::evolution::Refusal;
use crate::domain::fact::Fact;
use crate::domain::judge::Outcome;
use crate::domain::playbook::action_of;
use crate::domain::policy::Policy;
use crate::domain::recommendation::{
    Confidence, Evidence, Kind, Priority, Recommendation, RecommendationId, Status,
};

/// Recommendations of which is remembered how they were last told; they differ in service and detector.
const MOST_KNOWN: usize = 10_000;

/// Where it is told, what was told before, and how often.
pub(super) struct Telling<'a> {
    out: &'a mut dyn Write,
    /// What the last analysis has found.
    found: HashSet<(Arc<str>, Arc<str>, &'static str)>,
    /// How recommendations were last told, by service and detector.
    known: HashMap<(Arc<str>, String), Shown>,
    numbers: Numbers,
}

/// What of a recommendation is worth a line when it changes.
#[derive(PartialEq)]
struct Shown {
    id: RecommendationId,
    status: Status,
    priority: Priority,
    confidence: Confidence,
    is_held_back: bool,
}

/// How often something was told.
#[derive(Clone, Debug, Default, Serialize)]
struct Numbers {
    findings: u64,
    changes: BTreeMap<&'static str, u64>,
    refused: u64,
    verdicts: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
struct Line<'a, T> {
    at: Timestamp,
    #[serde(flatten)]
    what: &'a T,
}

/// Something is found that the analysis before has not found.
#[derive(Serialize)]
#[serde(tag = "type", rename = "finding")]
struct Found<'a> {
    service: &'a str,
    issue: &'static str,
    kind: Kind,
    priority: Priority,
    description: &'a str,
    evidence: &'a Evidence,
}

/// A change of the file is not judged.
#[derive(Serialize)]
#[serde(tag = "type", rename = "change_refused")]
struct Refused<'a> {
    service: &'a str,
    action: &'static str,
    reason: String,
}

impl<'a> Telling<'a> {
    /// Tells it here.
    pub(super) fn new(out: &'a mut dyn Write) -> Self {
        Self { out, found: HashSet::new(), known: HashMap::new(), numbers: Numbers::default() }
    }

    /// An analysis has found this. What the one before has found too is not told again.
    pub(super) fn findings(&mut self, at: Timestamp, findings: &[Finding]) -> io::Result<()> {
        let mut found = HashSet::with_capacity(findings.len());
        for Finding { service, issue, evidence, .. } in findings {
            let key = (Arc::clone(service), Arc::clone(&evidence.endpoint), issue.name);
            if !self.found.contains(&key) {
                self.numbers.findings += 1;
                let (priority, description) = (issue.priority, issue.description.as_str());
                let (kind, issue) = (issue.kind, issue.name);
                self.line(at, &Found { service, issue, kind, priority, description, evidence })?;
            }
            found.insert(key);
        }
        self.found = found;
        Ok(())
    }

    /// The core has decided this.
    pub(super) fn fact(&mut self, at: Timestamp, fact: &Fact) -> io::Result<()> {
        match fact {
            Fact::Recommendation { recommendation } => {
                if !self.is_news(recommendation) {
                    return Ok(());
                }
            }
            Fact::ChangeApplied(change) => {
                *self.numbers.changes.entry(change.trigger.as_str()).or_default() += 1;
            }
            Fact::ChangeJudged(judged) => {
                *self.numbers.verdicts.entry(judged.verdict.outcome.as_str()).or_default() += 1;
            }
            Fact::ChangeBegun(_)
            | Fact::ChangeEnded(_)
            | Fact::TrialBegan { .. }
            | Fact::ArmsSwapped { .. }
            | Fact::RollbackBegun(_)
            | Fact::RollbackFailed(_)
            | Fact::ChangeRolledBack(_)
            | Fact::PreviousDiscarded(_)
            | Fact::Paused(_)
            | Fact::Resumed => {}
            // There are many, and the summary counts them.
            Fact::EvolutionStarted { .. }
            | Fact::Usage(_)
            | Fact::EndpointFound { .. }
            | Fact::EndpointFolded { .. }
            | Fact::RouteMerged { .. }
            | Fact::Analysed(_)
            | Fact::SettingsDelivered { .. } => return Ok(()),
        }
        self.line(at, fact)
    }

    /// A change that was made is not judged.
    pub(super) fn refused(&mut self, at: Timestamp, made: &Made, refusal: &Refusal) -> io::Result<()> {
        self.numbers.refused += 1;
        let (service, action) = (&*made.service, action_of(made.kind));
        self.line(at, &Refused { service, action, reason: refusal.to_string() })
    }

    fn line(&mut self, at: Timestamp, what: &impl Serialize) -> io::Result<()> {
        serde_json::to_writer(&mut *self.out, &Line { at, what })?;
        self.out.write_all(b"\n")
    }

    /// Whether a recommendation says something else than when it was last told; that it was confirmed is nothing new.
    fn is_news(&mut self, recommendation: &Recommendation) -> bool {
        let shown = Shown {
            id: recommendation.id.clone(),
            status: recommendation.status,
            priority: recommendation.priority,
            confidence: recommendation.confidence,
            is_held_back: recommendation.held_back.is_some(),
        };
        let key = (Arc::clone(&recommendation.target_service), recommendation.detector.clone());
        if self.known.get(&key) == Some(&shown) {
            return false;
        }
        if self.known.len() == MOST_KNOWN {
            self.known.clear();
        }
        self.known.insert(key, shown);
        true
    }
}

/// The last line.
#[derive(Serialize)]
#[serde(tag = "type", rename = "summary")]
struct Summary<'a> {
    from: Timestamp,
    to: Timestamp,
    usage: &'a Counts,
    services: usize,
    endpoints: usize,
    analyses: u64,
    findings: u64,
    /// By status.
    recommendations: BTreeMap<&'static str, usize>,
    /// By who made them.
    changes: BTreeMap<&'static str, u64>,
    /// The lines of the other file.
    made_outside: MadeOutside<'a>,
    /// By outcome.
    verdicts: BTreeMap<&'static str, u64>,
    /// Changes of which the verdict was still to come.
    still_judged: usize,
    rolled_back: u64,
    settings: Settings,
}

#[derive(Serialize)]
struct MadeOutside<'a> {
    #[serde(flatten)]
    counts: &'a Counts,
    refused: u64,
    after_the_end: usize,
}

/// With which settings.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Settings {
    analysis_window_hours: u32,
    analysis_interval: f64,
    analysis_bucket_seconds: u32,
    optimization_threshold: f64,
    auto_apply_optimizations: bool,
    judged_changes: &'static str,
    ab_tests: &'static str,
    on_inconclusive: &'static str,
}

impl Settings {
    fn of(policy: &Policy) -> Self {
        Self {
            analysis_window_hours: policy.shape.window_hours,
            analysis_interval: policy.analysis_interval.as_secs_f64(),
            analysis_bucket_seconds: policy.shape.bucket_seconds,
            optimization_threshold: policy.threshold,
            auto_apply_optimizations: policy.auto_apply,
            judged_changes: policy.judged.as_str(),
            ab_tests: if policy.ab_tests { "auto" } else { "never" },
            on_inconclusive: if policy.keep_inconclusive { "keep" } else { "rollback" },
        }
    }
}

/// What was read: usage, and changes.
pub(super) struct Read<'a> {
    /// The time of the first event.
    pub(super) from: Timestamp,
    /// Lines of usage.
    pub(super) usage: &'a Counts,
    /// Lines of changes.
    pub(super) changes: &'a Counts,
}

impl Ended<'_> {
    /// Prints the summary.
    pub(super) fn sum_up(self, read: &Read<'_>, policy: &Policy) -> io::Result<()> {
        let Self { now, state, endpoints, not_reached, telling } = self;
        let Numbers { findings, changes, refused, verdicts } = telling.numbers;
        let every_trigger = [Trigger::Automatic, Trigger::Outside].map(|trigger| (trigger.as_str(), 0));
        let every_outcome = Outcome::ALL.map(|outcome| (outcome.as_str(), 0));
        let summary = Summary {
            from: read.from,
            to: now,
            usage: read.usage,
            services: state.window.services().count(),
            endpoints,
            analyses: state.totals.analyses,
            findings,
            recommendations: Status::ALL
                .map(|status| (status.as_str(), state.recommendations.count(status)))
                .into(),
            changes: BTreeMap::from_iter(every_trigger.into_iter().chain(changes)),
            made_outside: MadeOutside { counts: read.changes, refused, after_the_end: not_reached },
            verdicts: BTreeMap::from_iter(every_outcome.into_iter().chain(verdicts)),
            still_judged: state.changes.open().count(),
            rolled_back: state.totals.rolled_back,
            settings: Settings::of(policy),
        };
        serde_json::to_writer(&mut *telling.out, &summary)?;
        telling.out.write_all(b"\n")
    }
}
