//! What a detector looks at: one endpoint, bucket by bucket.

use std::ops::Range;
use std::sync::Arc;

use super::Signs;
use super::change_point::leaps;
use super::look::Look;
use crate::domain::evidence::{Evidence, Figures};
use crate::domain::window::Key;
use crate::domain::window::bucket::Counters;
use crate::domain::window::series::Series;
use crate::domain::window::shape::{COARSE, FINE, Slot};

/// Counters of the slots beside them.
pub(super) type Counted = (Range<Slot>, Counters);

/// One endpoint, as far as it counts.
pub struct Seen<'a> {
    pub(super) look: &'a Look,
    pub(super) service: &'a Arc<str>,
    pub(super) endpoint: &'a Arc<str>,
    pub(super) series: &'a Series,
    /// What is left out.
    pub(super) left_out: &'a [Range<Slot>],
    /// Every bucket that counts, in order.
    pub(super) buckets: &'a [Counted],
    /// What was counted in the window.
    pub counters: Counters,
}

impl<'a> Seen<'a> {
    /// What was seen of an endpoint, with `room` for its buckets.
    pub(super) fn read(look: &'a Look, key: &Key<'a>, room: &'a mut Vec<Counted>) -> Self {
        let Key { service, endpoint, series } = *key;
        let left_out = look.unverified.get(service).map_or(&[][..], |slots| slots);
        series.read(&look.read(), left_out, room);
        let mut counters = Counters::default();
        let in_window = room.iter().filter(|(slots, _)| slots.start >= look.within.start);
        in_window.for_each(|(_, counted)| counters.merge(counted));
        Self { look, service, endpoint, series, left_out, buckets: room, counters }
    }

    /// The slot that is not over yet.
    pub fn now(&self) -> Slot {
        self.look.now
    }

    /// The buckets that lie within these slots as a whole.
    pub fn buckets(&self, within: &Range<Slot>) -> impl Iterator<Item = &Counted> {
        let first = self.buckets.partition_point(|(slots, _)| slots.start < within.start);
        let end = within.end;
        self.buckets[first..].iter().take_while(move |(slots, _)| slots.end <= end)
    }

    /// What was counted in them.
    pub fn total(&self, within: &Range<Slot>) -> Counters {
        let mut total = Counters::default();
        self.buckets(within).for_each(|(_, counters)| total.merge(counters));
        total
    }

    /// The slot in which answers last began to take longer, at a leap.
    pub fn leap(&self) -> Option<Slot> {
        let counts = |slot: &Slot| !self.left_out.iter().any(|gap| gap.contains(slot));
        let old = self.series.trail().filter(|(slot, _)| counts(slot));
        let kept = self.now().saturating_sub(FINE + COARSE)..self.now();
        let fine = self.buckets(&kept).filter(|(slots, _)| slots.len() == 1);
        let fine = fine.filter_map(|(slots, counters)| Some((slots.start, counters.mean()?)));
        let points: Vec<(Slot, f64)> = old.chain(fine).collect();
        let last = *leaps(&points).last()?;
        let place = points.iter().position(|(slot, _)| *slot == last)?;
        (points[place].1 > points[place.checked_sub(1)?].1).then_some(last)
    }

    /// What is pending because of this endpoint.
    pub fn pending(&self, detector: &str) -> Option<&Evidence> {
        let of_service = self.look.pending.get(self.service)?;
        of_service.iter().find(|known| *known.endpoint == **self.endpoint && known.detector == detector)
    }

    fn figures(&self, within: &Range<Slot>) -> Figures {
        self.series.total(within, self.left_out).into()
    }

    /// What speaks for an issue of this name.
    pub(super) fn evidence(&self, detector: &str, signs: &Signs) -> Evidence {
        let buckets = signs.slots.as_ref().map(|slots| slots.end - slots.start);
        Evidence {
            endpoint: Arc::clone(self.endpoint),
            detector: detector.to_owned(),
            now: self.figures(signs.slots.as_ref().unwrap_or(&self.look.within)),
            buckets,
            baseline: signs.baseline.or_else(|| signs.before.as_ref().map(|before| self.figures(before))),
            shift: signs.shift,
            p: signs.p,
            burn: signs.burn,
            onset: signs.onset,
        }
    }
}
