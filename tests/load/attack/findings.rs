//! What an attack was found to do, against what it may do: lines for people, JSON for machines.

use std::{fs, io, path::Path, time::Instant};

use serde_json::{Value, json};

/// What a figure may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Bound {
    AtMost(f64),
    AtLeast(f64),
    Exactly(f64),
}

impl Bound {
    fn holds(self, seen: f64) -> bool {
        match self {
            Self::AtMost(most) => seen <= most,
            Self::AtLeast(least) => seen >= least,
            // Counts and shares of nothing are exact.
            Self::Exactly(wanted) => seen == wanted,
        }
    }

    fn text(self) -> String {
        match self {
            Self::AtMost(most) => format!("<= {}", round(most)),
            Self::AtLeast(least) => format!(">= {}", round(least)),
            Self::Exactly(wanted) => format!("{}", round(wanted)),
        }
    }
}

/// One figure.
#[derive(Clone, Debug)]
struct Finding {
    row: String,
    key: String,
    seen: f64,
    wanted: Option<Bound>,
    n: u64,
}

impl Finding {
    fn is_good(&self) -> bool {
        self.wanted.is_none_or(|wanted| self.seen.is_finite() && wanted.holds(self.seen))
    }
}

/// What one attack, or all of them, were found to do.
pub(crate) struct Findings {
    began: Instant,
    row: String,
    /// Whether the machine is quiet enough for bounds of time to mean something.
    timed: bool,
    lines: String,
    all: Vec<Finding>,
}

impl Findings {
    pub(crate) fn new(row: &str, what: &str, timed: bool) -> Self {
        let lines = format!("\n{row}  {what}\n");
        Self { began: Instant::now(), row: row.to_owned(), timed, lines, all: Vec::new() }
    }

    /// A figure that has a bound, of so many tries or packets.
    pub(crate) fn check(&mut self, key: &str, seen: f64, wanted: Bound, n: u64) {
        self.add(key, seen, Some(wanted), n);
    }

    /// A figure of time: its bound holds where nobody else wants the machine.
    pub(crate) fn time(&mut self, key: &str, seen: f64, wanted: Bound, n: u64) {
        self.add(key, seen, self.timed.then_some(wanted), n);
    }

    /// A figure that has none.
    pub(crate) fn tell(&mut self, key: &str, seen: f64, n: u64) {
        self.add(key, seen, None, n);
    }

    /// The attack could not be made at all, which is no success.
    pub(crate) fn failed(&mut self, why: &str) {
        self.note(why);
        self.add("made", 0.0, Some(Bound::Exactly(1.0)), 1);
    }

    /// Something worth knowing that is no figure.
    pub(crate) fn note(&mut self, text: &str) {
        for line in text.lines() {
            self.lines += &format!("  {line}\n");
        }
    }

    /// Prints all of it.
    pub(crate) fn print(&self) {
        println!("{}  ({:.0} s)", self.lines.trim_end(), self.began.elapsed().as_secs_f64());
    }

    /// Adds another attack's.
    pub(crate) fn take(&mut self, other: Self) {
        self.all.extend(other.all);
    }

    fn add(&mut self, key: &str, seen: f64, wanted: Option<Bound>, n: u64) {
        let (row, key) = (self.row.clone(), key.to_owned());
        let finding = Finding { row, key, seen, wanted, n };
        let bound = wanted.map(Bound::text).unwrap_or_default();
        let verdict = if finding.is_good() { "" } else { "   FALLS SHORT" };
        let (key, seen) = (&finding.key, round(seen));
        self.lines += &format!("  {key:44} {seen:>12}  {bound:14} n={n}{verdict}\n");
        self.all.push(finding);
    }

    /// Figures beyond their bounds.
    pub(crate) fn beyond(&self) -> usize {
        self.all.iter().filter(|finding| !finding.is_good()).count()
    }

    /// Writes them: by row, then by figure.
    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let mut report = json!({"seconds": round(self.began.elapsed().as_secs_f64())});
        for it in &self.all {
            let seen = if it.seen.is_finite() { json!(it.seen) } else { Value::Null };
            let wanted = it.wanted.map(Bound::text);
            report[&it.row][&it.key] =
                json!({"seen": seen, "wanted": wanted, "n": it.n, "good": it.is_good()});
        }
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(path, serde_json::to_string_pretty(&report)? + "\n")
    }
}

/// Four digits behind the point are more than any of these is good for.
fn round(value: f64) -> f64 {
    (value * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_beyond_its_bound_or_no_number_counts_as_such() {
        let mut findings = Findings::new("T-X01", "a test", true);
        findings.check("in", 1.0, Bound::AtMost(1.0), 1);
        findings.check("out", 1.1, Bound::AtMost(1.0), 1);
        findings.check("few", 2.0, Bound::AtLeast(3.0), 1);
        findings.check("none", 0.0, Bound::Exactly(0.0), 1);
        findings.check("unknown", f64::NAN, Bound::AtMost(1.0), 1);
        findings.tell("told", 1e9, 1);
        assert_eq!(findings.beyond(), 3);
        findings.failed("it could not be made");
        findings.time("late", 2.0, Bound::AtMost(1.0), 1);
        assert_eq!(findings.beyond(), 5);
        let mut busy = Findings::new("T-X02", "a test", false);
        busy.time("late", 2.0, Bound::AtMost(1.0), 1);
        assert_eq!(busy.beyond(), 0);
        busy.take(findings);
        assert_eq!(busy.beyond(), 5);
    }
}
