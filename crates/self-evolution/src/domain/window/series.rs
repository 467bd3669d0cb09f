//! What was seen of one endpoint over the window: buckets by time, the older the coarser.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;

use super::blocks::{Blocks, Packed};
use super::bucket::{Bucket, Counters, Sum};
use super::shape::{COARSE, FINE, Slot};
use super::trail::{self, Trail};

mod written;

/// How many slots a bucket stays open for: that of the moment, and the one before it, to which the last reports of a slot
/// belong. What is later is added to the packed bucket, all of a slot together.
const OPEN: Slot = 2;

/// Buckets of one endpoint. A clone shares everything that changes no more.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Series {
    /// Where requests are counted now; in order.
    open: VecDeque<(Slot, Bucket)>,
    /// The slot in which open ones were packed last.
    closed: Slot,
    /// One slot each.
    fine: Blocks,
    /// Many slots each.
    coarse: Blocks,
    /// What is known of slots that were put into coarse ones.
    trail: Trail,
    /// Requests ever counted here.
    requests: u64,
    /// Some answer said that there is something under this path.
    exists: bool,
}

impl Series {
    /// Counts a request. `now` is the slot of the moment in which it is recorded, `slot` that of the request itself.
    pub fn record(&mut self, now: Slot, slot: Slot, seconds: f64, status: u16) {
        self.requests += 1;
        self.exists |= !says_nothing_is_there(status);
        self.close(now);
        let bucket = match self.open.back_mut() {
            Some((last, _)) if *last == slot => self.open.back_mut().map(|(_, bucket)| bucket),
            Some(_) | None => {
                let place = self.open.partition_point(|(open, _)| *open < slot);
                if self.open.get(place).is_none_or(|(open, _)| *open != slot) {
                    self.open.insert(place, (slot, Bucket::default()));
                }
                self.open.get_mut(place).map(|(_, bucket)| bucket)
            }
        };
        if let Some(bucket) = bucket {
            bucket.record(seconds, status);
        }
    }

    /// Whether some answer has said that there is something under this path.
    pub fn exists(&self) -> bool {
        self.exists
    }

    /// Requests ever counted here.
    pub fn requests(&self) -> u64 {
        self.requests
    }

    /// Packs what is not open any more.
    fn close(&mut self, now: Slot) {
        if now == self.closed {
            return;
        }
        self.closed = now;
        while let Some((slot, bucket)) = self.open.pop_front_if(|(slot, _)| *slot + OPEN <= now) {
            self.fine.add(slot..slot + 1, &bucket);
        }
    }

    /// Whether some of it is old enough to be coarsened.
    pub fn is_due(&self, now: Slot) -> bool {
        self.fine.first().is_some_and(|slot| slot < now.saturating_sub(FINE) / COARSE * COARSE)
    }

    /// Packs what is not open any more, puts what is old into buckets of so many slots, and forgets what began before
    /// `oldest`.
    pub fn age(&mut self, now: Slot, oldest: Slot, coarse: Slot) {
        self.close(now);
        // So many at a time that a coarse bucket is not unpacked for each.
        let old = self.fine.take_before(now.saturating_sub(FINE) / COARSE * COARSE);
        let begin = |packed: &Packed<Box<[u8]>>| packed.slots.start / coarse * coarse;
        for together in old.chunk_by(|a, b| begin(a) == begin(b)) {
            let (Some(first), Some(last)) = (together.first(), together.last()) else { continue };
            for packed in together {
                if let Some(counters) = Bucket::unpack_counters(&packed.bytes) {
                    self.trail.add(packed.slots.start, &counters);
                }
            }
            let mut whole = Sum::default();
            together.iter().for_each(|packed| whole.add_packed(&packed.bytes));
            self.coarse.add(begin(first)..last.slots.end, &whole.into());
        }
        self.fine.take_before(oldest);
        self.coarse.take_before(oldest);
        self.trail.forget_before(now.saturating_sub(FINE + trail::LONGEST as Slot));
    }

    /// Whether nothing is left in it.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.fine.is_empty() && self.coarse.is_empty()
    }

    /// What was counted in buckets that lie within these slots as a whole.
    pub fn counters(&self, within: &Range<Slot>) -> Counters {
        let mut all = Counters::default();
        for packed in self.packed(within) {
            if let Some(counters) = Bucket::unpack_counters(packed.bytes) {
                all.merge(&counters);
            }
        }
        for (_, bucket) in self.open.iter().filter(|(slot, _)| within.contains(slot)) {
            all.merge(&bucket.counters);
        }
        all
    }

    /// What was counted in every bucket that lies within these slots as a whole and overlaps none that is left out: each
    /// with its slots, in order, behind what is in `into` already.
    pub fn read(
        &self,
        within: &Range<Slot>,
        left_out: &[Range<Slot>],
        into: &mut Vec<(Range<Slot>, Counters)>,
    ) {
        let begin = into.len();
        let packed = self.packed(within).filter(|packed| counts(&packed.slots, left_out));
        into.extend(packed.filter_map(|packed| Some((packed.slots, Bucket::unpack_counters(packed.bytes)?))));
        for (slot, bucket) in self.open.iter().filter(|(slot, _)| within.contains(slot)) {
            let slots = *slot..slot + 1;
            // What came late for a slot may be open beside what is packed of it.
            match into[begin..].iter_mut().rev().find(|(known, _)| *known == slots) {
                Some((_, counters)) => counters.merge(&bucket.counters),
                None if counts(&slots, left_out) => into.push((slots, bucket.counters)),
                None => {}
            }
        }
        if !into[begin..].is_sorted_by_key(|(slots, _)| slots.start) {
            into[begin..].sort_by_key(|(slots, _)| slots.start);
        }
    }

    /// The mean response times of single slots that are known of no bucket any more, in order: those before the buckets of
    /// one slot.
    pub fn trail(&self) -> impl Iterator<Item = (Slot, f64)> {
        self.trail.iter()
    }

    /// What was counted in each slot within these that has a bucket of its own, in order.
    pub fn by_slot(&self, within: &Range<Slot>) -> impl Iterator<Item = (Slot, Counters)> {
        let packed = self.fine.iter().filter(|packed| within.contains(&packed.slots.start));
        let packed =
            packed.filter_map(|packed| Some((packed.slots.start, Bucket::unpack_counters(packed.bytes)?)));
        let open = self.open.iter().filter(|(slot, _)| within.contains(slot));
        let mut by_slot = BTreeMap::<Slot, Counters>::new();
        // What came late for a slot may be open beside what is packed of it.
        for (slot, counters) in packed.chain(open.map(|(slot, bucket)| (*slot, bucket.counters))) {
            by_slot.entry(slot).or_default().merge(&counters);
        }
        by_slot.into_iter()
    }

    /// What was counted in them, with the response times, but for buckets that overlap what is left out.
    pub fn total(&self, within: &Range<Slot>, left_out: &[Range<Slot>]) -> Bucket {
        let mut all = Sum::default();
        let packed = self.packed(within).filter(|packed| counts(&packed.slots, left_out));
        packed.for_each(|packed| all.add_packed(packed.bytes));
        let open = self.open.iter().filter(|(slot, _)| within.contains(slot));
        let open = open.filter(|(slot, _)| counts(&(*slot..slot + 1), left_out));
        open.for_each(|(_, bucket)| all.add(bucket));
        all.into()
    }

    fn packed(&self, within: &Range<Slot>) -> impl Iterator<Item = Packed<&[u8]>> {
        let lies_within =
            |packed: &Packed<&[u8]>| packed.slots.start >= within.start && packed.slots.end <= within.end;
        self.coarse.iter().chain(self.fine.iter()).filter(lies_within)
    }

    /// Adds everything that another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (slot, bucket) in &other.open {
            match self.open.binary_search_by_key(slot, |(slot, _)| *slot) {
                Ok(place) => self.open[place].1.merge(bucket),
                Err(place) => self.open.insert(place, (*slot, bucket.clone())),
            }
        }
        for (blocks, others) in [(&mut self.fine, &other.fine), (&mut self.coarse, &other.coarse)] {
            for packed in others.iter() {
                if let Some(bucket) = Bucket::unpack(packed.bytes) {
                    blocks.add(packed.slots, &bucket);
                }
            }
        }
        // Two together are another endpoint, of which nobody knows yet what is usual.
        self.trail = Trail::default();
        self.requests += other.requests;
        self.exists |= other.exists;
    }

    /// The same requests in slots of another length.
    pub fn reslotted(&self, slot_of: impl Fn(Slot) -> Slot) -> Self {
        let mut series = Self { requests: self.requests, exists: self.exists, ..Self::default() };
        let packed = self.coarse.iter().chain(self.fine.iter());
        let packed = packed.filter_map(|packed| Some((packed.slots.start, Bucket::unpack(packed.bytes)?)));
        for (slot, bucket) in packed.chain(self.open.iter().cloned()) {
            let slot = slot_of(slot);
            series.fine.add(slot..slot + 1, &bucket);
        }
        series
    }
}

/// Whether slots overlap none of what is left out.
fn counts(slots: &Range<Slot>, left_out: &[Range<Slot>]) -> bool {
    !left_out.iter().any(|gap| gap.start < slots.end && slots.start < gap.end)
}

/// Whether an answer says that nothing is under a path: not authorised, not found, method not allowed.
pub fn says_nothing_is_there(status: u16) -> bool {
    matches!(status, 401 | 404 | 405)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::window::shape::LATE;

    /// One request in every slot, each answered in as many seconds as its slot's number has left over by 7.
    fn steady(slots: Range<Slot>) -> Series {
        let mut series = Series::default();
        for slot in slots {
            series.record(slot, slot, f64::from(slot % 7), 200);
        }
        series
    }

    #[test]
    fn nothing_is_lost_and_nothing_is_counted_twice_while_buckets_grow_old() {
        let mut series = Series::default();
        for now in 1_000..3_000 {
            series.record(now, now, 0.25, if now % 10 == 0 { 500 } else { 200 });
            series.record(now, now - LATE, 0.75, 200);
            series.age(now, 0, COARSE);
        }
        let all = series.total(&(0..3_000), &[]);
        assert_eq!((all.counters.requests, all.counters.errors()), (4_000, 200));
        assert!((all.counters.sum - 2_000.0).abs() < 1e-6, "{}", all.counters.sum);
        assert_eq!(all.counters, series.counters(&(0..3_000)));
        let (fine, coarse) = (series.fine.iter().count(), series.coarse.iter().count());
        assert!(fine < (FINE + COARSE) as usize + 1 && coarse < 130, "{fine} and {coarse}");
    }

    #[test]
    fn what_began_before_the_window_is_forgotten() {
        let mut series = steady(0..1_000);
        series.age(1_000, 930, COARSE);
        let kept = series.total(&(0..1_000), &[]).counters.requests;
        assert_eq!(kept, 70);
        series.age(3_000, 2_900, COARSE);
        assert!(series.is_empty());
        assert_eq!(series.requests(), 1_000, "how much there ever was is still known");
    }

    #[test]
    fn only_whole_buckets_within_the_slots_count() {
        let mut series = steady(0..1_000);
        series.age(1_000, 0, COARSE);
        assert_eq!(series.counters(&(990..1_000)).requests, 10);
        let coarse = series.counters(&(100..220)).requests;
        assert_eq!(coarse, 105, "from 105, where a coarse bucket begins, to 210, where another ends");
    }

    #[test]
    fn a_series_is_read_back_as_it_was_written() {
        let mut series = steady(0..900);
        series.age(900, 0, COARSE);
        let json = serde_json::to_string(&series).unwrap();
        assert_eq!(serde_json::from_str::<Series>(&json).unwrap(), series);
        let cut = json.replace("\"blocks\":\"", "\"blocks\":\"////");
        assert!(serde_json::from_str::<Series>(&cut).is_err());
    }

    #[test]
    fn a_window_of_very_many_slots_has_no_more_buckets_than_another() {
        let (coarse, window) = (900, 86_400);
        let mut series = Series::default();
        for now in 0..window {
            series.record(now, now, 0.25, 200);
            if series.is_due(now) {
                series.age(now, 0, coarse);
            }
            let all = 0..now + LATE + 1;
            assert!(now % 997 > 0 || series.counters(&all).requests == u64::from(now) + 1, "{now}");
        }
        let (fine, coarse) = (series.fine.iter().count(), series.coarse.iter().count());
        assert!(fine < (FINE + COARSE) as usize + 1 && coarse <= 96, "{fine} and {coarse}");
    }

    #[test]
    fn late_requests_of_a_slot_that_is_packed_are_counted_in_it() {
        let mut series = steady(0..50);
        for _ in 0..1_000 {
            series.record(50, 42, 0.5, 500);
        }
        assert_eq!(series.counters(&(42..43)).requests, 1_001);
        let by_slot: Vec<_> = series.by_slot(&(41..44)).map(|(slot, seen)| (slot, seen.requests)).collect();
        assert_eq!(by_slot, [(41, 1), (42, 1_001), (43, 1)]);
        series.record(51, 51, 0.5, 200);
        assert_eq!(series.counters(&(42..43)).requests, 1_001, "it is packed again");
        assert_eq!((series.open.len(), series.counters(&(0..60)).requests), (1, 1_051));
    }

    #[test]
    fn buckets_are_read_in_order_without_those_that_overlap_what_is_left_out() {
        let mut series = steady(0..600);
        series.age(600, 0, COARSE);
        series.record(600, 592, 0.5, 500);
        series.record(600, 600, 0.5, 200);
        let read = |left_out: &[Range<Slot>]| {
            let mut all = Vec::new();
            series.read(&(100..700), left_out, &mut all);
            assert!(all.is_sorted_by_key(|(slots, _)| slots.start));
            all
        };
        let requests =
            |all: Vec<(Range<Slot>, Counters)>| all.iter().map(|(_, seen)| seen.requests).sum::<u64>();
        let whole = read(&[]);
        assert_eq!(whole.iter().filter(|(slots, _)| *slots == (592..593)).count(), 1, "late ones are in it");
        assert_eq!(requests(whole), series.counters(&(100..700)).requests);
        let coarse = read(&[130..131, 131..132]);
        assert!(!coarse.iter().any(|(slots, _)| slots.contains(&130)), "a coarse one as a whole");
        assert_eq!(requests(read(&[590..600, 600..700])) + 12, requests(read(&[])));
    }

    #[test]
    fn two_series_add_up_to_the_one_of_all_requests() {
        let (mut one, other, mut both) = (steady(0..600), steady(300..900), steady(0..600));
        for slot in 300..900 {
            both.record(slot.max(599), slot, f64::from(slot % 7), 200);
        }
        one.merge(&other);
        let all = 0..900;
        assert_eq!(one.total(&all, &[]).times, both.total(&all, &[]).times);
        assert_eq!(one.counters(&all).requests, 1_200);
    }

    #[test]
    fn a_path_exists_once_an_answer_has_said_so() {
        let mut series = Series::default();
        series.record(1, 1, 0.1, 404);
        assert!(!series.exists());
        series.record(1, 1, 0.1, 500);
        assert!(series.exists());
    }

    #[test]
    fn requests_keep_their_time_when_the_slots_get_another_length() {
        let seconds = steady(600..1_200);
        let minutes = seconds.reslotted(|slot| slot / 60);
        assert_eq!(minutes.counters(&(10..15)).requests, 300);
        assert_eq!(minutes.counters(&(0..20)).requests, 600);
    }
}
