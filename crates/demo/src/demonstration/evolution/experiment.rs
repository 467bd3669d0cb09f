//! The services that are slow, what a cache does to each of them, and what has to come of it.

use super::load::{Load, Measured};
use crate::demonstration::fleet::SEVERAL;

/// A service that is slow, and what a cache does to it.
#[derive(Clone, Copy, Debug)]
pub(in super::super) struct Plot {
    pub(in super::super) service: &'static str,
    /// Where it is asked.
    pub(super) route: &'static str,
    /// Its users, in requests a second.
    pub(super) per_second: u32,
    /// How it is made slow. Above two seconds on average self-evolution calls it slow.
    pub(super) knob: &'static str,
    /// What that means, in words.
    pub(super) in_words: &'static str,
    /// How all its instances become slower at the moment of the change, if they do.
    pub(super) slowdown: Option<&'static str>,
    /// What has to come of the change.
    pub(in super::super) expected: Expected,
}

/// What has to come of a change.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in super::super) enum Expected {
    /// It is compared with what was before, and stays.
    Kept,
    /// It does harm, and is taken back.
    Harmful,
    /// It is compared over instances with it and without it, and stays.
    KeptByTest,
}

/// One of each kind.
pub(super) const PLOTS: [Plot; 3] = [
    Plot {
        service: "crypto-prediction",
        route: "predict",
        per_second: 12,
        knob: "uncached?seconds=2.5",
        in_words: "a cache would help it",
        slowdown: None,
        expected: Expected::Kept,
    },
    Plot {
        service: "image-generation",
        route: "generate",
        per_second: 12,
        knob: "uncached?seconds=2.5&rate=0.5",
        in_words: "a cache would harm it: half of what it keeps goes bad",
        slowdown: None,
        expected: Expected::Harmful,
    },
    Plot {
        service: SEVERAL,
        route: "detect",
        per_second: 20,
        knob: "uncached?seconds=2.5&kept_seconds=1",
        in_words: "it has four instances",
        slowdown: Some("uncached?seconds=5&kept_seconds=2"),
        expected: Expected::KeptByTest,
    },
];

/// A plot that is under way.
pub(super) struct Experiment {
    pub(super) plot: Plot,
    /// Where its instances answer.
    pub(super) urls: Vec<String>,
    pub(super) load: Load,
    pub(super) recommendation: Option<super::client::Recommendation>,
    pub(super) before: Measured,
    pub(super) with_it: Measured,
    pub(super) phase: String,
    pub(super) is_swapped: bool,
    pub(super) verdict: Option<super::client::Verdict>,
}
