//! `starling links` and `starling pipes`.

use clap::Subcommand;
use starling_proto::{
    NodeId, RoomId,
    rest::{LinkInfo, Links as LinksTold, PipeInfo, Pipes as PipesTold},
};

use super::{
    output::{self, Failure, Format, note},
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
        #[arg(long)]
        node: Option<NodeId>,
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
        room: Option<RoomId>,
        /// Only those to this node.
        #[arg(long)]
        node: Option<NodeId>,
    },
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run_links(Links { verb, remote }: Links) -> Result<(), Failure> {
    let LinksVerb::List { node } = verb;
    let links: Vec<LinkInfo> = match node {
        Some(node) => remote.fetch(&format!("/v1/nodes/{node}/links")).await?,
        None => {
            let told: LinksTold = remote.fetch("/v1/links").await?;
            tell_missing(&told.missing);
            told.links
        }
    };
    if remote.output == Format::Json {
        return output::json(&links);
    }
    let rows = links.iter().map(|link| {
        vec![
            link.from.to_string(),
            link.to.to_string(),
            link.protocol.to_string(),
            format!("{:.1}", link.rtt_p50_ms),
            format!("{:.1}", link.rtt_p99_ms),
            size(link.bytes_sent),
            size(link.bytes_received),
            (link.shed_video + link.shed_audio + link.shed_control).to_string(),
            link.quic_packets_lost.to_string(),
        ]
    });
    let head =
        ["from", "to", "protocol", "rtt p50 ms", "p99 ms", "sent", "received", "shed", "lost"];
    output::table(&head, &rows.collect::<Vec<_>>())
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run_pipes(Pipes { verb, remote }: Pipes) -> Result<(), Failure> {
    let PipesVerb::List { room, node } = verb;
    let mut pipes: Vec<PipeInfo> = match node {
        Some(node) => remote.fetch(&format!("/v1/nodes/{node}/pipes")).await?,
        None => {
            let told: PipesTold = remote.fetch("/v1/pipes").await?;
            tell_missing(&told.missing);
            told.pipes
        }
    };
    pipes.retain(|pipe| room.as_ref().is_none_or(|room| pipe.room == *room));
    if remote.output == Format::Json {
        return output::json(&pipes);
    }
    let head = [
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
    output::table(&head, &pipes.iter().map(row).collect::<Vec<_>>())
}

fn row(pipe: &PipeInfo) -> Vec<String> {
    let mut way: Vec<_> = pipe.path.iter().map(ToString::to_string).collect();
    if way.is_empty() {
        way.push(pipe.from.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string));
    }
    way.push(pipe.to.to_string());
    let layers: Vec<_> = pipe.layers.iter().map(ToString::to_string).collect();
    let used = match (pipe.used, pipe.passed_on_to.len()) {
        (true, 0) => "here".to_owned(),
        (true, n) => format!("here, +{n}"),
        (false, n) => format!("+{n}"),
    };
    vec![
        pipe.room.to_string(),
        pipe.producer.to_string(),
        way.join(" > "),
        if layers.is_empty() { "-".to_owned() } else { layers.join(",") },
        format!("{} kb/s", pipe.bitrate / 1000),
        size(pipe.bytes),
        pipe.lost.to_string(),
        pipe.repaired.to_string(),
        pipe.round_trip_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.1} ms")),
        used,
    ]
}

fn tell_missing(missing: &[NodeId]) {
    for node in missing {
        note(&format!("{node} did not answer"));
    }
}

fn size(bytes: u64) -> String {
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
        assert_eq!(row(&pipe).join("|"), line);
    }
}
