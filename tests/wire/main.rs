//! A wire between two network namespaces, with the faults of real ones: `starling-wire` makes a TUN
//! device in each and carries packets between them. Orders come as lines on its input, answers go
//! as lines of JSON to its output; it ends, and its devices with it, when its input ends.
#![expect(clippy::print_stdout, reason = "answers are what it is for")]

mod histogram;
mod losses;
mod order;
mod path;
mod report;
mod settings;
mod sys;
mod tun;
mod turn;

use std::process::ExitCode;

use serde_json::json;

const USAGE: &str = "\
usage: starling-wire --near NAMESPACE,ADDRESS --far NAMESPACE,ADDRESS
         [--name wire0] [--mtu 1500] [--seed 1]
  NAMESPACE  a file such as /proc/PID/ns/net, or - for the one it runs in
  ADDRESS    with its prefix, as 10.77.0.1/30

lines on its input; down is from near to far:
  down|up|both [rate_kbps=N] [queue_ms=N] [queue_bytes=N] [delay_ms=N] [jitter_ms=N]
               [loss_pct=N] [loss_burst=N] [reorder_pct=N] [reorder_ms=N] [duplicate_pct=N] [mtu=N]
  mark         percentiles begin anew
  stats        counters since the start, percentiles since the last mark
  quit";

struct Config {
    near: tun::End,
    far: tun::End,
    name: String,
    mtu: usize,
    seed: u64,
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let done = parse(&words).map_err(|why| format!("{why}\n{USAGE}")).and_then(|it| run(&it));
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("starling-wire: {why}");
            ExitCode::FAILURE
        }
    }
}

fn run(config: &Config) -> Result<(), String> {
    let near = config.near.open(&config.name, config.mtu)?;
    let far = config.far.open(&config.name, config.mtu)?;
    let hurried = sys::hurry();
    println!("{}", json!({"ready": true, "device": config.name, "realtime": hurried}));
    let wire = turn::Wire::new(near, far, tun::input(), config.seed);
    wire.run().map_err(|error| error.to_string())
}

fn parse(words: &[String]) -> Result<Config, String> {
    let (mut near, mut far) = (None, None);
    let (mut name, mut mtu, mut seed) = ("wire0".to_owned(), 1_500, 1);
    for pair in words.chunks(2) {
        let [key, value] = pair else { return Err(format!("{}: a value is missing", pair[0])) };
        let wrong = |_| format!("{key}: {value} is no number");
        match key.as_str() {
            "--near" => near = tun::End::parse(value),
            "--far" => far = tun::End::parse(value),
            "--name" => name.clone_from(value),
            "--mtu" => mtu = value.parse().map_err(wrong)?,
            "--seed" => seed = value.parse().map_err(wrong)?,
            _ => return Err(format!("{key} is not known")),
        }
    }
    let near = near.ok_or("--near NAMESPACE,ADDRESS is missing")?;
    let far = far.ok_or("--far NAMESPACE,ADDRESS is missing")?;
    Ok(Config { near, far, name, mtu, seed })
}
