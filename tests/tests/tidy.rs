//! The house's own rules: sizes, words, arrows between crates, licences. Reads the checkout,
//! changes nothing.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// A file longer than this does two things.
const MAX_LINES: usize = 600;
/// As rustfmt's, which wraps code and leaves comments alone.
const MAX_WIDTH: usize = 100;

/// The folders of the house, and those that tools insist on.
const FOLDERS: &[&str] = &[
    ".ci", ".config", ".git", ".github", "actors", "cluster", "deploy", "docs", "examples", "k8s",
    "media", "node", "proto", "target", "tests",
];

/// What each crate may know of the others. What a crate is tested with is its own affair.
const ARROWS: &[(&str, &[&str])] = &[
    ("proto", &[]),
    ("media", &["proto"]),
    ("cluster", &["proto"]),
    ("actors", &["proto", "media", "cluster"]),
    ("client", &["proto"]),
    ("people", &["proto", "media", "client"]),
    ("node", &["proto", "cluster", "actors", "client", "people"]),
    ("tests", &["proto", "media", "cluster", "actors", "client", "people", "node"]),
];

/// What the pure crates never know, however indirectly.
const IMPURE: &[&str] =
    &["tokio", "ractor", "mio", "socket2", "quinn", "quinn-udp", "dtls", "tracing", "async-io"];

/// One of these is enough; a crate under several alternatives needs one of them.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

#[test]
fn rust_files_are_short_narrow_and_say_what_they_are_for() {
    let mut wrong = Vec::new();
    for (name, text) in sources(&["rs"]) {
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.push(format!("{name}: {lines} lines, at most {MAX_LINES}"));
        }
        // `x/tests.rs` tests `x.rs`: there is no more to say.
        if !text.starts_with("//! ") && !name.ends_with("tests.rs") {
            wrong.push(format!("{name}: does not begin with `//!` and what it owns"));
        }
        for (at, line) in text.lines().enumerate() {
            if line.trim_start().starts_with("//") && line.chars().count() > MAX_WIDTH {
                wrong.push(format!("{name}:{}: wider than {MAX_WIDTH}", at + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_is_left_for_later_or_bound_to_one_machine() {
    // Each in two parts, or this file would find itself.
    let banned = [
        ("TO", "DO"),
        ("FIX", "ME"),
        ("XX", "X:"),
        ("to", "do!("),
        ("unimple", "mented!("),
        ("#[ign", "ore"),
        ("/wo", "rk/"),
        ("/ro", "ot/"),
        ("/home", "/user"),
    ];
    let mut wrong = Vec::new();
    let kinds =
        ["rs", "toml", "md", "ts", "mjs", "js", "html", "css", "py", "sh", "yaml", "yml", "proto"];
    for (name, text) in sources(&kinds) {
        for (at, line) in text.lines().enumerate() {
            for (head, tail) in banned {
                if line.contains(&format!("{head}{tail}")) {
                    wrong.push(format!("{name}:{}: {head}{tail}", at + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_are_named_by_what_they_are() {
    let vague = ["utils.rs", "util.rs", "helpers.rs", "helper.rs", "common.rs", "misc.rs"];
    let wrong: Vec<_> = sources(&["rs"])
        .into_iter()
        .map(|(name, _)| name)
        .filter(|name| vague.iter().any(|vague| name.ends_with(&format!("/{vague}"))))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[test]
fn the_house_has_no_other_rooms() {
    let tracked = git(&["ls-files"]);
    let rooms: BTreeSet<_> = tracked
        .lines()
        .filter_map(|path| path.split_once('/').map(|(room, _)| room))
        .filter(|room| !FOLDERS.contains(room))
        .collect();
    assert!(rooms.is_empty(), "not among the folders of ARCHITECTURE.md: {rooms:?}");
}

#[test]
fn crates_know_only_what_the_arrows_allow() {
    for (name, allowed) in ARROWS {
        let manifest = manifest(name);
        let known = names(&manifest, "dependencies");
        for (other, _) in ARROWS {
            let knows = known.contains(&format!("starling-{other}"));
            assert!(!knows || allowed.contains(other), "{name} must not know {other}");
        }
    }
    // media and cluster never know each other, not even in tests.
    assert!(!names(&manifest("media"), "dev-dependencies").contains("starling-cluster"));
    assert!(!names(&manifest("cluster"), "dev-dependencies").contains("starling-media"));
}

#[test]
fn proto_and_media_know_neither_runtime_nor_sockets() {
    for name in ["proto", "media"] {
        let tree = cargo(&["tree", "-p", &format!("starling-{name}"), "-e", "normal"]);
        let wrong: Vec<_> = tree
            .lines()
            .filter_map(|line| line.split(' ').next())
            .filter(|dependency| IMPURE.contains(dependency))
            .collect();
        assert!(wrong.is_empty(), "{name} came to know {wrong:?}");
    }
}

#[test]
fn every_crate_takes_versions_and_lints_from_the_workspace() {
    for (name, _) in ARROWS {
        let manifest = manifest(name);
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace"));
        assert_eq!(lints.and_then(toml::Value::as_bool), Some(true), "{name}: lints");
        for kind in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(table) = manifest.get(kind).and_then(toml::Value::as_table) else { continue };
            for (dependency, entry) in table {
                let own = entry.get("workspace").and_then(toml::Value::as_bool) != Some(true);
                assert!(!own, "{name}: {dependency} has a version of its own");
            }
        }
    }
}

#[test]
fn clippy_holds_the_same_in_every_crate() {
    let shared = |text: &str| {
        let (head, _) =
            text.split_once("# end of what all crates share").expect("the mark is there");
        head.to_owned()
    };
    let read = |path: &str| fs::read_to_string(root().join(path)).expect("a clippy.toml");
    let (whole, proto, media) =
        (read("clippy.toml"), read("proto/clippy.toml"), read("media/clippy.toml"));
    assert_eq!(proto, media, "proto and media are pure in the same way");
    for (name, text) in [("media", &media), ("cluster", &read("cluster/clippy.toml"))] {
        assert_eq!(shared(text), shared(&whole), "{name}/clippy.toml: the shared lines");
        for never in ["Instant::now", "SystemTime::now", "thread::spawn", "rand::rng", "UdpSocket"]
        {
            assert!(text.contains(never), "{name}/clippy.toml must name {never}");
        }
    }
}

#[test]
fn what_is_linked_in_may_be_given_away() {
    let tree = cargo(&["tree", "--workspace", "-e", "normal,build,dev", "-f", "{p}\t{l}"]);
    let mut wrong = BTreeSet::new();
    let mut seen = 0;
    for line in tree.lines().filter(|line| !line.contains("(*)")) {
        let Some((package, licence)) = line.split_once('\t') else { continue };
        seen += 1;
        if !may_be_given_away(licence) {
            wrong.insert(format!("{package}: {licence}"));
        }
    }
    assert!(seen > 200, "the list of packages was not read: {seen}");
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn licence_terms_are_read_as_written() {
    for good in
        ["MIT OR Apache-2.0", "MIT/Apache-2.0", "ISC AND (Apache-2.0 OR ISC)", "GPL-2.0 OR MIT"]
    {
        assert!(may_be_given_away(good), "{good}");
    }
    for bad in ["AGPL-3.0-only", "MIT AND GPL-3.0", "(GPL-2.0 OR LGPL-2.1) AND MIT", ""] {
        assert!(!may_be_given_away(bad), "{bad}");
    }
}

/// SPDX, as far as crates use it: AND of ORs, with brackets, and the old `A/B` for OR.
fn may_be_given_away(licence: &str) -> bool {
    let spaced = licence.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let good = either(&words, &mut at);
    good && at == words.len()
}

fn either(words: &[&str], at: &mut usize) -> bool {
    let mut good = all(words, at);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        good |= all(words, at);
    }
    good
}

fn all(words: &[&str], at: &mut usize) -> bool {
    let mut good = one(words, at);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        good &= one(words, at);
    }
    good
}

fn one(words: &[&str], at: &mut usize) -> bool {
    let Some(word) = words.get(*at) else { return false };
    *at += 1;
    if *word == "(" {
        let good = either(words, at);
        *at += 1;
        return good;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    LICENCES.contains(word)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().expect("the checkout is there")
}

/// Files with one of these endings that git knows or would take, with their text.
fn sources(endings: &[&str]) -> Vec<(String, String)> {
    let listed = git(&["ls-files", "--cached", "--others", "--exclude-standard"]);
    let mut files = Vec::new();
    for name in listed.lines() {
        let ending = name.rsplit('.').next().unwrap_or_default();
        if !endings.contains(&ending) || name.contains("/corpus/") {
            continue;
        }
        // One that was deleted and not yet committed is still listed.
        if let Ok(text) = fs::read_to_string(root().join(name)) {
            files.push((name.to_owned(), text));
        }
    }
    assert!(files.len() > 3, "no files with {endings:?} were found");
    files
}

fn manifest(name: &str) -> toml::Table {
    // What serves `node` alone is in its folder.
    let folder = match name {
        "client" => "node/client",
        "people" => "node/people",
        other => other,
    };
    let path = root().join(folder).join("Cargo.toml");
    fs::read_to_string(path).expect("a manifest").parse().expect("a manifest is TOML")
}

fn names(manifest: &toml::Table, kind: &str) -> BTreeSet<String> {
    let table = manifest.get(kind).and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

fn cargo(args: &[&str]) -> String {
    let mut command = Command::new(env!("CARGO"));
    command.args(args).args(["--prefix", "none", "--locked"]);
    run(&mut command)
}

fn git(args: &[&str]) -> String {
    run(Command::new("git").args(args))
}

fn run(command: &mut Command) -> String {
    let output = command.current_dir(root()).output().expect("the program is installed");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("it prints UTF-8")
}
