//! Numbers as few bytes: whole numbers at their own length (LEB128), floating-point ones as they are.

use super::shape::Slot;

/// Puts numbers one behind the other.
#[derive(Default)]
pub(super) struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Seven bits a byte, the lowest first; the highest bit says that more follow.
    pub(super) fn whole(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.bytes.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.bytes.push(number as u8);
    }

    pub(super) fn float(&mut self, number: f64) {
        self.bytes.extend_from_slice(&number.to_le_bytes());
    }

    /// A packed bucket with its slot and its length in front.
    pub(super) fn bucket(&mut self, slot: Slot, packed: &[u8]) {
        self.whole(u64::from(slot));
        self.whole(packed.len() as u64);
        self.bytes.extend_from_slice(packed);
    }
}

impl From<Writer> for Box<[u8]> {
    fn from(writer: Writer) -> Self {
        writer.bytes.into()
    }
}

/// Takes numbers off in the same order. None when there are not enough bytes.
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn whole(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.bytes.split_first()?;
            self.bytes = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn float(&mut self) -> Option<f64> {
        let (bytes, rest) = self.bytes.split_first_chunk()?;
        self.bytes = rest;
        Some(f64::from_le_bytes(*bytes))
    }

    pub(super) fn bucket(&mut self) -> Option<(Slot, &'a [u8])> {
        let (slot, length) = (self.whole()?, self.whole()?);
        let (packed, rest) = self.bytes.split_at_checked(usize::try_from(length).ok()?)?;
        self.bytes = rest;
        Some((Slot::try_from(slot).ok()?, packed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_as_they_were() {
        let wholes = [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX];
        let mut writer = Writer::default();
        wholes.iter().for_each(|whole| writer.whole(*whole));
        writer.float(-0.1);
        let bytes: Box<[u8]> = writer.into();
        let mut reader = Reader::new(&bytes);
        assert_eq!(wholes.map(|_| reader.whole()), wholes.map(Some));
        assert_eq!(reader.float(), Some(-0.1));
        assert!(reader.is_at_end());
        assert_eq!((reader.whole(), reader.float()), (None, None));
    }
}
