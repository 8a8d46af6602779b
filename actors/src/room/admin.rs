//! What operators and programs ask of a room.

use serde_json::{Value, json};
use starling_proto::{
    Code, MediaKind, PeerId, Refusal, TransportId,
    mute::Muted,
    rest::{
        ConsumerCreated, CreateConsumer, CreateDataConsumer, DataConsumerCreated, DataProducerInfo,
        PeerInfo, ProducerInfo,
    },
    roster::{DataProducerEntry, ProducerEntry},
};

use super::{RoomMsg, RoomState, local::Here};
use crate::{
    node::{Reply, ask},
    peer::{PeerMsg, ProgramMsg},
    router::{Look, RouterMsg},
};

/// What observes a room's microphones: mediasoup's AudioLevelObserver and ActiveSpeakerObserver, of
/// which every room has one each.
const OBSERVERS: [&str; 2] = ["audioLevel", "activeSpeaker"];

impl RoomState {
    pub(super) fn handle_admin(&mut self, message: RoomMsg) {
        match message {
            RoomMsg::Summary(reply) => {
                let peers = u32::try_from(self.replica.len()).unwrap_or(u32::MAX);
                let _ = reply.send(Ok((peers, self.active_speaker())));
            }
            RoomMsg::Peers(reply) => {
                let _ = reply.send(Ok(self.peer_infos()));
            }
            RoomMsg::RouterDump(reply) => self.router_dump(reply),
            RoomMsg::Pipes(reply) => self.pipe_infos(reply),
            RoomMsg::PeerRef { peer, reply } => {
                let found = self.here(&peer).map(|here| here.actor.clone());
                let _ = reply.send(found);
            }
            RoomMsg::RemovePeer { peer, reason, reply } => {
                let _ = reply.send(self.remove_peer(&peer, reason));
            }
            RoomMsg::Mute { peer, muted, reply } => {
                let _ = reply.send(self.mute(&peer, muted));
            }
            RoomMsg::RemoteMuted { peer, muted } => self.remote_muted(&peer, muted),
            RoomMsg::MutedOf { peer, reply } => {
                let known = self.replica.peer(&peer).map(|_| self.muted_of(&peer));
                let _ = reply.send(known.ok_or_else(|| {
                    Refusal::new(Code::PeerNotFound, format!("there is no peer '{peer}'"))
                        .hint("GET …/peers lists them")
                }));
            }
            RoomMsg::PlainConsume { peer, transport, consumer, reply } => {
                self.plain_consume(&peer, transport, consumer, reply);
            }
            RoomMsg::ProgramConsumeData { peer, transport, consumer, reply } => {
                self.program_consume_data(&peer, transport, consumer, reply);
            }
            _ => {}
        }
    }

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

    fn remove_peer(&self, peer: &PeerId, reason: String) -> Result<(), Refusal> {
        let here = self.here(peer)?;
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

    fn program_consume_data(
        &self,
        peer: &PeerId,
        transport: TransportId,
        consumer: CreateDataConsumer,
        reply: Reply<DataConsumerCreated>,
    ) {
        let actor = match self.here(peer) {
            Ok(here) => here.actor.clone(),
            Err(refusal) => {
                let _ = reply.send(Err(refusal));
                return;
            }
        };
        let Some((owner, entry)) = self.replica.data_producer(&consumer.data_producer_id) else {
            let message = format!("the room has no data producer '{}'", consumer.data_producer_id);
            let _ = reply.send(Err(Refusal::new(Code::ProducerNotFound, message)
                .hint("GET …/peers lists the data producers of the room")));
            return;
        };
        let of = (owner.entry.id.clone(), Box::new(entry.clone()));
        let consume = ProgramMsg::ConsumeData { transport, consumer, of, reply };
        let _ = actor.cast(PeerMsg::Program(consume));
    }

    /// Who gets what on this node, in the fields of mediasoup's router dump; and what each core's
    /// router adds.
    pub(super) fn router_dump(&self, reply: Reply<Value>) {
        let mut dump = self.forwarding();
        let routers = self.routers.actors();
        tokio::spawn(async move {
            let (mut cores, mut transports) = (Vec::new(), Vec::new());
            for router in routers {
                let own = ask(&router, |reply| RouterMsg::Look(Look::DumpSelf(reply))).await;
                let Ok(own) = own else { continue };
                transports.extend(own["transportIds"].as_array().into_iter().flatten().cloned());
                cores.push(own);
            }
            dump["transportIds"] = transports.into();
            dump["routers"] = cores.into();
            let _ = reply.send(Ok(dump));
        });
    }

    fn forwarding(&self) -> Value {
        let producers = self.replica.peers().flat_map(|view| &view.entry.producers);
        let forwarded = producers.map(|producer| {
            let values = self.uses.consumers(&producer.id);
            json!({ "key": producer.id, "values": values.collect::<Vec<_>>() })
        });
        // Every microphone is observed, by both (OB3).
        let heard = self.replica.peers().flat_map(|view| &view.entry.producers);
        let heard = heard.filter(|producer| producer.kind == MediaKind::Audio);
        let observed = heard.map(|producer| json!({ "key": producer.id, "values": OBSERVERS }));
        let consumed = self
            .uses
            .all()
            .map(|(consumer, producer)| json!({ "key": consumer, "value": producer }));
        let (data_forwarded, data_consumed) = self.data_maps();
        json!({
            "id": self.args.id,
            "node": self.args.shared.config.id,
            "peerIds": self.here.keys().collect::<Vec<_>>(),
            "mapProducerIdConsumerIds": forwarded.collect::<Vec<_>>(),
            "mapConsumerIdProducerId": consumed.collect::<Vec<_>>(),
            "rtpObserverIds": OBSERVERS,
            "mapProducerIdObserverIds": observed.collect::<Vec<_>>(),
            "mapDataProducerIdDataConsumerIds": data_forwarded,
            "mapDataConsumerIdDataProducerId": data_consumed,
            "activeSpeaker": self.active_speaker(),
        })
    }

    pub(super) fn peer_infos(&self) -> Vec<PeerInfo> {
        let infos = self.replica.peers().map(|view| PeerInfo {
            id: view.entry.id.clone(),
            display_name: view.entry.display_name.clone(),
            node: view.node.clone(),
            device: view.entry.device.0.clone(),
            lost: view.lost,
            hidden: false,
            muted: self.muted_of(&view.entry.id),
            producers: view.entry.producers.iter().map(producer_info).collect(),
            data_producers: view.entry.data_producers.iter().map(data_producer_info).collect(),
        });
        infos.chain(self.hidden_infos()).collect()
    }
}

impl RoomState {
    /// Only their own node knows of them.
    fn hidden_infos(&self) -> impl Iterator<Item = PeerInfo> {
        let hidden = self.here.iter().filter(|(_, here)| here.hidden && here.joined);
        hidden.map(|(id, _)| PeerInfo {
            id: id.clone(),
            display_name: String::new(),
            node: self.args.shared.config.id.clone(),
            device: Value::Null,
            lost: false,
            muted: Muted::default(),
            hidden: true,
            producers: Vec::new(),
            data_producers: Vec::new(),
        })
    }
}

fn data_producer_info(entry: &DataProducerEntry) -> DataProducerInfo {
    DataProducerInfo {
        id: entry.id.clone(),
        label: entry.label.clone(),
        protocol: entry.protocol.clone(),
        paused: entry.paused,
    }
}

fn producer_info(entry: &ProducerEntry) -> ProducerInfo {
    ProducerInfo {
        id: entry.id.clone(),
        kind: entry.kind,
        rtp_type: entry.rtp_type,
        source: entry.source.clone(),
        paused: entry.paused,
        codecs: entry.consumable.0.codecs.clone(),
        mime_type: entry
            .consumable
            .0
            .codecs
            .first()
            .map_or_else(String::new, |c| c.mime_type.clone()),
    }
}
