//! What was run, as a table and as `target/reports/fuzz.json`.

use std::{fs, io, path::PathBuf};

use serde_json::{Map, json};

use crate::{
    corpus,
    engine::Outcome,
    targets::{Kind, TARGETS},
};

/// Longest input printed whole.
const MAX_PRINTED: usize = 4_096;

/// The names of the columns.
pub(crate) fn head() {
    println!(
        "{:12} {:>10} {:>8} {:>10} {:>10} {:>12}  what",
        "target", "runs", "seconds", "runs/s", "behaviours", "slowest (us)"
    );
}

/// One target; and what made it panic.
pub(crate) fn line(kind: &Kind, outcome: &Outcome) {
    let seconds = outcome.took.as_secs_f64();
    println!(
        "{:12} {:>10} {:>8.1} {:>10.0} {:>10} {:>12}  {}",
        kind.name,
        outcome.runs,
        seconds,
        outcome.runs as f64 / seconds.max(1e-9),
        outcome.behaviours,
        outcome.slowest.as_micros(),
        kind.about,
    );
    let Some(failure) = &outcome.failure else { return };
    println!("  PANIC {}", failure.message);
    println!("  input {}", hex(&failure.input));
    match corpus::keep(kind, &failure.input) {
        Ok(path) => println!("  kept  {}", path.display()),
        Err(error) => println!("  could not be kept: {error}"),
    }
}

/// Flat keys, numbers.
pub(crate) fn write(done: &[(&Kind, Outcome)], seed: u64) -> io::Result<()> {
    let mut report = Map::new();
    report.insert("targets".into(), json!(done.len()));
    report.insert("targets_known".into(), json!(TARGETS.len()));
    report.insert("seed".into(), json!(seed));
    let failed = done.iter().filter(|(_, outcome)| outcome.failure.is_some()).count();
    report.insert("targets_failed".into(), json!(failed));
    for (kind, outcome) in done {
        let name = kind.name;
        report.insert(format!("{name}_runs"), json!(outcome.runs));
        report.insert(format!("{name}_seconds"), json!(outcome.took.as_secs_f64()));
        report.insert(format!("{name}_behaviours"), json!(outcome.behaviours));
        report.insert(format!("{name}_slowest_us"), json!(outcome.slowest.as_micros() as u64));
    }
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../target/reports"));
    fs::create_dir_all(&folder)?;
    let text = serde_json::to_string_pretty(&report)?;
    fs::write(folder.join("fuzz.json"), text + "\n")
}

/// Bytes as hexadecimal digits, cut where they are many.
pub(crate) fn hex(bytes: &[u8]) -> String {
    let shown = bytes.iter().take(MAX_PRINTED).map(|byte| format!("{byte:02x}"));
    let more = if bytes.len() > MAX_PRINTED { "..." } else { "" };
    shown.collect::<String>() + more
}
