//! `starling-load bench`: what Starling costs, each figure beside the least it could cost in the
//! same run.

mod cores;
mod dtls;
mod forward;
mod joins;
mod latency;
mod memory;
mod pipe;
mod report;

use std::{io, path::Path};

use report::Report;
pub(crate) use report::percentile;

/// How thorough.
#[derive(Clone, Debug)]
pub(crate) struct BenchConfig {
    /// A smoke test: one round of everything.
    pub(crate) quick: bool,
    /// Only this part, or this row of a part, as `forward_burst_gcm_100`.
    pub(crate) only: Option<String>,
}

/// Measures everything and writes `path`.
pub(crate) fn run(config: &BenchConfig, path: &Path) -> io::Result<()> {
    let mut report = Report::new();
    let wanted = |part: &str| {
        config.only.as_deref().is_none_or(|only| part.starts_with(only) || only.starts_with(part))
    };
    if wanted("forward") {
        forward::run(&mut report, if config.quick { 1 } else { 5 }, &wanted)?;
    }
    if wanted("cores") {
        cores::run(&mut report, if config.quick { 1 } else { 5 })?;
    }
    if wanted("latency") {
        latency::run(&mut report, if config.quick { 1 } else { 5 })?;
    }
    if wanted("pipe") {
        pipe::run(&mut report, if config.quick { 1 } else { 5 })?;
    }
    if wanted("memory") {
        memory::run(&mut report)?;
    }
    if wanted("joins") {
        joins::run(&mut report, config.quick)?;
    }
    if wanted("dtls") {
        dtls::run(&mut report, if config.quick { 20 } else { 200 })?;
    }
    report.write(path)
}
