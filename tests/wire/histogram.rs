//! Percentiles of times in bounded memory.

/// Cells per doubling: a value is known to one part in 32.
const CELLS: u32 = 32;
/// Doublings of a microsecond: 2^26 us are 67 s.
const DOUBLINGS: u32 = 26;

/// Counts nanoseconds, to the microsecond or 3 %, whichever is coarser.
#[derive(Clone, Debug)]
pub(crate) struct Histogram {
    cells: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { cells: vec![0; (CELLS * (DOUBLINGS + 1)) as usize], count: 0, max: 0 }
    }
}

impl Histogram {
    pub(crate) fn add(&mut self, nanos: u64) {
        let cell = cell(nanos / 1_000).min(self.cells.len() - 1);
        self.cells[cell] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// The largest, exactly.
    pub(crate) const fn max(&self) -> u64 {
        self.max
    }

    /// Nanoseconds that `percent` of the values do not exceed (nearest rank); 0 if there is none.
    pub(crate) fn percentile(&self, percent: f64) -> u64 {
        let rank = ((self.count as f64 * percent / 100.0).ceil() as u64).max(1);
        let mut below = 0;
        for (cell, count) in self.cells.iter().enumerate() {
            below += count;
            if below >= rank {
                // The last cell has no end of its own.
                let last = cell + 1 == self.cells.len();
                return if last { self.max } else { (top(cell) * 1_000).min(self.max) };
            }
        }
        self.max
    }
}

/// Values below `CELLS` have a cell each, then each doubling has `CELLS`.
fn cell(micros: u64) -> usize {
    let doubling = micros.checked_ilog2().unwrap_or(0).saturating_sub(CELLS.ilog2());
    (u64::from(doubling * CELLS) + (micros >> doubling)) as usize
}

/// One more than the largest value of a cell, or the value itself where a cell has one.
fn top(cell: usize) -> u64 {
    let (cell, cells) = (cell as u64, u64::from(CELLS));
    if cell < 2 * cells {
        return cell;
    }
    let doubling = cell / cells - 1;
    (cell - doubling * cells + 1) << doubling
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: u64 = 1_000;

    #[test]
    fn nothing_has_percentiles_of_zero() {
        assert_eq!(Histogram::default().percentile(95.0), 0);
    }

    #[test]
    fn percentiles_are_within_a_thirtysecond() {
        let mut histogram = Histogram::default();
        (1..=100_000).for_each(|n| histogram.add(n * US));
        for (percent, wanted) in [(50.0, 50_000.0), (95.0, 95_000.0), (99.9, 99_900.0)] {
            let found = histogram.percentile(percent) as f64 / US as f64;
            assert!(found >= wanted && found <= wanted * 33.0 / 32.0, "{percent}: {found}");
        }
        assert_eq!((histogram.percentile(100.0), histogram.count()), (100_000 * US, 100_000));
    }

    #[test]
    fn what_is_longer_than_all_cells_is_still_the_largest() {
        let mut histogram = Histogram::default();
        histogram.add(u64::MAX);
        assert_eq!((histogram.percentile(50.0), histogram.max()), (u64::MAX, u64::MAX));
    }

    #[test]
    fn every_value_is_at_most_the_top_of_its_cell() {
        for micros in (0..200).chain((0..26).flat_map(|n| [(1 << n) - 1, 1 << n, (1 << n) + 1])) {
            let found = cell(micros);
            assert!(top(found) >= micros, "{micros}");
            assert!(found == 0 || top(found - 1) <= micros, "{micros}");
        }
    }
}
