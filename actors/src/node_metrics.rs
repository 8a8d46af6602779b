//! What a node knows of itself and its cluster as figures for operators.

use std::time::Duration;

use starling_cluster::decide::liveness::LivenessCounters;
use starling_proto::registry::{NodeCost, NodeLoad};

use crate::Metric;

/// All of it, at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct NodeFigures {
    pub(crate) version: String,
    /// Newest link protocol it speaks.
    pub(crate) protocol: u16,
    /// Microseconds since 1970 at the start of this life.
    pub(crate) epoch: u64,
    pub(crate) load: NodeLoad,
    pub(crate) cost: NodeCost,
    pub(crate) draining: bool,
    pub(crate) links: usize,
    pub(crate) nodes: usize,
    pub(crate) registry_available: bool,
    /// Absent where there are no leases, and before the first.
    pub(crate) lease_age: Option<Duration>,
    pub(crate) sessions: u64,
    pub(crate) resumed: u64,
    pub(crate) refused: u64,
    pub(crate) joins_waiting: usize,
    /// Of links.
    pub(crate) liveness: LivenessCounters,
    pub(crate) epochs_refused: u64,
    pub(crate) renewals: u64,
    /// Changes of active speakers, messages to nodes.
    pub(crate) speakers: (u64, u64),
}

/// Appends them.
pub(crate) fn append(metrics: &mut Vec<Metric>, of: &NodeFigures) {
    metrics.extend(itself(of));
    metrics.extend(cluster(of));
    metrics.extend(sessions(of));
    metrics.extend(liveness(of));
    metrics.extend(of.lease_age.map(|age| {
        let help = "Since the node's lease in the registry was last renewed; it ends after 5 s.";
        Metric::gauge("starling_registry_lease_age_seconds", help, age.as_secs_f64())
    }));
}

fn itself(of: &NodeFigures) -> [Metric; 8] {
    const BUILD: &str = "1, with the release and the newest link protocol as labels.";
    const STRESS: &str =
        "Share in use of what the node has least of: cores, network, timeliness, memory.";
    const MEMORY: &str = "Share of the container's or machine's memory that is in use.";
    let (load, cost, gauge) = (&of.load, &of.cost, Metric::gauge);
    [
        gauge("starling_build_info", BUILD, 1.0)
            .label("version", of.version.clone())
            .label("protocol", of.protocol.to_string()),
        gauge(
            "starling_start_time_seconds",
            "When this life of the node began, since 1970.",
            of.epoch as f64 / 1e6,
        ),
        gauge("starling_peers", "Sessions on this node.", load.peers.into()),
        gauge("starling_rooms", "Rooms with peers on this node.", load.rooms.into()),
        gauge("starling_stress", STRESS, f64::from(load.stress)),
        gauge(
            "starling_control_delay_seconds",
            "How late timers of the control plane are.",
            f64::from(cost.delay_ms) / 1e3,
        ),
        gauge("starling_memory_used_ratio", MEMORY, f64::from(cost.memory)),
        gauge(
            "starling_draining",
            "1 while the node takes no new peers: it is draining or cordoned.",
            f64::from(u8::from(of.draining)),
        ),
    ]
}

fn cluster(of: &NodeFigures) -> [Metric; 5] {
    const EPOCHS: &str =
        "Connections refused because they came from a life of a node that is over.";
    let (count, gauge) = (Metric::counter, Metric::gauge);
    [
        gauge("starling_links", "Links that are up.", of.links as f64),
        gauge("starling_nodes", "Nodes known, this one included.", of.nodes as f64),
        gauge(
            "starling_registry_available",
            "1 while the registry answers.",
            f64::from(u8::from(of.registry_available)),
        ),
        count("starling_epochs_refused_total", EPOCHS, of.epochs_refused),
        count(
            "starling_lives_renewed_total",
            "Times this node was given up by others and began anew.",
            of.renewals,
        ),
    ]
}

fn sessions(of: &NodeFigures) -> [Metric; 6] {
    const RESUMED: &str =
        "Sessions let in with a resume ticket: clients that moved here or whose node was lost.";
    const CHANGES: &str =
        "Times a room's active speaker was another than before, as this node saw it.";
    const TOLD: &str = "Messages to other nodes about who is heard in a room.";
    let (count, gauge) = (Metric::counter, Metric::gauge);
    [
        count("starling_sessions_total", "Sessions let in.", of.sessions),
        count("starling_sessions_resumed_total", RESUMED, of.resumed),
        count("starling_sessions_refused_total", "Sessions refused.", of.refused),
        gauge(
            "starling_joins_waiting",
            "Joins that wait for their room's record.",
            of.joins_waiting as f64,
        ),
        count("starling_active_speaker_changes_total", CHANGES, of.speakers.0),
        count("starling_voices_told_total", TOLD, of.speakers.1),
    ]
}

fn liveness(of: &NodeFigures) -> [Metric; 5] {
    const VERDICTS: &str =
        "Silent or ended links: the link alone is bad, or the node is out of reach.";
    let (seen, count) = (&of.liveness, Metric::counter);
    let verdict = |about: &str, n| {
        count("starling_link_verdicts_total", VERDICTS, n).label("about", about.to_owned())
    };
    [
        count(
            "starling_link_probes_total",
            "Datagrams sent on silent links only to be acknowledged.",
            seen.probes,
        ),
        count(
            "starling_link_suspicions_total",
            "Links that gave no answer for 400 ms.",
            seen.suspicions,
        ),
        count(
            "starling_link_questions_total",
            "Questions to other nodes whether they reach one.",
            seen.asked,
        ),
        verdict("link", seen.links),
        verdict("node", seen.nodes),
    ]
}
