//! Whether a change does harm, looked at after every bucket: what need not wait for a verdict.

use super::compare::Sample;
use super::crossover::{Crossover, Pair};
use crate::domain::statistics::bayes_factor::ln_rates_differ;
use crate::domain::window::bucket::Counters;

/// The evidence for more errors that is enough, as a Bayes factor.
const BAYES_FACTOR: f64 = 100.0;
/// How many times as many errors there must be beside.
const ERROR_RATIO: f64 = 1.5;
/// By how many points of the error rate it must have grown beside.
const ERROR_POINTS: f64 = 0.01;
/// Answers that must be there before errors are judged.
const LEAST_ANSWERS: u64 = 20;
/// How many times the response time, for so many buckets in a row, is too long.
const SLOWER: f64 = 2.0;
const SLOW_BUCKETS: usize = 5;

/// Why a change is taken back at once; none while there is no reason to. Looks at everything that the service answers,
/// whatever the change is meant to improve.
pub fn harm(before: &Sample, after: &Sample) -> Option<String> {
    more_errors(before, after).or_else(|| slower(before, after))
}

/// The same of an A/B test: what is slow for both groups is not the change.
pub fn harm_beside(seen: &Crossover) -> Option<String> {
    let (control, treatment) = (seen.control(), seen.treatment());
    let pairs: Vec<&Pair> = seen.halves.iter().flatten().collect();
    let last = pairs.len().saturating_sub(SLOW_BUCKETS);
    let of_last =
        |of: fn(&Pair) -> Counters| Sample::new(pairs[last..].iter().map(|pair| of(pair)), SLOW_BUCKETS);
    more_errors(&control, &treatment)
        .or_else(|| slower(&of_last(|pair| pair.control), &of_last(|pair| pair.treatment)))
}

fn more_errors(before: &Sample, after: &Sample) -> Option<String> {
    // Errors come in bursts: so many of them say as much as one that comes by itself.
    let dispersion = before.dispersion().max(after.dispersion());
    let (before, after) = (before.total(), after.total());
    let (rate_before, rate_after) = (before.error_rate()?, after.error_rate()?);
    if after.requests < LEAST_ANSWERS || rate_after < rate_before * ERROR_RATIO {
        return None;
    }
    let counts =
        |counters: &Counters| (counters.errors() as f64 / dispersion, counters.requests as f64 / dispersion);
    let factor = ln_rates_differ(counts(before), counts(after)).exp();
    (factor >= BAYES_FACTOR && rate_after - rate_before >= ERROR_POINTS).then(|| {
        format!(
            "errors rose from {:.1} % of {} requests to {:.1} % of {} (Bayes factor {factor:.3e})",
            rate_before * 100.0,
            before.requests,
            rate_after * 100.0,
            after.requests
        )
    })
}

fn slower(before: &Sample, after: &Sample) -> Option<String> {
    let mean = before.total().mean().filter(|mean| *mean > 0.0)?;
    let last = after.buckets().len().checked_sub(SLOW_BUCKETS)?;
    let is_slow = |counters: &Counters| counters.mean().is_some_and(|now| now >= SLOWER * mean);
    after.buckets()[last..].iter().all(is_slow).then(|| {
        let last = after.buckets()[last..].iter().copied();
        let now = Sample::new(last, SLOW_BUCKETS).total().mean().unwrap_or_default();
        format!(
            "the mean response time rose from {mean:.3} s to {now:.3} s for {SLOW_BUCKETS} spans in a row"
        )
    })
}
