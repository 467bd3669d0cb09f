//! What was seen of one endpoint over the window: buckets by time, the older the coarser.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::bucket::{Bucket, Counters};
use super::packed::{Reader, Writer};
use super::shape::{COARSE, FINE, LATE, Slot};

/// A bucket that changes no more, by the slot in which it begins.
type Packed = (Slot, Box<[u8]>);

/// Buckets of one endpoint. A clone shares everything that changes no more.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Series {
    /// Events may still arrive for these; in order.
    open: VecDeque<(Slot, Bucket)>,
    /// One slot each; in order.
    fine: Arc<VecDeque<Packed>>,
    /// [`COARSE`] slots each; in order.
    coarse: Arc<VecDeque<Packed>>,
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

    /// Packs what is too old to change.
    fn close(&mut self, now: Slot) {
        while self.open.front().is_some_and(|(slot, _)| slot + LATE < now) {
            if let Some((slot, bucket)) = self.open.pop_front() {
                insert(Arc::make_mut(&mut self.fine), slot, &bucket);
            }
        }
    }

    /// Whether some of it is old enough to be coarsened.
    pub fn is_due(&self, now: Slot) -> bool {
        self.fine.front().is_some_and(|(slot, _)| *slot < now.saturating_sub(FINE) / COARSE * COARSE)
    }

    /// Packs what is too old to change, coarsens what is old, and forgets what began before `oldest`.
    pub fn age(&mut self, now: Slot, oldest: Slot) {
        self.close(now);
        // Whole coarse buckets only, so that none is touched twice.
        let end = now.saturating_sub(FINE) / COARSE * COARSE;
        if self.fine.front().is_some_and(|(slot, _)| *slot < end) {
            let fine = Arc::make_mut(&mut self.fine);
            let coarse = Arc::make_mut(&mut self.coarse);
            while let Some((slot, packed)) = fine.pop_front_if(|(slot, _)| *slot < end) {
                if let Some(bucket) = Bucket::unpack(&packed) {
                    insert(coarse, slot / COARSE * COARSE, &bucket);
                }
            }
        }
        for queue in [&mut self.fine, &mut self.coarse] {
            if queue.front().is_some_and(|(slot, _)| *slot < oldest) {
                Arc::make_mut(queue).retain(|(slot, _)| *slot >= oldest);
            }
        }
    }

    /// Whether nothing is left in it.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty() && self.fine.is_empty() && self.coarse.is_empty()
    }

    /// What was counted in buckets that lie within these slots as a whole.
    pub fn counters(&self, within: &Range<Slot>) -> Counters {
        let mut all = Counters::default();
        for (_, packed) in self.packed(within) {
            if let Some(counters) = Bucket::unpack_counters(packed) {
                all.merge(&counters);
            }
        }
        for (_, bucket) in self.open.iter().filter(|(slot, _)| within.contains(slot)) {
            all.merge(&bucket.counters);
        }
        all
    }

    /// What was counted in each slot within these that has a bucket of its own, in order.
    pub fn by_slot(&self, within: &Range<Slot>) -> impl Iterator<Item = (Slot, Counters)> {
        let packed = self.fine.iter().filter(|(slot, _)| within.contains(slot));
        let packed = packed.filter_map(|(slot, packed)| Some((*slot, Bucket::unpack_counters(packed)?)));
        let open = self.open.iter().filter(|(slot, _)| within.contains(slot));
        packed.chain(open.map(|(slot, bucket)| (*slot, bucket.counters)))
    }

    /// The same with the response times.
    pub fn total(&self, within: &Range<Slot>) -> Bucket {
        let mut all = Bucket::default();
        for bucket in self.packed(within).filter_map(|(_, packed)| Bucket::unpack(packed)) {
            all.merge(&bucket);
        }
        for (_, bucket) in self.open.iter().filter(|(slot, _)| within.contains(slot)) {
            all.merge(bucket);
        }
        all
    }

    fn packed(&self, within: &Range<Slot>) -> impl Iterator<Item = &Packed> {
        let lies_within = |slot: Slot, slots: Slot| slot >= within.start && slot + slots <= within.end;
        let coarse = self.coarse.iter().filter(move |(slot, _)| lies_within(*slot, COARSE));
        coarse.chain(self.fine.iter().filter(move |(slot, _)| lies_within(*slot, 1)))
    }

    /// Adds everything that another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (slot, bucket) in &other.open {
            match self.open.binary_search_by_key(slot, |(slot, _)| *slot) {
                Ok(place) => self.open[place].1.merge(bucket),
                Err(place) => self.open.insert(place, (*slot, bucket.clone())),
            }
        }
        for (queue, others) in [(&mut self.fine, &other.fine), (&mut self.coarse, &other.coarse)] {
            for (slot, packed) in others.iter() {
                if let Some(bucket) = Bucket::unpack(packed) {
                    insert(Arc::make_mut(queue), *slot, &bucket);
                }
            }
        }
        self.requests += other.requests;
        self.exists |= other.exists;
    }

    /// The same requests in slots of another length.
    pub fn reslotted(&self, slot_of: impl Fn(Slot) -> Slot) -> Self {
        let mut series = Self { requests: self.requests, exists: self.exists, ..Self::default() };
        let packed = self.coarse.iter().chain(self.fine.iter());
        let packed = packed.filter_map(|(slot, packed)| Some((*slot, Bucket::unpack(packed)?)));
        for (slot, bucket) in packed.chain(self.open.iter().cloned()) {
            insert(Arc::make_mut(&mut series.fine), slot_of(slot), &bucket);
        }
        series
    }
}

/// Whether an answer says that nothing is under a path: not authorised, not found, method not allowed.
pub fn says_nothing_is_there(status: u16) -> bool {
    matches!(status, 401 | 404 | 405)
}

/// Adds a bucket at its place.
fn insert(queue: &mut VecDeque<Packed>, slot: Slot, bucket: &Bucket) {
    let place = queue.partition_point(|(packed, _)| *packed < slot);
    match queue.get_mut(place) {
        Some((same, packed)) if *same == slot => {
            let mut whole = Bucket::unpack(packed).unwrap_or_default();
            whole.merge(bucket);
            *packed = whole.pack();
        }
        Some(_) | None => queue.insert(place, (slot, bucket.pack())),
    }
}

/// How a series is written: numbers, and all buckets as one text in base64.
#[derive(Serialize, Deserialize)]
struct Written {
    requests: u64,
    exists: bool,
    buckets: String,
}

impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut writer = Writer::default();
        for queue in [&self.coarse, &self.fine] {
            writer.whole(queue.len() as u64);
            queue.iter().for_each(|(slot, packed)| writer.bucket(*slot, packed));
        }
        self.open.iter().for_each(|(slot, bucket)| writer.bucket(*slot, &bucket.pack()));
        let bytes: Box<[u8]> = writer.into();
        Written { requests: self.requests, exists: self.exists, buckets: BASE64.encode(bytes) }
            .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { requests, exists, buckets } = Written::deserialize(deserializer)?;
        let bytes = BASE64.decode(buckets).map_err(serde::de::Error::custom)?;
        let series = Self { requests, exists, ..Self::default() };
        series.with_buckets(&bytes).ok_or_else(|| serde::de::Error::custom("buckets that are cut off"))
    }
}

impl Series {
    fn with_buckets(mut self, bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        for queue in [&mut self.coarse, &mut self.fine] {
            let queue = Arc::make_mut(queue);
            for _ in 0..reader.whole()? {
                let (slot, packed) = reader.bucket()?;
                queue.push_back((slot, packed.into()));
            }
        }
        while !reader.is_at_end() {
            let (slot, packed) = reader.bucket()?;
            self.open.push_back((slot, Bucket::unpack(packed)?));
        }
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            series.age(now, 0);
        }
        let all = series.total(&(0..3_000));
        assert_eq!((all.counters.requests, all.counters.errors()), (4_000, 200));
        assert!((all.counters.sum - 2_000.0).abs() < 1e-6, "{}", all.counters.sum);
        assert_eq!(all.counters, series.counters(&(0..3_000)));
        assert!(series.fine.len() < (FINE + COARSE) as usize + 1 && series.coarse.len() < 130);
    }

    #[test]
    fn what_began_before_the_window_is_forgotten() {
        let mut series = steady(0..1_000);
        series.age(1_000, 930);
        let kept = series.total(&(0..1_000)).counters.requests;
        assert_eq!(kept, 70);
        series.age(3_000, 2_900);
        assert!(series.is_empty());
        assert_eq!(series.requests(), 1_000, "how much there ever was is still known");
    }

    #[test]
    fn only_whole_buckets_within_the_slots_count() {
        let mut series = steady(0..1_000);
        series.age(1_000, 0);
        assert_eq!(series.counters(&(990..1_000)).requests, 10);
        let coarse = series.counters(&(100..220)).requests;
        assert_eq!(coarse, 105, "from 105, where a coarse bucket begins, to 210, where another ends");
    }

    #[test]
    fn a_series_is_read_back_as_it_was_written() {
        let mut series = steady(0..900);
        series.age(900, 0);
        let json = serde_json::to_string(&series).unwrap();
        assert_eq!(serde_json::from_str::<Series>(&json).unwrap(), series);
        let cut = json.replace("\"buckets\":\"", "\"buckets\":\"////");
        assert!(serde_json::from_str::<Series>(&cut).is_err());
    }

    #[test]
    fn two_series_add_up_to_the_one_of_all_requests() {
        let (mut one, other, mut both) = (steady(0..600), steady(300..900), steady(0..600));
        for slot in 300..900 {
            both.record(slot.max(599), slot, f64::from(slot % 7), 200);
        }
        one.merge(&other);
        let all = 0..900;
        assert_eq!(one.total(&all).times, both.total(&all).times);
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
