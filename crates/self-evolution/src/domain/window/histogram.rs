//! Counts of response times in cells whose width grows with the time: a log-linear histogram.
//!
//! Within each power of two of microseconds there are 32 cells of equal width, so that a time is known to 1/32 of
//! itself at most, and to 1/64 (1.6 %) when the middle of its cell is taken. Two histograms add up exactly. The scheme
//! is that of HdrHistogram (G. Tene) with 5 bits of mantissa.

/// Bits of the mantissa.
const BITS: u32 = 5;
/// Cells of each power of two.
const PER_OCTAVE: u64 = 1 << BITS;
/// The longest time that is told from longer ones, in microseconds: one hour.
const LONGEST: u64 = 3_600_000_000;

/// Which cell a time is counted in. There are fewer than 1,024.
pub type Cell = u16;

/// Counts by cell; only cells that have counted something are held, in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Histogram {
    cells: Vec<(Cell, u32)>,
}

impl Histogram {
    /// Counts a time, in seconds.
    pub fn record(&mut self, seconds: f64) {
        self.add(cell_of(seconds), 1);
    }

    /// Counts so many times in a cell.
    pub fn add(&mut self, cell: Cell, count: u32) {
        match self.cells.binary_search_by_key(&cell, |(cell, _)| *cell) {
            Ok(place) => self.cells[place].1 = self.cells[place].1.saturating_add(count),
            Err(place) => self.cells.insert(place, (cell, count)),
        }
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        for (cell, count) in &other.cells {
            self.add(*cell, *count);
        }
    }

    /// The time that this part of all times does not exceed, in seconds: the middle of its cell. None when nothing was
    /// counted.
    pub fn quantile(&self, part: f64) -> Option<f64> {
        let total: u64 = self.cells.iter().map(|(_, count)| u64::from(*count)).sum();
        let rank = (part.clamp(0.0, 1.0) * total as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (cell, count) in &self.cells {
            seen += u64::from(*count);
            if seen >= rank {
                return Some(middle_of(*cell));
            }
        }
        None
    }

    /// The cells that have counted something, in order.
    pub fn cells(&self) -> &[(Cell, u32)] {
        &self.cells
    }
}

/// Cells that there are.
const CELLS: usize = 1_024;

/// Counts of all cells, for adding many histograms up: quick to add to, and large.
pub(super) struct Tally {
    counts: Box<[u32]>,
}

impl Default for Tally {
    fn default() -> Self {
        Self { counts: vec![0; CELLS].into() }
    }
}

impl Tally {
    /// Counts so many times in a cell.
    pub(super) fn add(&mut self, cell: Cell, count: u32) {
        if let Some(counted) = self.counts.get_mut(usize::from(cell)) {
            *counted = counted.saturating_add(count);
        }
    }
}

impl From<Tally> for Histogram {
    fn from(tally: Tally) -> Self {
        let cells = (0..).zip(tally.counts).filter(|(_, count)| *count > 0).collect();
        Self { cells }
    }
}

/// The cell of a time in seconds. What is below a microsecond, or no time at all, is in the first.
fn cell_of(seconds: f64) -> Cell {
    let micros = ((seconds * 1e6).round() as u64).min(LONGEST);
    let cell = if micros < PER_OCTAVE {
        micros
    } else {
        let octave = micros.ilog2() - BITS;
        (u64::from(octave) + 1) * PER_OCTAVE + ((micros >> octave) - PER_OCTAVE)
    };
    Cell::try_from(cell).unwrap_or(Cell::MAX)
}

/// The time in the middle of a cell, in seconds.
fn middle_of(cell: Cell) -> f64 {
    let cell = u64::from(cell);
    if cell < PER_OCTAVE {
        return cell as f64 / 1e6;
    }
    let octave = (cell / PER_OCTAVE - 1).min(u64::from(u64::BITS - BITS - 2));
    let least = (PER_OCTAVE + cell % PER_OCTAVE) << octave;
    let width = 1_u64 << octave;
    (least as f64 + (width - 1) as f64 / 2.0) / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_time_up_to_an_hour_is_known_to_within_1_6_percent() {
        let mut seconds = 1e-6;
        while seconds <= 3_600.0 {
            let known = middle_of(cell_of(seconds));
            let off = (known - seconds).abs();
            assert!(off <= seconds * 0.016 + 0.5e-6, "{seconds} s is known as {known} s");
            seconds *= 1.003;
        }
    }

    #[test]
    fn longer_times_are_in_later_cells_and_there_are_fewer_than_1024() {
        let cells: Vec<_> =
            (0..3_600_000).step_by(7).map(|millis| cell_of(f64::from(millis) / 1e3)).collect();
        assert!(cells.is_sorted());
        assert!(cell_of(3_600.0) < 1_024);
        assert_eq!(cell_of(1e9), cell_of(3_600.0), "no time is told from an hour that is longer");
    }

    #[test]
    fn quantiles_are_those_of_the_times_counted() {
        let mut histogram = Histogram::default();
        for millis in 1..=1_000 {
            histogram.record(f64::from(millis) / 1e3);
        }
        for (part, expected) in [(0.5, 0.5), (0.95, 0.95), (0.99, 0.99), (1.0, 1.0)] {
            let seconds = histogram.quantile(part).unwrap();
            assert!((seconds - expected).abs() <= expected * 0.016, "p{part}: {seconds}");
        }
        assert_eq!(Histogram::default().quantile(0.5), None);
    }

    #[test]
    fn two_histograms_add_up_to_the_one_of_all_times() {
        let (mut all, mut even, mut odd) = (Histogram::default(), Histogram::default(), Histogram::default());
        for millis in 0..500 {
            let seconds = f64::from(millis * millis) / 1e3;
            all.record(seconds);
            if millis % 2 == 0 { even.record(seconds) } else { odd.record(seconds) }
        }
        even.merge(&odd);
        assert_eq!(even, all);
    }
}
