//! `starling rooms move`: begins a move and says how far it is, until it is over.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use axum::http::Method;
use starling_proto::{
    NodeId, PeerId, RoomId,
    rest::{MoveRoom, PeerInfo, RoomMoving},
};

use super::{
    output::{self, Failure, Format, note},
    remote::Remote,
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// A node asks a client for a minute; it then has a few seconds to go.
const LONGEST: Duration = Duration::from_secs(65);

/// Does it.
///
/// # Errors
/// What the node said, and that some have not gone.
pub(super) async fn run(
    remote: &Remote,
    room: &RoomId,
    wish: MoveRoom,
    wait: bool,
) -> Result<(), Failure> {
    let path = format!("/v1/rooms/{room}");
    let moving: RoomMoving = remote.ask(Method::POST, &format!("{path}/move"), Some(&wish)).await?;
    if wait {
        watch(remote, &moving).await?;
    }
    if remote.output == Format::Json {
        return output::json(&moving);
    }
    let row = |node: &starling_proto::rest::NodeMoving| {
        let counts = [node.clients, node.others].map(|count| count.to_string());
        let mut row = vec![room.to_string(), node.node.to_string(), moving.to.to_string()];
        row.extend(counts);
        row
    };
    let rows: Vec<_> = moving.nodes.iter().map(row).collect();
    output::table(&["room", "from", "to", "clients", "staying"], &rows)
}

async fn watch(remote: &Remote, moving: &RoomMoving) -> Result<(), Failure> {
    let RoomMoving { room, to, nodes } = moving;
    let all: usize = nodes.iter().map(|node| node.clients).sum();
    let stay: usize = nodes.iter().map(|node| node.others).sum();
    let from: BTreeSet<&NodeId> = nodes.iter().map(|node| &node.node).collect();
    let (end, mut said) = (Instant::now() + LONGEST, None);
    loop {
        let peers: Vec<PeerInfo> = remote.fetch(&format!("/v1/rooms/{room}/peers")).await?;
        let left = peers.into_iter().filter(|peer| from.contains(&peer.node) && !peer.lost);
        let left: Vec<PeerId> = left.map(|peer| peer.id).collect();
        let going = left.len().saturating_sub(stay);
        if said != Some(going) {
            note(&format!("{room}: {} of {all} clients are on {to}", all.saturating_sub(going)));
            said = Some(going);
        }
        if going == 0 {
            return Ok(());
        }
        if Instant::now() >= end {
            let names: Vec<_> = left.iter().map(ToString::to_string).collect();
            return Err(Failure::Failed(format!("these have not gone: {}", names.join(", "))));
        }
        tokio::time::sleep(LOOK).await;
    }
}
