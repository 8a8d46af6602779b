//! `docs/mediasoup-parity.md` has every row of mediasoup once, and every test it names exists.

mod evidence;

use std::{collections::BTreeMap, fs};

use evidence::{evidence, exists, root};

/// Rows of mediasoup 3.27, by section, counted from 1.
const ROWS: &[(&str, u32)] = &[
    ("WK", 12),
    ("LS", 10),
    ("RT", 9),
    ("PR", 8),
    ("WT", 12),
    ("IC", 8),
    ("DT", 6),
    ("SR", 4),
    ("PL", 4),
    ("PI", 7),
    ("DI", 1),
    ("TR", 8),
    ("PD", 11),
    ("CO", 16),
    ("LY", 17),
    ("KF", 4),
    ("NK", 7),
    ("ST", 9),
    ("RC", 8),
    ("BW", 10),
    ("CD", 8),
    ("HX", 2),
    ("SC", 11),
    ("OB", 3),
];

/// Rows that are known to be missing. Nothing is added here.
const MISSING: &[&str] = &[];

struct Row {
    verdict: String,
    text: String,
}

fn rows() -> BTreeMap<String, Row> {
    let page = fs::read_to_string(root().join("docs/mediasoup-parity.md")).expect("the page");
    let mut rows = BTreeMap::new();
    for line in page.lines().filter(|line| line.starts_with("| ")) {
        let mut cells = line.trim_matches('|').splitn(3, '|').map(str::trim);
        let (Some(id), Some(verdict), Some(text)) = (cells.next(), cells.next(), cells.next())
        else {
            panic!("no row: {line}");
        };
        if id == "row" || id == "---" {
            continue;
        }
        let row = Row { verdict: verdict.to_owned(), text: text.to_owned() };
        assert!(rows.insert(id.to_owned(), row).is_none(), "{id} is there twice");
    }
    rows
}

/// Whether there are words beside the names of tests, and a stop behind them.
fn has_sentence(text: &str) -> bool {
    let words: String = text.split('`').step_by(2).collect();
    words.split_whitespace().count() >= 4 && words.contains('.')
}

#[test]
fn every_row_of_mediasoup_is_there_once() {
    let rows = rows();
    let mut missing = Vec::new();
    let mut count = 0;
    for (section, last) in ROWS {
        for number in 1..=*last {
            count += 1;
            let id = format!("{section}{number}");
            if !rows.contains_key(&id) {
                missing.push(id);
            }
        }
    }
    assert!(missing.is_empty(), "missing: {missing:?}");
    assert_eq!(rows.len(), count, "rows that mediasoup does not have");
}

#[test]
fn every_row_has_a_test_or_a_reason_and_every_test_exists() {
    let mut wrong = Vec::new();
    for (id, row) in rows() {
        let named = evidence(&row.text);
        wrong.extend(
            named
                .iter()
                .filter(|name| !exists(name))
                .map(|name| format!("{id}: there is no test {name}")),
        );
        match row.verdict.as_str() {
            "as mediasoup" if named.is_empty() => wrong.push(format!("{id}: names no test")),
            "differs" if !has_sentence(&row.text) => wrong.push(format!("{id}: says no reason")),
            "as mediasoup" | "differs" => {}
            "not yet" if MISSING.contains(&id.as_str()) => {}
            other => wrong.push(format!("{id}: '{other}' is no verdict")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
