//! Buckets that change no more, in order of time and in few bytes: several in a block, blocks shared by all clones.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;

use super::bucket::Bucket;
use super::packed::{Reader, Writer};
use super::shape::Slot;

/// Buckets of a block that is full: so few that adding one copies little, so many that what a block takes beside its
/// buckets is little too.
const PER_BLOCK: usize = 16;

/// Packed buckets in order of their begin.
#[derive(Clone, Debug, Default)]
pub(super) struct Blocks {
    blocks: VecDeque<Block>,
}

/// The same buckets are the same, however they are spread over blocks.
impl PartialEq for Blocks {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

/// Some buckets that follow one another. A clone shares the bytes.
#[derive(Clone, Debug)]
struct Block {
    /// Where the first of them begins.
    first: Slot,
    /// Each with its distance from there, its length and its size in front.
    bytes: Arc<[u8]>,
}

/// A packed bucket.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Packed<B> {
    /// The slots that are counted in it.
    pub(super) slots: Range<Slot>,
    /// The bucket.
    pub(super) bytes: B,
}

impl Blocks {
    pub(super) fn iter(&self) -> impl Iterator<Item = Packed<&[u8]>> {
        self.blocks.iter().flat_map(Block::iter)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.blocks.is_empty()
    }

    /// Where the first bucket begins.
    pub(super) fn first(&self) -> Option<Slot> {
        self.blocks.front().map(|block| block.first)
    }

    /// Adds what was counted within these slots, to the bucket that begins where they do if there is one.
    pub(super) fn add(&mut self, slots: Range<Slot>, bucket: &Bucket) {
        let place = self.blocks.partition_point(|block| block.first <= slots.start).saturating_sub(1);
        let Some(block) = self.blocks.get(place) else {
            self.blocks.push_back(Block::of(&[Packed { slots, bytes: bucket.pack() }]));
            return;
        };
        let mut buckets: Vec<Packed<Box<[u8]>>> = block.iter().map(|packed| packed.to_owned()).collect();
        let within = buckets.partition_point(|packed| packed.slots.start < slots.start);
        match buckets.get_mut(within) {
            Some(same) if same.slots.start == slots.start => {
                let mut whole = Bucket::unpack(&same.bytes).unwrap_or_default();
                whole.merge(bucket);
                same.slots.end = same.slots.end.max(slots.end);
                same.bytes = whole.pack();
            }
            Some(_) | None => buckets.insert(within, Packed { slots, bytes: bucket.pack() }),
        }
        // The newest bucket begins a block; one that comes into the midst of a full block halves it.
        let cut = if within >= PER_BLOCK { PER_BLOCK } else { buckets.len() / 2 };
        if buckets.len() > PER_BLOCK {
            self.blocks.insert(place + 1, Block::of(&buckets.split_off(cut)));
        }
        self.blocks[place] = Block::of(&buckets);
    }

    /// Takes the buckets out that begin before a slot.
    pub(super) fn take_before(&mut self, end: Slot) -> Vec<Packed<Box<[u8]>>> {
        let mut taken = Vec::new();
        while let Some(block) = self.blocks.pop_front_if(|block| block.first < end) {
            let mut left = block.iter().map(|packed| packed.to_owned()).collect::<Vec<_>>();
            let rest = left.split_off(left.partition_point(|packed| packed.slots.start < end));
            taken.extend(left);
            if !rest.is_empty() {
                self.blocks.push_front(Block::of(&rest));
            }
        }
        taken
    }

    /// Writes all buckets, and their number in front.
    pub(super) fn write(&self, writer: &mut Writer) {
        writer.whole(self.iter().count() as u64);
        self.iter().for_each(|packed| packed.write(0, writer));
    }

    /// Reads what was written. None when the bytes are cut off.
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let buckets = (0..reader.whole()?)
            .map(|_| Some(Packed::read(0, reader)?.to_owned()))
            .collect::<Option<Vec<_>>>()?;
        Some(Self { blocks: buckets.chunks(PER_BLOCK).map(Block::of).collect() })
    }
}

impl Block {
    fn of(buckets: &[Packed<Box<[u8]>>]) -> Self {
        let first = buckets.first().map_or(0, |first| first.slots.start);
        let mut writer = Writer::default();
        buckets.iter().for_each(|packed| packed.write(first, &mut writer));
        let bytes: Box<[u8]> = writer.into();
        Self { first, bytes: bytes.into() }
    }

    fn iter(&self) -> impl Iterator<Item = Packed<&[u8]>> {
        let mut reader = Reader::new(&self.bytes);
        std::iter::from_fn(move || Packed::read(self.first, &mut reader))
    }
}

impl<B: AsRef<[u8]>> Packed<B> {
    fn to_owned(&self) -> Packed<Box<[u8]>> {
        Packed { slots: self.slots.clone(), bytes: self.bytes.as_ref().into() }
    }

    fn write(&self, base: Slot, writer: &mut Writer) {
        writer.whole(u64::from(self.slots.start - base));
        writer.whole(u64::from(self.slots.end - self.slots.start));
        writer.text(self.bytes.as_ref());
    }
}

impl<'a> Packed<&'a [u8]> {
    fn read(base: Slot, reader: &mut Reader<'a>) -> Option<Self> {
        let start = base.checked_add(reader.whole()?.try_into().ok()?)?;
        let length = Slot::try_from(reader.whole()?).ok()?;
        Some(Self { slots: start..start.checked_add(length)?, bytes: reader.text()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(seconds: f64) -> Bucket {
        let mut bucket = Bucket::default();
        bucket.record(seconds, 200);
        bucket
    }

    fn seen(blocks: &Blocks) -> Vec<(Slot, u64)> {
        let requests = |bytes| Bucket::unpack_counters(bytes).unwrap().requests;
        blocks.iter().map(|packed| (packed.slots.start, requests(packed.bytes))).collect()
    }

    #[test]
    fn buckets_are_in_order_whatever_the_order_they_come_in_and_none_is_lost() {
        let mut blocks = Blocks::default();
        // 7 is prime to 100, so that every slot comes once in each round.
        for number in 0..200 {
            let slot = number * 7 % 100;
            blocks.add(slot..slot + 1, &bucket(0.1));
        }
        assert_eq!(seen(&blocks), (0..100).map(|slot| (slot, 2)).collect::<Vec<_>>());
        assert!(blocks.blocks.iter().all(|block| block.iter().count() <= PER_BLOCK));
    }

    #[test]
    fn what_is_added_to_the_end_fills_blocks() {
        let mut blocks = Blocks::default();
        (0..160).for_each(|slot| blocks.add(slot..slot + 1, &bucket(0.1)));
        assert_eq!(blocks.blocks.len(), 160 / PER_BLOCK);
    }

    #[test]
    fn what_is_taken_begins_before_the_slot_and_the_rest_stays() {
        let mut blocks = Blocks::default();
        (0..40).for_each(|slot| blocks.add(slot..slot + 1, &bucket(0.1)));
        let taken = blocks.take_before(25);
        assert_eq!(
            taken.iter().map(|packed| packed.slots.start).collect::<Vec<_>>(),
            (0..25).collect::<Vec<_>>()
        );
        assert_eq!((blocks.first(), blocks.iter().count()), (Some(25), 15));
    }

    #[test]
    fn a_clone_shares_every_block_but_the_one_that_is_added_to() {
        let mut blocks = Blocks::default();
        (0..40).for_each(|slot| blocks.add(slot..slot + 1, &bucket(0.1)));
        let before = blocks.clone();
        blocks.add(40..41, &bucket(0.1));
        let shared =
            blocks.blocks.iter().zip(&before.blocks).filter(|(a, b)| Arc::ptr_eq(&a.bytes, &b.bytes));
        assert_eq!((shared.count(), before.iter().count()), (before.blocks.len() - 1, 40));
    }

    #[test]
    fn blocks_are_read_back_as_they_were_written() {
        let mut blocks = Blocks::default();
        (0..100).for_each(|slot| blocks.add(slot * 15..slot * 15 + 9, &bucket(0.1)));
        let mut writer = Writer::default();
        blocks.write(&mut writer);
        let bytes: Box<[u8]> = writer.into();
        assert_eq!(Blocks::read(&mut Reader::new(&bytes)), Some(blocks));
        assert_eq!(Blocks::read(&mut Reader::new(&bytes[..bytes.len() - 1])), None);
    }
}
