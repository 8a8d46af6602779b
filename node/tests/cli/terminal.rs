//! In a terminal: a real one of the kernel's, whose other end is this test's. What is seen on it,
//! what keys do, and that it is left as it was.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    os::fd::OwnedFd,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
    time::{Duration, Instant},
};

use rustix::{
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Termios, Winsize, tcgetattr, tcsetwinsize},
};

use crate::{bench::Dev, screen::lines};

/// Longest wait for something to be seen, on a machine that compiles beside it.
const PATIENCE: Duration = Duration::from_secs(20);
/// Leaves the window that a program had to itself, and shows the cursor again (xterm).
const RESTORED: [&str; 2] = ["\x1b[?1049l", "\x1b[?25h"];

struct Terminal {
    /// The end of who looks at it.
    person: File,
    /// The program's.
    tty: File,
    child: Child,
    before: Termios,
    seen: Arc<Mutex<Vec<u8>>>,
    /// How much of it was looked at.
    looked: usize,
}

fn size(cols: u16, rows: u16) -> Winsize {
    Winsize { ws_col: cols, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Terminal {
    /// Runs a shell's line on a terminal of 120 by 20.
    fn run(dev: &Dev, line: &str) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap().into_string().unwrap();
        let tty = OpenOptions::new().read(true).write(true).open(name).unwrap();
        tcsetwinsize(&tty, size(120, 20)).unwrap();
        let before = tcgetattr(&tty).unwrap();
        let end = || Stdio::from(OwnedFd::from(tty.try_clone().unwrap()));
        // A session of its own, whose terminal it is: so that a new size is told, and Ctrl-C.
        let line = line.replace("starling", env!("CARGO_BIN_EXE_starling"));
        let mut command = Command::new("setsid");
        command.args(["--ctty", "sh", "-c", &format!("exec {line}")]);
        for (name, value) in dev.command::<&str>([]).get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        let child = command.stdin(end()).stdout(end()).stderr(end()).spawn().unwrap();
        let person = File::from(person);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (mut from, into) = (person.try_clone().unwrap(), seen.clone());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                into.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { person, tty, child, before, seen, looked: 0 }
    }

    fn all(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// Waits until all of these are written after what was looked at before.
    fn shows(&mut self, words: &[&str]) {
        let begun = Instant::now();
        loop {
            let seen = self.seen.lock().unwrap().clone();
            let new = String::from_utf8_lossy(&seen[self.looked..]).into_owned();
            if words.iter().all(|word| new.contains(word)) {
                self.looked = seen.len();
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{words:?} are not in {new:?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until each of these begins a line of the screen.
    fn stands(&self, size: (usize, usize), beginnings: &[&str]) {
        let begun = Instant::now();
        loop {
            let lines = lines(&self.all(), size);
            let stands = |word: &&str| lines.iter().any(|line| line.starts_with(*word));
            if beginnings.iter().all(stands) {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{beginnings:?} are not in {lines:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn types(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).unwrap();
    }

    /// Its exit code.
    fn ends(&mut self) -> i32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.all());
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The terminal is as it was, and shows what was on it before.
    fn is_restored(&mut self) {
        self.shows(&RESTORED);
        let now = tcgetattr(&self.tty).unwrap();
        assert_eq!(now.local_modes, self.before.local_modes, "echo and lines");
        assert_eq!(now.input_modes, self.before.input_modes);
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn top_shows_the_cluster_follows_keys_and_sizes_and_leaves_the_terminal_as_it_was() {
    let dev = Dev::start(2);
    assert_eq!(dev.run(["rooms", "create", "stand-up"]).code, 0);
    let mut top = Terminal::run(&dev, "starling top --every 200ms");
    top.shows(&["\x1b[?1049h"]);
    let large = (120, 20);
    top.stands(large, &["NODE     PLACE", "node-1   eu      up", "node-2   us      up", "q quit"]);
    assert_ne!(tcgetattr(&top.tty).unwrap().local_modes, top.before.local_modes, "keys come raw");
    top.types("2");
    top.stands(large, &["ROOM       NODES", "stand-up"]);
    // A room that is made is seen without a key.
    assert_eq!(dev.run(["rooms", "create", "second"]).code, 0);
    top.stands(large, &["second"]);
    // Tab, an arrow to the left, and numbers.
    top.types("\t");
    top.stands(large, &["ROOM   PRODUCER"]);
    top.types("\x1b[C");
    top.stands(large, &["FROM     TO", "node-1   node-2"]);
    top.types("1");
    top.stands(large, &["NODE     PLACE"]);
    // What is at the foot goes to where the foot is now.
    tcsetwinsize(&top.tty, size(60, 10)).unwrap();
    let begun = Instant::now();
    while !lines(&top.all(), (60, 10))[9].starts_with("q quit") {
        assert!(begun.elapsed() < PATIENCE, "{:#?}", lines(&top.all(), (60, 10)));
        thread::sleep(Duration::from_millis(20));
    }
    top.types("q");
    assert_eq!(top.ends(), 0);
    top.is_restored();
    let mut top = Terminal::run(&dev, "starling top");
    top.stands(large, &["node-1"]);
    top.types("\x03");
    assert_eq!(top.ends(), 0, "Ctrl-C is a key there");
    top.is_restored();
    // Nobody is left alone with a window that is none.
    let ran = dev.run(["top"]);
    assert_eq!(ran.code, 2);
    assert!(ran.err.contains("nodes list --watch -o jsonl"), "{}", ran.err);
}

#[test]
fn a_person_is_asked_before_something_is_destroyed() {
    let dev = Dev::start(1);
    assert_eq!(dev.run(["rooms", "create", "demo"]).code, 0);
    for (answer, code, left) in [("n\n", 1, "demo\n"), ("\n", 1, "demo\n"), ("y\n", 0, "")] {
        let mut asked = Terminal::run(&dev, "starling rooms delete demo");
        asked.shows(&["would delete room demo", "nobody is there", "Go on? [y/N]"]);
        asked.types(answer);
        assert_eq!(asked.ends(), code, "{answer:?}");
        assert_eq!(dev.run(["rooms", "list", "-o", "name"]).out, left, "{answer:?}");
    }
}

#[test]
fn a_load_test_has_a_bar_a_report_for_programs_and_an_exit_code() {
    let dev = Dev::start(1);
    let folder = tempfile::tempdir().unwrap();
    let report = folder.path().join("report.json");
    let line = format!(
        "starling load-test --publishers 1 --subscribers 1 --duration 1s \
         --expect 'loss<100%,p50<0.001ms' -o json > {}",
        report.display()
    );
    let mut test = Terminal::run(&dev, &line);
    test.shows(&["[", "=", "] "]);
    test.shows(&["[========================]"]);
    assert_eq!(test.ends(), 6, "{}", test.all());
    test.shows(&["not met: p50<0.001ms: it was "]);
    let told = std::fs::read_to_string(report).unwrap();
    let told: serde_json::Value = serde_json::from_str(&told).expect(&told);
    assert_eq!(told["expectations"][0]["met"], true, "{told}");
    assert_eq!(told["expectations"][1]["met"], false, "{told}");
}

#[test]
fn colours_are_for_terminals_whose_owner_wants_them_and_a_watched_list_is_written_anew() {
    let dev = Dev::start(1);
    let mut list = Terminal::run(&dev, "starling nodes list");
    assert_eq!(list.ends(), 0);
    list.shows(&["\x1b[1mNODE", "\x1b[32mup"]);
    let mut list = Terminal::run(&dev, "env NO_COLOR=1 starling nodes list");
    assert_eq!(list.ends(), 0);
    list.shows(&["node-1"]);
    assert!(!list.all().contains('\x1b'), "{:?}", list.all());
    let mut watch = Terminal::run(&dev, "starling rooms list --watch=200ms");
    watch.shows(&["ROOM"]);
    assert_eq!(dev.run(["rooms", "create", "demo"]).code, 0);
    watch.shows(&["\x1b[H\x1b[2J", "demo"]);
    watch.types("\x03");
    assert_ne!(watch.ends(), 0, "Ctrl-C ends it");
}
