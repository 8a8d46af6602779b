//! Load for a node, and what it costs: `starling-load bench` measures, `starling-load run`
//! publishes to and subscribes in a room of a running node, `publish` and `watch` do so with layers
//! and feedback.
#![expect(clippy::print_stdout, reason = "tables are what it is for")]

mod attack;
mod bench;
mod client;
mod drive;
mod figures;
mod fleet;
mod floor;
mod memory;
mod node;
mod plain;
mod room;
mod run;
mod shape;
mod sink;
mod soak;
mod subject;
mod sys;
mod workers;

use std::{path::PathBuf, process::ExitCode};

use attack::{AttackConfig, attack};
use fleet::{FleetConfig, fleet};
use room::{MeetConfig, PublishConfig, WatchConfig, meet, publish, watch};
use soak::{SoakConfig, soak};
use starling_people::measure;

const USAGE: &str = "\
usage: starling-load bench [--quick] [part]
         forward, cores, latency, pipe, memory, joins, dtls; all into target/reports/bench.json
       starling-load run [--mode plain|srtp|webrtc] [--url http://127.0.0.1:4443] [--token ADMIN]
         [--room load] [--shape video|audio] [--publishers 1] [--subscribers 3] [--seconds 10]
       starling-load publish [--url …] [--room load] [--publishers 1] [--ladder 100,300,900]
         [--fps 25] [--temporal 1] [--audio N] [--seconds 10]
       starling-load watch [--url …] [--room load] [--peer watcher] [--priorities publisher-0=200,…]
         [--rtt-ms 100] [--playout-ms 100] [--every-ms 200] [--seconds 10]
       starling-load fleet [--nodes http://a,http://b,…] [--room fleet] [--rooms 1] [--members 10]
         [--publishers 2] [--fps 15] [--sounds 10] [--prefix fleet] [--at-once 8] [--per-second 1000]
         people who stay and come back by themselves; `mark`, `report` and `quit` on standard input
       starling-load attack [--short] [T-M02 …]
         a node of its own under attack, while people talk on it; into target/reports/attack.json
       starling-load soak [--minutes 30] [--rooms 6] [--leak 0]
         two nodes and etcd under churn; into target/reports/soak.json
       starling-load meet [--url …,…] [--room load] [--prefix person] [--people 3] [--cameras N]
         [--voices N] [--ladder 100,300,900] [--fps 25] [--prefer 2,0,1,all] [--delays 0]
         [--every-ms 200] [--seconds 600]; lines on its input: prefer 0,…";

fn main() -> ExitCode {
    // Without it, dtls panics beside quinn.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut words = std::env::args().skip(1);
    let command = words.next();
    let rest: Vec<String> = words.collect();
    let done = match command.as_deref() {
        Some("bench") => bench(&rest),
        Some("run") => run(&rest),
        Some("publish") => PublishConfig::parse(&rest).and_then(|it| block_on(publish(it))),
        Some("meet") => MeetConfig::parse(&rest).and_then(|it| block_on(meet(it))),
        Some("watch") => WatchConfig::parse(&rest).and_then(|it| block_on(watch(it))),
        Some("attack") => AttackConfig::parse(&rest).and_then(|it| many(attack(it))),
        Some("soak") => SoakConfig::parse(&rest).and_then(|it| many(soak(it))),
        Some("fleet") => FleetConfig::parse(&rest).and_then(|it| many(fleet(it))),
        _ => Err(USAGE.to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("{why}");
            ExitCode::FAILURE
        }
    }
}

fn bench(words: &[String]) -> Result<(), String> {
    let quick = words.iter().any(|word| word == "--quick");
    let only = words.iter().find(|word| !word.starts_with("--")).cloned();
    let path = PathBuf::from("target/reports/bench.json");
    bench::run(&bench::BenchConfig { quick, only }, &path)
        .map_err(|error| format!("bench: {error}"))
}

fn run(words: &[String]) -> Result<(), String> {
    let config = run::parse(words).map_err(|why| format!("{why}\n{USAGE}"))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    runtime.block_on(run::run(&config)).map_err(|error| error.to_string())
}

/// On all cores: a thousand handshakes at once are work.
fn many(work: impl Future<Output = Result<(), client::Failure>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(work).map_err(|error| error.to_string())
}

/// On one thread, so that what it measures waits for nobody else of its own.
fn block_on(work: impl Future<Output = Result<(), client::Failure>>) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(work).map_err(|error| error.to_string())
}
