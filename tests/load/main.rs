//! Load for a node, and what it costs: `starling-load bench` measures, the other commands send and
//! receive.
#![expect(clippy::print_stdout, reason = "tables are what it is for")]

mod bench;
mod client;
mod drive;
mod floor;
mod measure;
mod memory;
mod shape;
mod sink;
mod subject;
mod sys;

use std::{path::PathBuf, process::ExitCode};

fn main() -> ExitCode {
    // Without it, dtls panics beside quinn.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next();
    let rest: Vec<String> = arguments.collect();
    match command.as_deref() {
        Some("bench") => {
            let quick = rest.iter().any(|word| word == "--quick");
            let only = rest.iter().find(|word| !word.starts_with("--")).cloned();
            let only = only.map(|word| &*word.leak());
            let path = PathBuf::from("target/reports/bench.json");
            match bench::run(&bench::BenchConfig { quick, only }, &path) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => {
                    eprintln!("bench: {error}");
                    ExitCode::FAILURE
                }
            }
        }
        _ => {
            eprintln!("usage: starling-load bench [--quick] [part]");
            ExitCode::FAILURE
        }
    }
}
