//! What many runs came to, as a table and as JSON.

use std::{collections::BTreeMap, time::Duration};

use serde_json::{Value, json};

use super::{fault::Fault, run::Outcome};

/// Sums over runs.
#[derive(Clone, Debug, Default)]
pub struct Totals {
    /// How many.
    pub runs: u64,
    /// What happened, in number.
    pub events: u64,
    /// Packets that people heard.
    pub packets: u64,
    /// The longest that somebody stood while people were moved, in milliseconds.
    pub stood_ms: u64,
    /// Runs in which each fault took effect, and how often it did in all.
    pub faults: BTreeMap<Fault, (u64, u64)>,
    /// Runs in which an invariant did not hold.
    pub red: Vec<Outcome>,
    /// Runs that show less than they were to: a fault that was planned met nothing.
    pub void: Vec<Outcome>,
}

impl Totals {
    /// One more.
    pub fn add(&mut self, outcome: Outcome) {
        self.runs += 1;
        self.events += outcome.events;
        self.packets += outcome.packets;
        self.stood_ms = self.stood_ms.max(outcome.stood_ms);
        for (fault, hits) in &outcome.hits {
            let (runs, all) = self.faults.entry(*fault).or_default();
            *runs += u64::from(*hits > 0);
            *all += hits;
        }
        if outcome.violation.is_some() {
            self.red.push(outcome);
        } else if !outcome.is_clean() {
            self.void.push(outcome);
        }
    }

    /// Whether all invariants held, and all faults took effect.
    pub fn is_clean(&self) -> bool {
        self.red.is_empty() && self.void.is_empty()
    }

    /// The sum of two.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.runs += other.runs;
        self.events += other.events;
        self.packets += other.packets;
        self.stood_ms = self.stood_ms.max(other.stood_ms);
        for (fault, (runs, hits)) in other.faults {
            let sum = self.faults.entry(fault).or_default();
            *sum = (sum.0 + runs, sum.1 + hits);
        }
        self.red.extend(other.red);
        self.void.extend(other.void);
        for outcomes in [&mut self.red, &mut self.void] {
            outcomes.sort_by_key(|outcome| outcome.seed);
        }
        self
    }

    /// Lines for people.
    pub fn lines(&self, took: Duration) -> Vec<String> {
        let (runs, red, void) = (self.runs, self.red.len(), self.void.len());
        let seconds = took.as_secs_f64();
        let mut lines = vec![
            format!("{runs} runs in {seconds:.1} s, {red} red, {void} void"),
            format!("{} events, {} packets heard", self.events, self.packets),
            format!("nobody stood for more than {} ms while people were moved", self.stood_ms),
            format!("{:<14} {:>8} {:>12}", "fault", "runs", "effects"),
        ];
        let faults = self.faults.iter();
        lines.extend(
            faults
                .map(|(fault, (runs, hits))| format!("{:<14} {runs:>8} {hits:>12}", fault.name())),
        );
        lines.extend(self.red.iter().chain(&self.void).map(|outcome| {
            let Outcome { seed, violation, missing, .. } = outcome;
            match violation {
                Some(it) => {
                    let at = it.at as f64 / 1e6;
                    format!("seed {seed}: {:?} at {at:.3} s: {}", it.invariant, it.what)
                }
                None => format!("seed {seed}: planned, but never took effect: {missing:?}"),
            }
        }));
        lines
    }

    /// For programs.
    pub fn json(&self, took: Duration) -> Value {
        let faults = self.faults.iter();
        let faults = faults
            .map(|(fault, (runs, hits))| (fault.name(), json!({ "runs": runs, "effects": hits })));
        json!({
            "runs": self.runs,
            "seconds": took.as_secs_f64(),
            "events": self.events,
            "packets": self.packets,
            "stoodMs": self.stood_ms,
            "faults": faults.collect::<serde_json::Map<_, _>>(),
            "red": self.red,
            "void": self.void,
        })
    }
}
