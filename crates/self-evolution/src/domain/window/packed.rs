//! Numbers as few bytes: whole numbers at their own length (LEB128), floating-point ones as they are.

/// Microseconds that take at most five bytes, and are no fewer as they are.
const MOST_MICROS: f64 = (1_u64 << 35) as f64 - 1.0;

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

    /// Seconds that are whole microseconds, as reported ones mostly are, as such; others as they are.
    pub(super) fn seconds(&mut self, seconds: f64) {
        let micros = (seconds * 1e6).round();
        if (0.0..MOST_MICROS).contains(&micros) && micros / 1e6 == seconds {
            self.whole(micros as u64 + 1);
        } else {
            self.whole(0);
            self.float(seconds);
        }
    }

    /// Bytes with their number in front.
    pub(super) fn text(&mut self, bytes: &[u8]) {
        self.whole(bytes.len() as u64);
        self.bytes.extend_from_slice(bytes);
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

    pub(super) fn seconds(&mut self) -> Option<f64> {
        match self.whole()? {
            0 => self.float(),
            micros => Some((micros - 1) as f64 / 1e6),
        }
    }

    pub(super) fn text(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.whole()?).ok()?;
        let (text, rest) = self.bytes.split_at_checked(length)?;
        self.bytes = rest;
        Some(text)
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
        let seconds = [0.0, 0.001, 3.25, 1.0 / 3.0, 3_600.0, 1e9, -1.0];
        writer.float(-0.1);
        seconds.iter().for_each(|seconds| writer.seconds(*seconds));
        let bytes: Box<[u8]> = writer.into();
        let mut reader = Reader::new(&bytes);
        assert_eq!(wholes.map(|_| reader.whole()), wholes.map(Some));
        assert_eq!(reader.float(), Some(-0.1));
        assert_eq!(seconds.map(|_| reader.seconds()), seconds.map(Some));
        assert!(reader.is_at_end());
        assert_eq!((reader.whole(), reader.float()), (None, None));
    }
}
