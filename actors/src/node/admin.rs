//! What operators ask and tell.

use starling_proto::{
    NodeId, RoomId,
    link::LinkMessage,
    registry::{NodeState, RoomRecord},
    rest::{CreateRoom, NodeInfo, RoomInfo},
};
use tokio::sync::oneshot;

use super::{
    Readiness, Reply,
    actor::{NodeMsg, NodeTree},
    room_not_found,
};
use crate::{
    Metric,
    node_metrics::NodeFigures,
    registry_actor::{RegistryMsg, registry_lost},
};

impl NodeTree {
    pub(super) fn handle_admin(&mut self, message: NodeMsg) {
        match message {
            NodeMsg::Revoke { revocation, reply } => self.revoke(revocation, reply),
            NodeMsg::Pardon { id, reply } => self.pardon(id, reply),
            NodeMsg::Place { room, client, reply } => {
                let _ = reply.send(self.place(room, &client));
            }
            NodeMsg::Explain { room, client, reply } => {
                let _ = reply.send(Ok(self.explain(room, client)));
            }
            NodeMsg::MoveRoom { room, to, reply } => self.move_room(room, to, reply),
            NodeMsg::Nodes(reply) => drop(reply.send(Ok(self.node_infos()))),
            NodeMsg::Rooms(reply) => drop(reply.send(Ok(self.room_infos()))),
            NodeMsg::CreateRoom(CreateRoom { id: room, policy }, reply) => {
                self.write_room(room.clone(), reply, |reply| RegistryMsg::Create {
                    room,
                    policy,
                    reply,
                });
            }
            NodeMsg::SetPolicy { room, change, seen, reply } => {
                self.write_room(room.clone(), reply, |reply| RegistryMsg::SetPolicy {
                    room,
                    change,
                    seen,
                    reply,
                });
            }
            NodeMsg::DeleteRoom { reply, .. } if self.registry_is_lost() => {
                let _ = reply.send(Err(registry_lost()));
            }
            NodeMsg::DeleteRoom { room, reply } => {
                if self.rooms.contains_key(&room) || self.view.has_record(&room) {
                    self.tell_room_ended(&room, true);
                }
                self.delete_here(&room);
                self.broadcast(&LinkMessage::RoomDeleted(room.clone()));
                let _ = self.registry.cast(RegistryMsg::Delete { room, reply });
            }
            NodeMsg::CreateWebhook { id, record, reply } => self.create_webhook(id, record, reply),
            NodeMsg::DeleteWebhook { id, reply } => self.delete_webhook(id, reply),
            NodeMsg::Links(reply) => self.link_infos(reply),
            NodeMsg::RoomRefs(reply) => {
                let actors = self.rooms.values().map(|here| here.actor.clone());
                let _ = reply.send(Ok(actors.collect()));
            }
            NodeMsg::RoomRef { room, reply } => {
                let found = self.rooms.get(&room).map(|here| here.actor.clone());
                let _ = reply.send(found.ok_or_else(|| room_not_found(&room)));
            }
            NodeMsg::Drain { .. }
            | NodeMsg::Cordon(_)
            | NodeMsg::Undrain(_)
            | NodeMsg::Scene(_)
            | NodeMsg::Target(..) => self.handle_leaving(message),
            NodeMsg::Workers(reply) => drop(reply.send(Ok(self.workers_info()))),
            NodeMsg::Readiness(reply) => drop(reply.send(Ok(self.readiness()))),
            NodeMsg::Metrics(reply) => drop(reply.send(Ok(self.metrics()))),
            _ => {}
        }
    }

    fn write_room(
        &self,
        room: RoomId,
        reply: Reply<RoomInfo>,
        message: impl FnOnce(Reply<RoomRecord>) -> RegistryMsg,
    ) {
        if self.registry_is_lost() {
            let _ = reply.send(Err(registry_lost()));
            return;
        }
        let (inner, answer) = oneshot::channel();
        let _ = self.registry.cast(message(inner));
        let nodes = self.nodes_of(&room);
        tokio::spawn(async move {
            let Ok(written) = answer.await else { return };
            let info = written.map(|record| info(room, record, nodes, None));
            let _ = reply.send(info);
        });
    }

    fn node_infos(&mut self) -> Vec<NodeInfo> {
        self.refresh_own();
        let own = self.shared.config.id.clone();
        let infos = self.view.nodes().into_values().map(|record| NodeInfo {
            here: record.id == own,
            linked: self.view.is_linked(&record.id),
            rtt_ms: self.links.get(&record.id).map(|slot| slot.link.rtt().as_secs_f64() * 1e3),
            link_protocol: self.links.get(&record.id).map(|slot| slot.link.version()),
            id: record.id,
            epoch: record.epoch,
            region: record.region,
            zone: record.zone,
            api_url: record.api_url,
            version: record.version,
            state: record.state,
            cordoned: record.cordoned,
            load: record.load,
            cost: record.cost,
        });
        infos.collect()
    }

    fn room_infos(&self) -> Vec<RoomInfo> {
        let here = self.rooms.iter().map(|(id, room)| (id.clone(), room.record.clone()));
        let known = self.view.rooms().map(|(id, record)| (id.clone(), record.clone()));
        let all: std::collections::BTreeMap<_, _> = known.chain(here).collect();
        let infos = all.into_iter().map(|(id, record)| {
            let nodes = self.nodes_of(&id);
            info(id, record, nodes, None)
        });
        infos.collect()
    }

    fn nodes_of(&self, room: &RoomId) -> Vec<NodeId> {
        let mut nodes = self.view.others_of(room);
        if self.rooms.contains_key(room) {
            nodes.insert(self.shared.config.id.clone());
        }
        nodes.into_iter().collect()
    }

    /// Never by the registry once it has answered: a busy or cut-off cluster must not lose its
    /// whole API.
    fn readiness(&self) -> Readiness {
        let mut degraded = Vec::new();
        if !self.view.available {
            degraded.push("the registry does not answer: new rooms are refused".to_owned());
        }
        for (node, trouble) in self.endpoint.troubles() {
            degraded.push(format!("no link to node '{node}': {trouble}"));
        }
        if self.life.is_over() {
            degraded.push("the node was given up by others: it waits for the registry".to_owned());
        }
        if self.cordoned {
            degraded.push("the node is cordoned: it takes no new peers".to_owned());
        } else if self.state == NodeState::Draining {
            degraded.push("the node is draining".to_owned());
        }
        let alive = self.shared.alive();
        if !alive {
            degraded.push("a media worker hangs".to_owned());
        }
        Readiness {
            ready: self.registered && alive && !self.life.is_over() && self.state == NodeState::Up,
            degraded,
        }
    }

    fn metrics(&mut self) -> Vec<Metric> {
        self.refresh_own();
        let mut metrics = Vec::new();
        crate::node_metrics::append(&mut metrics, &self.figures());
        metrics.extend(self.shared.dtls.metrics());
        for (node, slot) in &self.links {
            crate::link_metrics::append(&mut metrics, node, &slot.link.counters());
        }
        for worker in self.shared.workers() {
            crate::worker_metrics::append(&mut metrics, worker.index(), &worker.counters());
        }
        metrics
    }

    fn figures(&self) -> NodeFigures {
        let own = self.view.own();
        NodeFigures {
            version: own.version.clone(),
            protocol: own.protocol.1,
            epoch: self.shared.epoch(),
            load: own.load,
            cost: own.cost.unwrap_or_default(),
            draining: self.state == NodeState::Draining,
            links: self.links.len(),
            nodes: self.view.nodes().len(),
            registry_available: self.view.available,
            lease_age: self.shared.config.registry.lease_age(),
            sessions: self.sessions,
            resumed: self.resumed,
            refused: self.refused,
            joins_waiting: self.waiting.len(),
            liveness: self.endpoint.liveness(),
            epochs_refused: self.endpoint.stale_refused(),
            renewals: self.life.renewals(),
            speakers: self.shared.speakers.read(),
        }
    }
}

fn info(id: RoomId, record: RoomRecord, nodes: Vec<NodeId>, peers: Option<u32>) -> RoomInfo {
    let RoomRecord { incarnation, policy, persistent } = record;
    RoomInfo { id, incarnation, policy, persistent, nodes, peers, active_speaker: None }
}
