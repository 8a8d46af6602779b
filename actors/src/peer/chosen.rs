//! Consumers that the client asks for one by one (`consume`), of a client that joined with
//! `autoConsume: false`. Never does: consume anything unasked.

use serde_json::{Value, json};
use starling_media::negotiation::{
    ConsumerOptions, Numbers, consumer_parameters, is_rtx, validate_rtp_capabilities,
};
use starling_proto::{
    Code, ConsumerId, MediaKind, PeerId, ProducerId, Refusal, TransportId,
    roster::ProducerEntry,
    signal::{Consume, NewConsumer, ProducerSummary},
};

use super::{
    PeerState,
    consumers::{Start, app_data},
    too_many,
    transports::{Transport, Way, no_transport},
};
use crate::{fresh, limits::CONSUMERS_PER_PEER};

/// Longest MID in bytes: what fits one-byte header extensions with room for others (RFC 8843 §15.1
/// advises 3).
const MID: usize = 8;

impl PeerState {
    /// Starts one consumer, accepted already: whoever asks for it is ready for it.
    pub(super) fn consume_chosen(&mut self, wish: Consume) -> Result<Value, Refusal> {
        if !self.joined || !self.chooses {
            let message = "only a peer that joined with autoConsume: false asks for consumers";
            return Err(Refusal::new(Code::WrongState, message)
                .hint("others get newConsumer requests by themselves"));
        }
        if self.consumers.len() >= CONSUMERS_PER_PEER {
            return Err(too_many("consumers", CONSUMERS_PER_PEER));
        }
        let transport = self.chosen_transport(wish.transport_id)?;
        let Some(available) = self.available.get(&wish.producer_id) else {
            let message =
                format!("nobody else in the room has this producer: {}", wish.producer_id);
            return Err(Refusal::new(Code::ProducerNotFound, message).hint("it may have ended"));
        };
        let (peer, entry, paused) =
            (available.peer.clone(), available.entry.clone(), available.paused);
        let options = ConsumerOptions {
            enable_rtx: wish.enable_rtx.unwrap_or(entry.kind == MediaKind::Video),
            mid: Some(self.mid(wish.mid)?),
            cname: peer.to_string(),
            encrypted: entry.is_encrypted(),
        };
        let consumable = &entry.consumable.0;
        let mut rng = rand::rng();
        let rtp = match (&wish.rtp_capabilities, &self.capabilities) {
            (Some(theirs), _) => {
                validate_rtp_capabilities(theirs)?;
                let (named, numbers) = Numbers::of(theirs, &self.args.shared.capabilities);
                let mut rtp = consumer_parameters(consumable, &named, options, &mut rng)?;
                numbers.apply(&mut rtp);
                rtp
            }
            (None, Some(named)) => consumer_parameters(consumable, named, options, &mut rng)?,
            (None, None) => {
                return Err(Refusal::new(Code::BadRequest, "'rtpCapabilities' are missing")
                    .hint("give them with join, or with each consume"));
            }
        };
        let consumer: ConsumerId = fresh::id();
        let start = Start {
            paused: wish.paused,
            ignore_dtx: wish.ignore_dtx,
            preferred: wish.preferred_layers,
        };
        self.start_consumer(&consumer, &transport, &entry, rtp.clone(), start);
        self.add_consumer(consumer.clone(), transport.clone(), entry.id.clone(), wish.paused);
        self.suspend_others();
        Ok(json!(NewConsumer {
            app_data: app_data(&entry, &peer),
            peer_id: peer,
            transport_id: transport,
            consumer_id: consumer,
            producer_id: entry.id.clone(),
            kind: entry.kind,
            rtp_parameters: rtp,
            rtp_type: entry.rtp_type,
            producer_paused: paused,
            consumer_score: json!({"score": 10, "producerScore": 10, "producerScores": [10]}),
        }))
    }

    fn chosen_transport(&self, named: Option<TransportId>) -> Result<TransportId, Refusal> {
        let Some(id) = named.or_else(|| self.receiving_transport().cloned()) else {
            let message = "there is no transport to receive on";
            return Err(Refusal::new(Code::TransportNotFound, message)
                .hint("create one with direction 'consumer'"));
        };
        match self.transports.get(&id) {
            Some(Transport::WebRtc { way: Way::ToClient, .. }) => Ok(id),
            Some(_) | None => Err(no_transport(&id)),
        }
    }

    pub(super) fn mid(&mut self, named: Option<String>) -> Result<String, Refusal> {
        match named {
            Some(mid) if mid.is_empty() || mid.len() > MID => {
                Err(Refusal::new(Code::BadRequest, format!("'mid' has 1 to {MID} bytes")))
            }
            Some(mid) => Ok(mid),
            None => {
                self.next_mid += 1;
                Ok((self.next_mid - 1).to_string())
            }
        }
    }
}

/// A producer as its choosers see it.
pub(super) fn summary(
    peer: &PeerId,
    entry: &ProducerEntry,
    replaces: Option<ProducerId>,
) -> ProducerSummary {
    let media = entry.consumable.0.codecs.iter().find(|codec| !is_rtx(&codec.mime_type));
    ProducerSummary {
        peer_id: peer.clone(),
        producer_id: entry.id.clone(),
        kind: entry.kind,
        source: entry.source.clone(),
        rtp_type: entry.rtp_type,
        mime_type: media.map(|codec| codec.mime_type.clone()).unwrap_or_default(),
        paused: entry.paused,
        replaces,
    }
}
