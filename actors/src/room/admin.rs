//! What operators and programs ask of a room.

use starling_proto::{
    Code, PeerId, Refusal, TransportId,
    rest::{ConsumerCreated, CreateConsumer, PeerInfo, ProducerInfo},
    roster::ProducerEntry,
};

use super::{RoomState, local::Here};
use crate::{node::Reply, peer::PeerMsg};

impl RoomState {
    pub(super) fn here(&self, peer: &PeerId) -> Result<&Here, Refusal> {
        self.here.get(peer).ok_or_else(|| {
            let at = self.replica.peer(peer).map(|view| view.node.clone());
            let message = format!("there is no peer '{peer}' on this node");
            let refusal = Refusal::new(Code::PeerNotFound, message);
            match at {
                Some(node) => refusal.hint(format!("it is on node '{node}': ask there")),
                None => refusal,
            }
        })
    }

    pub(super) fn remove_peer(&mut self, peer: &PeerId) -> Result<(), Refusal> {
        let here = self.here(peer)?;
        let reason = "removed by an operator".to_owned();
        let _ = here.actor.cast(PeerMsg::Close { code: 4000, reason });
        Ok(())
    }

    pub(super) fn plain_consume(
        &self,
        peer: &PeerId,
        transport: TransportId,
        consumer: CreateConsumer,
        reply: Reply<ConsumerCreated>,
    ) {
        let actor = match self.here(peer) {
            Ok(here) => here.actor.clone(),
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
                return;
            }
        };
        let Some((owner, entry)) = self.replica.producer(&consumer.producer_id) else {
            let message = format!("the room has no producer '{}'", consumer.producer_id);
            let _ = reply.send(Err(Refusal::new(Code::ProducerNotFound, message)
                .hint("GET …/peers lists the producers of the room")));
            return;
        };
        let of = (owner.entry.id.clone(), Box::new(entry.clone()));
        let consumer = Box::new(consumer);
        let _ = actor.cast(PeerMsg::PlainConsume { transport, consumer, of, reply });
    }

    pub(super) fn peer_infos(&self) -> Vec<PeerInfo> {
        let infos = self.replica.peers().map(|view| PeerInfo {
            id: view.entry.id.clone(),
            display_name: view.entry.display_name.clone(),
            node: view.node.clone(),
            device: view.entry.device.0.clone(),
            lost: view.lost,
            producers: view.entry.producers.iter().map(producer_info).collect(),
        });
        infos.collect()
    }
}

fn producer_info(entry: &ProducerEntry) -> ProducerInfo {
    ProducerInfo {
        id: entry.id.clone(),
        kind: entry.kind,
        rtp_type: entry.rtp_type,
        source: entry.source.clone(),
        paused: entry.paused,
        mime_type: entry
            .consumable
            .0
            .codecs
            .first()
            .map_or_else(String::new, |c| c.mime_type.clone()),
    }
}
