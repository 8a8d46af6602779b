//! What a plane holds, in mediasoup's dump fields (TR5, PD11, CO dump). Reads only. Names that only
//! the control plane knows stand as `{"$producer": key}`, `{"$consumer": key}`; what it knows
//! better (parameters as negotiated, certificates) it adds.

use serde_json::{Value, json};
use starling_proto::{rtp::RtpType, signal::VideoOrientation};

use crate::{
    command::StatsOf,
    consumer::Consumer,
    event::Event,
    producer::{Feedback, Producer, ProducerSetup, ReceivedIds, RecvStream},
};

use super::{
    Plane,
    outbox::Destination,
    stats::{kind_name, tuple},
    transport::{Kind, Transport},
};

impl Plane {
    /// Answers with one object, or `Null` if it is gone.
    pub(super) fn dump(&mut self, token: u64, of: StatsOf) {
        let dump = match of {
            StatsOf::Transport(key) => {
                self.place(key).map(|place| self.dump_transport(&self.transports[place]))
            }
            StatsOf::Producer(key) => {
                let place = self.producer_keys.get(&key);
                place.map(|place| dump_producer(&self.producers[*place]))
            }
            StatsOf::Consumer(key) => {
                self.consumer_place(key).map(|place| self.dump_consumer(&self.consumers[place]))
            }
        };
        self.tell(Event::Stats { token, stats: dump.unwrap_or(Value::Null) });
    }

    fn dump_transport(&self, transport: &Transport) -> Value {
        let producer = |index: u32| named_producer(&self.producers[index as usize]);
        let consumer = |index: u32| named_consumer(&self.consumers[index as usize]);
        let mut ssrcs: Vec<_> = transport.routes.iter().collect();
        ssrcs.sort_by_key(|(ssrc, _)| **ssrc);
        let ssrcs = ssrcs.into_iter().map(|(ssrc, route)| pair(*ssrc, producer(route.producer)));
        let setups = transport.producers.iter().map(|index| &self.producers[*index as usize]);
        let mids = setups.clone().filter_map(|producer| {
            let mid = producer.setup.mid.as_deref()?;
            Some(pair(mid, named_producer(producer)))
        });
        let rids = setups.clone().flat_map(|producer| {
            let encodings = producer.setup.encodings.iter();
            encodings.filter_map(|encoding| {
                Some(pair(encoding.rid.as_deref()?, named_producer(producer)))
            })
        });
        let (media, rtx) = self.outgoing_ssrcs(transport);
        let mut dump = json!({
            "direct": matches!(transport.kind, Kind::Direct(_)),
            "producerIds": transport.producers.iter().map(|index| producer(*index))
                .collect::<Vec<_>>(),
            "consumerIds": transport.consumers.iter().map(|index| consumer(*index))
                .collect::<Vec<_>>(),
            "mapSsrcConsumerId": media,
            "mapRtxSsrcConsumerId": rtx,
            "recvRtpHeaderExtensions": extensions(transport.ids),
            "rtpListener": {
                "ssrcTable": ssrcs.collect::<Vec<_>>(),
                "midTable": mids.collect::<Vec<_>>(),
                "ridTable": rids.collect::<Vec<_>>(),
            },
            "traceEventTypes": transport.trace.names(),
        });
        let own = match &transport.kind {
            Kind::WebRtc(agent) => json!({
                "type": "webrtc",
                "iceRole": "controlled",
                "iceState": agent.state().name(),
                "iceSelectedTuple": tuple(transport.rtp_destination()),
                "dtlsState": if transport.srtp.is_some() { "connected" } else { "new" },
            }),
            Kind::Plain(plain) => json!({
                "type": "plain",
                "rtcpMux": plain.rtcp.is_none(),
                "comedia": plain.comedia,
                "enableSrtp": plain.srtp,
                "tuple": tuple(transport.rtp_destination()),
                "rtcpTuple": plain.rtcp.zip(plain.rtcp_remote).map(|(socket, remote)| {
                    tuple(Some(Destination::Udp(socket, remote)))
                }),
            }),
            Kind::Pipe(_) => json!({ "type": "pipe" }),
            Kind::Direct(_) => json!({ "type": "direct" }),
        };
        if let (Value::Object(dump), Value::Object(own)) = (&mut dump, own) {
            dump.extend(own);
        }
        dump
    }

    /// SSRCs it sends, and those of retransmissions.
    fn outgoing_ssrcs(&self, transport: &Transport) -> (Vec<Value>, Vec<Value>) {
        let (mut media, mut rtx) = (Vec::new(), Vec::new());
        for index in &transport.consumers {
            let consumer = &self.consumers[*index as usize];
            for output in &consumer.outputs {
                media.push(pair(output.setup.ssrc, named_consumer(consumer)));
                let again = output.setup.rtx_ssrc;
                rtx.extend(again.map(|ssrc| pair(ssrc, named_consumer(consumer))));
            }
        }
        (media, rtx)
    }

    fn dump_consumer(&self, consumer: &Consumer) -> Value {
        let setup = &consumer.setup;
        let producer = consumer.producer.map(|place| &self.producers[place]);
        let streams = consumer.outputs.iter().map(|output| {
            json!({
                "params": {
                    "ssrc": output.setup.ssrc,
                    "rtxSsrc": output.setup.rtx_ssrc,
                    "payloadType": setup.payload_type,
                    "rtxPayloadType": setup.rtx_payload_type,
                    "mimeType": setup.mime_type,
                    "clockRate": setup.clock_rate,
                    "cname": setup.cname,
                    "useNack": setup.feedback.nack,
                    "usePli": setup.feedback.pli,
                    "useFir": setup.feedback.fir,
                },
                "score": output.stats.score.score(),
            })
        });
        let switch = consumer.outputs.first().map(|output| output.switch);
        let layer = |layer: Option<usize>| layer.map_or(-1, |layer| layer as i64);
        let current = consumer.current_layers();
        json!({
            "kind": kind_name(setup.kind),
            "type": type_name(setup.rtp_type),
            "producerId": { "$producer": consumer.producer_key.0 },
            "paused": consumer.paused,
            "producerPaused": producer.is_some_and(|producer| producer.paused),
            "priority": consumer.priority,
            "active": consumer.active,
            "supportedCodecPayloadTypes": [setup.payload_type],
            "rtpStreams": streams.collect::<Vec<_>>(),
            "traceEventTypes": consumer.trace.names(),
            "preferredSpatialLayer": consumer.wish.map(|wish| wish.spatial_layer),
            "preferredTemporalLayer": consumer.wish.and_then(|wish| wish.temporal_layer),
            "targetSpatialLayer": layer(switch.and_then(|s| s.awaited().or(s.current()))),
            "currentSpatialLayer": layer(switch.and_then(|s| s.current())),
            "currentTemporalLayer": current.and_then(|layers| layers.temporal_layer),
        })
    }
}

fn dump_producer(producer: &Producer) -> Value {
    let setup = &producer.setup;
    let streams =
        producer.streams.iter().enumerate().filter_map(|(encoding, stream)| {
            Some(dump_stream(setup, encoding, stream.as_deref()?))
        });
    let encodings = setup.encodings.iter().map(|encoding| {
        json!({
            "ssrc": encoding.ssrc, "rid": encoding.rid,
            "rtx": encoding.rtx_ssrc.map(|ssrc| json!({ "ssrc": ssrc })), "dtx": encoding.dtx,
        })
    });
    json!({
        "kind": kind_name(setup.kind),
        "paused": producer.paused,
        "videoOrientation": producer.orientation.map(VideoOrientation::from),
        "piped": producer.piped,
        "rtpParameters": {
            "mid": setup.mid,
            "codecs": [{
                "mimeType": setup.mime_type,
                "payloadType": setup.payload_type,
                "clockRate": setup.clock_rate,
            }],
            "headerExtensions": setup.extensions.iter()
                .map(|(uri, id)| json!({ "uri": uri, "id": id })).collect::<Vec<_>>(),
            "encodings": encodings.collect::<Vec<_>>(),
            "rtcp": { "cname": setup.cname },
        },
        "rtpStreams": streams.collect::<Vec<_>>(),
        "consumerCount": producer.consumers.len(),
        "traceEventTypes": producer.trace.names(),
    })
}

fn dump_stream(setup: &ProducerSetup, encoding: usize, stream: &RecvStream) -> Value {
    let Feedback { nack, pli, fir, .. } = setup.feedback;
    json!({
        "params": {
            "encodingIdx": encoding,
            "ssrc": stream.ssrc,
            "rtxSsrc": stream.rtx_ssrc,
            "payloadType": setup.payload_type,
            "rtxPayloadType": setup.rtx_payload_type,
            "mimeType": setup.mime_type,
            "clockRate": setup.clock_rate,
            "rid": setup.encodings[encoding].rid,
            "cname": setup.cname,
            "useNack": nack,
            "usePli": pli,
            "useFir": fir,
            "useInBandFec": setup.in_band_fec,
            "useDtx": setup.encodings[encoding].dtx,
            "spatialLayers": setup.layering.spatial_layers,
            "temporalLayers": setup.layering.temporal_layers,
        },
        "active": stream.active,
        "score": stream.score.score(),
    })
}

fn extensions(ids: ReceivedIds) -> Value {
    let id = |id: u8| (id != 0).then_some(id);
    json!({
        "mid": id(ids.mid), "rid": id(ids.rid), "rrid": id(ids.repaired_rid),
        "transportWideCc01": id(ids.twcc), "ssrcAudioLevel": id(ids.audio_level),
    })
}

fn pair(key: impl Into<Value>, value: Value) -> Value {
    json!({ "key": key.into(), "value": value })
}

fn named_producer(producer: &Producer) -> Value {
    json!({ "$producer": producer.key.0 })
}

fn named_consumer(consumer: &Consumer) -> Value {
    json!({ "$consumer": consumer.key.0 })
}

fn type_name(rtp_type: RtpType) -> &'static str {
    match rtp_type {
        RtpType::Simple => "simple",
        RtpType::Simulcast => "simulcast",
        RtpType::Svc => "svc",
        RtpType::Pipe => "pipe",
    }
}
