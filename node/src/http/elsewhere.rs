//! Where else a client may go that this node does not take in. Never does: decide that it must.

use starling_proto::{
    RoomId,
    rest::{ClientAt, NodeInfo},
};

use super::App;

/// The nodes that the placement names for a room, without this one, best first.
pub(crate) async fn nodes(app: &App, room: &RoomId) -> Vec<NodeInfo> {
    let Ok(placement) = app.node.place(room, ClientAt::default()).await else { return Vec::new() };
    let known = app.node.nodes().await;
    let named = std::iter::once(&placement.node).chain(&placement.standby);
    let mut nodes: Vec<NodeInfo> = Vec::new();
    for id in named.filter(|id| *id != app.node.id()) {
        let fresh = nodes.iter().all(|node| node.id != *id);
        nodes.extend(known.iter().find(|node| node.id == *id && fresh).cloned());
    }
    nodes
}
