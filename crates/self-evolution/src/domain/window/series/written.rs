//! How a series is written: numbers, and all buckets as one text in base64.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD as BASE64;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::super::packed::{Reader, Writer};
use super::super::shape::COARSE;
use super::{Blocks, Bucket, Series, Slot, Trail};

#[derive(Serialize, Deserialize)]
struct Written {
    requests: u64,
    exists: bool,
    #[serde(default)]
    closed: Slot,
    #[serde(default)]
    blocks: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    trail: String,
    /// What versions before this one have written instead of blocks.
    #[serde(default, skip_serializing)]
    buckets: Option<String>,
}

impl Serialize for Series {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut writer = Writer::default();
        self.coarse.write(&mut writer);
        self.fine.write(&mut writer);
        for (slot, bucket) in &self.open {
            writer.whole(u64::from(*slot));
            writer.text(&bucket.pack());
        }
        let bytes: Box<[u8]> = writer.into();
        let Self { requests, exists, closed, .. } = *self;
        let mut writer = Writer::default();
        self.trail.write(&mut writer);
        let means: Box<[u8]> = writer.into();
        let (blocks, trail) = (BASE64.encode(bytes), BASE64.encode(means));
        Written { requests, exists, closed, blocks, trail, buckets: None }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Series {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { requests, exists, closed, blocks, trail, buckets } =
            Written::deserialize(deserializer)?;
        let means = BASE64.decode(trail).map_err(serde::de::Error::custom)?;
        let trail = Trail::read(&mut Reader::new(&means))
            .ok_or_else(|| serde::de::Error::custom("a trail that is cut off"))?;
        let series = Self { requests, exists, closed, trail, ..Self::default() };
        let bytes = BASE64.decode(buckets.as_ref().unwrap_or(&blocks)).map_err(serde::de::Error::custom)?;
        let read = if buckets.is_some() { with_older(series, &bytes) } else { with_blocks(series, &bytes) };
        read.ok_or_else(|| serde::de::Error::custom("buckets that are cut off"))
    }
}

fn with_blocks(mut series: Series, bytes: &[u8]) -> Option<Series> {
    let mut reader = Reader::new(bytes);
    series.coarse = Blocks::read(&mut reader)?;
    series.fine = Blocks::read(&mut reader)?;
    while !reader.is_at_end() {
        series.open.push_back((slot(&mut reader)?, Bucket::unpack(reader.text()?)?));
    }
    Some(series)
}

/// Coarse buckets of 15 slots, fine ones, then open ones, each with its slot and its size in front.
fn with_older(mut series: Series, bytes: &[u8]) -> Option<Series> {
    let mut reader = Reader::new(bytes);
    for (blocks, slots) in [(&mut series.coarse, COARSE), (&mut series.fine, 1)] {
        for _ in 0..reader.whole()? {
            let slot = slot(&mut reader)?;
            blocks.add(slot..slot + slots, &Bucket::unpack_older(reader.text()?)?);
        }
    }
    while !reader.is_at_end() {
        series.open.push_back((slot(&mut reader)?, Bucket::unpack_older(reader.text()?)?));
    }
    Some(series)
}

fn slot(reader: &mut Reader<'_>) -> Option<Slot> {
    reader.whole()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_older_version_has_written_is_read() {
        // Two coarse buckets, one fine and one open, of a request of half a second each.
        let json = r#"{"requests":4,"exists":true,"buckets":"AoQHJgEAAAAAAAAAAOA/AAAAAAAA0D8AAAAAAADgPwAAAAAAAOA/3QMBkwcmAQAAAAAAAAAA4D8AAAAAAADQPwAAAAAAAOA/AAAAAAAA4D/dAwEBzAgmAQAAAAAAAAAA4D8AAAAAAADQPwAAAAAAAOA/AAAAAAAA4D/dAwGKCiYBAAAAAAAAAADgPwAAAAAAANA/AAAAAAAA4D8AAAAAAADgP90DAQ"}"#;
        let series: Series = serde_json::from_str(json).unwrap();
        let all = series.total(&(0..2_000), &[]);
        assert_eq!((all.counters.requests, all.counters.sum), (4, 2.0));
        assert_eq!(all.times.quantile(0.5).map(|seconds| (seconds * 10.0).round()), Some(5.0));
        assert_eq!((series.requests(), series.exists()), (4, true));
        assert_eq!(series.counters(&(900..930)).requests, 2, "coarse ones");
    }
}
