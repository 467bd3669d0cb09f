//! One group commit as bytes: documents, a line each, compressed, with a checksum.

use std::io::{self, BufWriter, Read, Write};

use lz4_flex::frame::{FrameDecoder, FrameEncoder, FrameInfo};
use serde::Serialize;

use super::{DocumentId, JournalError};
use crate::clock::Timestamp;

/// Neither the facts of one turn nor a state is written when it is larger, before compression.
const MAX_CHUNK: u64 = 256 * 1024 * 1024;

/// Makes the documents of one commit. Each fact, a JSON object, gets `_id` and `@timestamp` in front; the
/// identity is stable: generation, number of the chunk, place in the chunk.
pub(super) fn documents(generation: u32, seq: u64, at: Timestamp, facts: &[Vec<u8>]) -> Vec<u8> {
    let mut lines = Vec::with_capacity(facts.iter().map(|fact| fact.len() + 96).sum());
    let at = at.to_string();
    for (place, fact) in (0..).zip(facts) {
        let id = DocumentId { generation, seq, place };
        // Writing to memory cannot fail.
        let _ = write!(lines, r#"{{"_id":"{id}","@timestamp":"{at}","#);
        lines.extend_from_slice(&fact[1..]);
        lines.push(b'\n');
    }
    lines
}

pub(super) fn compress(bytes: &[u8]) -> Result<Vec<u8>, JournalError> {
    if bytes.len() as u64 > MAX_CHUNK {
        return Err(JournalError::TooLarge { bytes: bytes.len() as u64, max: MAX_CHUNK });
    }
    let info = FrameInfo::new().content_checksum(true);
    let mut encoder = FrameEncoder::with_frame_info(info, Vec::with_capacity(bytes.len() / 3 + 64));
    encoder.write_all(bytes).map_err(damaged)?;
    encoder.finish().map_err(damaged)
}

/// Writes a value as compressed JSON, without ever holding all of the JSON.
pub(super) fn compress_json(value: &impl Serialize) -> Result<Vec<u8>, JournalError> {
    let info = FrameInfo::new().content_checksum(true);
    let encoder = FrameEncoder::with_frame_info(info, Vec::new());
    let mut counted = Counted { inner: encoder, written: 0 };
    let outcome = serde_json::to_writer(BufWriter::with_capacity(BUFFER, &mut counted), value);
    if counted.written > MAX_CHUNK {
        return Err(JournalError::TooLarge { bytes: counted.written, max: MAX_CHUNK });
    }
    outcome?;
    counted.inner.finish().map_err(damaged)
}

/// Bytes of JSON that are handed to the compressor at once.
const BUFFER: usize = 64 * 1024;

/// Counts what is written, and refuses more than a chunk may hold.
struct Counted<W> {
    inner: W,
    written: u64,
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.written += bytes.len() as u64;
        if self.written > MAX_CHUNK {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.inner.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

pub(super) fn decompress(bytes: &[u8]) -> Result<Vec<u8>, JournalError> {
    let mut lines = Vec::new();
    let read = FrameDecoder::new(bytes).take(MAX_CHUNK + 1).read_to_end(&mut lines).map_err(damaged)?;
    if read as u64 > MAX_CHUNK {
        return Err(JournalError::Damaged("a chunk is larger than any that is written".into()));
    }
    if read == 0 && !bytes.is_empty() {
        return Err(JournalError::Damaged("an empty chunk".into()));
    }
    Ok(lines)
}

fn damaged(cause: impl std::fmt::Display) -> JournalError {
    JournalError::Damaged(format!("a chunk cannot be read ({cause})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_is_the_fact_with_its_identity_and_time_in_front() {
        let at = Timestamp::from_micros(1_000_000);
        let lines = documents(0xabc, 7, at, &[br#"{"type":"x"}"#.to_vec()]);
        let expected =
            r#"{"_id":"00000abc-000000000007-0000","@timestamp":"1970-01-01T00:00:01.000000Z","type":"x"}"#;
        assert_eq!(String::from_utf8(lines).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn one_flipped_bit_is_noticed() {
        let mut bytes = compress(&b"0123456789".repeat(50)).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        assert!(decompress(&bytes).is_err());
    }
}
