//! The room's other nodes: links, snapshots, deltas.

use std::time::Instant;

use starling_cluster::decide::roster::Outcome;
use starling_proto::{
    NodeId,
    link::LinkMessage,
    roster::{Change, Snapshot},
};

use super::RoomState;
use crate::link_actor::LinkPort;

impl RoomState {
    pub(super) fn link_up(&mut self, port: LinkPort) {
        let node = port.node().clone();
        // Whatever came late over an earlier link: on this one, nothing has been told yet.
        self.members.remove(&node);
        self.links.insert(node, port);
    }

    /// Its flows are dead, its peers are kept for a while: they may come back, here or elsewhere.
    pub(super) fn link_down(&mut self, node: &NodeId) {
        self.links.remove(node);
        self.members.remove(node);
        self.lose_pulls(node);
        self.lose_data(node);
        self.floor.lose(node);
        let facts = self.replica.node_lost(Instant::now(), node);
        self.apply(facts);
    }

    pub(super) fn node_has_room(&mut self, node: &NodeId) {
        if self.links.contains_key(node) && self.members.insert(node.clone()) {
            self.send_snapshot(node);
            self.greet(node);
        }
    }

    pub(super) fn node_left_room(&mut self, node: &NodeId) {
        self.members.remove(node);
        // A room that failed there closed none of its pipes.
        self.lose_pulls(node);
        self.lose_data(node);
        self.floor.lose(node);
        let Some(port) = self.links.get(node) else { return };
        let facts = self.replica.node_gone(Instant::now(), node, port.link.epoch());
        self.apply(facts);
    }

    pub(super) fn send_snapshot(&self, node: &NodeId) {
        let Some(port) = self.links.get(node) else { return };
        let (room, snapshot) = (self.args.id.clone(), self.replica.snapshot());
        port.link.send(LinkMessage::Snapshot { room, snapshot });
    }

    pub(super) fn remote_snapshot(&mut self, node: &NodeId, snapshot: Snapshot) {
        self.node_has_room(node);
        let Some(epoch) = self.links.get(node).map(|port| port.link.epoch()) else { return };
        let outcome = self.replica.remote_snapshot(Instant::now(), node, epoch, snapshot);
        self.on_outcome(node, outcome);
        self.pull_again(node);
        self.pull_data_again(node);
    }

    pub(super) fn remote_delta(&mut self, node: &NodeId, seq: u64, change: &Change) {
        self.node_has_room(node);
        let Some(epoch) = self.links.get(node).map(|port| port.link.epoch()) else { return };
        let outcome = self.replica.remote_delta(Instant::now(), node, epoch, seq, change);
        self.on_outcome(node, outcome);
    }

    fn on_outcome(&mut self, node: &NodeId, outcome: Outcome) {
        if outcome.want_snapshot
            && let Some(port) = self.links.get(node)
        {
            port.link.send(LinkMessage::SnapshotWanted(self.args.id.clone()));
        }
        self.apply(outcome.facts);
    }
}
