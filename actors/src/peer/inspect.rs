//! What operators see of a peer: its objects by id, and of each what the plane counts and holds.

use serde_json::{Map, Value, json};
use starling_proto::{
    Code, Refusal,
    rest::{ConsumerObject, PeerObjects, ProducerObject, TransportKind, TransportObject},
    sctp::SctpParameters,
};

use super::{PeerState, plain::Plain, transports::Transport};
use crate::{
    node::Reply,
    router::{Look, RouterMsg, StatsWish},
};

/// What the plane does not know of a WebRTC transport: it sees keys, and no handshake.
struct Progress {
    connected: bool,
}

impl Progress {
    /// mediasoup's states: DTLS begins when both sides are known and a check has come.
    fn onto(&self, fields: &mut Map<String, Value>) {
        let is = |name: &str, states: &[&str]| {
            fields.get(name).and_then(Value::as_str).is_some_and(|state| states.contains(&state))
        };
        let reachable = is("iceState", &["connected", "completed"]);
        if self.connected && reachable && is("dtlsState", &["new"]) {
            fields.insert("dtlsState".into(), "connecting".into());
        }
    }
}

impl PeerState {
    pub(super) fn objects(&self) -> PeerObjects {
        let transports = self.transports.iter().map(|(id, transport)| TransportObject {
            id: id.clone(),
            kind: match transport {
                Transport::WebRtc { .. } => TransportKind::Webrtc,
                Transport::Plain(_) => TransportKind::Plain,
                Transport::Direct(_) => TransportKind::Direct,
            },
        });
        let producers = self.producers.iter().map(|(id, own)| ProducerObject {
            id: id.clone(),
            transport_id: own.transport.clone(),
            kind: own.entry.kind,
            source: own.entry.source.clone(),
        });
        let consumers = self.consumers.iter().map(|(id, consumer)| ConsumerObject {
            id: id.clone(),
            transport_id: consumer.transport.clone(),
            producer_id: consumer.producer.clone(),
        });
        PeerObjects {
            transports: transports.collect(),
            producers: producers.collect(),
            consumers: consumers.collect(),
            data_producers: self.data_producer_objects(),
            data_consumers: self.data_consumer_objects(),
        }
    }

    /// Asks the router; what only the peer knows is added to a dump.
    pub(super) fn inspect(&self, of: StatsWish, dump: bool, reply: Reply<Value>) {
        if let Err(refusal) = self.check_own(&of) {
            let _ = reply.send(Err(refusal));
            return;
        }
        let known = if dump { self.known_of(&of) } else { self.counted_of(&of) };
        let progress = self.progress_of(&of);
        let (inner, answer): (Reply<Value>, _) = tokio::sync::oneshot::channel();
        self.for_router(RouterMsg::Look(match dump {
            true => Look::Dump { of, reply: inner },
            false => Look::Stats { of, reply: inner },
        }));
        tokio::spawn(async move {
            let Ok(mut answer) = answer.await else { return };
            let fields = match &mut answer {
                Ok(Value::Array(stats)) => stats.first_mut(),
                Ok(dump) => Some(dump),
                Err(_) => None,
            };
            if let Some(Value::Object(fields)) = fields {
                if let Value::Object(known) = known {
                    fields.extend(known);
                }
                if let Some(progress) = progress {
                    progress.onto(fields);
                }
            }
            let _ = reply.send(answer);
        });
    }

    /// Of a WebRTC transport.
    fn progress_of(&self, of: &StatsWish) -> Option<Progress> {
        let StatsWish::Transport(id) = of else { return None };
        match self.transports.get(id)? {
            Transport::WebRtc { connected, .. } => Some(Progress { connected: *connected }),
            Transport::Plain(_) | Transport::Direct(_) => None,
        }
    }

    /// Refuses what is not this peer's.
    pub(super) fn check_own(&self, of: &StatsWish) -> Result<(), Refusal> {
        let (code, own) = match of {
            StatsWish::Transport(id) => (Code::TransportNotFound, self.transports.contains_key(id)),
            StatsWish::Producer(id) => (Code::ProducerNotFound, self.producers.contains_key(id)),
            StatsWish::Consumer(id) => (Code::ConsumerNotFound, self.consumers.contains_key(id)),
        };
        let missing = || {
            Refusal::new(code, "this peer has no such object").hint("GET …/peers/{peer} lists them")
        };
        if own { Ok(()) } else { Err(missing()) }
    }

    /// What only the peer knows of an object's statistics.
    fn counted_of(&self, of: &StatsWish) -> Value {
        let StatsWish::Transport(id) = of else { return Value::Null };
        self.sctp_state(id).map_or(Value::Null, |state| json!({ "sctpState": state }))
    }

    fn known_of(&self, of: &StatsWish) -> Value {
        match of {
            StatsWish::Transport(id) => match self.transports.get(id) {
                Some(Transport::WebRtc { way, connected, .. }) => {
                    let (data_producers, data_consumers) = self.channels_of(id);
                    let shared = &self.args.shared;
                    json!({
                        "sctpState": self.sctp_state(id),
                        "appData": { "direction": way.name() },
                        "connected": connected,
                        "iceCandidates": shared.candidates(&self.args.worker, false),
                        "dtlsParameters": shared.dtls_parameters(),
                        "sctpParameters": SctpParameters::default(),
                        "dataProducerIds": data_producers,
                        "dataConsumerIds": data_consumers,
                    })
                }
                Some(transport) => {
                    let (data_producers, data_consumers) = self.channels_of(id);
                    let sctp = matches!(transport, Transport::Plain(Plain { data: Some(_), .. }));
                    json!({
                        "sctpParameters": sctp.then(SctpParameters::plain),
                        "sctpState": self.sctp_state(id),
                        "dataProducerIds": data_producers,
                        "dataConsumerIds": data_consumers,
                    })
                }
                None => json!({}),
            },
            StatsWish::Producer(id) => self.producers.get(id).map_or(Value::Null, |own| {
                json!({
                    "type": own.entry.rtp_type,
                    "transportId": own.transport,
                    "appData": own.entry.app_data.0,
                    "rtpParameters": own.rtp,
                    "rtpMapping": own.mapping,
                    "consumableRtpParameters": own.entry.consumable.0,
                })
            }),
            StatsWish::Consumer(id) => self.consumers.get(id).map_or(Value::Null, |consumer| {
                let source = self.available.get(&consumer.producer);
                json!({
                    "transportId": consumer.transport,
                    "suspended": consumer.suspended,
                    "consumableRtpEncodings":
                        source.map(|source| &source.entry.consumable.0.encodings),
                })
            }),
        }
    }
}
