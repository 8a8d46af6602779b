//! `docs/security-tests.md` has every row of the attack list once, `SECURITY.md` every requirement
//! of OWASP ASVS 5.0 V17, and what both name as proof exists: tests, attacks, fuzz targets.

mod evidence;

use std::{collections::BTreeMap, fs};

use evidence::{evidence, exists, root};

/// Attacks on the media plane, and on signalling, REST and tokens.
const ROWS: [(&str, u32); 2] = [("T-M", 16), ("T-S", 11)];
/// Requirements of V17, by section.
const V17: [(&str, u32); 3] = [("17.1", 2), ("17.2", 8), ("17.3", 2)];

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Rows of a page's tables whose first cell begins so, by that cell.
fn rows(page: &str, head: &str) -> BTreeMap<String, Vec<String>> {
    let mut rows = BTreeMap::new();
    for line in read(page).lines().filter(|line| line.starts_with(&format!("| {head}"))) {
        let cells = line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned());
        let cells: Vec<_> = cells.collect();
        // What the requirement is about stands behind its number.
        let id = cells[0].split(' ').next().unwrap_or_default().to_owned();
        assert!(rows.insert(id.clone(), cells).is_none(), "{page}: {id} is there twice");
    }
    rows
}

fn wanted(sections: &[(&str, u32)], between: &str) -> Vec<String> {
    let of = |(section, last): &(&str, u32)| {
        (1..=*last)
            .map(|n| match between {
                "" => format!("{section}{n:02}"),
                _ => format!("{section}{between}{n}"),
            })
            .collect::<Vec<_>>()
    };
    sections.iter().flat_map(of).collect()
}

/// Words in quotes that are an attack of the load generator, as `attack T-M02`.
fn attacks(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| name.strip_prefix("attack ")).collect()
}

/// The same of the fuzzer, as `fuzz stun`.
fn targets(text: &str) -> Vec<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| name.strip_prefix("fuzz ")).collect()
}

/// What a row names and is not there.
fn missing(text: &str) -> Vec<String> {
    let made = read("tests/load/attack/mod.rs");
    let folder = fs::read_dir(root().join("tests/fuzz/corpus")).expect("the corpus is there");
    let fuzzed: Vec<_> = folder.flatten().map(|it| it.file_name()).collect();
    let tests = evidence(text).into_iter().filter(|name| !exists(name));
    let attacks = attacks(text).into_iter().filter(|row| !made.contains(&format!("(\"{row}\", ")));
    let targets = targets(text).into_iter().filter(|it| !fuzzed.iter().any(|name| name == it));
    tests.chain(attacks).chain(targets).map(str::to_owned).collect()
}

fn proofs(text: &str) -> usize {
    evidence(text).len() + attacks(text).len() + targets(text).len()
}

fn check(page: &str, rows: &BTreeMap<String, Vec<String>>, wanted: &[String]) {
    let mut wrong: Vec<_> = wanted
        .iter()
        .filter(|id| !rows.contains_key(*id))
        .map(|id| format!("{id} is not there"))
        .collect();
    for (id, cells) in rows {
        let text = cells.join(" ");
        if !wanted.contains(id) {
            wrong.push(format!("{id}: there is no such row"));
        }
        if proofs(&text) == 0 {
            wrong.push(format!("{id}: names no test"));
        }
        wrong.extend(missing(&text).iter().map(|name| format!("{id}: there is no {name}")));
    }
    assert!(wrong.is_empty(), "{page}:\n{}", wrong.join("\n"));
}

#[test]
fn every_row_of_the_attack_list_is_there_and_every_proof_exists() {
    let page = "docs/security-tests.md";
    check(page, &rows(page, "T-"), &wanted(&ROWS, ""));
}

#[test]
fn every_requirement_of_asvs_v17_is_there_and_every_proof_exists() {
    check("SECURITY.md", &rows("SECURITY.md", "17."), &wanted(&V17, "."));
}

#[test]
fn every_attack_that_can_be_made_is_in_its_row() {
    let rows = rows("docs/security-tests.md", "T-");
    let made = read("tests/load/attack/mod.rs");
    let made: Vec<_> = made.lines().filter_map(|line| line.trim().strip_prefix("(\"T-")).collect();
    assert!(made.len() > 15, "the attacks were not read: {made:?}");
    for line in made {
        let id = format!("T-{}", line.split('"').next().unwrap_or_default());
        let named = rows.get(&id).is_some_and(|cells| attacks(&cells.join(" ")).contains(&&*id));
        assert!(named, "{id} is not named in its row");
    }
}

#[test]
fn a_proof_that_does_not_exist_is_missed() {
    let text = "`media::srtp::tests::attack::no_such_test`, `attack T-X99`, `fuzz nothing`";
    assert_eq!(missing(text).len(), 3);
    let text = "`media::srtp::tests::attack::packets_sent_three_times_arrive_once`, `fuzz stun`";
    assert_eq!((missing(text).len(), proofs(text)), (0, 2));
}
