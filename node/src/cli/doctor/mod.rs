//! `starling doctor`: what is wrong with a node's settings, its machine and its cluster, each with
//! a line that mends it. It looks, and changes nothing. This file runs the examinations.

mod addresses;
mod certificates;
mod clocks;
mod cluster;
mod finding;
mod machine;
mod ports;
mod registry;

use std::{path::PathBuf, time::SystemTime};

use self::finding::{Finding, Level};
use super::{
    node::{Given, given},
    output::{self, Failure, Format, Paint, Shown, note},
};
use crate::config::{Flags, Registry};

/// Looks for what is wrong with a node's settings, its machine and its cluster. Takes the settings
/// as `starling node` does; works beside a running node and without one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exits with 1 if anything is an error.")]
pub(super) struct Doctor {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
    /// Shows what is fine, too.
    #[arg(long)]
    all: bool,
    /// Where the kernel tells of itself.
    #[arg(long, hide = true, default_value = "/proc")]
    proc: PathBuf,
    /// This machine's clock is taken for so many seconds later than it is.
    #[arg(long, hide = true, default_value_t = 0)]
    clock_ahead: u64,
    #[command(flatten)]
    flags: Flags,
}

/// Does it.
///
/// # Errors
/// That something is wrong.
pub(super) fn run(doctor: &Doctor) -> Result<(), Failure> {
    let given = given(&doctor.flags);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(error.to_string()))?;
    let found = runtime.block_on(examine(doctor, &given));
    // Whoever still waits for an etcd that is not there need not be waited for.
    runtime.shutdown_background();
    show(doctor, &found)
}

async fn examine(doctor: &Doctor, given: &Given) -> Vec<Finding> {
    let Given { config, mistakes, .. } = given;
    let now = SystemTime::now() + std::time::Duration::from_secs(doctor.clock_ahead);
    let mut found: Vec<Finding> = mistakes.iter().map(finding::of_mistake).collect();
    if mistakes.is_empty() {
        found.push(Finding::fine("settings", "a node can use them"));
    }
    found.extend(addresses::examine(config));
    found.extend(ports::examine(config).await);
    found.extend(machine::examine(&doctor.proc, config));
    found.extend(certificates::examine(config, now));
    if let Registry::Etcd(etcd) = &config.registry {
        let (told, nodes) = registry::examine(config).await;
        found.extend(told);
        found.extend(clocks::of_etcd(etcd, now).await);
        found.extend(cluster::examine(config, &nodes, now).await);
    }
    found
}

fn show(doctor: &Doctor, found: &[Finding]) -> Result<(), Failure> {
    let wrong = found.iter().filter(|it| it.level == Level::Error).count();
    let odd = found.iter().filter(|it| it.level == Level::Warning).count();
    let kept: Vec<Finding> =
        found.iter().filter(|it| doctor.all || it.level != Level::Ok).cloned().collect();
    match doctor.output {
        Format::Table | Format::Wide => output::print(&finding::text(&kept, Paint::of_stdout()))?,
        other => Shown::All(&kept).print(other)?,
    }
    let fine = found.len() - wrong - odd;
    note(&format!("{fine} fine, {odd} to look at, {wrong} wrong"));
    match wrong {
        0 => Ok(()),
        1 => Err(Failure::Failed("one thing is wrong".to_owned())),
        n => Err(Failure::Failed(format!("{n} things are wrong"))),
    }
}
