//! Each verb of the command line, run as its file in `golden/` says, and its output beside what the
//! file shows: `$ ` lines are typed into one shell a file, what varies is masked (`mask.rs`). With
//! RECORD=1 the files are written anew: read what changed before it is committed.
//!
//! A verb without a file, without `-o json`, and an operation of the API that no verb asks for and
//! that nobody gave a reason for, are errors.

use std::{
    collections::BTreeSet, fs, os::unix::fs::symlink, path::Path, process::Command, sync::Mutex,
    thread,
};

use serde_json::Value;
use tokio::runtime::Runtime;

use crate::{
    bench::{Dev, TOKEN},
    doctor::{SECRET, Settings},
    guest,
    mask::mask,
    tee::Tee,
};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cli/golden");
const OPENAPI: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
const BARS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/bars.md");
/// Between two outputs of a shell: ASCII's record separator.
const BETWEEN: char = '\u{1e}';

/// Verbs that cannot be shown so, and what shows them.
const ELSEWHERE: [(&str, &str); 7] = [
    ("node", "runs until it is told to end: tests/process, and doctor.rs"),
    ("dev", "runs until Ctrl-C: each test here runs one"),
    ("top", "is a window: terminal.rs"),
    ("doctor", "finds what is wrong with a machine, in JSON: doctor.rs"),
    ("record", "needs somebody who sends, in JSON: record.rs"),
    ("completion", "prints a script for a shell: commands.rs"),
    ("man", "writes files for man(1): commands.rs"),
];

/// Operations of the API that are no verb's, with the reason.
const NO_VERB: [(&str, &str); 35] = [
    ("listDevNodes", "of `starling dev`: the call page's buttons"),
    ("killDevNode", "of `starling dev`: the call page's buttons"),
    ("startDevNode", "of `starling dev`: the call page's buttons"),
    ("getLiveness", "for whoever restarts nodes: systemd, the kubelet"),
    ("getReadiness", "for whoever sends people: load balancers, the kubelet; doctor asks it"),
    ("getMetrics", "for Prometheus"),
    ("getBroadcasterCapabilities", "as mediasoup-demo has it, for its scripts"),
    ("createBroadcaster", "as mediasoup-demo has it, for its scripts"),
    ("removeBroadcaster", "as mediasoup-demo has it, for its scripts"),
    ("createBroadcasterConsumer", "as mediasoup-demo has it, for its scripts"),
    ("resumeBroadcasterConsumer", "as mediasoup-demo has it, for its scripts"),
    ("joinBroadcaster", "as mediasoup-demo has it, for its scripts"),
    ("listBroadcasterSources", "as mediasoup-demo has it, for its scripts"),
    ("createBroadcasterProducer", "as mediasoup-demo has it, for its scripts"),
    ("createBroadcasterTransport", "as mediasoup-demo has it, for its scripts"),
    ("connectBroadcasterTransport", "as mediasoup-demo has it, for its scripts"),
    ("createTransportBroadcasterConsumer", "as mediasoup-demo has it, for its scripts"),
    ("createTransportBroadcasterProducer", "as mediasoup-demo has it, for its scripts"),
    ("openDirectTransport", "a WebSocket of RTP, for programs"),
    ("playWhep", "for players"),
    ("changeWhep", "for players"),
    ("endWhep", "for players"),
    ("openWhepEvents", "for players"),
    ("streamWhepEvents", "for players"),
    ("closeWhepEvents", "for players"),
    ("chooseWhepLayer", "for players"),
    ("startRecording", ON_A_NODE),
    ("listRecordings", ON_A_NODE),
    ("listNodeRecordings", ON_A_NODE),
    ("getRecording", ON_A_NODE),
    ("stopRecording", ON_A_NODE),
    ("deleteRecording", ON_A_NODE),
    ("publishWhip", "for encoders"),
    ("changeWhip", "for encoders"),
    ("endWhip", "for encoders"),
];

const ON_A_NODE: &str =
    "files on a node are for the program that fetches them; `starling record` writes them here";

/// What only looks, and so may be asked for again in other formats.
const LOOKS: [&str; 16] = [
    "list",
    "get",
    "show",
    "dead-letters",
    "explain",
    "policy",
    "matrix",
    "capabilities",
    "workers",
    "router",
    "inspect",
    "place",
    "print",
    "revocations",
    "schema",
    "verify",
];

/// All of them: JSON is in the files, too, but long ones are shown by their beginning.
const FORMATS: [&str; 6] = ["json", "table", "wide", "jsonl", "yaml", "name"];
/// Files at a time: the machine has as many cores, and some wait.
const AT_ONCE: usize = 3;

/// A line that was typed in, and what came of it.
struct Session {
    command: String,
    shown: Vec<String>,
    printed: String,
    /// In other formats, where it only looks: which, and what was printed.
    again: Vec<(&'static str, String)>,
}

/// A file of sessions.
struct Golden {
    name: String,
    /// What is no session: comments and empty lines, before each session and at the end.
    between: Vec<String>,
    sessions: Vec<Session>,
    all_numbers: bool,
}

impl Golden {
    fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap();
        let mut golden = Self {
            name: path.file_name().unwrap().to_string_lossy().into_owned(),
            between: vec![String::new()],
            sessions: Vec::new(),
            all_numbers: text.contains("\n# All numbers vary."),
        };
        let mut over = true;
        for line in text.lines() {
            if let Some(command) = line.strip_prefix("$ ") {
                let command = command.to_owned();
                let printed = String::new();
                golden.sessions.push(Session { command, shown: vec![], printed, again: vec![] });
                golden.between.push(String::new());
                over = false;
            } else if over || line.is_empty() || line.starts_with("# ") {
                *golden.between.last_mut().unwrap() += &format!("{line}\n");
                over = true;
            } else {
                golden.sessions.last_mut().unwrap().shown.push(line.to_owned());
            }
        }
        golden
    }

    /// Runs all of it in one shell.
    fn run(&mut self, shell: &Shell, verbs: &[(String, bool)]) {
        let mut script = String::new();
        for Session { command, again, .. } in &mut self.sessions {
            script += &format!("{command}\nprintf '{BETWEEN}'\n");
            let looks = plain(command, verbs).filter(|(verb, json)| {
                *json && LOOKS.contains(&verb.rsplit(' ').next().unwrap_or_default())
            });
            for format in FORMATS.iter().filter(|_| looks.is_some()) {
                let whole = whole(command);
                let in_it = whole.replace(" -o json", &format!(" -o {format}"));
                script += &format!("{in_it}\nprintf '{BETWEEN}'\n");
                again.push((format, String::new()));
            }
        }
        let printed = shell.run(&script);
        let mut printed = printed.split(BETWEEN).map(str::to_owned);
        for session in &mut self.sessions {
            let into = std::iter::once(&mut session.printed);
            for into in into.chain(session.again.iter_mut().map(|(_, printed)| printed)) {
                *into = printed.next().unwrap_or_default();
            }
        }
    }

    /// Empty lines are not shown: an empty line ends a session.
    fn masked(&self, session: &Session) -> Vec<String> {
        let mut lines = mask(&session.printed, self.all_numbers);
        lines.retain(|line| !line.is_empty());
        lines
    }

    fn wrong(&self) -> Vec<String> {
        let differs = |it: &&Session| it.shown != self.masked(it);
        let told = |it: &Session| {
            let (shown, printed) = (it.shown.join("\n"), self.masked(it).join("\n"));
            format!("{}: $ {}\nshown:\n{shown}\nprinted:\n{printed}\n", self.name, it.command)
        };
        self.sessions.iter().filter(differs).map(told).collect()
    }

    fn write(&self) {
        let mut text = self.between[0].clone();
        for (session, after) in self.sessions.iter().zip(&self.between[1..]) {
            text += &format!("$ {}\n", session.command);
            self.masked(session).iter().for_each(|line| text += &format!("{line}\n"));
            text += after;
        }
        fs::write(Path::new(FOLDER).join(&self.name), text).unwrap();
    }
}

/// Where commands are typed in.
struct Shell {
    folder: tempfile::TempDir,
    server: String,
    /// A node with settings, which none of a development cluster has.
    alone: String,
}

impl Shell {
    fn new(port: u16, alone: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        symlink(env!("CARGO_BIN_EXE_starling"), folder.path().join("starling")).unwrap();
        Self { folder, server: format!("http://localhost:{port}"), alone: alone.to_owned() }
    }

    /// Both streams, as a terminal shows them.
    fn run(&self, script: &str) -> String {
        let folder = self.folder.path();
        let file = folder.join("script");
        fs::write(&file, format!("exec 2>&1\n{script}")).unwrap();
        let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("sh");
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("STARLING_")) {
            command.env_remove(name);
        }
        let output = command
            .arg(&file)
            .current_dir(folder)
            .env("PATH", path)
            .env("STARLING_SERVER", &self.server)
            .env("STARLING_TOKEN", TOKEN)
            .env("ALONE", &self.alone)
            .env("SECRET", SECRET)
            .env("STARLING_CONTEXTS", folder.join("contexts.toml"))
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }
}

/// Leaves of the tree of commands, as `rooms list`, and whether they have `-o`.
fn verbs() -> Vec<(String, bool)> {
    fn below(command: &clap::Command, path: &str, all: &mut Vec<(String, bool)>) {
        let mut verbs = command.get_subcommands().filter(|it| it.get_name() != "help").peekable();
        if verbs.peek().is_none() {
            let output = command.get_arguments().any(|it| it.get_id() == "output");
            all.push((path.to_owned(), output));
        }
        for verb in verbs {
            below(verb, format!("{path} {}", verb.get_name()).trim(), all);
        }
    }
    let mut command = starling_node::cli::command();
    command.build();
    let mut all = Vec::new();
    below(&command, "", &mut all);
    all
}

fn goldens() -> Vec<Golden> {
    let files = fs::read_dir(FOLDER).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    files.iter().map(|path| Golden::read(path)).collect()
}

/// Without what shows its beginning alone.
fn whole(command: &str) -> &str {
    command.split(" | head -").next().unwrap_or(command)
}

/// The verb of a plain command, which is nothing but one; and whether it is in JSON.
fn plain<'a>(command: &str, verbs: &'a [(String, bool)]) -> Option<(&'a str, bool)> {
    let words = whole(command).strip_prefix("starling ")?;
    if words.contains(['|', '&', ';', '>', '`']) || words.contains("$(") {
        return None;
    }
    let of = |verb: &str| words == verb || words.starts_with(&format!("{verb} "));
    let (verb, _) = verbs.iter().find(|(verb, _)| of(verb))?;
    Some((verb, format!("{words} ").contains(" -o json ")))
}

/// As `POST /v1/rooms/demo` is of `POST /v1/rooms/{room}`.
fn fits(asked: &str, template: &str) -> bool {
    let (asked, template) = (asked.split('/'), template.split('/'));
    asked.clone().count() == template.clone().count()
        && asked.zip(template).all(|(part, of)| part == of || of.starts_with('{'))
}

/// Name, and method with path.
fn operations() -> Vec<(String, String)> {
    let document: Value = serde_json::from_str(&fs::read_to_string(OPENAPI).unwrap()).unwrap();
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            all.push((name, format!("{} {path}", method.to_uppercase())));
        }
    }
    all
}

#[test]
fn every_verb_prints_what_its_file_shows_and_every_operation_has_a_verb() {
    let runtime = Runtime::new().unwrap();
    // The third is drained while people go to the second.
    let dev = Dev::start(3);
    dev.until_measured();
    for room in ["call", "talk", "quiet"] {
        for peer in ["ada", "ben"] {
            runtime.block_on(guest::come(&dev, room, peer));
        }
    }
    let settings = Settings::new("alone");
    let _node = settings.node();
    let tee = Tee::to(dev.port());
    let (verbs, mut goldens) = (verbs(), goldens());
    let waiting = Mutex::new(goldens.iter_mut());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(golden) = next(&waiting) {
                    golden.run(&Shell::new(tee.port, &settings.url()), &verbs);
                }
            });
        }
    });
    if std::env::var_os("RECORD").is_some() {
        goldens.iter().for_each(Golden::write);
        return;
    }
    let wrong: Vec<_> = goldens.iter().flat_map(Golden::wrong).collect();
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
    for session in goldens.iter().flat_map(|it| &it.sessions) {
        session.again.iter().for_each(|(format, printed)| check(format, &session.command, printed));
    }
    missing_verbs(&goldens, &verbs);
    missing_operations(&tee.asked());
}

fn next<'a>(waiting: &Mutex<std::slice::IterMut<'a, Golden>>) -> Option<&'a mut Golden> {
    waiting.lock().unwrap().next()
}

fn missing_verbs(goldens: &[Golden], verbs: &[(String, bool)]) {
    let (mut people, mut programs) = (BTreeSet::new(), BTreeSet::new());
    for session in goldens.iter().flat_map(|it| &it.sessions) {
        let Some((verb, json)) = plain(&session.command, verbs) else { continue };
        if !json {
            people.insert(verb);
            continue;
        }
        let again = session.again.iter().find(|(format, _)| *format == "json");
        let printed = again.map_or(&session.printed, |(_, printed)| printed);
        if serde_json::from_str::<Value>(printed).is_ok() {
            programs.insert(verb);
        }
    }
    let mut wrong = Vec::new();
    for (verb, output) in verbs {
        let elsewhere = ELSEWHERE.iter().any(|(name, _)| name == verb);
        match (elsewhere, people.contains(verb.as_str()), programs.contains(verb.as_str())) {
            (true, false, false) | (false, true, true) => {}
            (true, ..) => wrong.push(format!("{verb}: is in a file, and said to be elsewhere")),
            _ if !output => wrong.push(format!("{verb}: has no -o")),
            (_, false, _) => wrong.push(format!("{verb}: is in no file as people type it")),
            (_, _, false) => wrong.push(format!("{verb}: is in no file with -o json that is JSON")),
        }
    }
    for (verb, _) in ELSEWHERE {
        if !verbs.iter().any(|(known, _)| known == verb) {
            wrong.push(format!("{verb}: is no verb"));
        }
    }
    assert!(wrong.is_empty(), "of {} verbs:\n{}", verbs.len(), wrong.join("\n"));
    let (all, here) = (verbs.len(), verbs.len() - ELSEWHERE.len());
    says(&format!("| {all} of {all}: {here} in [golden files]"));
}

fn missing_operations(asked: &BTreeSet<String>) {
    let mut wrong = Vec::new();
    let operations = operations();
    for (name, template) in &operations {
        let reason = NO_VERB.iter().any(|(known, _)| known == name);
        let done = asked.iter().any(|asked| fits(asked, template));
        match (reason, done) {
            (true, false) | (false, true) => {}
            (true, true) => {
                wrong.push(format!("{name}: a verb asks for it, and has a reason not to"))
            }
            (false, false) => wrong.push(format!("{name}: no verb of the files asks for it")),
        }
    }
    for (name, _) in NO_VERB {
        if !operations.iter().any(|(known, _)| known == name) {
            wrong.push(format!("{name}: is no operation"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let (all, without) = (operations.len(), NO_VERB.len());
    says(&format!("| {} and {without} of {all} |", all - without));
}

/// The bars have these figures.
fn says(words: &str) {
    let bars = fs::read_to_string(BARS).unwrap();
    assert!(bars.contains(words), "docs/bars.md does not say: {words}");
}

/// What is printed in other formats is of these formats, and nothing is said beside it.
fn check(format: &str, command: &str, printed: &str) {
    let at = format!("$ {command}, as {format}:\n{printed}");
    assert!(!printed.contains('\u{1b}'), "colour in a pipe: {at}");
    match format {
        // What has no names says so; there may be nothing that has one.
        "name" if printed.is_empty() || printed.contains("there are no names in this") => {}
        "jsonl" if printed.is_empty() => {}
        _ => assert!(!printed.contains("error: ") && !printed.trim().is_empty(), "{at}"),
    }
    let is_json = |text: &str| serde_json::from_str::<Value>(text).is_ok();
    assert!(format != "json" || is_json(printed), "{at}");
    assert!(format != "jsonl" || printed.lines().all(is_json), "{at}");
}
