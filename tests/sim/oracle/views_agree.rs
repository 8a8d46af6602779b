//! Soon after all is mended, all nodes of a room see the same people, and each is where they say.

use std::collections::BTreeMap;

use starling_proto::{NodeId, PeerId, ProducerId, RoomId};

/// A peer as a node sees it: where, which session, and what it sends.
pub(in crate::sim) type Seen = (NodeId, u64, Vec<ProducerId>);

/// A room as a node sees it.
#[derive(Clone, Debug)]
pub(in crate::sim) struct RoomView {
    pub(in crate::sim) node: NodeId,
    pub(in crate::sim) room: RoomId,
    pub(in crate::sim) peers: BTreeMap<PeerId, Seen>,
    /// Those that are on this node.
    pub(in crate::sim) own: BTreeMap<PeerId, u64>,
}

pub(super) fn check(views: &[RoomView]) -> Option<String> {
    for view in views {
        let of_room = || views.iter().filter(|other| other.room == view.room);
        if let Some(other) = of_room().find(|other| other.peers != view.peers) {
            let ours = view.peers.iter().find(|(peer, seen)| other.peers.get(peer) != Some(seen));
            let theirs = other.peers.iter().find(|(peer, seen)| view.peers.get(peer) != Some(seen));
            let (room, a, b) = (&view.room, &view.node, &other.node);
            return Some(format!("{room}: {a} sees {ours:?}, {b} sees {theirs:?}"));
        }
        for (peer, (node, incarnation, _)) in &view.peers {
            let there = of_room().find(|other| other.node == *node);
            if there.and_then(|there| there.own.get(peer)) != Some(incarnation) {
                let room = &view.room;
                return Some(format!("{room}: {peer} is not on {node} as {incarnation}"));
            }
        }
    }
    None
}
