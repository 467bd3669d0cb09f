//! Counts over everything that ever happened: what metrics and statistics show.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use shared::order::Action;

use super::recovery::{Guard, Outcome, Recovery};

/// Counts since the first fact.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Totals {
    /// Finished recoveries by action and outcome.
    pub outcomes: BTreeMap<Action, BTreeMap<Outcome, u64>>,
    /// Suppressed ones by guard.
    pub suppressed: BTreeMap<Guard, u64>,
    /// Steps that attempts passed over, by action.
    #[serde(default)]
    pub skipped: BTreeMap<Action, u64>,
    /// Recoveries with a time to recover.
    pub timed: u64,
    /// Sum of the times to recover, in seconds.
    pub seconds_to_recover: f64,
    /// How many of them lie within each of [`RECOVERY_SECONDS`], and above the one before.
    pub by_seconds: [u64; RECOVERY_SECONDS.len()],
}

/// Upper bounds of the buckets of times to recover, in seconds.
pub const RECOVERY_SECONDS: [f64; 9] = [5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, f64::INFINITY];

impl Totals {
    /// Mean time to recover in seconds, if there was any recovery.
    pub fn mean_time_to_recover(&self) -> Option<f64> {
        #[expect(clippy::cast_precision_loss, reason = "a mean over fewer than 2^52 recoveries")]
        (self.timed > 0).then(|| self.seconds_to_recover / self.timed as f64)
    }

    /// Takes in an attempt that begins to act.
    pub(super) fn begin(&mut self, recovery: &Recovery) {
        for action in &recovery.skipped {
            *self.skipped.entry(*action).or_default() += 1;
        }
    }

    /// Takes in a recovery that is over.
    pub(super) fn count(&mut self, recovery: &Recovery) {
        if let Some(outcome) = recovery.outcome {
            *self.outcomes.entry(recovery.action).or_default().entry(outcome).or_default() += 1;
        }
        if let Some(guard) = recovery.guard {
            *self.suppressed.entry(guard).or_default() += 1;
        }
        if let Some(seconds) = recovery.time_to_recover_seconds {
            self.timed += 1;
            self.seconds_to_recover += seconds;
            if let Some(bucket) = RECOVERY_SECONDS.iter().position(|bound| seconds <= *bound) {
                self.by_seconds[bucket] += 1;
            }
        }
    }

    /// Finished recoveries with this outcome, over all actions.
    pub fn with_outcome(&self, outcome: Outcome) -> u64 {
        self.outcomes.values().filter_map(|by_outcome| by_outcome.get(&outcome)).sum()
    }

    /// The times to recover as buckets: upper bound in seconds, and how many lie in it.
    pub fn buckets(&self) -> [(f64, u64); RECOVERY_SECONDS.len()] {
        std::array::from_fn(|n| (RECOVERY_SECONDS[n], self.by_seconds[n]))
    }
}
