//! `starling links` and `starling pipes`.

use clap::Subcommand;
use clap_complete::engine::ArgValueCompleter;
use starling_proto::{
    NodeId, RoomId,
    rest::{LinkInfo, PipeInfo},
};

use super::{
    live,
    look::Look,
    output::{Failure, Line, note, or_dash},
    remote::Remote,
};

/// Links between nodes.
#[derive(Debug, clap::Args)]
pub(super) struct Links {
    #[command(subcommand)]
    verb: LinksVerb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum LinksVerb {
    /// All links, from both ends.
    #[command(visible_alias = "ls")]
    List {
        /// Only those of this node.
        #[arg(long, add = ArgValueCompleter::new(live::nodes))]
        node: Option<NodeId>,
        #[command(flatten)]
        look: Look,
    },
}

/// Streams that nodes pull from each other.
#[derive(Debug, clap::Args)]
pub(super) struct Pipes {
    #[command(subcommand)]
    verb: PipesVerb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum PipesVerb {
    /// All pipes, each from the node that it comes to.
    #[command(visible_alias = "ls")]
    List {
        /// Only those of this room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: Option<RoomId>,
        /// Only those to this node.
        #[arg(long, add = ArgValueCompleter::new(live::nodes))]
        node: Option<NodeId>,
        #[command(flatten)]
        look: Look,
    },
}

impl Line for LinkInfo {
    const HEAD: &'static [&'static str] =
        &["from", "to", "protocol", "rtt p50 ms", "p99 ms", "sent", "received", "shed", "lost"];
    const WIDE: &'static [&'static str] =
        &["packets out", "packets in", "shed video", "shed audio", "split", "datagram"];

    fn name(&self) -> String {
        format!("{}/{}", self.from, self.to)
    }

    fn cells(&self) -> Vec<String> {
        vec![
            self.from.to_string(),
            self.to.to_string(),
            self.protocol.to_string(),
            format!("{:.1}", self.rtt_p50_ms),
            format!("{:.1}", self.rtt_p99_ms),
            size(self.bytes_sent),
            size(self.bytes_received),
            (self.shed_video + self.shed_audio + self.shed_control).to_string(),
            self.quic_packets_lost.to_string(),
        ]
    }

    fn wide(&self) -> Vec<String> {
        let counts = [
            self.packets_sent,
            self.packets_received,
            self.shed_video,
            self.shed_audio,
            self.split,
            self.datagram_bytes,
        ];
        counts.iter().map(ToString::to_string).collect()
    }
}

impl Line for PipeInfo {
    const HEAD: &'static [&'static str] = &[
        "room",
        "producer",
        "way",
        "layers",
        "rate",
        "received",
        "lost",
        "repaired",
        "round trip",
        "used",
    ];
    const WIDE: &'static [&'static str] = &["kind", "packets", "hops"];

    fn name(&self) -> String {
        format!("{}/{}/{}", self.room, self.producer, self.to)
    }

    fn cells(&self) -> Vec<String> {
        let mut way: Vec<_> = self.path.iter().map(ToString::to_string).collect();
        if way.is_empty() {
            way.push(or_dash(self.from.as_ref().map(ToString::to_string).unwrap_or_default()));
        }
        way.push(self.to.to_string());
        let layers: Vec<_> = self.layers.iter().map(ToString::to_string).collect();
        let used = match (self.used, self.passed_on_to.len()) {
            (true, 0) => "here".to_owned(),
            (true, n) => format!("here, +{n}"),
            (false, n) => format!("+{n}"),
        };
        vec![
            self.room.to_string(),
            self.producer.to_string(),
            way.join(" > "),
            or_dash(layers.join(",")),
            format!("{} kb/s", self.bitrate / 1000),
            size(self.bytes),
            self.lost.to_string(),
            self.repaired.to_string(),
            self.round_trip_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms")),
            used,
        ]
    }

    fn wide(&self) -> Vec<String> {
        let kind = format!("{:?}", self.kind).to_lowercase();
        vec![kind, self.packets.to_string(), self.hops.to_string()]
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run_links(Links { verb, remote }: Links) -> Result<(), Failure> {
    let LinksVerb::List { node, look } = verb;
    let client = remote.client()?;
    let fetch = async || match &node {
        Some(node) => Ok(client.links_of(node).await?),
        None => {
            let told = client.links().await?;
            tell_missing(&told.missing);
            Ok(told.links)
        }
    };
    look.all(remote.output, fetch).await
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run_pipes(Pipes { verb, remote }: Pipes) -> Result<(), Failure> {
    let PipesVerb::List { room, node, look } = verb;
    let client = remote.client()?;
    let fetch = async || {
        let mut pipes = match &node {
            Some(node) => client.pipes_of(node).await?,
            None => {
                let told = client.pipes().await?;
                tell_missing(&told.missing);
                told.pipes
            }
        };
        pipes.retain(|pipe| room.as_ref().is_none_or(|room| pipe.room == *room));
        Ok(pipes)
    };
    look.all(remote.output, fetch).await
}

fn tell_missing(missing: &[NodeId]) {
    for node in missing {
        note(&format!("{node} did not answer"));
    }
}

pub(super) fn size(bytes: u64) -> String {
    match bytes {
        0..1_000_000 => format!("{:.1} kB", bytes as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} MB", bytes as f64 / 1e6),
        _ => format!("{:.1} GB", bytes as f64 / 1e9),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_pipe_is_a_line_with_its_whole_way() {
        let pipe: PipeInfo = serde_json::from_value(json!({
            "room": "demo", "producer": "p1", "kind": "video", "from": "us-1", "to": "us-2",
            "path": ["eu-1", "us-1"], "hops": 2, "passedOnTo": ["us-3"], "used": true,
            "layers": [0, 2], "packets": 10, "bytes": 12_345_678, "bitrate": 1_500_000,
            "lost": 0, "repaired": 3, "roundTripMs": 1.25
        }))
        .unwrap();
        let line = "demo|p1|eu-1 > us-1 > us-2|0,2|1500 kb/s|12.3 MB|0|3|1.2 ms|here, +1";
        assert_eq!(pipe.cells().join("|"), line);
    }
}
