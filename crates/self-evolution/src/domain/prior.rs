//! What is expected of a change before any like it was measured: what the service's own usage shows, else a constant.

use serde_json::Value;

use super::calibration::MOST_IMPROVEMENT;
use super::detect::{Errors, Finding, Times, UnderLoad};
use super::evidence::LoadSensitivity;
use super::playbook;
use super::setting::SettingChange;

/// How closely something has to go with the load, and the chance of an accident that is accepted.
pub(super) const LEAST_CORRELATION: f64 = 0.3;
pub(super) const SIGNIFICANCE: f64 = 0.01;
/// Less than this is not told from nothing, and nothing can be learnt by how many times it was more.
const LEAST_IMPROVEMENT: f64 = 0.05;

/// What is expected.
#[derive(Clone, PartialEq, Debug)]
pub struct Prior {
    /// The part of the trouble that will go, from 0 to 1.
    pub improvement: f64,
    /// What that was worked out from, of the service's own usage; none where it is the constant of its kind.
    pub because: Option<String>,
}

impl Prior {
    /// The constant of a kind.
    pub fn constant(improvement: f64) -> Self {
        Self { improvement, because: None }
    }

    /// What the finding gives that a recommendation is named after, where `changes` is what would be done.
    pub(super) fn of(finding: &Finding, changes: &[SettingChange]) -> Self {
        let own = match &finding.under_load {
            Some(UnderLoad::Times(times)) => replicas(changes).and_then(|replicas| of_times(times, replicas)),
            Some(UnderLoad::Errors(errors)) => of_errors(errors),
            None => None,
        };
        own.filter(|own| own.improvement >= LEAST_IMPROVEMENT)
            .unwrap_or_else(|| Self::constant(finding.issue.prior_improvement))
    }
}

/// Whether something goes with the load.
pub(super) fn goes_with_load(sensitivity: &LoadSensitivity) -> bool {
    sensitivity.spearman >= LEAST_CORRELATION && sensitivity.p < SIGNIFICANCE
}

/// More replicas: each has the smaller part of the load.
fn of_times(times: &Times, (before, after): (f64, f64)) -> Option<Prior> {
    let because = format!(
        "the rise of the response time with the load, over {} spans: with {after} replicas in place of {before} each \
         has {:.0} % of the load",
        times.sensitivity.buckets,
        before / after * 100.0
    );
    let improvement = times.relief(before / after);
    goes_with_load(&times.sensitivity).then_some(Prior { improvement, because: Some(because) })
}

/// Errors that come with the load: those that are more than in quiet times.
fn of_errors(errors: &Errors) -> Option<Prior> {
    let Errors { sensitivity, quiet, overall } = errors;
    let because = format!(
        "the errors that come with the load: {:.1} % of the answers in the quietest fifth of {} spans, {:.1} % in all",
        quiet * 100.0,
        sensitivity.buckets,
        overall * 100.0
    );
    let improvement = (1.0 - quiet / overall).min(MOST_IMPROVEMENT);
    (goes_with_load(sensitivity) && *overall > 0.0).then_some(Prior { improvement, because: Some(because) })
}

/// How many replicas there would be in place of how many.
fn replicas(changes: &[SettingChange]) -> Option<(f64, f64)> {
    let change = changes.iter().find(|change| change.key == playbook::REPLICAS_KEY)?;
    let before = change.before.as_ref().map_or(Some(playbook::REPLICAS as f64), Value::as_f64)?;
    let after = change.after.as_ref().and_then(Value::as_f64)?;
    (before > 0.0 && after > before).then_some((before, after))
}
