//! What an analysis looks at: data of its own, so that it may take its time.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use shared::clock::Timestamp;

use crate::domain::change::{Change, Phase};
use crate::domain::evidence::Evidence;
use crate::domain::recommendation::Status;
use crate::domain::state::State;
use crate::domain::window::Window;
use crate::domain::window::shape::{Shape, Slot};

/// It settles so long at most.
const LONGEST_SETTLING: Slot = 11;

/// Everything that an analysis looks at.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// What was seen.
    pub window: Window,
    /// The slots that count for what is said of the window.
    pub within: Range<Slot>,
    /// The slot that is not over yet.
    pub now: Slot,
    /// Of each service the slots in which a change of it was not verified: what was seen then says nothing of how it is.
    pub unverified: BTreeMap<Arc<str>, Vec<Range<Slot>>>,
    /// What is pending because of evidence that compares, by service.
    pub pending: BTreeMap<Arc<str>, Vec<Evidence>>,
}

impl Look {
    /// What there is to look at now.
    pub fn new(state: &State, shape: Shape, now: Timestamp) -> Self {
        let slot = shape.slot(now);
        let mut unverified = BTreeMap::<_, Vec<_>>::new();
        for change in state.changes.iter() {
            if let Some(slots) = while_unverified(change, shape, slot) {
                unverified.entry(Arc::clone(&change.baseline.service)).or_default().push(slots);
            }
        }
        let mut pending = BTreeMap::<_, Vec<_>>::new();
        for recommendation in state.recommendations.iter().filter(|one| one.status == Status::Pending) {
            let compares = recommendation.evidence.iter().filter(|evidence| evidence.buckets.is_some());
            for evidence in compares {
                pending.entry(Arc::clone(&recommendation.target_service)).or_default().push(evidence.clone());
            }
        }
        Self { window: state.window.clone(), within: shape.window(now), now: slot, unverified, pending }
    }

    /// The slots that are read: also those before the window by which something is compared.
    pub fn read(&self) -> Range<Slot> {
        let oldest = self.window.shape().oldest(self.begin(self.now));
        self.within.start.min(oldest)..self.within.end
    }

    /// When a slot began.
    pub fn begin(&self, slot: Slot) -> Timestamp {
        self.window.shape().begin(slot)
    }
}

/// The slots from a change to its verdict, or to its end where that came first.
fn while_unverified(change: &Change, shape: Shape, now: Slot) -> Option<Range<Slot>> {
    let applied = shape.slot(change.applied_at);
    let judged = change.verdict.as_ref().map(|verdict| shape.slot(verdict.judged_at));
    let taken_back = change.rollback.as_ref().map(|rollback| shape.slot(rollback.rollback_time));
    // One that nobody judged may have been in effect for days.
    let taken_back = taken_back.filter(|end| change.trial.is_some() || *end <= applied + LONGEST_SETTLING);
    let end = match change.phase {
        Phase::Applying | Phase::Settling | Phase::Verifying | Phase::RollingBack | Phase::RollbackFailed => {
            now.max(applied) + 1
        }
        Phase::Kept | Phase::Inconclusive | Phase::RolledBack | Phase::Superseded => {
            judged.or(taken_back)? + 1
        }
        Phase::Unjudged | Phase::Failed => return None,
    };
    // Most of what the bucket of the change holds was answered before it.
    Some(applied + 1..end)
}
