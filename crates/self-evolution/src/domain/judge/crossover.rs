//! Two groups of instances over the same spans, in numbers: one has a change and the other has not, and then the other way round.

use super::compare::{Comparison, Objective, Sample, fewer_errors};
use crate::domain::statistics::signed_rank::{pseudo_median, signed_rank};
use crate::domain::window::bucket::Counters;

/// What both groups answered in one span, each at least once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pair {
    /// Without the change.
    pub control: Counters,
    /// With it.
    pub treatment: Counters,
}

impl Pair {
    /// How far the group with the change lies above the other one.
    fn difference(&self, objective: Objective) -> f64 {
        objective.value(&self.treatment) - objective.value(&self.control)
    }
}

/// The spans before the groups changed places, and those after it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Crossover {
    /// The spans of each half, in the order of time.
    pub halves: [Vec<Pair>; 2],
}

impl Crossover {
    /// What was answered without the change.
    pub fn control(&self) -> Sample {
        self.sample(|pair| pair.control)
    }

    /// What was answered with it.
    pub fn treatment(&self) -> Sample {
        self.sample(|pair| pair.treatment)
    }

    fn sample(&self, of: fn(&Pair) -> Counters) -> Sample {
        let pairs = self.halves.iter().flatten();
        let span = self.halves.iter().map(Vec::len).sum();
        Sample::new(pairs.map(of), span)
    }

    /// How far the change moves what is measured: the mean of a span of the one half and a span of the other. By how much the
    /// groups differ in themselves is in both with opposite signs, and gone; so is whatever happens to both of them.
    fn effects(&self, objective: Objective) -> Vec<f64> {
        let [first, second] = self.halves.each_ref().map(|half| half.iter().map(|pair| pair.difference(objective)));
        first.zip(second).map(|(first, second)| f64::midpoint(first, second)).collect()
    }

    /// The numbers of the comparison. "Before" is without the change, "after" with it.
    pub fn compare(&self, objective: Objective) -> Comparison {
        let (control, treatment) = (self.control(), self.treatment());
        let effects = self.effects(objective);
        let test = signed_rank(&effects);
        let inflation = test.map_or(1.0, |test| test.inflation);
        let improvement = match objective {
            Objective::ResponseTime => {
                let shift = pseudo_median(&effects, inflation);
                // A shift of logarithms is a factor.
                shift.map_or([0.0; 3], |shift| [shift.estimate, shift.high, shift.low].map(|shift| 1.0 - shift.exp()))
            }
            Objective::ErrorRate => {
                let dispersion = control.dispersion().max(treatment.dispersion());
                fewer_errors(control.total(), treatment.total(), inflation * dispersion)
            }
        };
        Comparison {
            p_better: test.map(|test| test.p_lower),
            p_worse: test.map(|test| test.p_higher),
            autocorrelation: test.map_or(0.0, |test| test.autocorrelation),
            variance_inflation: inflation,
            ..Comparison::of(&control, &treatment, improvement)
        }
    }
}
