//! Pipes of the room: `cluster::decide::pulls` decides from which node a producer is pulled and to
//! which it is passed on, here that is carried out. What comes from another node comes to one core
//! of this one, its root; what is served, own or not, is served from its root. From there it is
//! piped to each other core with consumers of it.

use std::{collections::BTreeMap, time::Instant};

use starling_cluster::decide::{
    pulls::{Action, NewFlow, Pulls, Reach, Request},
    traced::Stream,
    tree::Place,
};
use starling_proto::{
    ConsumerId, NodeId, ProducerId,
    flow::FlowId,
    link::LinkMessage,
    registry::{NodeRecord, NodeState},
    roster::ProducerEntry,
};

use super::{Consume, RoomMsg, RoomState};
use crate::{
    peer::PeerMsg,
    router::{Look, RouterMsg, Source, Taker},
};

/// The link protocol that brought relays.
const RELAYS: u16 = 4;

/// The room's pipes to other nodes.
pub(super) struct Pipes {
    pub(super) pulls: Pulls,
    /// The core that each pulled producer comes to.
    roots: BTreeMap<ProducerId, usize>,
    /// From which node each flows.
    pub(super) from: BTreeMap<ProducerId, NodeId>,
    /// The version of the nodes that [`Pulls`] knows.
    nodes_version: u64,
    /// When the room is to look at it again, as far as it has been woken.
    wakes: Option<Instant>,
}

impl Pipes {
    pub(super) fn new(here: NodeId) -> Self {
        Self {
            pulls: Pulls::new(here),
            roots: BTreeMap::new(),
            from: BTreeMap::new(),
            nodes_version: 0,
            wakes: None,
        }
    }
}

impl RoomState {
    pub(super) fn consume(&mut self, consume: Consume) {
        let Some((owner, entry)) = self.replica.producer(&consume.producer) else {
            // It has just ended or moved, which the peer will have heard of when it gets this back.
            let _ = consume.peer.clone().cast(PeerMsg::NotConsumed(Box::new(consume)));
            return;
        };
        let Consume { peer, by, core, transport, consumer, producer, params } = consume;
        let (node, entry) = (owner.node.clone(), entry.clone());
        let first = self.uses.add(consumer.clone(), producer.clone(), core);
        if node != self.args.shared.config.id {
            self.pipes.roots.entry(producer.clone()).or_insert(core);
            self.pull(|pulls, now, flows| pulls.used(now, &producer, &node, flows));
        }
        if first {
            self.spread(core, &entry);
        }
        if self.trace_consumer(&consumer, &by, &producer) {
            self.routers
                .tell(core, RouterMsg::Look(Look::Await(Stream::Forward(consumer.clone()))));
        }
        let consume = RouterMsg::Consume { transport, consumer, producer, params, peer };
        self.routers.tell(core, consume);
    }

    pub(super) fn unconsume(&mut self, consumer: &ConsumerId) {
        self.traced.gave_up(&Stream::Forward(consumer.clone()));
        let Some(ended) = self.uses.remove(consumer) else { return };
        let producer = ended.producer;
        self.routers.tell(ended.core, RouterMsg::RemoveConsumer(consumer.clone()));
        if ended.last_there && self.root_of(&producer) != Some(ended.core) {
            self.routers.tell(ended.core, RouterMsg::RemoveProducer(producer.clone()));
        }
        if ended.last {
            self.pull(|pulls, now, _| pulls.unused(now, &producer));
        }
    }

    /// The core where a producer is without another core's help.
    pub(super) fn root_of(&self, producer: &ProducerId) -> Option<usize> {
        self.pipes.roots.get(producer).or_else(|| self.own.get(producer)).copied()
    }

    /// A core wants a producer that is on this node already, if on another core.
    fn spread(&self, core: usize, entry: &ProducerEntry) {
        let root = self.root_of(&entry.id).filter(|root| *root != core);
        if let Some(from) = root.and_then(|root| self.routers.source(root)) {
            let entry = Box::new(entry.clone());
            self.routers.tell(core, RouterMsg::Pull { entry, from });
        }
    }

    /// Tells the pulls what has happened, and does what follows.
    fn pull(&mut self, what: impl FnOnce(&mut Pulls, Instant, &mut NewFlow<'_>) -> Vec<Action>) {
        let (links, room) = (&self.links, &self.args.id);
        let mut new_flow = |node: &NodeId| links.get(node).map(|port| port.new_flow(room));
        let actions = what(&mut self.pipes.pulls, Instant::now(), &mut new_flow);
        actions.into_iter().for_each(|action| self.carry_out_pull(action));
        self.wake_for_pulls();
    }

    fn carry_out_pull(&mut self, action: Action) {
        let traced = self.trace_pull(&action);
        match action {
            Action::Open { node, flow, producer, hops } => {
                let Some(port) = self.links.get(&node) else { return };
                // No layers at first: the plane says which its consumers can use as soon as one of
                // them may forward.
                let (room, layers) = (self.args.id.clone(), 0);
                port.link.send(match hops {
                    Some(hops) => LinkMessage::PipeOpenVia { flow, room, producer, layers, hops },
                    None => LinkMessage::PipeOpen { flow, room, producer, layers },
                });
            }
            Action::Attach { producer, node, flow } => {
                self.attach(&producer, &node, flow);
                self.tell_pipe(&producer, Some(&node));
            }
            Action::Detach(producer) => {
                self.tell_pipe(&producer, None);
                if let Some(root) = self.pipes.roots.get(&producer) {
                    self.routers.tell(*root, RouterMsg::Unpull(producer));
                }
            }
            Action::End(producer) => {
                self.tell_pipe(&producer, None);
                self.pipes.roots.remove(&producer);
                self.routers.tell_all(|| RouterMsg::RemoveProducer(producer.clone()));
            }
            Action::Close { node, flow } => {
                let taker = Taker::Node(node.clone(), flow);
                self.routers.tell_all(|| RouterMsg::Unserve(taker.clone()));
                if let Some(port) = self.links.get(&node) {
                    port.end_flow(flow);
                }
            }
            Action::Refuse { node, flow } => {
                if let Some(port) = self.links.get(&node) {
                    port.refuse_flow(flow);
                }
            }
            Action::Serve { node, flow, producer, layers } => {
                self.serve(&node, flow, &producer, layers, traced);
            }
            Action::Unserve { node, flow } => {
                let taker = Taker::Node(node, flow);
                self.routers.tell_all(|| RouterMsg::Unserve(taker.clone()));
            }
            Action::Tell { node, flow, path } => {
                if let Some(port) = self.links.get(&node) {
                    port.link.send(LinkMessage::PipeServed { flow, path });
                }
            }
            Action::AskRoster(node) => {
                if let Some(port) = self.links.get(&node) {
                    port.link.send(LinkMessage::SnapshotWanted(self.args.id.clone()));
                }
            }
        }
    }

    fn attach(&mut self, producer: &ProducerId, node: &NodeId, flow: FlowId) {
        let entry = self.replica.producer(producer).map(|(_, entry)| Box::new(entry.clone()));
        let (Some(entry), Some(port)) = (entry, self.links.get(node)) else { return };
        let from = Source::Flow(flow, port.link.clone());
        let Some(root) = self.root_for(producer) else { return };
        self.routers.tell(root, RouterMsg::Pull { entry, from });
    }

    /// The root of what is pulled; for other nodes alone, any core will do.
    fn root_for(&mut self, producer: &ProducerId) -> Option<usize> {
        let root = self.root_of(producer).or_else(|| self.routers.cores().first().copied())?;
        if !self.own.contains_key(producer) {
            self.pipes.roots.insert(producer.clone(), root);
        }
        Some(root)
    }

    fn serve(
        &mut self,
        node: &NodeId,
        flow: FlowId,
        producer: &ProducerId,
        layers: u32,
        traced: bool,
    ) {
        let entry = self.replica.producer(producer).map(|(_, entry)| Box::new(entry.clone()));
        let root = self.root_for(producer);
        let Some(port) = self.links.get(node) else { return };
        let (Some(entry), Some(root)) = (entry, root) else {
            port.refuse_flow(flow);
            return self.flow_over(node, flow);
        };
        let link = port.link.clone();
        if traced {
            self.routers
                .tell(root, RouterMsg::Look(Look::Await(Stream::Serve(node.clone(), flow))));
        }
        self.routers.tell(root, RouterMsg::Serve { entry, flow, link, layers });
    }

    /// The source of `old` is `producer` now, on `node`: whoever consumed the one goes over to the
    /// other. `old` is there until the pulls end it.
    pub(super) fn move_pull(&mut self, node: &NodeId, old: &ProducerId, producer: &ProducerEntry) {
        let new = producer.id.clone();
        let is_here = *node == self.args.shared.config.id;
        let old_root = self.root_of(old);
        if *old != new || !is_here {
            self.own.remove(old);
        }
        self.pipes.roots.remove(old);
        self.uses.rename(old, &new);
        let cores = self.uses.cores(&new);
        // Also while the node cannot be reached, so that consumers wait in the right place.
        for core in cores.iter().filter(|_| *old != new) {
            let (old, new) = (old.clone(), new.clone());
            self.routers.tell(*core, RouterMsg::SucceedProducer { old, new });
        }
        let kept = old_root.filter(|root| cores.contains(root));
        if !is_here && let Some(root) = kept.or_else(|| cores.first().copied()) {
            self.pipes.roots.insert(new.clone(), root);
        }
        let used = !cores.is_empty();
        self.pull(|pulls, now, flows| pulls.replaced(now, (old, &new), node, used, flows));
        if self.root_of(&new).is_some() {
            cores.into_iter().for_each(|core| self.spread(core, producer));
        }
    }

    /// A core died, and with it what was pulled there: it goes to another core that wants it.
    pub(super) fn move_roots(&mut self, dead: usize) {
        self.uses.forget_core(dead);
        let pulled: Vec<_> = self.pipes.roots.keys().cloned().collect();
        for producer in pulled {
            let cores = self.uses.cores(&producer);
            if cores.is_empty() {
                self.pull(|pulls, now, _| pulls.unused(now, &producer));
            }
            if self.pipes.roots.get(&producer) != Some(&dead) {
                continue;
            }
            match cores.first() {
                Some(root) => self.pipes.roots.insert(producer.clone(), *root),
                None => self.pipes.roots.remove(&producer),
            };
            self.pull(|pulls, now, flows| pulls.restart(now, &producer, flows));
            let entry = self.replica.producer(&producer).map(|(_, entry)| entry.clone());
            if let Some(entry) = entry {
                cores.into_iter().for_each(|core| self.spread(core, &entry));
            }
        }
    }

    pub(super) fn end_pull(&mut self, producer: &ProducerId) {
        self.pull(|pulls, _, _| pulls.ended(producer));
    }

    /// Peers of a room can be had from their node by who has heard of them: somebody may have asked
    /// for this before.
    pub(super) fn producer_appeared(&mut self, node: &NodeId, producer: &ProducerId) {
        self.pull(|pulls, now, flows| pulls.appeared(now, producer, node, flows));
    }

    /// The link to a node is down, or the room there has ended: nothing comes from it, nobody there
    /// is served.
    pub(super) fn lose_pulls(&mut self, node: &NodeId) {
        self.routers.tell_all(|| RouterMsg::UnserveNode(node.clone()));
        self.pull(|pulls, now, flows| pulls.lose(now, node, flows));
    }

    /// The room is on other nodes than before, or they are other ones, or only others reach them.
    pub(super) fn meet_pulls(&mut self) {
        let version = self.args.shared.nodes_version();
        self.pipes.nodes_version = version;
        let shared = &self.args.shared;
        let relay_here = shared.config.link_protocol_max >= RELAYS;
        let reach = |node: &NodeId| {
            let reach = shared.node(node).map(|record| reach_of(&record, relay_here));
            let mut reach = reach.unwrap_or_default();
            reach.place.leaving |= !self.crowd.has(node);
            (node.clone(), reach)
        };
        let nodes = self.exchange.members().chain([&shared.config.id]).map(reach).collect();
        let away = self.exchange.away().cloned().collect();
        self.pull(|pulls, now, flows| pulls.set_nodes(now, nodes, away, flows));
    }

    /// A node told its peers anew: what is wanted of it and does not flow is asked for.
    pub(super) fn pull_again(&mut self, node: &NodeId) {
        self.pull(|pulls, now, flows| pulls.told(now, node, flows));
    }

    pub(super) fn pipe_open(&mut self, node: &NodeId, request: Request) {
        let found = self.replica.producer(&request.producer);
        let origin = found.map(|(owner, _)| owner.node.clone());
        self.pull(|pulls, now, flows| pulls.asked(now, node, request, origin.as_ref(), flows));
    }

    pub(super) fn pipe_layers(&mut self, node: NodeId, flow: FlowId, layers: u32) {
        if !self.pipes.pulls.layers(&node, flow, layers) {
            let taker = Taker::Node(node, flow);
            self.routers.tell_all(|| RouterMsg::ServeLayers { taker: taker.clone(), layers });
        }
    }

    pub(super) fn pipe_served(&mut self, node: &NodeId, flow: FlowId, path: Vec<NodeId>) {
        if !path.is_empty() {
            self.arrived(&Stream::Pull(node.clone(), flow));
        }
        self.pull(|pulls, now, flows| pulls.served(now, node, flow, path, flows));
    }

    /// The other side ended a flow: one it pulled, or one we did.
    pub(super) fn flow_over(&mut self, node: &NodeId, flow: FlowId) {
        self.pull(|pulls, now, flows| pulls.over(now, node, flow, flows));
    }

    /// Something may be due.
    pub(super) fn tick_pulls(&mut self) {
        if self.pipes.nodes_version != self.args.shared.nodes_version() {
            self.meet_pulls();
        }
        if self.pipes.pulls.next_deadline().is_some_and(|at| at <= Instant::now()) {
            self.pull(|pulls, now, flows| pulls.tick(now, flows));
        }
    }

    /// Deadlines of pulls are shorter than a room's tick.
    fn wake_for_pulls(&mut self) {
        let Some(at) = self.pipes.pulls.next_deadline() else { return };
        let now = Instant::now();
        if self.pipes.wakes.is_some_and(|wakes| wakes > now && wakes <= at) {
            return;
        }
        self.pipes.wakes = Some(at);
        self.myself.send_after(at.saturating_duration_since(now), || RoomMsg::PullsDue);
    }
}

fn reach_of(record: &NodeRecord, relay_here: bool) -> Reach {
    let place =
        Place { region: record.region.clone(), leaving: record.state == NodeState::Draining };
    Reach { place, relays: relay_here && record.protocol.1 >= RELAYS }
}
