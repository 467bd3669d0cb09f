//! The time before a change that it is compared with.

use shared::clock::Timestamp;

use crate::domain::change::Change;
use crate::domain::window::shape::{Shape, Slot};

/// The buckets before a change that it is compared with.
const BEFORE: usize = 60;
/// They are looked for so far back.
const REACH: Slot = 120;
/// A service is itself again so long after another change was made or taken back.
const UNSETTLED: Slot = 5;

/// The last slots before a change in which no other change of the service had a part that the service has no longer, or
/// had none that it has now. In order.
pub(super) struct Past {
    slots: Vec<Slot>,
    applied: Slot,
}

impl Past {
    /// That of a change that was made at this moment, among other changes of the same service.
    pub(super) fn new<'a>(
        shape: Shape,
        applied_at: Timestamp,
        others: impl Iterator<Item = &'a Change>,
    ) -> Self {
        let applied = shape.slot(applied_at);
        let unlike: Vec<_> = others
            .filter(|other| other.applied_at <= applied_at)
            .map(|other| {
                let made = shape.slot(other.applied_at);
                match &other.rollback {
                    // What came and went: only while it was there.
                    Some(rollback) => made..shape.slot(rollback.rollback_time) + UNSETTLED + 1,
                    // What came and stayed: whatever was before it.
                    None => 0..made + UNSETTLED + 1,
                }
            })
            .collect();
        let is_like = |slot: &Slot| !unlike.iter().any(|range| range.contains(slot));
        let mut slots: Vec<Slot> =
            (applied.saturating_sub(REACH)..applied).rev().filter(is_like).take(BEFORE).collect();
        slots.reverse();
        Self { slots, applied }
    }

    /// The first slot; that of the change where there is none before it.
    pub(super) fn first(&self) -> Slot {
        self.slots.first().copied().unwrap_or(self.applied)
    }

    /// The slot of the change.
    pub(super) fn end(&self) -> Slot {
        self.applied
    }

    /// How many slots there are from this one on.
    pub(super) fn len_from(&self, first: Slot) -> usize {
        self.slots.len() - self.slots.partition_point(|slot| *slot < first)
    }

    /// Whether a slot is one of them.
    pub(super) fn contains(&self, slot: Slot) -> bool {
        self.slots.binary_search(&slot).is_ok()
    }
}
