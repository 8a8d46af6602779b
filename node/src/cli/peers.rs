//! `starling peers`.

use axum::http::Method;
use clap::{Subcommand, ValueEnum};
use starling_proto::{
    NodeId, PeerId, RoomId,
    rest::{MovePeer, PeerInfo, PeerMoved, PeerObjects, TransportKind},
};

use super::{
    output::{self, Failure, Format, note},
    remote::Remote,
};

/// Peers.
#[derive(Debug, clap::Args)]
pub(super) struct Peers {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    remote: Remote,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Peers of a room, on all nodes.
    #[command(visible_alias = "ls")]
    List {
        /// The room.
        room: RoomId,
    },
    /// Ids of a peer's transports, producers and consumers.
    Get {
        /// The room.
        room: RoomId,
        /// The peer.
        peer: PeerId,
    },
    /// What the node holds of one of them, or with `--stats` counts, as JSON.
    Inspect {
        /// The room.
        room: RoomId,
        /// The peer.
        peer: PeerId,
        /// What it is.
        kind: Kind,
        /// Its id, as `get` shows it.
        id: String,
        /// Counts instead.
        #[arg(long)]
        stats: bool,
    },
    /// Moves a peer to another node; its client hears and shows no gap.
    Move {
        /// The room.
        room: RoomId,
        /// The peer.
        peer: PeerId,
        /// The node; without it, the one where a join would be placed.
        #[arg(long)]
        to: Option<NodeId>,
    },
    /// Sends a peer away.
    #[command(visible_alias = "rm")]
    Remove {
        /// The room.
        room: RoomId,
        /// The peer.
        peer: PeerId,
    },
}

/// What of a peer is looked at.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Kind {
    Transport,
    Producer,
    Consumer,
}

impl Kind {
    const fn path(self) -> &'static str {
        match self {
            Self::Transport => "transports",
            Self::Producer => "producers",
            Self::Consumer => "consumers",
        }
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Peers { verb, remote }: Peers) -> Result<(), Failure> {
    match verb {
        Verb::List { room } => {
            let peers: Vec<PeerInfo> = remote.fetch(&format!("/v1/rooms/{room}/peers")).await?;
            if remote.output == Format::Json {
                return output::json(&peers);
            }
            let rows: Vec<_> = peers.iter().map(row).collect();
            output::table(&["peer", "name", "node", "state", "sends"], &rows)
        }
        Verb::Get { room, peer } => {
            let path = format!("/v1/rooms/{room}/peers/{peer}");
            let objects: PeerObjects = remote.fetch(&path).await?;
            if remote.output == Format::Json {
                return output::json(&objects);
            }
            output::table(&["what", "id", "on transport", "of"], &rows(&objects))
        }
        Verb::Inspect { room, peer, kind, id, stats } => {
            let tail = if stats { "/stats" } else { "" };
            let path = format!("/v1/rooms/{room}/peers/{peer}/{}/{id}{tail}", kind.path());
            let seen: serde_json::Value = remote.fetch(&path).await?;
            output::json(&seen)
        }
        Verb::Move { room, peer, to } => {
            let path = format!("/v1/rooms/{room}/peers/{peer}/move");
            let moved: PeerMoved = remote.ask(Method::POST, &path, Some(&MovePeer { to })).await?;
            if remote.output == Format::Json {
                return output::json(&moved);
            }
            let row = vec![moved.peer.to_string(), moved.from.to_string(), moved.to.to_string()];
            output::table(&["peer", "from", "to"], &[row])
        }
        Verb::Remove { room, peer } => {
            let path = format!("/v1/rooms/{room}/peers/{peer}");
            let () = remote.ask(Method::DELETE, &path, None::<&()>).await?;
            note(&format!("peer {peer} removed from room {room}"));
            Ok(())
        }
    }
}

fn rows(objects: &PeerObjects) -> Vec<Vec<String>> {
    let transports = objects.transports.iter().map(|transport| {
        let kind = match transport.kind {
            TransportKind::Webrtc => "webrtc transport",
            TransportKind::Plain => "plain transport",
            TransportKind::Direct => "direct transport",
        };
        vec![kind.to_owned(), transport.id.to_string(), "-".to_owned(), "-".to_owned()]
    });
    let producers = objects.producers.iter().map(|producer| {
        let (id, on) = (producer.id.to_string(), producer.transport_id.to_string());
        vec!["producer".to_owned(), id, on, producer.source.clone()]
    });
    let consumers = objects.consumers.iter().map(|consumer| {
        let (id, on) = (consumer.id.to_string(), consumer.transport_id.to_string());
        vec!["consumer".to_owned(), id, on, consumer.producer_id.to_string()]
    });
    transports.chain(producers).chain(consumers).collect()
}

fn row(peer: &PeerInfo) -> Vec<String> {
    let sends = peer.producers.iter().map(|producer| {
        let paused = if producer.paused { " (paused)" } else { "" };
        format!("{} {}{paused}", producer.source, producer.mime_type)
    });
    let sends = sends.collect::<Vec<_>>().join(", ");
    vec![
        peer.id.to_string(),
        peer.display_name.clone(),
        peer.node.to_string(),
        if peer.lost { "lost" } else { "here" }.to_owned(),
        if sends.is_empty() { "-".to_owned() } else { sends },
    ]
}
