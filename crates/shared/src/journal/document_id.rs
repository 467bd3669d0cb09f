//! The identity of a recorded fact: stable, and unique.

use std::fmt;
use std::str::FromStr;

/// The `_id` of a document: which run of the daemon, which chunk, which place in the chunk.
///
/// Written as `<generation>-<seq>-<place>` in hexadecimal of fixed width, so that identities of one run sort as
/// text in the order in which the facts were recorded.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct DocumentId {
    /// Drawn at random whenever the file is opened, so that neither two files nor a file that was restored from a back-up
    /// give the same identity twice.
    pub generation: u32,
    /// The number of the chunk.
    pub seq: u64,
    /// The place within the chunk, from 0.
    pub place: u32,
}

impl fmt::Display for DocumentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { generation, seq, place } = self;
        write!(f, "{generation:08x}-{seq:012x}-{place:04x}")
    }
}

/// The text is not the identity of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the identity of a document looks like 1a2b3c4d-00000000002a-0000")]
pub struct InvalidDocumentId;

impl FromStr for DocumentId {
    type Err = InvalidDocumentId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: Option<&str>| {
            let part = part.filter(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
            part.and_then(|part| u64::from_str_radix(part, 16).ok()).ok_or(InvalidDocumentId)
        };
        let mut parts = text.split('-');
        let (generation, seq, place) = (number(parts.next())?, number(parts.next())?, number(parts.next())?);
        let (Ok(generation), Ok(place), None) =
            (u32::try_from(generation), u32::try_from(place), parts.next())
        else {
            return Err(InvalidDocumentId);
        };
        Ok(Self { generation, seq, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_read_back_as_it_was_written_and_nothing_else_is() {
        let id = DocumentId { generation: 0xabc, seq: 77, place: 70_000 };
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "a-b", "00000abc-+1-0000", "00000abc-1-1-1", "fffffffff-1-1", "x-1-1"] {
            assert_eq!(text.parse::<DocumentId>(), Err(InvalidDocumentId), "{text}");
        }
    }

    #[test]
    fn identities_sort_as_text_in_the_order_of_recording() {
        let ids = [(1, 9), (1, 10), (2, 0), (0x1_0000, 3)]
            .map(|(seq, place)| DocumentId { generation: 5, seq, place }.to_string());
        assert!(ids.is_sorted(), "{ids:?}");
    }
}
