//! Trace events (PD8, CO8, WT12): told only while somebody looks, and never so many that other
//! facts would be lost.

use std::time::Instant;

use serde_json::{Value, json};
use starling_proto::trace::{TraceDirection, TraceEvent, TraceType};

use crate::{
    command::{ConsumerKey, ProducerKey},
    event::{BandwidthOutlook, Event},
    rtcp::SenderInfo,
    rtp::RtpHeader,
    trace::{TraceOf, TraceTypes},
};

use super::{Plane, transport::Item};

/// Events of any kind that may wait while trace events are still added: a quarter of all.
const MAX_WAITING: usize = 4_096;

impl Plane {
    pub(super) fn set_trace(&mut self, of: TraceOf, types: TraceTypes) -> Option<()> {
        match of {
            TraceOf::Producer(key) => {
                let place = *self.producer_keys.get(&key)?;
                self.producers[place].trace = types;
            }
            TraceOf::Consumer(key) => {
                let place = self.consumer_place(key)?;
                let before = std::mem::replace(&mut self.consumers[place].trace, types);
                self.traced_consumers += usize::from(!types.is_empty());
                self.traced_consumers -= usize::from(!before.is_empty());
            }
            TraceOf::Transport(key) => {
                let place = self.place(key)?;
                self.transports[place].trace = types;
            }
        }
        Some(())
    }

    fn trace(
        &mut self,
        now: Instant,
        of: TraceOf,
        kind: TraceType,
        direction: TraceDirection,
        info: Value,
    ) {
        if self.events.len() >= MAX_WAITING {
            self.counters.dropped_traces += 1;
            return;
        }
        let timestamp = self.unix_ms(now);
        let event = Box::new(TraceEvent { kind, timestamp, direction, info });
        self.tell(Event::Trace { of, event });
    }

    /// A packet of a producer that is traced has arrived.
    pub(super) fn trace_packet(
        &mut self,
        now: Instant,
        place: usize,
        header: &RtpHeader,
        packet: &[u8],
        (key_frame, rtx): (bool, bool),
    ) {
        let (types, key) = (self.producers[place].trace, self.producers[place].key);
        let of = TraceOf::Producer(key);
        for kind in [TraceType::Rtp, TraceType::KeyFrame] {
            if types.has(kind) && (kind == TraceType::Rtp || key_frame) {
                let rtp = json!({
                    "ssrc": header.ssrc,
                    "payloadType": header.payload_type,
                    "sequenceNumber": header.sequence,
                    "timestamp": header.timestamp,
                    "marker": header.marker,
                    "isKeyFrame": key_frame,
                    "size": packet.len(),
                    "payloadSize": header.payload(packet).len(),
                });
                let info = json!({ "rtpPacket": rtp, "isRtx": rtx });
                self.trace(now, of, kind, TraceDirection::In, info);
            }
        }
    }

    /// What waits for a transport is about to be written.
    pub(super) fn trace_queue(&mut self, now: Instant, queue: &[Item]) {
        for item in queue {
            let Some(consumer) = self.consumers.get(item.consumer as usize) else { continue };
            let (types, key) = (consumer.trace, consumer.key);
            if types.is_empty() {
                continue;
            }
            let Some(info) = self.sent_info(item) else { continue };
            let key_frame = info["rtpPacket"]["isKeyFrame"] == true;
            for kind in [TraceType::Rtp, TraceType::KeyFrame] {
                if types.has(kind) && (kind == TraceType::Rtp || key_frame) {
                    let of = TraceOf::Consumer(key);
                    self.trace(now, of, kind, TraceDirection::Out, info.clone());
                }
            }
        }
    }

    fn sent_info(&self, item: &Item) -> Option<Value> {
        let consumer = self.consumers.get(item.consumer as usize)?;
        let producer = self.producers.get(item.producer as usize)?;
        let stream = producer.stream(usize::from(item.encoding), item.uid)?;
        let packet = stream.ring.slot(item.place.slot)?;
        let output = consumer.outputs.get(usize::from(item.output))?;
        let rtp = json!({
            "ssrc": output.setup.ssrc,
            "payloadType": consumer.setup.payload_type,
            "sequenceNumber": item.place.sequence,
            "timestamp": item.place.timestamp,
            "marker": packet.header.marker,
            "isKeyFrame": packet.facts.key_frame,
            "payloadSize": item.place.payload_len,
        });
        Some(json!({ "rtpPacket": rtp, "isRtx": item.rtx }))
    }

    /// Something of a transport that is traced (WT12).
    pub(super) fn trace_transport(
        &mut self,
        now: Instant,
        place: usize,
        kind: TraceType,
        info: impl FnOnce() -> Value,
    ) {
        let transport = &self.transports[place];
        if transport.trace.has(kind) {
            let key = transport.key;
            self.trace(now, TraceOf::Transport(key), kind, TraceDirection::Out, info());
        }
    }

    /// Feedback to a producer's sender, or a report of it.
    pub(super) fn trace_producer(
        &mut self,
        now: Instant,
        key: ProducerKey,
        kind: TraceType,
        info: impl FnOnce() -> Value,
    ) {
        let place = self.producer_keys.get(&key);
        let wanted = place.is_some_and(|place| self.producers[*place].trace.has(kind));
        if wanted {
            let way = match kind {
                TraceType::Sr => TraceDirection::In,
                _ => TraceDirection::Out,
            };
            self.trace(now, TraceOf::Producer(key), kind, way, info());
        }
    }

    /// Feedback of a consumer's receiver.
    pub(super) fn trace_consumer(
        &mut self,
        now: Instant,
        key: ConsumerKey,
        kind: TraceType,
        info: impl FnOnce() -> Value,
    ) {
        if self.traced_consumers == 0 {
            return;
        }
        let place = self.consumer_place(key);
        if place.is_some_and(|place| self.consumers[place].trace.has(kind)) {
            self.trace(now, TraceOf::Consumer(key), kind, TraceDirection::In, info());
        }
    }
}

/// mediasoup's fields of its `bwe` event.
pub(super) fn bandwidth_info(outlook: &BandwidthOutlook, remb: bool) -> Value {
    json!({
        "desiredBitrate": outlook.desired,
        "effectiveDesiredBitrate": outlook.effective_desired,
        "minBitrate": outlook.min,
        "maxBitrate": outlook.max,
        "startBitrate": outlook.start,
        "maxPaddingBitrate": outlook.effective_desired,
        "availableBitrate": outlook.available,
        "bweType": if remb { "remb" } else { "transport-cc" },
    })
}

/// mediasoup's fields of a sender report.
pub(super) fn report_info(info: &SenderInfo) -> Value {
    json!({
        "ssrc": info.ssrc,
        "ntpSec": info.ntp.0 >> 32,
        "ntpFrac": info.ntp.0 & 0xffff_ffff,
        "rtpTs": info.timestamp,
        "packetCount": info.packets,
        "octetCount": info.octets,
    })
}
