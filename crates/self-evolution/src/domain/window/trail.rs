//! The mean response times of buckets that are too old to be kept one by one: what is usual, for who looks for leaps.

use std::collections::VecDeque;
use std::sync::Arc;

use super::bucket::Counters;
use super::packed::{Reader, Writer};
use super::shape::Slot;

/// So many are kept; with those that are still buckets they are the points of seven hours of minutes.
pub(super) const LONGEST: usize = 240;

/// Slots with their mean response times in microseconds, in order. A clone shares them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Trail {
    means: Arc<VecDeque<(Slot, u32)>>,
}

impl Trail {
    /// Adds a slot behind the last one. What is late for one that is known already says too little to change it.
    pub(super) fn add(&mut self, slot: Slot, counters: &Counters) {
        let last = self.means.back().map(|(last, _)| *last);
        let Some(mean) = counters.mean().filter(|_| last.is_none_or(|last| last < slot)) else { return };
        let means = Arc::make_mut(&mut self.means);
        means.push_back((slot, (mean * 1e6).round() as u32));
        if means.len() > LONGEST {
            means.pop_front();
        }
    }

    /// Forgets what was before a slot.
    pub(super) fn forget_before(&mut self, oldest: Slot) {
        if self.means.front().is_some_and(|(first, _)| *first < oldest) {
            Arc::make_mut(&mut self.means).retain(|(slot, _)| *slot >= oldest);
        }
    }

    /// The slots with their mean response times in seconds, in order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Slot, f64)> {
        self.means.iter().map(|(slot, micros)| (*slot, f64::from(*micros) / 1e6))
    }

    /// Writes each with its distance from the one before.
    pub(super) fn write(&self, writer: &mut Writer) {
        let mut last = 0;
        for (slot, micros) in self.means.iter() {
            writer.whole(u64::from(slot - last));
            writer.whole(u64::from(*micros));
            last = *slot;
        }
    }

    /// Reads what was written. None when the bytes are cut off, or are more than one.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (mut means, mut last) = (VecDeque::new(), 0_u32);
        while !reader.is_at_end() {
            last = last.checked_add(reader.whole()?.try_into().ok()?)?;
            means.push_back((last, reader.whole()?.try_into().ok()?));
        }
        (means.len() <= LONGEST).then(|| Self { means: Arc::new(means) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counters(seconds: f64) -> Counters {
        Counters { requests: 2, sum: 2.0 * seconds, ..Counters::default() }
    }

    #[test]
    fn the_last_ones_are_kept_and_read_back_as_they_were_written() {
        let mut trail = Trail::default();
        (0..500).for_each(|slot| trail.add(slot * 2, &counters(f64::from(slot) / 1e3)));
        trail.add(998, &counters(9.0));
        trail.add(1_000, &Counters::default());
        assert_eq!(trail.iter().count(), LONGEST);
        assert_eq!(trail.iter().last(), Some((998, 0.499)));
        let mut writer = Writer::default();
        trail.write(&mut writer);
        let bytes: Box<[u8]> = writer.into();
        assert_eq!(Trail::read(&mut Reader::new(&bytes)), Some(trail.clone()));
        assert_eq!(Trail::read(&mut Reader::new(&bytes[..bytes.len() - 1])), None);
        trail.forget_before(991);
        assert_eq!(trail.iter().map(|(slot, _)| slot).collect::<Vec<_>>(), [992, 994, 996, 998]);
    }
}
