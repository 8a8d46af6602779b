//! Statistics in mediasoup's field names (ST1, PD9, CO9, TR4). Reads only.

use std::time::Instant;

use serde_json::{Map, Value, json};
use starling_proto::{MediaKind, transport::Protocol};

use crate::{
    bandwidth::{
        Bounds,
        estimator::{MAX_BITRATE, MIN_BITRATE},
    },
    command::StatsOf,
    event::Event,
    producer::ProducerSetup,
    rtp::NtpTime,
};

use super::{
    Plane,
    outbox::Destination,
    transport::{Kind, Traffic},
};

/// Seconds from 1900 to 1970.
const NTP_TO_UNIX_MS: i64 = 2_208_988_800_000;

impl Plane {
    pub(super) fn collect_stats(&mut self, now: Instant, token: u64, of: StatsOf) {
        let stats = match of {
            StatsOf::Transport(key) => self.place(key).map(|place| {
                let stats = self.transport_stats(now, place);
                Value::Array(vec![stats])
            }),
            StatsOf::Producer(key) => self.producer_keys.get(&key).copied().map(|place| {
                let count = self.producers[place].streams.len();
                let all = (0..count).filter_map(|encoding| self.stream_stats(now, place, encoding));
                Value::Array(all.collect())
            }),
            StatsOf::Consumer(key) => {
                self.consumer_place(key).map(|place| self.consumer_stats(now, place))
            }
        };
        self.tell(Event::Stats { token, stats: stats.unwrap_or(Value::Null) });
    }

    pub(super) fn unix_ms(&self, now: Instant) -> i64 {
        unix_ms(self.wall.ntp(now))
    }

    fn stream_stats(&mut self, now: Instant, place: usize, encoding: usize) -> Option<Value> {
        let timestamp = self.unix_ms(now);
        let producer = &mut self.producers[place];
        let stream = producer.streams[encoding].as_deref_mut()?;
        let mut fields = Map::new();
        fields.insert("type".into(), "inbound-rtp".into());
        fields.insert("timestamp".into(), timestamp.into());
        fields.insert("encodingIdx".into(), encoding.into());
        describe(&producer.setup, &mut fields);
        if let Some(rid) = &producer.setup.encodings[encoding].rid {
            fields.insert("rid".into(), rid.as_str().into());
        }
        stream.report(now, &mut fields);
        Some(Value::Object(fields))
    }

    fn consumer_stats(&mut self, now: Instant, place: usize) -> Value {
        let timestamp = self.unix_ms(now);
        let consumer = &mut self.consumers[place];
        let (kind, mime_type) = (consumer.setup.kind, consumer.setup.mime_type.clone());
        let mut all = Vec::new();
        for output in &mut consumer.outputs {
            let stats = &mut output.stats;
            let mut fields = json!({
                "type": "outbound-rtp",
                "timestamp": timestamp,
                "ssrc": output.setup.ssrc,
                "kind": kind_name(kind),
                "mimeType": mime_type,
                "packetsLost": stats.lost.max(0),
                "fractionLost": stats.fraction_lost,
                "jitter": stats.jitter,
                "packetsDiscarded": 0,
                "packetsRetransmitted": stats.retransmitted,
                "packetsRepaired": stats.retransmitted.min(stats.nacked),
                "nackCount": stats.nacks,
                "nackPacketCount": stats.nacked,
                "pliCount": stats.plis,
                "firCount": stats.firs,
                "roundTripTime": stats.rtt_ms(),
                "rtxPacketsDiscarded": 0,
                "score": stats.score.score(),
                "packetCount": stats.packets,
                "byteCount": stats.bytes,
                "bitrate": stats.rate.bits_per_second(now),
                "addedLatencyMs": stats.latency.report(),
            });
            if let (Some(ssrc), Some(fields)) = (output.setup.rtx_ssrc, fields.as_object_mut()) {
                fields.insert("rtxSsrc".into(), ssrc.into());
            }
            all.push(fields);
        }
        let source = consumer.outputs.first().and_then(|output| output.source);
        if let (Some(producer), Some(source)) = (consumer.producer, source) {
            let encoding = usize::from(source.encoding);
            if encoding < self.producers[producer].streams.len() {
                all.extend(self.stream_stats(now, producer, encoding));
            }
        }
        Value::Array(all)
    }

    fn transport_stats(&mut self, now: Instant, place: usize) -> Value {
        let timestamp = self.unix_ms(now);
        let transport = &mut self.transports[place];
        let rate = |traffic: &mut Traffic| (traffic.bytes, traffic.rate.bits_per_second(now));
        let (bytes_received, recv_bitrate) = rate(&mut transport.received.all);
        let (bytes_sent, send_bitrate) = rate(&mut transport.sent.all);
        let (rtp_received, rtp_recv) = rate(&mut transport.received.rtp);
        let (rtp_sent, rtp_send) = rate(&mut transport.sent.rtp);
        let (rtx_received, rtx_recv) = rate(&mut transport.received.rtx);
        let (rtx_sent, rtx_send) = rate(&mut transport.sent.rtx);
        let (probation_sent, probation_send) =
            transport.bandwidth.as_deref_mut().map_or((0, 0), |known| rate(&mut known.probation));
        let mut fields = json!({
            "transportId": transport.key.0.to_string(),
            "timestamp": timestamp,
            "bytesReceived": bytes_received,
            "recvBitrate": recv_bitrate,
            "bytesSent": bytes_sent,
            "sendBitrate": send_bitrate,
            "rtpBytesReceived": rtp_received,
            "rtpRecvBitrate": rtp_recv,
            "rtpBytesSent": rtp_sent,
            "rtpSendBitrate": rtp_send,
            "rtxBytesReceived": rtx_received,
            "rtxRecvBitrate": rtx_recv,
            "rtxBytesSent": rtx_sent,
            "rtxSendBitrate": rtx_send,
            "probationBytesSent": probation_sent,
            "probationSendBitrate": probation_send,
        });
        let others = [self.of_kind(place), self.known_of_path(place)];
        if let Value::Object(fields) = &mut fields {
            for other in others {
                if let Value::Object(other) = other {
                    fields.extend(other);
                }
            }
            fields.retain(|_, value| !value.is_null());
        }
        fields
    }

    /// What only this kind of transport has.
    fn of_kind(&self, place: usize) -> Value {
        let transport = &self.transports[place];
        let destination = transport.rtp_destination();
        match &transport.kind {
            Kind::WebRtc(agent) => json!({
                "type": "webrtc-transport",
                "iceRole": "controlled",
                "iceState": agent.state().name(),
                "dtlsState": if transport.srtp.is_some() { "connected" } else { "new" },
                "iceSelectedTuple": tuple(destination),
            }),
            Kind::Plain(plain) => json!({
                "type": "plain-rtp-transport",
                "rtcpMux": plain.rtcp.is_none(),
                "comedia": plain.comedia,
                "tuple": tuple(destination),
                "rtcpTuple": plain.rtcp.zip(plain.rtcp_remote).map(|(socket, remote)| {
                    tuple(Some(Destination::Udp(socket, remote)))
                }),
            }),
            Kind::Pipe(_) => json!({ "type": "pipe-transport" }),
            Kind::Direct(_) => json!({ "type": "direct-transport" }),
        }
    }

    /// What is known of the way to and from its other side; as mediasoup, a limit that nobody has
    /// set is not there.
    fn known_of_path(&self, place: usize) -> Value {
        let (received, sent) = self.losses(place);
        let transport = &self.transports[place];
        let available = match &transport.bandwidth {
            Some(bandwidth) => Some(bandwidth.estimator.bitrate()),
            None => transport.remb,
        };
        let Bounds { min, max, .. } = transport.bounds;
        json!({
            "availableOutgoingBitrate": available,
            "availableIncomingBitrate": transport.told_incoming,
            "maxIncomingBitrate": Some(transport.max_incoming).filter(|max| *max > 0),
            "maxOutgoingBitrate": Some(max).filter(|max| *max < MAX_BITRATE),
            "minOutgoingBitrate": Some(min).filter(|min| *min > MIN_BITRATE),
            "rtpPacketLossReceived": received,
            "rtpPacketLossSent": sent,
        })
    }
}

impl Plane {
    /// Mean share of packets lost on the way here and from here, as last reported; none before a
    /// report.
    pub(super) fn losses(&self, place: usize) -> (Option<f64>, Option<f64>) {
        let transport = &self.transports[place];
        let producers = transport.producers.iter().map(|index| &self.producers[*index as usize]);
        let received = producers.flat_map(|producer| producer.streams.iter().flatten());
        let received = received.filter(|stream| stream.active);
        let consumers = transport.consumers.iter().map(|index| &self.consumers[*index as usize]);
        let sent = consumers.flat_map(|consumer| &consumer.outputs);
        let sent = sent.filter(|output| output.stats.packets > 0);
        (
            mean(received.map(|stream| stream.counts.fraction_lost)),
            mean(sent.map(|output| output.stats.fraction_lost)),
        )
    }
}

fn mean(fractions: impl Iterator<Item = u8>) -> Option<f64> {
    let (count, sum) =
        fractions.fold((0u32, 0u32), |(count, sum), lost| (count + 1, sum + u32::from(lost)));
    (count > 0).then(|| f64::from(sum) / 256.0 / f64::from(count))
}

fn describe(setup: &ProducerSetup, fields: &mut Map<String, Value>) {
    fields.insert("kind".into(), kind_name(setup.kind).into());
    fields.insert("mimeType".into(), setup.mime_type.as_str().into());
}

pub(super) fn kind_name(kind: MediaKind) -> &'static str {
    match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    }
}

/// The plane knows its sockets by number only: whoever opened them puts the local address in its
/// place.
pub(super) fn tuple(destination: Option<Destination>) -> Value {
    match destination {
        Some(Destination::Udp(socket, remote)) => json!({
            "$socket": socket.0,
            "remoteIp": remote.ip(),
            "remotePort": remote.port(),
            "protocol": if socket.is_tcp() { Protocol::Tcp } else { Protocol::Udp },
        }),
        Some(Destination::Pipe(_)) | None => Value::Null,
    }
}

fn unix_ms(ntp: NtpTime) -> i64 {
    ntp.micros() / 1000 - NTP_TO_UNIX_MS
}
