//! Whether a service answers more slowly the more it is asked: what more replicas can help against.

use super::seen::Counted;
use crate::domain::evidence::LoadSensitivity;
use crate::domain::statistics::spearman::spearman;
use crate::domain::window::shape::{FINE, Slot};

/// Buckets with requests that it takes to say anything: the correlation that matters is found in so many, mostly.
const LEAST_BUCKETS: usize = 60;
/// The busiest tenth of them has so many times the requests of the quietest at least: what hardly varies shows nothing.
const LEAST_SPREAD: f64 = 1.5;

/// What a service was asked in each of the last buckets, and what it answered at the endpoints in question.
pub(super) struct Load {
    begin: Slot,
    buckets: Vec<OfBucket>,
}

#[derive(Clone, Copy, Default)]
struct OfBucket {
    requests: u64,
    answers: u64,
    seconds: f64,
}

impl Load {
    /// Of the buckets that are over.
    pub(super) fn until(now: Slot) -> Self {
        let begin = now.saturating_sub(FINE);
        Self { begin, buckets: vec![OfBucket::default(); (now - begin) as usize] }
    }

    /// Counts what an endpoint of the service was asked, in order of time; `is_in_question` says that it is one of those
    /// that may be too slow under load.
    pub(super) fn add(&mut self, counted: &[Counted], is_in_question: bool) {
        let first = counted.partition_point(|(slots, _)| slots.start < self.begin);
        for (slots, counters) in &counted[first..] {
            let Some(bucket) = self.buckets.get_mut((slots.start - self.begin) as usize) else { continue };
            bucket.requests += counters.requests;
            if is_in_question {
                bucket.answers += counters.requests;
                bucket.seconds += counters.sum;
            }
        }
    }

    /// How the mean response time goes with the load; none where too little was seen to say.
    pub(super) fn sensitivity(&self) -> Option<LoadSensitivity> {
        let answered: Vec<_> = self.buckets.iter().filter(|bucket| bucket.answers > 0).collect();
        let load: Vec<f64> = answered.iter().map(|bucket| bucket.requests as f64).collect();
        if load.len() < LEAST_BUCKETS {
            return None;
        }
        let mut sorted = load.clone();
        sorted.sort_by(f64::total_cmp);
        let (quiet, busy) = (sorted[sorted.len() / 10], sorted[sorted.len() * 9 / 10]);
        if busy < LEAST_SPREAD * quiet {
            return None;
        }
        let means: Vec<f64> = answered.iter().map(|bucket| bucket.seconds / bucket.answers as f64).collect();
        let found = spearman(&load, &means)?;
        Some(LoadSensitivity { spearman: found.rho, p: found.p_higher, buckets: load.len() })
    }
}
