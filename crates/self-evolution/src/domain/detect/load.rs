//! What the load of a service has to do with what is wrong with it: whether answers take longer, and whether more of them
//! are errors, the more it is asked.

use std::sync::Arc;

use super::seen::Counted;
use crate::domain::evidence::LoadSensitivity;
use crate::domain::recommendation::Kind;
use crate::domain::statistics::isotonic::{Isotonic, Measured};
use crate::domain::statistics::spearman::spearman;
use crate::domain::window::shape::{FINE, Slot};

/// Buckets with requests that it takes to say anything: the correlation that matters is found in so many, mostly.
const LEAST_BUCKETS: usize = 60;
/// The busiest tenth of them has so many times the requests of the quietest at least: what hardly varies shows nothing.
const LEAST_SPREAD: f64 = 1.5;
/// One in so many buckets is quiet.
const QUIET: usize = 5;

/// What a service was asked in each of the last buckets, and what it answered at the endpoints in question.
pub(super) struct Load {
    begin: Slot,
    buckets: Vec<OfBucket>,
}

#[derive(Clone, Copy, Default)]
struct OfBucket {
    requests: u64,
    /// Of the endpoints that may be asked too much: answers, and how long they took together.
    answers: u64,
    seconds: f64,
    /// Of the endpoints with too many errors: answers, and those that are errors.
    tries: u64,
    errors: u64,
}

/// How the response time goes with the load.
#[derive(Clone, PartialEq, Debug)]
pub struct Times {
    /// How closely.
    pub sensitivity: LoadSensitivity,
    /// The mean response time at a load in requests a bucket: never less at a higher one.
    fit: Isotonic,
    /// The load of each bucket, and the answers given in it.
    buckets: Arc<[(f64, f64)]>,
}

/// How the part of the answers that are errors goes with the load.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Errors {
    /// How closely.
    pub sensitivity: LoadSensitivity,
    /// The part in the fifth of the buckets with the fewest requests.
    pub quiet: f64,
    /// The part in all of them.
    pub overall: f64,
}

/// What the load has to do with an issue.
#[derive(Clone, PartialEq, Debug)]
pub enum UnderLoad {
    /// Of what asks for more replicas.
    Times(Times),
    /// Of errors.
    Errors(Errors),
}

impl Times {
    /// Which part of the response time would have gone if every instance had been asked `part` times as much as it was. What
    /// was not seen is not guessed: below the lowest load there was, answers take as long as at that one.
    pub fn relief(&self, part: f64) -> f64 {
        let at = |part: f64| {
            self.buckets.iter().map(|(load, answers)| answers * self.fit.at(load * part)).sum::<f64>()
        };
        let now = at(1.0);
        if now > 0.0 { (1.0 - at(part) / now).max(0.0) } else { 0.0 }
    }
}

impl Load {
    /// Of the buckets that are over.
    pub(super) fn until(now: Slot) -> Self {
        let begin = now.saturating_sub(FINE);
        Self { begin, buckets: vec![OfBucket::default(); (now - begin) as usize] }
    }

    /// Counts what an endpoint of the service was asked, in order of time; `kinds` says what is wrong with it.
    pub(super) fn add(&mut self, counted: &[Counted], kinds: &[Kind]) {
        let (is_asked_much, fails) = (kinds.contains(&Kind::Scaling), kinds.contains(&Kind::Reliability));
        let first = counted.partition_point(|(slots, _)| slots.start < self.begin);
        for (slots, counters) in &counted[first..] {
            let Some(bucket) = self.buckets.get_mut((slots.start - self.begin) as usize) else { continue };
            bucket.requests += counters.requests;
            if is_asked_much {
                bucket.answers += counters.requests;
                bucket.seconds += counters.sum;
            }
            if fails {
                bucket.tries += counters.requests;
                bucket.errors += counters.errors();
            }
        }
    }

    /// How the mean response time goes with the load; none where too little was seen to say.
    pub(super) fn times(&self) -> Option<Times> {
        let answered: Vec<_> = self.buckets.iter().filter(|bucket| bucket.answers > 0).collect();
        let measured = answered.iter().map(|bucket| Measured {
            x: bucket.requests as f64,
            y: bucket.seconds / bucket.answers as f64,
            weight: bucket.answers as f64,
        });
        let measured: Vec<Measured> = measured.collect();
        let sensitivity = sensitivity(&measured)?;
        let buckets = answered.iter().map(|bucket| (bucket.requests as f64, bucket.answers as f64)).collect();
        Some(Times { sensitivity, fit: Isotonic::fit(&measured)?, buckets })
    }

    /// How the part of the answers that are errors goes with the load; none where too little was seen to say.
    pub(super) fn errors(&self) -> Option<Errors> {
        let mut tried: Vec<_> = self.buckets.iter().filter(|bucket| bucket.tries > 0).collect();
        let measured = tried.iter().map(|bucket| Measured {
            x: bucket.requests as f64,
            y: bucket.errors as f64 / bucket.tries as f64,
            weight: bucket.tries as f64,
        });
        let sensitivity = sensitivity(&measured.collect::<Vec<_>>())?;
        tried.sort_by_key(|bucket| bucket.requests);
        let part = |buckets: &[&OfBucket]| {
            let sum = |of: fn(&OfBucket) -> u64| buckets.iter().map(|bucket| of(bucket)).sum::<u64>() as f64;
            sum(|bucket| bucket.errors) / sum(|bucket| bucket.tries)
        };
        Some(Errors { sensitivity, quiet: part(&tried[..tried.len() / QUIET]), overall: part(&tried) })
    }
}

/// How something goes with the load, where `x` is the load.
fn sensitivity(measured: &[Measured]) -> Option<LoadSensitivity> {
    let (load, values): (Vec<f64>, Vec<f64>) = measured.iter().map(|one| (one.x, one.y)).unzip();
    if load.len() < LEAST_BUCKETS {
        return None;
    }
    let mut sorted = load.clone();
    sorted.sort_by(f64::total_cmp);
    let (quiet, busy) = (sorted[sorted.len() / 10], sorted[sorted.len() * 9 / 10]);
    if busy < LEAST_SPREAD * quiet {
        return None;
    }
    let found = spearman(&load, &values)?;
    Some(LoadSensitivity { spearman: found.rho, p: found.p_higher, buckets: load.len() })
}
