//! What a run found: lines for people, flat numbers for machines.

use std::{collections::BTreeMap, fs, io, path::Path, time::Instant};

/// Grows as the run goes on.
pub(crate) struct Report {
    began: Instant,
    numbers: BTreeMap<String, f64>,
}

impl Report {
    pub(crate) fn new() -> Self {
        Self { began: Instant::now(), numbers: BTreeMap::new() }
    }

    /// Begins a part.
    pub(crate) fn title(&self, text: &str) {
        println!("\n{text}   [{:.0} s]", self.began.elapsed().as_secs_f64());
    }

    /// Prints a line.
    pub(crate) fn line(&self, text: &str) {
        println!("  {text}");
    }

    /// Keeps a number; what is not finite was not measured.
    pub(crate) fn put(&mut self, key: &str, value: f64) {
        if value.is_finite() {
            self.numbers.insert(key.to_owned(), (value * 1e6).round() / 1e6);
        }
    }

    /// Writes the numbers.
    pub(crate) fn write(mut self, path: &Path) -> io::Result<()> {
        self.put("seconds", self.began.elapsed().as_secs_f64());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_string_pretty(&self.numbers)? + "\n")
    }
}

/// The least; infinite if there is none.
pub(crate) fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The middle one; 0 if there is none.
pub(crate) fn median(values: &[f64]) -> f64 {
    percentile(values, 50.0)
}

/// The value that so many percent do not exceed; 0 if there is none.
pub(crate) fn percentile(values: &[f64], percent: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * percent / 100.0).round() as usize).copied().unwrap_or(0.0)
}
