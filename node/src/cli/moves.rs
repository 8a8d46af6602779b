//! `starling rooms move`: begins a move and says how far it is, until it is over.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use serde::Serialize;
use starling_client::Client;
use starling_proto::{
    NodeId, PeerId, RoomId,
    rest::{MoveRoom, NodeMoving, RoomMoving},
};

use super::{
    output::{self, Failure, Format, Line, note},
    remote::Remote,
};

/// Between two looks.
const LOOK: Duration = Duration::from_millis(500);
/// A node asks a client for a minute; it then has a few seconds to go.
const LONGEST: Duration = Duration::from_secs(65);

/// What leaves one node.
#[derive(Serialize)]
struct Leaving<'a> {
    room: &'a RoomId,
    to: &'a NodeId,
    #[serde(flatten)]
    from: &'a NodeMoving,
}

impl Line for Leaving<'_> {
    const HEAD: &'static [&'static str] = &["room", "from", "to", "clients", "staying"];

    fn name(&self) -> String {
        self.from.node.to_string()
    }

    fn cells(&self) -> Vec<String> {
        let NodeMoving { node, clients, others } = self.from;
        let ids = [self.room.to_string(), node.to_string(), self.to.to_string()];
        ids.into_iter().chain([clients, others].map(ToString::to_string)).collect()
    }
}

/// Does it.
///
/// # Errors
/// What the node said, and that some have not gone.
pub(super) async fn run(
    remote: &Remote,
    client: &Client,
    room: &RoomId,
    wish: &MoveRoom,
    wait: bool,
) -> Result<(), Failure> {
    let moving = client.move_room(room, wish).await?;
    if wait {
        watch(client, &moving).await?;
    }
    if !matches!(remote.output, Format::Table | Format::Wide | Format::Name) {
        return output::value(remote.output, &serde_json::json!(moving));
    }
    let RoomMoving { room, to, nodes } = &moving;
    remote.show_all(&nodes.iter().map(|from| Leaving { room, to, from }).collect::<Vec<_>>())
}

async fn watch(client: &Client, moving: &RoomMoving) -> Result<(), Failure> {
    let RoomMoving { room, to, nodes } = moving;
    let all: usize = nodes.iter().map(|node| node.clients).sum();
    let stay: usize = nodes.iter().map(|node| node.others).sum();
    let from: BTreeSet<&NodeId> = nodes.iter().map(|node| &node.node).collect();
    let (end, mut said) = (Instant::now() + LONGEST, None);
    loop {
        let peers = client.peers(room).await?;
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
