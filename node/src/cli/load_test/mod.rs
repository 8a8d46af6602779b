//! `starling load-test`: people who publish and people who watch, in a room of a running cluster;
//! what they got, and whether that is what was expected.

mod bar;
mod expect;
mod party;
mod report;

use std::time::Duration;

use starling_proto::RoomId;

pub(super) use self::party::{Party, SETTLE};
use self::{expect::Expectation, report::Report};
use super::{
    output::{self, Failure, Format, Line, Shown},
    remote::Remote,
};
use crate::config::value;

/// Most people of one process: each has two sockets and a task, and media of hundreds fills a core
/// long before this.
const MOST: usize = 5_000;

/// Brings people into a room and tells what they hear and see.
#[derive(Clone, Debug, clap::Args)]
#[command(
    after_help = "Expectations: loss, first-loss (%), p50, p95, p99, max, join-p99 (ms), freezes, \
                        joined, streams (%); with <, <=, >, >= or =. As: loss<0.1%,p99<20ms,streams=100%\n\
                        An expectation that is not met ends with exit code 6."
)]
pub(super) struct LoadTest {
    /// The room; it need not exist.
    #[arg(long, default_value = "load-test")]
    room: RoomId,
    /// People with a camera and a microphone, who also watch each other with --all-watch.
    #[arg(long, default_value_t = 2, value_name = "NUMBER")]
    publishers: usize,
    /// People who only watch.
    #[arg(long, default_value_t = 10, value_name = "NUMBER")]
    subscribers: usize,
    /// Publishers watch, too.
    #[arg(long)]
    all_watch: bool,
    /// How long is measured, after everybody has come and 2 s more.
    #[arg(long, default_value = "10s", value_parser = time, value_name = "TIME")]
    duration: Duration,
    /// Each camera's encodings, the smallest first, at most three; `none` for no camera.
    #[arg(long, default_value = "100,300,900", value_parser = ladder, value_name = "KBPS,…")]
    ladder: Ladder,
    /// Pictures per second of each camera.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..=60))]
    fps: u32,
    /// Without microphones.
    #[arg(long)]
    no_audio: bool,
    /// People who come in a second.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    rate: u32,
    /// All on the node that is asked, in place of where each is placed.
    #[arg(long)]
    here: bool,
    /// What must hold, as loss<0.1%,p99<20ms.
    #[arg(long, value_delimiter = ',', value_name = "WHAT,…")]
    expect: Vec<Expectation>,
    #[command(flatten)]
    remote: Remote,
}

impl LoadTest {
    /// So many people, all on this node, with what people have by default.
    ///
    /// # Errors
    /// None, as long as flags are called so.
    pub(super) fn of(
        publishers: usize,
        subscribers: usize,
        duration: Duration,
        remote: Remote,
    ) -> Result<Self, Failure> {
        let wrong = |error: clap::Error| Failure::Failed(error.to_string());
        let command = <Self as clap::Args>::augment_args(clap::Command::new("load-test"));
        let given = command.try_get_matches_from(["load-test", "--here"]).map_err(wrong)?;
        let default = <Self as clap::FromArgMatches>::from_arg_matches(&given).map_err(wrong)?;
        Ok(Self { publishers, subscribers, duration, remote, ..default })
    }
}

/// Encodings of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Ladder(Vec<u32>);

fn ladder(text: &str) -> Result<Ladder, String> {
    if text == "none" {
        return Ok(Ladder(Vec::new()));
    }
    let all: Result<Vec<u32>, _> = text.split(',').map(|part| part.trim().parse()).collect();
    let all =
        all.ok().filter(|all| (1..=3).contains(&all.len()) && all.iter().all(|kbps| *kbps > 0));
    all.map(Ladder)
        .ok_or_else(|| "write it as 100,300,900, one to three numbers, or none".to_owned())
}

fn time(text: &str) -> Result<Duration, String> {
    let time = value::duration(text).filter(|time| !time.is_zero());
    time.ok_or_else(|| "write it as 30s, 2m or 1h".to_owned())
}

/// Does it.
///
/// # Errors
/// What the node said, and expectations that are not met.
pub(super) fn run(args: LoadTest) -> Result<(), Failure> {
    let people = args.publishers + args.subscribers;
    if people == 0 || people > MOST {
        return Err(Failure::Usage(vec![format!("{people} people: give 1 to {MOST}")]));
    }
    // On all cores: a hundred handshakes at once are work.
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Failed(error.to_string()))?;
    let report = runtime.block_on(measured(&args));
    runtime.shutdown_background();
    let report = report?;
    match args.remote.output {
        Format::Table | Format::Wide | Format::Name => {
            Shown::All(&report.lines()).print(args.remote.output)?
        }
        other => output::value(other, &serde_json::json!(report))?,
    }
    let unmet = report.unmet();
    if unmet.is_empty() { Ok(()) } else { Err(Failure::Unmet(unmet)) }
}

async fn measured(args: &LoadTest) -> Result<Report, Failure> {
    let party = Party::gather(args).await?;
    let seen = party.measure(args.duration).await;
    Ok(Report::new(args, &seen))
}

/// A figure for people.
#[derive(Debug, serde::Serialize)]
struct Figure {
    what: &'static str,
    value: String,
}

impl Line for Figure {
    const HEAD: &'static [&'static str] = &["figure", "value"];

    fn name(&self) -> String {
        self.what.to_owned()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name(), self.value.clone()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ladder_has_one_to_three_steps() {
        assert_eq!(ladder("100, 300").unwrap(), Ladder(vec![100, 300]));
        assert_eq!(ladder("none").unwrap(), Ladder(vec![]));
        for bad in ["", "1,2,3,4", "100,x", "0"] {
            assert!(ladder(bad).is_err(), "{bad}");
        }
    }
}
