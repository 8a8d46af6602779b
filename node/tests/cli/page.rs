//! The terminal sessions of docs/cli.md, run: each `$ ` line against a cluster as the page
//! describes it, its output beside what the page shows. Numbers vary; names, words and order do
//! not. With RECORD=1 the page is written anew.

use std::{os::unix::fs::symlink, path::Path, process::Command};

use crate::bench::{Dev, TOKEN};

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/cli.md");
const BEGIN: &str = "```console\n";
const END: &str = "```\n";

#[test]
fn the_page_shows_what_the_program_prints() {
    let dev = Dev::start(2);
    let folder = tempfile::tempdir().unwrap();
    symlink(env!("CARGO_BIN_EXE_starling"), folder.path().join("starling")).unwrap();
    let page = std::fs::read_to_string(PAGE).unwrap();
    let (mut written, mut wrong, mut commands) = (String::new(), Vec::new(), 0);
    let mut rest = page.as_str();
    while let Some((before, block)) = rest.split_once(BEGIN) {
        let (block, after) = block.split_once(END).expect("a block ends");
        written += before;
        written += BEGIN;
        for part in block.split("$ ").filter(|part| !part.is_empty()) {
            let (command, shown) = part.split_once('\n').unwrap_or((part, ""));
            let printed = printed(&dev, folder.path(), command);
            commands += 1;
            if forms(shown) != forms(&printed) {
                wrong.push(format!("$ {command}\non the page:\n{shown}printed:\n{printed}"));
            }
            written += &format!("$ {command}\n{printed}");
        }
        written += END;
        rest = after;
    }
    written += rest;
    if std::env::var_os("RECORD").is_some() {
        std::fs::write(PAGE, written).unwrap();
        return;
    }
    assert!(commands > 20, "only {commands} commands were found");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Both streams, as a terminal shows them.
fn printed(dev: &Dev, folder: &Path, command: &str) -> String {
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(folder)
        .env("PATH", path)
        .env("STARLING_SERVER", dev.url())
        .env("STARLING_TOKEN", TOKEN)
        .env("STARLING_CONTEXTS", folder.join("contexts.toml"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// Lines without what varies: numbers, and how wide columns are. A digit that belongs to a name
/// stays.
fn forms(text: &str) -> Vec<String> {
    text.lines().map(form).collect()
}

fn form(line: &str) -> String {
    let mut out = String::new();
    let mut before = ' ';
    let (mut number, mut inside) = (false, false);
    for c in line.chars() {
        let digit = c.is_ascii_digit() || (number && c == '.');
        let name = before.is_alphanumeric() || before == '_' || (before == '-' && inside);
        if digit && (number || !name) {
            if !number {
                out.push('#');
            }
            number = true;
        } else {
            number = false;
            out.push(c);
        }
        // A sign stands at the beginning, a dash inside a name.
        inside = !(before.is_whitespace() && c == '-');
        before = c;
    }
    // A cell may be empty where another time there is a number.
    let word = |word| match word {
        "-" | "+#" | "-#" => "#",
        other => other,
    };
    out.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[test]
fn numbers_vary_and_names_do_not() {
    assert_eq!(
        form("node-1   eu   12   0.7 ms  http://localhost:4443"),
        "node-1 eu # # ms http://localhost:#"
    );
    assert_eq!(form("  \"epoch\": 17,"), "\"epoch\": #,");
    assert_ne!(form("node-1"), form("node-2"));
    assert_eq!(form("node-1   -1   -   +20"), "node-1 # # #");
}
