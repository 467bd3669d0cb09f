//! What is expected of a change, learnt from what came of changes like it.
//!
//! A recommendation begins with a constant: what such a change took away elsewhere. Every verdict says what it took away
//! here. The factor between the two is learnt for each detector, and from there for each service.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::judge::{Outcome, Verdict};
use super::prior::Prior;
use super::recommendation::Recommendation;

/// So many outcomes that were as expected stand behind a factor before there is any.
const PRIOR_OUTCOMES: f64 = 2.0;
/// Of a change that was never tried it is believed that four of five help.
const PRIOR_SUCCESSES: f64 = 4.0;
const PRIOR_TRIALS: f64 = 5.0;
/// Below this belief a person decides.
const LEAST_BELIEF: f64 = 0.5;
/// The most that is ever expected to go.
pub(super) const MOST_IMPROVEMENT: f64 = 0.95;
/// Services whose outcomes are remembered for each detector.
const MOST_SERVICES: usize = 200;

/// What came of changes of one kind.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Outcomes {
    /// Changes that showed what they do, those that did harm too.
    pub tried: u64,
    /// Of these, compared with what was before them.
    pub judged: u64,
    /// Of these, found better.
    pub better: u64,
    /// Sum of what went, each as a multiple of the constant of its kind.
    ratios: f64,
    /// Sum of what went less what was expected.
    errors: f64,
    /// Sum of the same without signs.
    absolute_errors: f64,
    /// How often what was expected lay within the interval of what went.
    covered: u64,
}

/// How good the estimates of one kind were.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, ToSchema)]
pub struct Accuracy {
    /// Changes that were judged.
    pub outcomes: u64,
    /// Of these, found better.
    pub better: u64,
    /// By how much what went was more than expected, on average; as a part of 1.
    pub bias: f64,
    /// How far what went was off what was expected, on average.
    pub mean_absolute_error: f64,
    /// How often what was expected lay within the 95 % interval of what went.
    pub coverage: f64,
}

impl Outcomes {
    fn add(&mut self, prior: f64, expected: f64, verdict: &Verdict) {
        self.tried += 1;
        let Some(numbers) = verdict.comparison.filter(|_| prior > 0.0) else { return };
        let measured = numbers.improvement.clamp(-1.0, 1.0);
        self.judged += 1;
        self.better += u64::from(verdict.outcome == Outcome::Better);
        self.ratios += measured / prior;
        self.errors += measured - expected;
        self.absolute_errors += (measured - expected).abs();
        let interval = numbers.improvement_low..=numbers.improvement_high;
        self.covered += u64::from(interval.contains(&expected));
    }

    /// The constant is to be multiplied by this, which was `before` without these outcomes.
    fn factor(&self, before: f64) -> f64 {
        (PRIOR_OUTCOMES * before + self.ratios) / (PRIOR_OUTCOMES + self.judged as f64)
    }

    /// How good the estimates were; none before the first outcome.
    pub fn accuracy(&self) -> Option<Accuracy> {
        let judged = self.judged as f64;
        (self.judged > 0).then(|| Accuracy {
            outcomes: self.judged,
            better: self.better,
            bias: self.errors / judged,
            mean_absolute_error: self.absolute_errors / judged,
            coverage: self.covered as f64 / judged,
        })
    }
}

/// The outcomes of the changes that one detector has led to.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct OfDetector {
    /// Of all services.
    pub all: Outcomes,
    /// Of each service.
    pub services: BTreeMap<Arc<str>, Outcomes>,
}

/// All outcomes, by detector. A clone shares what is not changed afterwards.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Calibration {
    by_detector: Arc<BTreeMap<String, OfDetector>>,
}

/// What is expected of a change.
#[derive(Clone, PartialEq, Debug)]
pub struct Estimate {
    /// The part of the trouble that will go, from 0 to 1.
    pub improvement: f64,
    /// Where that number comes from.
    pub method: String,
}

impl Calibration {
    /// Learns from a verdict. That a change was not delivered, or could not be judged, says nothing of it; that it did harm
    /// does, though not how much it takes away.
    pub fn learn(&mut self, recommendation: &Recommendation, verdict: &Verdict) {
        let Recommendation { detector, target_service, prior_improvement, estimated_improvement, .. } =
            recommendation;
        self.learn_from(detector, target_service, (*prior_improvement, *estimated_improvement), verdict);
    }

    fn learn_from(
        &mut self,
        detector: &str,
        service: &Arc<str>,
        (prior, expected): (f64, f64),
        verdict: &Verdict,
    ) {
        match verdict.outcome {
            Outcome::Better | Outcome::NoGain | Outcome::Worse | Outcome::Harmful => {}
            Outcome::Inconclusive | Outcome::NotDelivered => return,
        }
        let by_detector = Arc::make_mut(&mut self.by_detector);
        let of_detector = by_detector.entry(detector.to_owned()).or_default();
        of_detector.all.add(prior, expected, verdict);
        if of_detector.services.len() < MOST_SERVICES || of_detector.services.contains_key(service) {
            of_detector.services.entry(Arc::clone(service)).or_default().add(prior, expected, verdict);
        }
    }

    /// What is expected of a change that this detector asks for, where `prior` is what would be if nothing had been measured.
    pub fn estimate(&self, detector: &str, service: &str, prior: &Prior) -> Estimate {
        let Prior { improvement: prior, because } = prior;
        let learnt = self.by_detector.get(detector).filter(|learnt| learnt.all.judged > 0);
        let Some(OfDetector { all, services }) = learnt else {
            let from = because.as_deref().unwrap_or("a constant");
            let method = format!("{from}: no change of this kind has been measured here yet");
            return Estimate { improvement: *prior, method };
        };
        let own = services.get(service).copied().unwrap_or_default();
        // Its own outcomes count once.
        let others = Outcomes { ratios: all.ratios - own.ratios, judged: all.judged - own.judged, ..*all };
        let factor = own.factor(others.factor(1.0)).max(0.0);
        let improvement = (prior * factor).min(MOST_IMPROVEMENT);
        let (judged, of_service) = (all.judged, own.judged);
        let from = because
            .as_ref()
            .map_or_else(|| format!("the constant {prior}"), |own| format!("{prior:.2} by {own}"));
        let method = format!(
            "{from}, times {factor:.2}: learnt from {judged} changes of this kind, {of_service} of them of this service"
        );
        Estimate { improvement, method }
    }

    /// Why a change of this kind is left to a person; none while it is believed to help more often than not. Every change
    /// that was tried before the first one is believed to have helped four times in five (a Beta distribution of 4 and 1).
    pub fn distrust(&self, detector: &str) -> Option<String> {
        let Outcomes { tried, better, .. } = self.by_detector.get(detector)?.all;
        let belief = (PRIOR_SUCCESSES + better as f64) / (PRIOR_TRIALS + tried as f64);
        (belief < LEAST_BELIEF).then(|| {
            format!("of {tried} changes of its kind {better} have helped, which leaves it to a person")
        })
    }

    /// Every detector that has led to an outcome.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &OfDetector)> {
        self.by_detector.iter().map(|(detector, outcomes)| (&**detector, outcomes))
    }
}

#[cfg(test)]
mod tests;
