//! What was seen of one endpoint within one span of time: exact counters, and a histogram of response times.

use serde::{Deserialize, Serialize};

use super::histogram::{Cell, Histogram, Tally};
use super::packed::{Reader, Writer};

/// Counters that add up exactly.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Counters {
    /// Requests.
    pub requests: u64,
    /// Of these, answered with a status from 400 to 499.
    pub client_errors: u64,
    /// Of these, answered with a status from 500 on.
    pub server_errors: u64,
    /// Sum of the response times, in seconds.
    pub sum: f64,
    /// Sum of their squares.
    pub sum_of_squares: f64,
    /// The shortest, in seconds; 0 where nothing was counted.
    pub min: f64,
    /// The longest, in seconds.
    pub max: f64,
}

impl Counters {
    /// Those of one request.
    pub fn of(seconds: f64, status: u16) -> Self {
        Self {
            requests: 1,
            client_errors: u64::from((400..500).contains(&status)),
            server_errors: u64::from(status >= 500),
            sum: seconds,
            sum_of_squares: seconds * seconds,
            min: seconds,
            max: seconds,
        }
    }

    fn record(&mut self, seconds: f64, status: u16) {
        self.merge(&Self::of(seconds, status));
    }

    /// What is left without a part of it. The shortest and the longest time are those of all: which part they were in is
    /// not known.
    #[must_use]
    pub fn without(&self, part: &Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(part.requests),
            client_errors: self.client_errors.saturating_sub(part.client_errors),
            server_errors: self.server_errors.saturating_sub(part.server_errors),
            sum: (self.sum - part.sum).max(0.0),
            sum_of_squares: (self.sum_of_squares - part.sum_of_squares).max(0.0),
            ..*self
        }
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        if other.requests == 0 {
            return;
        }
        self.min = if self.requests == 0 { other.min } else { self.min.min(other.min) };
        self.max = self.max.max(other.max);
        self.requests += other.requests;
        self.client_errors += other.client_errors;
        self.server_errors += other.server_errors;
        self.sum += other.sum;
        self.sum_of_squares += other.sum_of_squares;
    }

    /// Requests that were answered with a status from 400 on.
    pub fn errors(&self) -> u64 {
        self.client_errors + self.server_errors
    }

    /// Their part of all requests; none where there were no requests.
    pub fn error_rate(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.errors() as f64 / self.requests as f64)
    }

    /// The mean response time in seconds; none where there were no requests.
    pub fn mean(&self) -> Option<f64> {
        (self.requests > 0).then(|| self.sum / self.requests as f64)
    }
}

/// Counters and response times of one span.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Bucket {
    /// The counters.
    pub counters: Counters,
    /// The response times.
    pub times: Histogram,
}

impl Bucket {
    /// Counts a request.
    pub fn record(&mut self, seconds: f64, status: u16) {
        self.counters.record(seconds, status);
        self.times.record(seconds);
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        self.counters.merge(&other.counters);
        self.times.merge(&other.times);
    }

    /// The bucket in few bytes: whole numbers at their own length, cells by their distance.
    pub(super) fn pack(&self) -> Box<[u8]> {
        let mut writer = Writer::default();
        let Counters { requests, client_errors, server_errors, sum, sum_of_squares, min, max } =
            self.counters;
        for whole in [requests, client_errors, server_errors] {
            writer.whole(whole);
        }
        writer.float(sum);
        writer.float(sum_of_squares);
        writer.seconds(min);
        writer.seconds(max);
        let mut last = 0;
        for (cell, count) in self.times.cells() {
            // Most cells have counted one, and it takes no byte to say so.
            let is_more = *count != 1;
            writer.whole(u64::from(cell - last) << 1 | u64::from(is_more));
            if is_more {
                writer.whole(u64::from(*count));
            }
            last = *cell;
        }
        writer.into()
    }

    /// The counters of a packed bucket; none when the bytes are not one.
    pub(super) fn unpack_counters(bytes: &[u8]) -> Option<Counters> {
        Self::counters(&mut Reader::new(bytes))
    }

    /// A packed bucket; none when the bytes are not one.
    pub(super) fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut times = Histogram::default();
        let counters = Self::read(bytes, |cell, count| times.add(cell, count))?;
        Some(Self { counters, times })
    }

    /// Hands the cells of a packed bucket on, and gives its counters; none when the bytes are not one.
    fn read(bytes: &[u8], mut each: impl FnMut(Cell, u32)) -> Option<Counters> {
        let mut reader = Reader::new(bytes);
        let counters = Self::counters(&mut reader)?;
        let mut cell: Cell = 0;
        while !reader.is_at_end() {
            let step = reader.whole()?;
            cell = cell.checked_add((step >> 1).try_into().ok()?)?;
            each(cell, if step & 1 == 0 { 1 } else { reader.whole()?.try_into().ok()? });
        }
        Some(counters)
    }

    /// A bucket as versions before this one have packed it: every count, and every time at its full length.
    pub(super) fn unpack_older(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let counters = Counters {
            requests: reader.whole()?,
            client_errors: reader.whole()?,
            server_errors: reader.whole()?,
            sum: reader.float()?,
            sum_of_squares: reader.float()?,
            min: reader.float()?,
            max: reader.float()?,
        };
        let mut times = Histogram::default();
        let mut cell: Cell = 0;
        while !reader.is_at_end() {
            cell = cell.checked_add(reader.whole()?.try_into().ok()?)?;
            times.add(cell, reader.whole()?.try_into().ok()?);
        }
        Some(Self { counters, times })
    }

    fn counters(reader: &mut Reader<'_>) -> Option<Counters> {
        Some(Counters {
            requests: reader.whole()?,
            client_errors: reader.whole()?,
            server_errors: reader.whole()?,
            sum: reader.float()?,
            sum_of_squares: reader.float()?,
            min: reader.seconds()?,
            max: reader.seconds()?,
        })
    }
}

/// Many buckets on the way to one.
#[derive(Default)]
pub(super) struct Sum {
    counters: Counters,
    times: Tally,
}

impl Sum {
    /// Adds a bucket.
    pub(super) fn add(&mut self, bucket: &Bucket) {
        self.counters.merge(&bucket.counters);
        bucket.times.cells().iter().for_each(|(cell, count)| self.times.add(*cell, *count));
    }

    /// Adds a packed bucket. Bytes that are none add what could be read of them.
    pub(super) fn add_packed(&mut self, bytes: &[u8]) {
        if let Some(counters) = Bucket::read(bytes, |cell, count| self.times.add(cell, count)) {
            self.counters.merge(&counters);
        }
    }
}

impl From<Sum> for Bucket {
    fn from(Sum { counters, times }: Sum) -> Self {
        Self { counters, times: times.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(times: impl IntoIterator<Item = f64>) -> Bucket {
        let mut bucket = Bucket::default();
        for (number, seconds) in times.into_iter().enumerate() {
            bucket.record(seconds, [200, 404, 503][number % 3]);
        }
        bucket
    }

    #[test]
    fn a_packed_bucket_is_unpacked_as_it_was_and_is_small() {
        let busy = bucket((0..600).map(|number| 0.05 + f64::from(number % 40) / 1e3));
        let packed = busy.pack();
        assert_eq!(Bucket::unpack(&packed).as_ref(), Some(&busy));
        assert_eq!(Bucket::unpack_counters(&packed), Some(busy.counters));
        assert!(packed.len() < 130, "{} bytes for a busy minute", packed.len());
        assert_eq!(Bucket::unpack(&Bucket::default().pack()), Some(Bucket::default()));
    }

    #[test]
    fn bytes_that_are_cut_off_are_no_bucket() {
        let packed = bucket([0.1, 0.2, 3.0]).pack();
        for end in 0..packed.len() {
            let cut = &packed[..end];
            let whole = Bucket::unpack(cut);
            assert!(whole.is_none_or(|whole| whole.times.cells().len() < 3), "{end} of {}", packed.len());
        }
    }

    #[test]
    fn errors_are_every_status_from_400_on() {
        let Counters { requests, client_errors, server_errors, .. } = bucket([0.1; 9]).counters;
        assert_eq!((requests, client_errors, server_errors), (9, 3, 3));
        assert_eq!(bucket([0.1; 9]).counters.error_rate(), Some(6.0 / 9.0));
        assert_eq!(Counters::default().error_rate(), None);
    }

    #[test]
    fn buckets_add_up_whatever_the_order() {
        let (mut one, mut other) = (bucket([0.5, 1.5]), bucket([0.25]));
        let whole = {
            let mut whole = one.clone();
            whole.merge(&other);
            whole
        };
        other.merge(&one);
        assert_eq!(other, whole);
        assert_eq!((whole.counters.min, whole.counters.max, whole.counters.requests), (0.25, 1.5, 3));
        one.merge(&Bucket::default());
        assert_eq!(one, bucket([0.5, 1.5]), "an empty one changes nothing, the shortest time neither");
    }
}
