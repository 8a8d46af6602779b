//! Which of the cluster's events this node tells: its own, and of what all nodes see alike those
//! that nobody nearer can tell. Of nodes that could tell the same, the first by id does.

use starling_cluster::decide::liveness::Verdict;
use starling_proto::{NodeId, RoomId, rest::Happening};

use super::actor::NodeTree;

impl NodeTree {
    fn tell(&self, what: Happening) {
        self.shared.journal.tell(what);
    }

    fn own(&self) -> NodeId {
        self.shared.config.id.clone()
    }

    /// This node is the first, by id, of those it has links with.
    pub(super) fn is_first(&self) -> bool {
        is_first(&self.shared.config.id, self.links.keys())
    }

    /// The registry knows this node.
    pub(super) fn tell_joined(&self) {
        self.tell(Happening::NodeJoined { node: self.own() });
    }

    pub(super) fn tell_draining(&self, emergency: bool) {
        self.tell(Happening::NodeDraining { node: self.own(), emergency });
    }

    pub(super) fn tell_cordoned(&self) {
        self.tell(Happening::NodeCordoned { node: self.own() });
    }

    pub(super) fn tell_undrained(&self) {
        self.tell(Happening::NodeUndrained { node: self.own() });
    }

    pub(super) fn tell_room_started(&self, room: &RoomId) {
        self.tell(Happening::RoomStarted { room: room.clone() });
    }

    pub(super) fn tell_room_ended(&self, room: &RoomId, deleted: bool) {
        self.tell(Happening::RoomEnded { room: room.clone(), deleted });
    }

    pub(super) fn tell_link_up(&self, node: &NodeId) {
        if self.shared.config.id < *node {
            self.tell(Happening::LinkUp { from: self.own(), to: node.clone() });
        }
    }

    /// Of a node that is gone nobody else tells.
    pub(super) fn tell_link_down(&self, node: &NodeId, verdict: Verdict, left: bool) {
        let gone = verdict == Verdict::Node;
        if gone || self.shared.config.id < *node {
            let (from, to) = (self.own().min(node.clone()), self.own().max(node.clone()));
            self.tell(Happening::LinkDown { from, to });
        }
        if gone {
            self.tell_node_gone(node, left);
        }
    }

    /// To be called when the node is no longer among the links.
    pub(super) fn tell_node_gone(&self, node: &NodeId, left: bool) {
        if self.is_first() {
            let node = node.clone();
            self.tell(if left {
                Happening::NodeLeft { node }
            } else {
                Happening::NodeLost { node }
            });
        }
    }
}

/// Whether `own` is before all `others`.
pub(crate) fn is_first<'a>(own: &NodeId, others: impl IntoIterator<Item = &'a NodeId>) -> bool {
    others.into_iter().all(|other| own < other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_any_nodes_one_is_the_first() {
        let nodes: Vec<NodeId> = ["b", "a", "c"].map(|id| id.parse().unwrap()).into();
        let first =
            nodes.iter().filter(|own| is_first(own, nodes.iter().filter(|other| other != own)));
        assert_eq!(first.map(ToString::to_string).collect::<Vec<_>>(), ["a"]);
        assert!(is_first(&nodes[2], []));
    }
}
