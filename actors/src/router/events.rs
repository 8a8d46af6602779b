//! Facts of the worker, told to whom they concern.

use starling_media::{ConsumerKey, Event, ProducerKey, observer::Reading};
use starling_proto::{ConsumerId, signal::ServerNotification, voice::Voice};

use super::{Producer, RouterState};
use crate::{
    peer::PeerMsg,
    room::{Heard, RoomMsg},
    transport::TransportMsg,
};

impl RouterState {
    pub(super) fn on_events(&mut self, events: Vec<Event>) {
        let mut heard = Heard::default();
        for event in events {
            match event {
                Event::Voice { producer, reading } => self.on_voice(&mut heard, producer, reading),
                other => self.on_event(other),
            }
        }
        if heard != Heard::default() {
            let _ = self.args.room.cast(RoomMsg::Heard(heard));
        }
    }

    fn on_voice(&self, heard: &mut Heard, producer: ProducerKey, reading: Option<Reading>) {
        let Some(producer) = self.producer_ids.get(&producer).cloned() else { return };
        match reading {
            Some(Reading { volume, speech }) => {
                heard.voices.push(Voice { producer, volume, speech });
            }
            None => heard.silent.push(producer),
        }
    }

    fn on_event(&mut self, event: Event) {
        match event {
            Event::IceState { transport, state, .. } => {
                let Some((id, peer)) = self.transport_ids.get(&transport) else { return };
                self.tell_transport(id, TransportMsg::Ice(state));
                if let Some(peer) = peer {
                    let _ = peer.cast(PeerMsg::Ice { id: id.clone(), state });
                }
            }
            Event::Dtls { transport, datagram } => {
                let Some((id, _)) = self.transport_ids.get(&transport) else { return };
                self.tell_transport(id, TransportMsg::Datagram(datagram));
            }
            Event::Sctp { transport, datagram } => {
                let Some((id, _)) = self.transport_ids.get(&transport) else { return };
                if let Some(sctp) = self.transports.get(id).and_then(|it| it.sctp.as_ref()) {
                    // A full queue drops, as a network would.
                    let _ = sctp.try_send(datagram);
                }
            }
            Event::PlainTuple { transport, rtp, rtcp } => {
                let Some((id, Some(peer))) = self.transport_ids.get(&transport) else { return };
                let _ = peer.cast(PeerMsg::Tuple { id: id.clone(), rtp, rtcp });
            }
            Event::Voice { .. } => {}
            Event::ProducerScore { producer, scores } => {
                let Some(id) = self.producer_ids.get(&producer) else { return };
                if let Some(Producer { peer: Some(peer), .. }) = self.producers.get(id) {
                    let _ = peer.cast(PeerMsg::ProducerScore { id: id.clone(), scores });
                }
            }
            Event::VideoOrientation { producer, orientation: video_orientation } => {
                let Some(id) = self.producer_ids.get(&producer) else { return };
                if let Some(Producer { peer: Some(peer), .. }) = self.producers.get(id) {
                    let id = id.clone();
                    let _ = peer.cast(PeerMsg::Orientation { id, video_orientation });
                }
            }
            Event::ConsumerScore { consumer, score, producer_score, producer_scores } => {
                let score = serde_json::json!({
                    "score": score, "producerScore": producer_score, "producerScores": producer_scores
                });
                self.tell_consumer(consumer, |id| PeerMsg::ConsumerScore { id, score });
            }
            Event::ConsumerStarted { consumer } => self.on_started(consumer),
            Event::ConsumerLayers { consumer, layers } => {
                self.tell_consumer(consumer, |id| PeerMsg::ConsumerLayers { id, layers });
            }
            Event::Bandwidth { transport, outlook } => {
                let Some((_, Some(peer))) = self.transport_ids.get(&transport) else { return };
                let _ = peer.cast(PeerMsg::Tell(ServerNotification::DownlinkBwe {
                    desired_bitrate: outlook.desired,
                    effective_desired_bitrate: outlook.effective_desired,
                    available_bitrate: outlook.available,
                }));
            }
            Event::LayersWanted { producer, layers } => {
                let Some(id) = self.producer_ids.get(&producer) else { return };
                if let Some(Producer { pipe: Some(pipe), .. }) = self.producers.get_mut(id) {
                    pipe.wanted = layers;
                    pipe.end.want(layers);
                }
            }
            Event::Trace { of, event } => self.tracers.tell(of, event),
            Event::Stats { token, stats } => self.on_stats(token, stats),
        }
    }

    fn tell_consumer(&self, key: ConsumerKey, message: impl FnOnce(ConsumerId) -> PeerMsg) {
        let Some(id) = self.consumer_ids.get(&key) else { return };
        if let Some(consumer) = self.consumers.get(id) {
            let _ = consumer.peer.cast(message(id.clone()));
        }
    }
}
