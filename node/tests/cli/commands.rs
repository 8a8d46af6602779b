//! Formats, exit codes, dry runs, watching, completion: on a cluster of two nodes.

use std::{
    io::{BufRead, BufReader},
    process::Stdio,
    time::{Duration, Instant},
};

use serde_json::Value;
use starling_client::Client;
use starling_proto::{
    RoomId,
    registry::RoomPolicy,
    rest::{CreateRoom, RoomInfo},
};

use crate::{
    bench::{Dev, Ran, TOKEN, run, starling},
    guest,
};

fn json(ran: &Ran) -> Value {
    assert_eq!(ran.code, 0, "{}", ran.err);
    serde_json::from_str(&ran.out).expect("it prints JSON")
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
fn a_list_of_more_than_a_page_is_shown_whole() {
    let dev = Dev::start(1);
    let client = Client::new(&dev.url()).unwrap().token(TOKEN).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let name = |n: usize| format!("room-{n:04}").parse::<RoomId>().unwrap();
    runtime.block_on(async {
        for tens in (0..1_001).collect::<Vec<_>>().chunks(20) {
            let made = tens.iter().map(|n| {
                let (client, id) = (client.clone(), name(*n));
                async move {
                    client.create_room(&CreateRoom { id, policy: RoomPolicy::default() }).await
                }
            });
            for made in futures::future::join_all(made).await {
                made.unwrap();
            }
        }
    });
    // A page has 1,000 unless somebody says otherwise.
    let told = dev.run(["rooms", "list", "-o", "name", "-v"]);
    let names: Vec<_> = told.out.lines().collect();
    assert_eq!((names.len(), names[0], names[1_000]), (1_001, "room-0000", "room-1000"));
    assert_eq!(told.err.matches("/v1/rooms").count(), 2, "{}", told.err);
    let some = runtime.block_on(client.list::<RoomInfo>("/v1/rooms?limit=300"));
    let some: Vec<_> = some.unwrap().into_iter().map(|room| room.id).collect();
    assert_eq!(some, (0..1_001).map(name).collect::<Vec<_>>());
}

#[test]
fn a_node_that_has_just_died_is_not_said_to_be_up() {
    let dev = Dev::start(2);
    let killed = dev.post("/dev/nodes/node-2/kill");
    assert_eq!(killed, 202);
    let begun = Instant::now();
    let state = || {
        let list = dev.run(["nodes", "list"]).out;
        let node = list.lines().find(|line| line.starts_with("node-2"));
        node.map(|line| line.split_whitespace().nth(2).unwrap().to_owned())
    };
    while state().as_deref() == Some("up") {
        assert!(begun.elapsed() < Duration::from_secs(2), "it is up after {:?}", begun.elapsed());
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(state().as_deref(), Some("unheard"), "after {:?}", begun.elapsed());
    let told = json(&dev.run(["nodes", "get", "node-2", "-o", "json"]));
    assert_eq!((&told["linked"], &told["here"]), (&false.into(), &false.into()));
    let drain = dev.run(["nodes", "drain", "node-1", "--dry-run"]).out;
    assert!(drain.contains("no other node takes peers"), "{drain}");
}

#[test]
fn who_is_sent_away_reads_why() {
    let dev = Dev::start(1);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut ada = runtime.block_on(guest::come(&dev, "demo", "ada"));
    let mut ben = runtime.block_on(guest::come(&dev, "demo", "ben"));
    assert_eq!(dev.run(["peers", "kick", "demo", "ada", "--reason", "it is late"]).code, 0);
    assert_eq!(ada.blocking_recv(), Some((4_000, "it is late".to_owned())));
    assert_eq!(dev.run(["peers", "remove", "demo", "ben"]).code, 0);
    let (code, reason) = ben.blocking_recv().unwrap();
    assert!(code == 4_000 && reason != "it is late", "{code} {reason}");
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
