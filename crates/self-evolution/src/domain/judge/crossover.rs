//! Two groups of instances over the same spans, in numbers: one has a change and the other has not, and then the other way round.

use super::compare::{Comparison, Objective, Sample, fewer_errors};
use crate::domain::statistics::mann_whitney::mann_whitney;
use crate::domain::statistics::shift::hodges_lehmann;
use crate::domain::window::bucket::Counters;

/// What both groups answered in one span, each at least once.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Pair {
    /// Without the change.
    pub control: Counters,
    /// With it.
    pub treatment: Counters,
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

    /// By how much the group that has the change first lies above the other one, span by span: in the first half what it is by
    /// itself and what the change does, in the second half what it is by itself less what the change does. Whatever happens
    /// to both groups is not in it.
    fn apart(&self, objective: Objective) -> [Vec<f64>; 2] {
        let [first, second] = self.halves.each_ref();
        let difference = |pair: &Pair| objective.value(&pair.treatment) - objective.value(&pair.control);
        [first.iter().map(difference).collect(), second.iter().map(|pair| -difference(pair)).collect()]
    }

    /// The numbers of the comparison. "Before" is without the change, "after" with it.
    ///
    /// The halves are compared by ranks (Koch: The use of non-parametric methods in the statistical analysis of the two-period
    /// change-over design, 1972): what a group is by itself is in both, and between them lies twice what the change does.
    pub fn compare(&self, objective: Objective) -> Comparison {
        let (control, treatment) = (self.control(), self.treatment());
        let [first, second] = self.apart(objective);
        let test = mann_whitney(&second, &first);
        let inflation = test.map_or(1.0, |test| test.inflation);
        let improvement = match objective {
            Objective::ResponseTime => {
                let shift = hodges_lehmann(&second, &first, inflation);
                // A shift of logarithms is a factor.
                shift.map_or([0.0; 3], |shift| {
                    [shift.estimate, shift.high, shift.low].map(|twice| 1.0 - (twice / 2.0).exp())
                })
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
