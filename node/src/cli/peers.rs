//! `starling peers`.

use axum::http::Method;
use clap::Subcommand;
use starling_proto::{PeerId, RoomId, rest::PeerInfo};

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
    /// Sends a peer away.
    #[command(visible_alias = "rm")]
    Remove {
        /// The room.
        room: RoomId,
        /// The peer.
        peer: PeerId,
    },
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
        Verb::Remove { room, peer } => {
            let path = format!("/v1/rooms/{room}/peers/{peer}");
            let () = remote.ask(Method::DELETE, &path, None::<&()>).await?;
            note(&format!("peer {peer} removed from room {room}"));
            Ok(())
        }
    }
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
