//! Two spans of time, bucket by bucket, in numbers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::recommendation::Kind;
use crate::domain::statistics::mann_whitney::{MannWhitney, mann_whitney};
use crate::domain::statistics::shift::hodges_lehmann;
use crate::domain::window::bucket::Counters;

/// What a change is meant to improve.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Objective {
    /// The mean response time.
    ResponseTime,
    /// The part of the answers with a status from 400 on.
    ErrorRate,
}

impl Objective {
    /// What recommendations of a kind are meant to improve.
    pub fn of(kind: Kind) -> Self {
        match kind {
            Kind::Performance | Kind::Scaling => Self::ResponseTime,
            Kind::Reliability => Self::ErrorRate,
        }
    }

    /// What is compared of a bucket.
    pub(super) fn value(self, counters: &Counters) -> f64 {
        match self {
            // Of logarithms, because what helps or harms multiplies; a microsecond stands for nothing at all.
            Self::ResponseTime => counters.mean().unwrap_or_default().max(1e-6).ln(),
            Self::ErrorRate => counters.error_rate().unwrap_or_default(),
        }
    }
}

/// What was counted over a span, in buckets with requests; in the order of time.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Sample {
    buckets: Vec<Counters>,
    /// Buckets of the span, those without requests too.
    span: usize,
    total: Counters,
}

impl Sample {
    /// The buckets of a span, which may leave out those without requests.
    pub fn new(buckets: impl IntoIterator<Item = Counters>, span: usize) -> Self {
        let buckets: Vec<_> = buckets.into_iter().filter(|counters| counters.requests > 0).collect();
        let mut total = Counters::default();
        for counters in &buckets {
            total.merge(counters);
        }
        Self { buckets, span, total }
    }

    /// Buckets with requests.
    pub fn buckets(&self) -> &[Counters] {
        &self.buckets
    }

    /// All of them together.
    pub fn total(&self) -> &Counters {
        &self.total
    }

    /// Whether requests were seen in nearly every bucket.
    pub fn is_without_gaps(&self) -> bool {
        self.buckets.len() * 10 >= self.span * 9
    }

    /// Requests in a bucket, on average.
    fn load(&self) -> f64 {
        self.total.requests as f64 / self.span.max(1) as f64
    }

    /// How many times more than by chance the number of errors varies from bucket to bucket, at least 1: Pearson's
    /// statistic over its degrees of freedom (McCullagh and Nelder: Generalized linear models, 1989, section 4.5).
    pub fn dispersion(&self) -> f64 {
        let rate = self.total.error_rate().unwrap_or_default();
        let freedom = self.buckets.len().saturating_sub(1);
        if freedom == 0 || rate <= 0.0 || rate >= 1.0 {
            return 1.0;
        }
        let off = |counters: &Counters| {
            let requests = counters.requests as f64;
            (counters.errors() as f64 - requests * rate).powi(2) / (requests * rate * (1.0 - rate))
        };
        (self.buckets.iter().map(off).sum::<f64>() / freedom as f64).max(1.0)
    }

    fn values(&self, objective: Objective) -> Vec<f64> {
        self.buckets.iter().map(|counters| objective.value(counters)).collect()
    }
}

/// Every number that a verdict rests on. In an A/B test "before" is without the change and "after" with it, over the same
/// time.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Comparison {
    /// Buckets with requests before the change.
    pub buckets_before: usize,
    /// Buckets with requests after it.
    pub buckets_after: usize,
    /// Requests before.
    pub requests_before: u64,
    /// Requests after.
    pub requests_after: u64,
    /// Mean response time before, in seconds.
    pub mean_before: f64,
    /// Mean response time after, in seconds.
    pub mean_after: f64,
    /// Part of the answers before that had a status from 400 on.
    pub error_rate_before: f64,
    /// Their part after.
    pub error_rate_after: f64,
    /// Which part of the response time, or of the errors, has gone; negative where it has grown.
    pub improvement: f64,
    /// The lower end of its interval of 95 % confidence.
    pub improvement_low: f64,
    /// The upper end.
    pub improvement_high: f64,
    /// The chance that it looks so good, or better, by accident; none where all values are equal.
    pub p_better: Option<f64>,
    /// The chance that it looks so bad, or worse, by accident.
    pub p_worse: Option<f64>,
    /// How much a bucket resembles the one before it, from 0 to 0.95.
    pub autocorrelation: f64,
    /// How many times larger than for independent buckets the variance was taken to be.
    pub variance_inflation: f64,
    /// Requests in a bucket after, as a multiple of those before; 0 where nothing was seen before.
    pub load_ratio: f64,
}

impl Comparison {
    /// Compares two spans, the first of which ended when the second began.
    pub fn new(objective: Objective, before: &Sample, after: &Sample) -> Self {
        let (values_before, values_after) = (before.values(objective), after.values(objective));
        let test = mann_whitney(&values_before, &values_after);
        let inflation = test.map_or(1.0, |test| test.inflation);
        let improvement = match objective {
            Objective::ResponseTime => {
                let shift = hodges_lehmann(&values_before, &values_after, inflation);
                // A shift of logarithms is a factor.
                shift.map_or([0.0; 3], |shift| {
                    [shift.estimate, shift.high, shift.low].map(|shift| 1.0 - shift.exp())
                })
            }
            Objective::ErrorRate => {
                let dispersion = before.dispersion().max(after.dispersion());
                fewer_errors(&before.total, &after.total, inflation * dispersion)
            }
        };
        let chance = |of: fn(MannWhitney) -> f64| test.map(of);
        Self {
            p_better: chance(|test| test.p_lower),
            p_worse: chance(|test| test.p_higher),
            autocorrelation: test.map_or(0.0, |test| test.autocorrelation),
            variance_inflation: inflation,
            ..Self::of(before, after, improvement)
        }
    }

    /// What two samples say without a test; the improvement with the ends of its interval.
    pub(super) fn of(before: &Sample, after: &Sample, [improvement, low, high]: [f64; 3]) -> Self {
        Self {
            buckets_before: before.buckets.len(),
            buckets_after: after.buckets.len(),
            requests_before: before.total.requests,
            requests_after: after.total.requests,
            mean_before: before.total.mean().unwrap_or_default(),
            mean_after: after.total.mean().unwrap_or_default(),
            error_rate_before: before.total.error_rate().unwrap_or_default(),
            error_rate_after: after.total.error_rate().unwrap_or_default(),
            improvement,
            improvement_low: low,
            improvement_high: high,
            p_better: None,
            p_worse: None,
            autocorrelation: 0.0,
            variance_inflation: 1.0,
            load_ratio: if before.load() > 0.0 { after.load() / before.load() } else { 0.0 },
        }
    }
}

/// Which part of the errors has gone, with the interval of 95 % confidence of a ratio of two rates (Katz and others:
/// Obtaining confidence intervals for the risk ratio, 1978), half an error added to either side so that none is a number.
/// The variance is that of independent errors times `inflation`.
pub(super) fn fewer_errors(before: &Counters, after: &Counters, inflation: f64) -> [f64; 3] {
    let rate = |counters: &Counters| {
        let (errors, requests) = (counters.errors() as f64 + 0.5, counters.requests as f64 + 0.5);
        (errors / requests, 1.0 / errors - 1.0 / requests)
    };
    let ((rate_before, variance_before), (rate_after, variance_after)) = (rate(before), rate(after));
    let reach = 1.959_964 * ((variance_before + variance_after) * inflation).sqrt();
    let ratio = (rate_after / rate_before).ln();
    let observed = match (before.error_rate(), after.error_rate()) {
        (Some(before), Some(after)) if before > 0.0 => 1.0 - after / before,
        (_, Some(0.0)) => 0.0,
        _ => 1.0 - ratio.exp(),
    };
    [observed, 1.0 - (ratio + reach).exp(), 1.0 - (ratio - reach).exp()]
}
