//! The node's part of leaving: its state, and where those who are here could go.

use std::time::Instant;

use starling_cluster::decide::{placement::Decision, standby::standby};
use starling_proto::{
    Code, NodeId, Refusal,
    registry::NodeState,
    rest::{ClientAt, DrainInfo, DrainStage},
    signal::NodeHint,
};

use super::{
    actor::{NodeMsg, NodeTree},
    drain::{self, Scene, Target},
    shared::hint_of,
};
use crate::room::RoomMsg;

impl NodeTree {
    pub(super) fn handle_leaving(&mut self, message: NodeMsg) {
        match message {
            NodeMsg::Drain { within, emergency, reply } => {
                self.set_state(NodeState::Draining, false);
                self.tell_draining(emergency);
                self.tell_rooms(true);
                let (node, shared) = (self.myself.clone(), self.shared.clone());
                self.drain = Some(drain::start(node, shared, within, emergency));
                let _ = reply.send(Ok(()));
            }
            NodeMsg::Cordon(reply) => {
                self.set_state(NodeState::Draining, true);
                self.tell_cordoned();
                self.tell_rooms(false);
                self.note(DrainStage::Cordoned);
                let _ = reply.send(Ok(()));
            }
            NodeMsg::Undrain(reply) => {
                if self.state == NodeState::Draining {
                    self.tell_undrained();
                }
                self.set_state(NodeState::Up, false);
                self.tell_rooms(false);
                self.note(DrainStage::Up);
                let _ = reply.send(Ok(()));
            }
            NodeMsg::Scene(reply) => drop(reply.send(Ok(self.scene()))),
            NodeMsg::Target(target, reply) => drop(reply.send(self.target(&target))),
            _ => {}
        }
    }

    /// A drain under way goes no further; whoever it has asked goes.
    pub(super) fn end_drain(&mut self) {
        if let Some(drain) = self.drain.take() {
            drain.abort();
        }
    }

    fn set_state(&mut self, state: NodeState, cordoned: bool) {
        self.end_drain();
        (self.state, self.cordoned) = (state, cordoned);
        self.tell_load();
        self.write_record();
    }

    fn tell_rooms(&self, draining: bool) {
        for room in self.rooms.values() {
            let _ = room.actor.cast(RoomMsg::Drain(draining));
        }
    }

    fn note(&self, stage: DrainStage) {
        let id = self.shared.config.id.clone();
        self.shared.set_drain(DrainInfo::quiet(id, stage, self.shared.peers()));
    }

    fn scene(&self) -> Scene {
        let rooms = self.rooms.iter().map(|(id, room)| (id.clone(), room.actor.clone()));
        let own = &self.shared.config.id;
        let nodes = self.view.reachable();
        let up = |(id, record): &(&NodeId, &_)| *id != own && is_up(record);
        Scene { rooms: rooms.collect(), targets: nodes.iter().filter(up).count() }
    }

    /// The wanted node, or where a join would be placed, or else the room's next standby node.
    fn target(&mut self, wish: &Target) -> Result<NodeHint, Refusal> {
        let Target { room, avoid, wanted } = wish;
        let (now, own) = (Instant::now(), self.shared.config.id.clone());
        let nodes = self.view.reachable();
        if let Some(wanted) = wanted {
            let record = nodes.get(wanted).filter(|record| record.id != own);
            let record = record.ok_or_else(|| {
                Refusal::new(Code::NodeNotFound, format!("no node '{wanted}' to move to"))
                    .hint("`starling nodes list` shows all nodes and their links")
            })?;
            if !is_up(record) {
                return Err(Refusal::new(Code::Draining, format!("node '{wanted}' is draining"))
                    .hint("undrain it, or move to another"));
            }
            self.reserve(now, room, &Decision::Node(wanted.clone()));
            return Ok(hint_of(record));
        }
        let policy = self.policy_of(room);
        self.refresh_own();
        let client = ClientAt::default();
        let placed = match self.view.place(now, &self.join(room, &policy, &client)) {
            Decision::Node(node) => Some(node),
            Decision::Here | Decision::Refused(_) => None,
        };
        let mut not = avoid.clone();
        not.insert(own);
        let placed = placed.filter(|node| !not.contains(node));
        let node = placed.or_else(|| standby(room, &policy, &nodes, &not, 1).into_iter().next());
        let record = node.and_then(|node| nodes.get(&node)).ok_or_else(|| {
            Refusal::new(Code::NoCapacity, "no other node can take a peer of this room")
                .hint("all are full, draining or out of reach: add nodes, or undrain some")
        })?;
        self.reserve(now, room, &Decision::Node(record.id.clone()));
        Ok(hint_of(record))
    }
}

fn is_up(record: &starling_proto::registry::NodeRecord) -> bool {
    record.state == NodeState::Up
}
