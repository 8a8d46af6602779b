//! The room's other nodes: `cluster::decide::exchange` decides what a link, a snapshot or a change
//! means, here it is carried out.

use std::time::Instant;

use starling_cluster::decide::{exchange::Exchanged, liveness::Verdict, roster::Local};
use starling_proto::{
    NodeId,
    roster::{Change, Known, Snapshot},
};

use super::RoomState;
use crate::link_actor::LinkPort;

impl RoomState {
    /// Tells the room's other nodes, then acts on the facts here.
    pub(super) fn carry_out(&mut self, local: Local) {
        let told = self.exchange.tell(local);
        self.after_exchange(told);
    }

    fn after_exchange(&mut self, told: Exchanged) {
        for (node, message) in told.send {
            if let Some(port) = self.links.get(&node) {
                port.link.send(message);
            }
        }
        if let Some(node) = told.met {
            self.meet_pulls();
            self.greet(&node);
            self.tell_all_muted(&node);
        }
        self.apply(told.facts);
    }

    pub(super) fn link_up(&mut self, port: LinkPort) {
        let node = port.node().clone();
        self.exchange.link_up(node.clone(), port.link.epoch());
        let facts = self.replica.node_life(Instant::now(), &node, port.link.epoch());
        self.links.insert(node, port);
        self.apply(facts);
    }

    /// Its flows are dead; its peers are not, if another node reaches theirs.
    pub(super) fn link_down(&mut self, node: &NodeId, verdict: Verdict) {
        self.links.remove(node);
        self.lose_pulls(node);
        self.lose_data(node);
        self.floor.lose(node);
        match verdict {
            Verdict::Link => {
                self.exchange.link_cut(node);
                self.meet_pulls();
                self.ask_rosters();
            }
            Verdict::Node => self.node_lost(node),
        }
    }

    /// Its peers go on, or come back.
    pub(super) fn node_found(&mut self, node: &NodeId) {
        self.exchange.node_found(node);
        self.meet_pulls();
        self.ask_rosters();
    }

    /// What nodes without a link have here is asked of others, if it is time.
    pub(super) fn ask_rosters(&mut self) {
        let told = self.exchange.ask(&self.replica, Instant::now());
        self.after_exchange(told);
    }

    pub(super) fn rosters_wanted(&mut self, by: &NodeId, known: &[Known]) {
        let told = self.exchange.rosters_wanted(&self.replica, by, known);
        self.after_exchange(told);
    }

    pub(super) fn roster(&mut self, by: &NodeId, of: (&NodeId, u64), snapshot: Option<Snapshot>) {
        let told = self.exchange.roster(&mut self.replica, Instant::now(), by, of, snapshot);
        self.after_exchange(told);
    }

    /// Its peers are kept for a while: they may come back, here or elsewhere.
    pub(super) fn node_lost(&mut self, node: &NodeId) {
        let told = self.exchange.link_down(&mut self.replica, Instant::now(), node);
        self.meet_pulls();
        self.after_exchange(told);
    }

    pub(super) fn node_has_room(&mut self, node: &NodeId) {
        let told = self.exchange.node_has_room(&self.replica, node);
        self.after_exchange(told);
    }

    pub(super) fn node_left_room(&mut self, node: &NodeId) {
        // A room that failed there closed none of its pipes.
        self.lose_pulls(node);
        self.lose_data(node);
        self.floor.lose(node);
        let told = self.exchange.node_left_room(&mut self.replica, Instant::now(), node);
        self.after_exchange(told);
    }

    pub(super) fn snapshot_wanted(&mut self, node: &NodeId) {
        let told = self.exchange.snapshot_wanted(&self.replica, node);
        self.after_exchange(told);
    }

    pub(super) fn remote_snapshot(&mut self, node: &NodeId, snapshot: Snapshot) {
        let told = self.exchange.snapshot(&mut self.replica, Instant::now(), node, snapshot);
        self.after_exchange(told);
        if self.links.contains_key(node) {
            self.pull_again(node);
            self.pull_data_again(node);
        }
    }

    pub(super) fn remote_delta(&mut self, node: &NodeId, seq: u64, change: &Change) {
        let told = self.exchange.delta(&mut self.replica, Instant::now(), node, seq, change);
        self.after_exchange(told);
    }
}
