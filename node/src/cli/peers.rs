//! `starling peers`.

use clap::{Subcommand, ValueEnum};
use clap_complete::engine::ArgValueCompleter;
use serde::Serialize;
use starling_client::Client;
use starling_proto::{
    NodeId, PeerId, RoomId,
    rest::{MovePeer, PeerInfo, PeerMoved, PeerObjects, TransportKind},
};

use super::{
    live,
    look::Look,
    output::{self, Failure, Format, Line, note, or_dash},
    remote::Remote,
    sure::{Deed, Sure},
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
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        #[command(flatten)]
        look: Look,
    },
    /// Ids of a peer's transports, producers and consumers.
    Get {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        /// The peer.
        peer: PeerId,
    },
    /// What the node holds of one of them, or with `--stats` counts, as JSON.
    Inspect {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
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
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        /// The peer.
        peer: PeerId,
        /// The node; without it, the one where a join would be placed.
        #[arg(long, add = ArgValueCompleter::new(live::nodes))]
        to: Option<NodeId>,
        #[command(flatten)]
        sure: Sure,
    },
    /// Sends a peer away.
    #[command(visible_alias = "rm")]
    Remove {
        /// The room.
        #[arg(add = ArgValueCompleter::new(live::rooms))]
        room: RoomId,
        /// The peer.
        peer: PeerId,
        #[command(flatten)]
        sure: Sure,
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

impl Line for PeerInfo {
    const HEAD: &'static [&'static str] = &["peer", "name", "node", "state", "sends"];
    const WIDE: &'static [&'static str] = &["data", "device"];

    fn name(&self) -> String {
        self.id.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let sends = self.producers.iter().map(|producer| {
            let paused = if producer.paused { " (paused)" } else { "" };
            format!("{} {}{paused}", producer.source, producer.mime_type)
        });
        vec![
            self.name(),
            self.display_name.clone(),
            self.node.to_string(),
            if self.lost { "lost" } else { "here" }.to_owned(),
            or_dash(sends.collect::<Vec<_>>().join(", ")),
        ]
    }

    fn wide(&self) -> Vec<String> {
        let labels = self.data_producers.iter().map(|data| data.label.as_str());
        let device = self.device.get("name").and_then(serde_json::Value::as_str);
        vec![or_dash(labels.collect::<Vec<_>>().join(", ")), or_dash(device.unwrap_or_default())]
    }
}

impl Line for PeerMoved {
    const HEAD: &'static [&'static str] = &["peer", "from", "to"];

    fn name(&self) -> String {
        self.peer.to_string()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.name(), self.from.to_string(), self.to.to_string()]
    }
}

/// One of a peer's objects.
#[derive(Debug, Serialize)]
struct Object {
    what: &'static str,
    id: String,
    transport: String,
    of: String,
}

impl Line for Object {
    const HEAD: &'static [&'static str] = &["what", "id", "on transport", "of"];

    fn name(&self) -> String {
        self.id.clone()
    }

    fn cells(&self) -> Vec<String> {
        vec![self.what.to_owned(), self.name(), self.transport.clone(), self.of.clone()]
    }
}

/// Does it.
///
/// # Errors
/// What the node said.
pub(super) async fn run(Peers { verb, remote }: Peers) -> Result<(), Failure> {
    let client = remote.client()?;
    match verb {
        Verb::List { room, look } => {
            look.all(remote.output, async || Ok(client.peers(&room).await?)).await
        }
        Verb::Get { room, peer } => {
            let objects = client.peer(&room, &peer).await?;
            match remote.output {
                Format::Table | Format::Wide | Format::Name => remote.show_all(&rows(&objects)),
                other => output::value(other, &serde_json::json!(objects)),
            }
        }
        Verb::Inspect { room, peer, kind, id, stats } => {
            let seen = client.inspect(&room, &peer, kind.path(), &id, stats).await?;
            output::value(remote.output, &seen)
        }
        Verb::Move { room, peer, to, sure } => {
            if !sure.may(remote.output, move_deed(&client, &room, &peer, to.as_ref())).await? {
                return Ok(());
            }
            remote.show(&client.move_peer(&room, &peer, &MovePeer { to }).await?)
        }
        Verb::Remove { room, peer, sure } => {
            if !sure.may(remote.output, remove_deed(&client, &room, &peer)).await? {
                return Ok(());
            }
            client.remove_peer(&room, &peer).await?;
            note(&format!("peer {peer} removed from room {room}"));
            Ok(())
        }
    }
}

/// The peer, or the node's own refusal that it is not there.
async fn found(client: &Client, room: &RoomId, peer: &PeerId) -> Result<PeerInfo, Failure> {
    let here = client.peers(room).await?.into_iter().find(|info| info.id == *peer);
    match here {
        Some(info) => Ok(info),
        None => {
            client.peer(room, peer).await?;
            Err(Failure::Failed(format!("peer {peer} is coming or leaving; try again")))
        }
    }
}

async fn move_deed(
    client: &Client,
    room: &RoomId,
    peer: &PeerId,
    to: Option<&NodeId>,
) -> Result<Deed, Failure> {
    let info = found(client, room, peer).await?;
    let to = match to {
        Some(node) => client.node(node).await?.id.to_string(),
        None => {
            let explained =
                client.explain(room, &starling_proto::rest::ClientAt::default()).await?;
            explained
                .node
                .map_or_else(|| "nowhere: no node takes it".to_owned(), |id| id.to_string())
        }
    };
    let then = vec![format!("it leaves {} and is on {to}, make before break", info.node)];
    Ok(Deed { would: format!("move peer {peer} of room {room}"), then })
}

async fn remove_deed(client: &Client, room: &RoomId, peer: &PeerId) -> Result<Deed, Failure> {
    let info = found(client, room, peer).await?;
    let then = vec![
        format!("its session on {} ends, and it may come again with its token", info.node),
        format!("{} streams end for the others", info.producers.len()),
    ];
    Ok(Deed { would: format!("remove peer {peer} from room {room}"), then })
}

fn rows(objects: &PeerObjects) -> Vec<Object> {
    let object =
        |what, id: String, transport: String, of: String| Object { what, id, transport, of };
    let transports = objects.transports.iter().map(|transport| {
        let kind = match transport.kind {
            TransportKind::Webrtc => "webrtc transport",
            TransportKind::Plain => "plain transport",
            TransportKind::Direct => "direct transport",
        };
        object(kind, transport.id.to_string(), "-".to_owned(), "-".to_owned())
    });
    let producers = objects.producers.iter().map(|it| {
        object("producer", it.id.to_string(), it.transport_id.to_string(), it.source.clone())
    });
    let consumers = objects.consumers.iter().map(|it| {
        let (id, on) = (it.id.to_string(), it.transport_id.to_string());
        object("consumer", id, on, it.producer_id.to_string())
    });
    transports.chain(producers).chain(consumers).collect()
}
