//! Cuts a stream of bytes into lines, with a limit to what one may have.

/// No line is longer; servers refuse requests with longer heads themselves.
pub(crate) const LONGEST: usize = 64 * 1_024;

/// Bytes that were read, as far as they were not handed out as lines yet: at most [`LONGEST`] and what was fed last.
#[derive(Debug, Default)]
pub(crate) struct Lines {
    buffer: Vec<u8>,
    /// Where the next line begins in the buffer.
    start: usize,
    /// Up to where the buffer was looked through for an end.
    looked: usize,
    /// Where the next line begins in the file.
    offset: u64,
    /// The next line has begun before the buffer and is too long.
    is_overlong: bool,
}

/// What stands before the next end of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Line<'a> {
    /// A line without its end.
    Whole(&'a [u8]),
    /// One that was too long; it is gone.
    TooLong,
}

impl Lines {
    /// Nothing yet, of a file that is read from here on.
    pub(super) fn starting_at(offset: u64) -> Self {
        Self { offset, ..Self::default() }
    }

    /// Takes what was read.
    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.start);
        self.looked -= self.start;
        self.start = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next line, with where it begins in the file; none until its end was fed.
    pub(crate) fn next(&mut self) -> Option<(u64, Line<'_>)> {
        let found = memchr::memchr(b'\n', &self.buffer[self.looked..]);
        let Some(end) = found.map(|place| self.looked + place) else {
            self.forget_the_overlong();
            return None;
        };
        let (begin, at) = (self.start, self.offset);
        self.offset += (end + 1 - begin) as u64;
        self.start = end + 1;
        self.looked = self.start;
        if std::mem::take(&mut self.is_overlong) || end - begin > LONGEST {
            return Some((at, Line::TooLong));
        }
        Some((at, Line::Whole(without_return(&self.buffer[begin..end]))))
    }

    /// What stands behind the last end, as a line of its own: nothing more will come.
    pub(crate) fn rest(&mut self) -> Option<(u64, Line<'_>)> {
        let (begin, at) = (self.start, self.offset);
        self.offset += (self.buffer.len() - begin) as u64;
        self.start = self.buffer.len();
        self.looked = self.start;
        if std::mem::take(&mut self.is_overlong) {
            return Some((at, Line::TooLong));
        }
        let rest = without_return(&self.buffer[begin..]);
        (!rest.is_empty()).then_some((at, Line::Whole(rest)))
    }

    /// The whole lines that were fed and not handed out.
    pub(super) fn ahead(&self) -> impl Iterator<Item = &[u8]> {
        let fed = &self.buffer[self.start..];
        let whole = fed.iter().rposition(|byte| *byte == b'\n').map_or(&fed[..0], |end| &fed[..end]);
        whole.split(|byte| *byte == b'\n').map(without_return).filter(|line| !line.is_empty())
    }

    /// Where the next line begins in the file.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    fn forget_the_overlong(&mut self) {
        self.looked = self.buffer.len();
        if self.looked - self.start > LONGEST {
            self.offset += (self.looked - self.start) as u64;
            self.start = self.looked;
            self.is_overlong = true;
        }
    }
}

fn without_return(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\r").unwrap_or(line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines of a text that is fed in pieces of this size.
    fn cut(text: &[u8], size: usize) -> Vec<(u64, Option<Vec<u8>>)> {
        let mut lines = Lines::starting_at(100);
        let mut found = Vec::new();
        for piece in text.chunks(size) {
            lines.feed(piece);
            while let Some((at, line)) = lines.next() {
                found.push((at, owned(line)));
            }
        }
        found.extend(lines.rest().map(|(at, line)| (at, owned(line))));
        assert_eq!(lines.offset(), 100 + text.len() as u64);
        assert!(lines.buffer.capacity() < 4 * LONGEST, "{}", lines.buffer.capacity());
        found
    }

    fn owned(line: Line<'_>) -> Option<Vec<u8>> {
        match line {
            Line::Whole(line) => Some(line.to_vec()),
            Line::TooLong => None,
        }
    }

    #[test]
    fn lines_come_out_whole_however_they_are_fed() {
        for size in [1, 2, 3, 7, 100] {
            let expected = [(100, "one"), (104, "two"), (109, ""), (110, "three")];
            let expected: Vec<_> = expected.map(|(at, line)| (at, Some(line.as_bytes().to_vec()))).into();
            assert_eq!(cut(b"one\ntwo\r\n\nthree", size), expected, "{size}");
        }
    }

    #[test]
    fn a_line_that_is_too_long_is_dropped_and_the_next_is_whole() {
        let mut text = vec![b'x'; 5 * LONGEST];
        text.extend_from_slice(b"\nnext\n");
        let next = 100 + 5 * LONGEST as u64 + 1;
        for size in [1_000, LONGEST] {
            let found = cut(&text, size);
            assert_eq!(found.len(), 2, "{size}");
            assert_eq!(found[0].1, None);
            assert_eq!(found[1], (next, Some(b"next".to_vec())));
        }
        assert_eq!(cut(&[b'x'; 5 * LONGEST], LONGEST).last().unwrap().1, None, "without an end");
    }

    #[test]
    fn only_whole_lines_are_looked_at_ahead() {
        let mut lines = Lines::default();
        lines.feed(b"one\n\ntwo\nthr");
        assert_eq!(lines.ahead().collect::<Vec<_>>(), [b"one", b"two"]);
        assert_eq!(lines.next().unwrap().1, Line::Whole(b"one"));
        assert_eq!(lines.ahead().count(), 1);
    }
}
