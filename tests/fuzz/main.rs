//! Fuzzes every parser of network bytes, and a whole plane.
//!
//! - `cargo run --release --bin fuzz -- [OPTIONS] [TARGET]...`, with `--runs N`, `--cheap-runs N`,
//!   `--seed N`, `--threads N`
//! - `--cheap-runs` is for parsers that keep nothing: ten million of those take seconds
//! - with `--write-corpus` it writes the seeds made from valid packets anew
//!
//! A panic is a failure: its input is printed and kept in `corpus/`, where every later run begins
//! with it. Inputs are mutations of known ones; one that makes a target behave as none before is
//! kept for more. The same seed gives the same run.
#![expect(clippy::print_stdout, reason = "the table is what it is for")]

mod corpus;
mod engine;
mod mutate;
mod packets;
mod report;
mod targets;

use std::process::ExitCode;

use targets::{Kind, TARGETS};

struct Options {
    runs: u64,
    cheap_runs: u64,
    seed: u64,
    threads: u64,
    write_corpus: bool,
    targets: Vec<&'static Kind>,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            eprintln!("{message}");
            return ExitCode::from(2);
        }
    };
    if options.write_corpus {
        for kind in &options.targets {
            match corpus::write(kind) {
                Ok(count) => println!("{}: {count} seeds", kind.name),
                Err(error) => {
                    eprintln!("{}: {error}", kind.name);
                    return ExitCode::FAILURE;
                }
            }
        }
        return ExitCode::SUCCESS;
    }
    report::head();
    let mut clean = true;
    let mut done = Vec::new();
    for kind in options.targets {
        let seeds = match corpus::load(kind) {
            Ok(seeds) => seeds,
            Err(error) => {
                eprintln!("{}: no corpus: {error}", kind.name);
                return ExitCode::FAILURE;
            }
        };
        let runs = if kind.is_cheap() { options.cheap_runs } else { options.runs };
        let outcome = engine::run(kind, &seeds, runs, options.threads, options.seed);
        report::line(kind, &outcome);
        clean &= outcome.failure.is_none();
        done.push((kind, outcome));
    }
    if let Err(error) = report::write(&done, options.seed) {
        eprintln!("target/reports/fuzz.json: {error}");
        return ExitCode::FAILURE;
    }
    if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Options, String> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from) as u64;
    let mut options = Options {
        runs: 1_000_000,
        cheap_runs: 0,
        seed: 1,
        threads: cores,
        write_corpus: false,
        targets: vec![],
    };
    while let Some(arg) = args.next() {
        let mut number = || {
            let text = args.next().unwrap_or_default();
            text.parse::<u64>().map_err(|_| format!("{arg}: {text:?} is no number"))
        };
        match arg.as_str() {
            "--runs" => options.runs = number()?,
            "--cheap-runs" => options.cheap_runs = number()?,
            "--seed" => options.seed = number()?,
            "--threads" => options.threads = number()?.max(1),
            "--write-corpus" => options.write_corpus = true,
            name => {
                let names = TARGETS.iter().map(|kind| kind.name).collect::<Vec<_>>().join(", ");
                let kind = TARGETS.iter().find(|kind| kind.name == name);
                options.targets.push(kind.ok_or(format!("no target {name}; there are {names}"))?);
            }
        }
    }
    options.cheap_runs = options.cheap_runs.max(options.runs);
    if options.targets.is_empty() {
        options.targets = TARGETS.iter().collect();
    }
    Ok(options)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The short form, of cheap inputs: enough to find what a careless change breaks at once.
    const RUNS: u64 = 20_000;

    fn clean(names: &[&str]) {
        for kind in TARGETS.iter().filter(|kind| names.contains(&kind.name)) {
            let seeds = corpus::load(kind).expect("a committed corpus");
            assert!(!seeds.is_empty(), "{}: no seeds", kind.name);
            let outcome = engine::run(kind, &seeds, RUNS / kind.cost, 1, 1);
            if let Some(failure) = outcome.failure {
                let input = report::hex(&failure.input);
                panic!("{}: {}\ninput: {input}", kind.name, failure.message);
            }
        }
    }

    #[test]
    fn packet_parsers_survive() {
        clean(&["stun", "rtp", "rtcp", "twcc", "vp8", "h264_opus"]);
    }

    #[test]
    fn key_parsers_survive() {
        clean(&["srtp", "srtcp", "hello"]);
    }

    #[test]
    fn data_parsers_survive() {
        clean(&["message", "sctp"]);
    }

    #[test]
    fn cluster_parsers_survive() {
        clean(&["flow", "link", "records"]);
    }

    #[test]
    fn client_parsers_survive() {
        clean(&["signal", "negotiation", "token", "sdp"]);
    }

    #[test]
    fn a_plane_survives() {
        clean(&["plane"]);
    }

    #[test]
    fn a_panic_is_found_and_its_input_is_told() {
        struct Fragile;
        impl targets::Target for Fragile {
            fn run(&mut self, input: &[u8]) -> u64 {
                assert!(input.first() != Some(&7), "seven");
                u64::from(input.first().copied().unwrap_or_default())
            }
        }
        let kind = Kind {
            name: "fragile",
            about: "",
            cost: 1,
            max_len: 8,
            words: &[],
            seeds: Vec::new,
            make: || Box::new(Fragile),
        };
        let outcome = engine::run(&kind, &[vec![1, 2, 3]], 100_000, 2, 1);
        let failure = outcome.failure.expect("a byte is 7 sooner or later");
        assert_eq!(failure.input[0], 7);
        assert!(failure.message.contains("seven"));
    }
}
