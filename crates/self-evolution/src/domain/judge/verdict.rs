//! The verdict on a change.

use serde::{Deserialize, Serialize};
use shared::clock::Timestamp;
use utoipa::ToSchema;

use super::compare::{Comparison, Objective, Sample};
use super::crossover::Crossover;
use super::{LEAST_BUCKETS, LEAST_IMPROVEMENT, LEAST_PAIRS, LEAST_REQUESTS, SIGNIFICANCE};

/// How far the load may move for two spans to be compared, as a factor in either direction.
const LOAD: f64 = 2.0;
/// Which part of the requests may have moved from one endpoint to another.
const MIX: f64 = 0.2;
/// Errors before a change below which nobody can say whether there are fewer.
const LEAST_ERRORS: f64 = 5.0;
/// Which part of the improvement there must be over all requests too: a few spans may be all that users wait for.
const OVERALL: f64 = 0.25;
/// By which part services that were not touched may have improved, or worsened, alike.
const COMMON: f64 = 0.1;

/// How a change turned out.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// It is better, and not by accident.
    Better,
    /// It is neither better nor worse.
    NoGain,
    /// It is worse, and not by accident.
    Worse,
    /// It did harm, and was not waited for.
    Harmful,
    /// There is too little to go by, or something else may be the cause.
    Inconclusive,
    /// No instance of the service has fetched it.
    NotDelivered,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 6] =
        [Self::Better, Self::NoGain, Self::Worse, Self::Harmful, Self::Inconclusive, Self::NotDelivered];

    /// Its word in the API, logs and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Better => "better",
            Self::NoGain => "no_gain",
            Self::Worse => "worse",
            Self::Harmful => "harmful",
            Self::Inconclusive => "inconclusive",
            Self::NotDelivered => "not_delivered",
        }
    }
}

/// What a change was compared with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// With what all instances answered before it.
    #[default]
    BeforeAfter,
    /// With what other instances answered at the same time.
    AbTest,
}

/// What was found about a change, with every number that it rests on.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// How it turned out.
    pub outcome: Outcome,
    /// The same in one sentence, with the numbers that matter.
    pub reason: String,
    /// When it was found.
    pub judged_at: Timestamp,
    /// What it was compared with.
    #[serde(default)]
    pub design: Design,
    /// What the change is meant to improve.
    pub objective: Objective,
    /// The numbers; none where it did not come to comparing.
    pub comparison: Option<Comparison>,
    /// What happened beside it.
    pub surroundings: Option<Surroundings>,
    /// The chance of an accident that is accepted.
    pub significance: f64,
    /// The least improvement that is worth keeping a change for.
    pub least_improvement: f64,
}

/// What happened around a change while it was judged.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Surroundings {
    /// Which part of the requests went to another endpoint than before.
    pub mix_distance: f64,
    /// Services that were not touched and could be compared over the same time.
    pub others: usize,
    /// Their improvement, the median.
    pub others_improvement: f64,
}

impl Verdict {
    /// A verdict that needs no comparison.
    pub fn without_numbers(outcome: Outcome, reason: String, objective: Objective, now: Timestamp) -> Self {
        Self {
            outcome,
            reason,
            judged_at: now,
            design: Design::BeforeAfter,
            objective,
            comparison: None,
            surroundings: None,
            significance: SIGNIFICANCE,
            least_improvement: LEAST_IMPROVEMENT,
        }
    }
}

/// Judges a change by what was seen before it and with it.
pub fn judge(
    objective: Objective,
    before: &Sample,
    after: &Sample,
    surroundings: Surroundings,
    now: Timestamp,
) -> Verdict {
    let compared = Compared {
        design: Design::BeforeAfter,
        objective,
        comparison: Comparison::new(objective, before, after),
    };
    let doubt = compared
        .too_little(&[("before the change", before), ("with it", after)])
        .or_else(|| compared.no_errors())
        .or_else(|| another_load(&compared.comparison))
        .or_else(|| another_mix(surroundings.mix_distance, "than before"))
        .or_else(|| moved_alike(&compared.comparison, &surroundings));
    compared.verdict(doubt, surroundings, now)
}

/// Judges a change by what instances with it and instances without it answered at the same time. The load may do what it
/// likes: it does so to both groups.
pub fn judge_ab_test(objective: Objective, seen: &Crossover, mix_distance: f64, now: Timestamp) -> Verdict {
    let compared = Compared { design: Design::AbTest, objective, comparison: seen.compare(objective) };
    let pairs = seen.halves.iter().map(Vec::len).min().unwrap_or_default();
    let doubt = (pairs < LEAST_PAIRS)
        .then(|| format!("both groups of instances answered in {pairs} spans of a half, and a verdict needs {LEAST_PAIRS}"))
        .or_else(|| compared.too_little(&[("without the change", &seen.control()), ("with it", &seen.treatment())]))
        .or_else(|| compared.no_errors())
        .or_else(|| another_mix(mix_distance, "in one group than in the other"));
    compared.verdict(doubt, Surroundings { mix_distance, ..Surroundings::default() }, now)
}

/// A comparison, and what it is of.
struct Compared {
    design: Design,
    objective: Objective,
    comparison: Comparison,
}

impl Compared {
    fn verdict(&self, doubt: Option<String>, surroundings: Surroundings, now: Timestamp) -> Verdict {
        let (outcome, reason) = doubt.map_or_else(
            || by_the_numbers(self),
            |reason| (Outcome::Inconclusive, format!("inconclusive: {reason}")),
        );
        Verdict {
            design: self.design,
            comparison: Some(self.comparison),
            surroundings: Some(surroundings),
            ..Verdict::without_numbers(outcome, reason, self.objective, now)
        }
    }

    fn too_little(&self, samples: &[(&str, &Sample)]) -> Option<String> {
        let least = match self.design {
            Design::BeforeAfter => LEAST_BUCKETS,
            Design::AbTest => 2 * LEAST_PAIRS,
        };
        let is_thin =
            |sample: &Sample| sample.buckets().len() < least || sample.total().requests < LEAST_REQUESTS;
        let (when, sample) = samples.iter().find(|(_, sample)| is_thin(sample))?;
        let (requests, buckets) = (sample.total().requests, sample.buckets().len());
        Some(format!(
            "{requests} requests in {buckets} spans were seen {when}, and a verdict needs {LEAST_REQUESTS} in {least}"
        ))
    }

    fn no_errors(&self) -> Option<String> {
        let errors = self.comparison.error_rate_before * self.comparison.requests_before as f64;
        let without = match self.design {
            Design::BeforeAfter => "before the change",
            Design::AbTest => "without the change",
        };
        (self.objective == Objective::ErrorRate && errors < LEAST_ERRORS)
            .then(|| format!("{errors:.0} errors were seen {without}: there is nothing to improve"))
    }
}

fn another_load(comparison: &Comparison) -> Option<String> {
    let load = comparison.load_ratio;
    (!(1.0 / LOAD..=LOAD).contains(&load)).then(|| format!("the load became {load:.2} times what it was"))
}

fn another_mix(distance: f64, than: &str) -> Option<String> {
    let moved = distance * 100.0;
    (distance > MIX).then(|| format!("{moved:.0} % of the requests went to other endpoints {than}"))
}

fn moved_alike(comparison: &Comparison, surroundings: &Surroundings) -> Option<String> {
    let (own, others) = (comparison.improvement, surroundings.others_improvement);
    let moved_alike = others.abs() >= COMMON && others.signum() == own.signum();
    (surroundings.others > 0 && moved_alike).then(|| {
        let (percent, number) = (others * 100.0, surroundings.others);
        format!("services that were not touched moved alike ({percent:+.0} %, the median of {number})")
    })
}

fn by_the_numbers(Compared { design, objective, comparison }: &Compared) -> (Outcome, String) {
    let (design, objective) = (*design, *objective);
    let is_rare = |p: Option<f64>| p.is_some_and(|p| p < SIGNIFICANCE);
    let Comparison { improvement, p_better, p_worse, .. } = *comparison;
    let overall = overall(objective, comparison);
    let Words { what, interval, overall_in_words } = Words::of(design, objective, comparison);
    if is_rare(p_better) && improvement >= LEAST_IMPROVEMENT && overall >= OVERALL * improvement {
        let (less, p) = (percent(improvement), chance(p_better));
        (Outcome::Better, format!("better: {less} less {what} ({interval}, {p}); {overall_in_words}"))
    } else if is_rare(p_worse) && improvement <= -LEAST_IMPROVEMENT && overall <= OVERALL * improvement {
        let (more, p) = (percent(-improvement), chance(p_worse));
        let reason =
            format!("worse: {more} more {what} ({p}; {interval} of the improvement); {overall_in_words}");
        (Outcome::Worse, reason)
    } else {
        let (improvement, least, p) = (percent(improvement), percent(LEAST_IMPROVEMENT), chance(p_better));
        let reason = format!(
            "no gain: an improvement of {improvement} ({interval}, {p}), where {least} with p < {SIGNIFICANCE}, and a \
             quarter of it over all requests, are needed; {overall_in_words}"
        );
        (Outcome::NoGain, reason)
    }
}

/// The improvement over all requests, whichever spans they fell into.
fn overall(objective: Objective, comparison: &Comparison) -> f64 {
    let (before, after) = match objective {
        Objective::ResponseTime => (comparison.mean_before, comparison.mean_after),
        Objective::ErrorRate => (comparison.error_rate_before, comparison.error_rate_after),
    };
    if before > 0.0 { 1.0 - after / before } else { 0.0 }
}

/// What every sentence says.
struct Words {
    what: &'static str,
    interval: String,
    overall_in_words: String,
}

impl Words {
    fn of(design: Design, objective: Objective, comparison: &Comparison) -> Self {
        let Comparison { mean_before, mean_after, error_rate_before, error_rate_after, .. } = *comparison;
        let (what, before, after) = match objective {
            Objective::ResponseTime => {
                ("mean response time", format!("{mean_before:.3} s"), format!("{mean_after:.3} s"))
            }
            Objective::ErrorRate => {
                let percent = |rate: f64| format!("{:.1} %", rate * 100.0);
                ("error rate", percent(error_rate_before), percent(error_rate_after))
            }
        };
        let (low, high) = (percent(comparison.improvement_low), percent(comparison.improvement_high));
        Self {
            what,
            interval: format!("95 % interval {low} to {high}"),
            overall_in_words: match design {
                Design::BeforeAfter => format!("over all requests the {what} went from {before} to {after}"),
                Design::AbTest => {
                    format!(
                        "over all requests the {what} was {before} without it and {after} with it at the same time"
                    )
                }
            },
        }
    }
}

fn percent(part: f64) -> String {
    format!("{:.0} %", part * 100.0)
}

fn chance(p: Option<f64>) -> String {
    p.map_or_else(|| "no test".to_owned(), |p| format!("p = {p:.2e}"))
}
