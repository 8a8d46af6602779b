//! Formats, exit codes, dry runs, watching, completion: on a cluster of two nodes.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
};

use serde_json::Value;

use crate::bench::{Dev, Ran, run, starling};

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).expect("it prints JSON")
}

#[test]
fn every_list_comes_in_every_format_and_data_goes_to_stdout_alone() {
    let dev = Dev::start(2);
    assert_eq!(dev.run(["rooms", "create", "demo"]).code, 0);
    for words in [
        &["nodes", "list"][..],
        &["nodes", "get", "node-1"],
        &["rooms", "list"],
        &["rooms", "get", "demo"],
        &["links", "list"],
        &["pipes", "list"],
        &["peers", "list", "demo"],
        &["rooms", "explain", "demo"],
        &["rooms", "policy", "demo"],
    ] {
        for format in ["table", "wide", "json", "jsonl", "yaml", "name"] {
            let ran = dev.run(words.iter().chain(&["-o", format]));
            assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{words:?} -o {format}");
            match format {
                "json" => drop(serde_json::from_str::<Value>(&ran.out).expect(&ran.out)),
                "jsonl" => ran.out.lines().for_each(|line| {
                    serde_json::from_str::<Value>(line).expect(line);
                }),
                _ => assert!(!ran.out.contains('\x1b'), "colour in a pipe: {}", ran.out),
            }
        }
    }
    let names = dev.run(["nodes", "list", "-o", "name"]).out;
    assert_eq!(names, "node-1\nnode-2\n");
    let selected = dev.run(["nodes", "list", "-o", "name", "-l", "region=us"]).out;
    assert_eq!(selected, "node-2\n");
    assert_eq!(json(&dev.run(["rooms", "list", "-o", "json"]))[0]["id"], "demo");
    assert_eq!(json(&dev.run(["rooms", "get", "demo", "-o", "json"]))["persistent"], true);
}

#[test]
fn exit_codes_say_what_went_wrong() {
    let dev = Dev::start(1);
    let code = |words: &[&str]| dev.run(words).code;
    assert_eq!(code(&["nodes", "list"]), 0);
    assert_eq!(code(&["rooms", "list", "--nonsense"]), 2);
    assert_eq!(code(&["rooms", "list", "-l", "nonsense"]), 2);
    assert_eq!(code(&["rooms", "get", "nowhere"]), 3);
    assert_eq!(code(&["nodes", "list", "--token", "wrong"]), 4);
    assert_eq!(code(&["nodes", "list", "--server", "http://127.0.0.1:1", "--token", "x"]), 5);
    let unmet = ["load-test", "--publishers", "1", "--subscribers", "1", "--duration", "1s"];
    let ran = dev.run(unmet.iter().chain(&["--expect", "p50<0.001ms", "-q"]));
    assert_eq!(ran.code, 6, "{}{}", ran.out, ran.err);
    assert!(ran.err.contains("not met: p50<0.001ms: it was "), "{}", ran.err);
    let told = dev.run(["rooms", "get", "nowhere"]).err;
    assert!(told.contains("[room_not_found]\nhint: "), "{told}");
}

#[test]
fn a_dry_run_says_what_would_happen_and_does_nothing() {
    let dev = Dev::start(2);
    assert_eq!(dev.run(["rooms", "create", "demo"]).code, 0);
    let ran = dev.run(["rooms", "delete", "demo", "--dry-run"]);
    assert_eq!(ran.code, 0, "{}", ran.err);
    assert!(ran.out.starts_with("would delete room demo\n  nobody is there\n"), "{}", ran.out);
    let ran = dev.run(["nodes", "drain", "node-1", "--dry-run", "-o", "json"]);
    let told = json(&ran);
    assert_eq!((&told["dryRun"], &told["would"]), (&true.into(), &"drain node node-1".into()));
    assert!(told["then"].as_array().is_some_and(|then| then.len() == 3), "{told}");
    assert_eq!(json(&dev.run(["nodes", "get", "node-1", "-o", "json"]))["state"], "up");
    for missing in [
        &["rooms", "delete", "nowhere", "--dry-run"][..],
        &["rooms", "move", "demo", "--to", "nowhere", "--dry-run"],
        &["peers", "remove", "demo", "nobody", "--dry-run"],
        &["nodes", "drain", "nowhere", "--dry-run"],
    ] {
        let ran = dev.run(missing);
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{missing:?}: {}", ran.err);
    }
    assert_eq!(dev.run(["rooms", "delete", "demo", "--yes"]).code, 0);
    assert_eq!(dev.run(["rooms", "get", "demo"]).code, 3);
}

#[test]
fn watching_tells_what_changes_and_nothing_else() {
    let dev = Dev::start(1);
    let mut watching = dev
        .command(["rooms", "list", "-o", "name", "--watch=200ms"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(watching.stdout.take().unwrap()).lines();
    for room in ["first", "second", "third"] {
        assert_eq!(dev.run(["rooms", "create", room]).code, 0);
        assert_eq!(lines.next().unwrap().unwrap(), room);
    }
    watching.kill().unwrap();
    watching.wait().unwrap();
    assert!(lines.next().is_none());
}

#[test]
fn a_shell_completes_commands_and_names_that_exist_now() {
    let dev = Dev::start(2);
    assert_eq!(dev.run(["rooms", "create", "demo-of-the-day"]).code, 0);
    let complete = |words: &[&str]| {
        let mut command = dev.command(["--", "starling"].iter().chain(words));
        command.env("STARLING_COMPLETE", "bash").env("_CLAP_IFS", "\n");
        let index = words.len().to_string();
        let ran =
            run(command.env("_CLAP_COMPLETE_INDEX", index).env("_CLAP_COMPLETE_COMP_TYPE", "9"));
        ran.out.lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert!(complete(&["rooms", "del"]).contains(&"delete".to_owned()));
    assert_eq!(complete(&["rooms", "get", "demo"]), ["demo-of-the-day"]);
    assert_eq!(complete(&["nodes", "drain", "node-"]), ["node-1", "node-2"]);
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let ran = run(&mut starling(["completion", shell]));
        assert_eq!(ran.code, 0);
        assert!(ran.out.contains("STARLING_COMPLETE"), "{shell}: {}", ran.out);
    }
}

#[test]
fn each_command_has_a_manual_page() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().to_str().unwrap();
    assert_eq!(run(&mut starling(["man", "--out", out])).code, 0);
    let page = std::fs::read_to_string(folder.path().join("starling-rooms-move.1")).unwrap();
    assert!(page.contains("starling\\-rooms\\-move"), "{page}");
}

#[test]
fn verbose_tells_requests_and_quiet_nothing() {
    let dev = Dev::start(1);
    let told = dev.run(["nodes", "list", "-v"]).err;
    assert!(told.contains("/v1/nodes: 200 in "), "{told}");
    assert_eq!(dev.run(["rooms", "create", "demo"]).code, 0);
    assert_eq!(dev.run(["rooms", "delete", "demo", "-q"]).err, "");
}
