//! What follows from a change of the merged view: peers here are told, pulls are moved.

use std::time::Instant;

use starling_cluster::decide::roster::Fact;
use starling_proto::{
    NodeId, PeerId, ProducerId,
    roster::ProducerEntry,
    signal::{PeerSummary, ServerNotification},
};

use super::RoomState;
use crate::{peer::PeerMsg, router::RouterMsg};

impl RoomState {
    pub(super) fn apply(&mut self, facts: Vec<Fact>) {
        let comes =
            |fact: &Fact| matches!(fact, Fact::PeerJoined { .. } | Fact::ProducerAdded { .. });
        let changes = |fact: &Fact| {
            matches!(
                fact,
                Fact::PeerJoined { .. }
                    | Fact::PeerLeft { .. }
                    | Fact::ProducerReplaced { .. }
                    | Fact::ProducerClosed { .. }
                    | Fact::ProducerPaused { .. }
            )
        };
        // A camera that gets a place has it before it is offered, and is not left out for a moment.
        if facts.iter().any(comes) {
            self.show_all();
        }
        let changed = facts.iter().any(changes);
        let crowd = self.crowd.take_all(&facts);
        for fact in facts {
            self.tell_fact(&fact);
            self.trace_fact(&fact);
            self.apply_one(fact);
        }
        if changed {
            self.show_all();
        }
        if crowd {
            self.meet_pulls();
        }
    }

    fn apply_one(&mut self, fact: Fact) {
        match fact {
            Fact::PeerJoined { peer, node, display_name, device } => {
                let summary = PeerSummary {
                    peer_id: peer.clone(),
                    display_name,
                    device: device.0,
                    node_id: node,
                };
                self.names.insert(peer.clone(), summary.display_name.clone());
                self.tell_others(&peer, &ServerNotification::NewPeer { peer: summary });
            }
            Fact::PeerMoved { peer, from, to } => self.peer_moved(peer, &from, to),
            Fact::PeerLost { .. } | Fact::PeerFound { .. } => {}
            Fact::PeerLeft { peer, .. } => {
                self.names.remove(&peer);
                self.muted.remove(&peer);
                let peer_id = peer.clone();
                self.tell_others(&peer, &ServerNotification::PeerClosed { peer_id });
            }
            Fact::Renamed { peer, display_name } => {
                let old = self.names.insert(peer.clone(), display_name.clone());
                self.tell_others(
                    &peer.clone(),
                    &ServerNotification::PeerDisplayNameChanged {
                        peer_id: peer,
                        display_name,
                        old_display_name: old.unwrap_or_default(),
                    },
                );
            }
            Fact::ProducerAdded { peer, node, producer } => {
                self.producer_appeared(&node, &producer.id);
                let entry = self.entries.share(&producer);
                self.each_other(&peer.clone(), |to| {
                    let (peer, entry) = (peer.clone(), entry.clone());
                    let _ = to.cast(PeerMsg::Available { peer, entry });
                });
            }
            Fact::ProducerReplaced { peer, node, old, producer } => {
                self.producer_replaced(&peer, &node, &old, producer);
            }
            Fact::ProducerClosed { peer, producer } => self.producer_closed(&peer, &producer),
            Fact::ProducerPaused { peer, producer, paused } => {
                let id = &producer;
                self.routers.tell_all(|| RouterMsg::PauseProducer { producer: id.clone(), paused });
                self.each_other(&peer, |to| {
                    let _ = to.cast(PeerMsg::Paused { producer: producer.clone(), paused });
                });
            }
            data => self.apply_data(data),
        }
    }

    /// The peer's session is on another node now. Where it was here, it is over: at once, or, if
    /// this node asked it to move, when its client has got everything there.
    fn peer_moved(&mut self, peer: PeerId, from: &NodeId, to: NodeId) {
        let own = &self.args.shared.config.id;
        let winner = self.replica.peer(&peer).map_or(u64::MAX, |view| view.entry.incarnation);
        if from == own
            && to != *own
            && let Some(here) = self.here.get_mut(&peer).filter(|here| here.incarnation < winner)
        {
            here.moved(Instant::now());
        }
        let moved = ServerNotification::PeerMoved { peer_id: peer.clone(), node_id: to };
        self.tell_others(&peer, &moved);
    }

    /// Consumers of `old` go on with `producer`: from another node, or from here.
    fn producer_replaced(
        &mut self,
        peer: &PeerId,
        node: &NodeId,
        old: &ProducerId,
        producer: ProducerEntry,
    ) {
        self.move_pull(node, old, &producer);
        self.floor.rename(old, &producer.id);
        self.entries.forget(old);
        let entry = self.entries.share(&producer);
        self.each_other(peer, |to| {
            let (peer, old, entry) = (peer.clone(), old.clone(), entry.clone());
            let _ = to.cast(PeerMsg::Replaced { peer, old, entry });
        });
    }

    fn producer_closed(&mut self, peer: &PeerId, producer: &ProducerId) {
        self.each_other(peer, |to| {
            let _ = to.cast(PeerMsg::Gone(producer.clone()));
        });
        self.entries.forget(producer);
        self.floor_ended(producer);
        self.end_pull(producer);
        self.own.remove(producer);
        self.routers.tell_all(|| RouterMsg::RemoveProducer(producer.clone()));
    }

    /// Every joined peer here but the one it is about.
    pub(super) fn each_other(&self, about: &PeerId, tell: impl Fn(&ractor::ActorRef<PeerMsg>)) {
        let others = self.here.iter().filter(|(id, here)| *id != about && here.joined);
        others.for_each(|(_, here)| tell(&here.actor));
    }

    pub(super) fn tell_all(&self, notification: &ServerNotification) {
        for here in self.here.values().filter(|here| here.joined) {
            let _ = here.actor.cast(PeerMsg::Tell(notification.clone()));
        }
    }

    pub(super) fn tell_others(&self, about: &PeerId, notification: &ServerNotification) {
        self.each_other(about, |to| {
            let _ = to.cast(PeerMsg::Tell(notification.clone()));
        });
    }
}
