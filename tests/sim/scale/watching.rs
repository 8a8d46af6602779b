//! A node that watches its links to all others while nothing is on them but what nodes tell each
//! other all the time. What a datagram costs is not in it.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use starling_cluster::decide::liveness::{Action, Liveness, POLL, Sample};
use starling_proto::NodeId;

use super::LOAD_EVERY;

/// Long enough to see a hundred polls and more.
const QUIET: Duration = Duration::from_secs(10);
/// Then one link falls silent, and is watched for so long.
const SILENT: Duration = Duration::from_secs(2);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Watching {
    /// How long each poll took.
    pub polls: Vec<Duration>,
    /// Probes a second, of all links.
    pub probes: f64,
    /// Links that were suspected and well.
    pub wronged: u64,
    /// How long a link was silent until it was given up.
    pub verdict: Duration,
}

/// The first node watches all others. Each answers at once, and whatever is sent.
pub(super) fn watch(nodes: &[NodeId]) -> Watching {
    let (begun, mut seen, mut liveness) =
        (Instant::now(), Watching::default(), Liveness::default());
    let links = nodes.get(1..).unwrap_or_default();
    let numbers: HashMap<_, _> = links.iter().zip(0..).collect();
    let mut samples = vec![Sample::default(); links.len()];
    links.iter().zip(0..).for_each(|(node, link)| liveness.link_up(begun, node, link, 1, true));
    let (deaf, silent) = (links.len() / 2, begun + QUIET);
    let mut now = begun;
    while now < silent + SILENT {
        let tells = (now - begun).as_millis() % LOAD_EVERY.as_millis() == 0;
        for (at, sample) in samples.iter_mut().enumerate() {
            sample.answers += u64::from(tells && (at != deaf || now < silent));
            liveness.sample(now, &links[at], at as u64, *sample);
        }
        let poll = Instant::now();
        let actions = liveness.poll(now);
        seen.polls.push(poll.elapsed());
        for action in actions {
            match action {
                Action::Probe(node) => {
                    let at = numbers[&node];
                    samples[at].answers += u64::from(at != deaf || now < silent);
                }
                Action::End { .. } => seen.verdict = now - silent,
                Action::Ask { .. } | Action::Changed { .. } => {}
            }
        }
        now += POLL;
        if now == silent {
            let counters = liveness.counters();
            (seen.probes, seen.wronged) =
                (counters.probes as f64 / QUIET.as_secs_f64(), counters.suspicions);
        }
        if seen.verdict > Duration::ZERO {
            break;
        }
    }
    seen
}
