//! Packets sent for nothing but their bytes, so that feedback tells what a receiver can take:
//! recent video once more on its RTX stream, or else what mediasoup-client's `probator` section is
//! for (BW5). How much and when is the estimator's; retransmissions that wait leave here too.

use std::time::{Duration, Instant};

use serde_json::json;
use slab::Slab;
use starling_proto::{MediaKind, trace::TraceType};

use crate::{
    bandwidth::probe::STEP,
    consumer::{Consumer, Source},
    rtp::{ExtensionPlan, Outgoing, RtpHeader, write_packet},
};

use super::{
    Plane,
    transport::{Item, MAX_QUEUE},
};

/// mediasoup-client declares a stream with this SSRC and payload type (`ortc.ts`,
/// `getProbatorRtpParameters`).
const SSRC: u32 = 1234;
const PAYLOAD_TYPE: u8 = 127;
/// Payload of such a packet: with its header it stays below 1,200 bytes.
const PAYLOAD: usize = 1_100;
/// Padding packets of one step: 100 Mb/s.
const MAX_PACKETS: usize = 64;
/// Packets of a stream that are repeated in turn: about a frame or two.
const REPEATED: u16 = 16;
/// Retransmissions may take one part of so many of what there is: media that is on time matters
/// more than media that is late.
const REPAIR_SHARE: u64 = 3;
/// Steps of a probe.
const PACE: Duration = Duration::from_micros(STEP as u64);

/// The `probator` stream of one transport.
#[derive(Debug)]
pub(super) struct Probator {
    sequence: u16,
    timestamp: u32,
}

impl Probator {
    pub(super) const fn new(sequence: u16) -> Self {
        Self { sequence, timestamp: 0 }
    }
}

impl Plane {
    /// Something is to be sent bit by bit from now on.
    pub(super) fn start_pacing(&mut self, now: Instant, place: usize) {
        if !std::mem::replace(&mut self.transports[place].paced, true) {
            self.timers.paced.push(place as u32);
        }
        self.timers.arm(now);
    }

    /// Sends what is due; when to look again.
    pub(super) fn pace(&mut self, now: Instant, place: usize) -> Option<Instant> {
        self.release(now, place);
        let bandwidth = self.transports.get_mut(place)?.bandwidth.as_deref_mut()?;
        let mut due = bandwidth.estimator.padding_due(now);
        for _ in 0..MAX_PACKETS {
            if due == 0 {
                break;
            }
            let sent = self.repeat(place).or_else(|| self.send_probation(now, place))?;
            due = due.saturating_sub(sent);
        }
        let bandwidth = self.transports[place].bandwidth.as_deref()?;
        let more = bandwidth.estimator.is_probing() || !bandwidth.pacer.is_empty();
        more.then(|| now + PACE)
    }

    /// Retransmissions whose turn it is.
    pub(super) fn release(&mut self, now: Instant, place: usize) {
        let transport = &mut self.transports[place];
        let Some(bandwidth) = transport.bandwidth.as_deref_mut() else { return };
        let micros = bandwidth.estimator.micros(now);
        let rate = bandwidth.estimator.bitrate() / REPAIR_SHARE;
        bandwidth.pacer.forget(|item| !is_of_use(&self.consumers, item));
        while transport.queue.len() < MAX_QUEUE {
            let Some(mut item) = bandwidth.pacer.pop(micros, rate) else { break };
            item.order = transport.queue.len() as u32;
            transport.queue.push(item);
        }
        self.has_queue(place);
    }

    /// Queues a recent packet of some video once more; its length.
    fn repeat(&mut self, place: usize) -> Option<usize> {
        let transport = &mut self.transports[place];
        let bandwidth = transport.bandwidth.as_deref_mut()?;
        let back = bandwidth.back;
        bandwidth.back = (back + 1) % REPEATED;
        let mut best: Option<Item> = None;
        for &consumer in &transport.consumers {
            let viewer = &self.consumers[consumer as usize];
            let output = &viewer.outputs[0];
            let flows = viewer.active && output.switch.current().is_some();
            if viewer.setup.kind != MediaKind::Video || !flows || output.setup.rtx_ssrc.is_none() {
                continue;
            }
            let Some(producer) = viewer.producer else { continue };
            let streams = &self.producers[producer].streams;
            let Some((source, found)) = output.repeat(back, streams) else { continue };
            if best.is_none_or(|best| best.place.payload_len < found.payload_len) {
                best = Some(Item {
                    consumer,
                    order: transport.queue.len() as u32,
                    producer: producer as u32,
                    uid: source.uid,
                    encoding: source.encoding,
                    output: 0,
                    again: true,
                    rtx: true,
                    probe: true,
                    past: false,
                    kept: false,
                    place: found,
                });
            }
        }
        let item = best.filter(|_| transport.queue.len() < MAX_QUEUE)?;
        transport.queue.push(item);
        self.has_queue(place);
        Some(usize::from(item.place.payload_len) + 40)
    }

    /// Sends a packet of the `probator` stream; its length. `None` if that cannot be.
    fn send_probation(&mut self, now: Instant, place: usize) -> Option<usize> {
        let transport = &mut self.transports[place];
        let to = transport.rtp_destination().filter(|_| transport.ready)?;
        let plan = transport.consumers.iter().find_map(|consumer| {
            let setup = &self.consumers[*consumer as usize].setup;
            setup.is_told_about().then(|| setup.probation_plan())
        })?;
        if self.outbox.is_overflowing() {
            return None;
        }
        let time = self.wall.abs_send_time(now);
        let bandwidth = transport.bandwidth.as_deref_mut()?;
        let micros = bandwidth.estimator.micros(now);
        let start = self.outbox.bytes.len();
        bandwidth.probator.write(
            bandwidth.estimator.next_sequence(),
            time,
            &plan,
            &mut self.outbox.bytes,
        );
        let len = self.outbox.bytes.len() - start;
        if let Some(srtp) = &mut transport.srtp {
            self.outbox.bytes.resize(start + len + srtp.sender.rtp_overhead(), 0);
            let sealed = srtp.sender.protect_rtp(&mut self.outbox.bytes[start..], len);
            self.outbox.bytes.truncate(start + sealed.unwrap_or(0));
            sealed?;
        }
        let len = self.outbox.bytes.len() - start;
        bandwidth.estimator.on_sent(micros, len);
        bandwidth.probation.add(now, len);
        transport.sent.all.add(now, len);
        let (sequence, timestamp) = (bandwidth.probator.sequence, bandwidth.probator.timestamp);
        self.outbox.commit(start, to);
        self.trace_transport(now, place, TraceType::Probation, || {
            json!({
                "ssrc": SSRC, "payloadType": PAYLOAD_TYPE, "sequenceNumber": sequence,
                "timestamp": timestamp, "size": len, "payloadSize": PAYLOAD,
            })
        });
        Some(len)
    }

    /// A transport whose queue is not empty is flushed.
    pub(super) fn has_queue(&mut self, place: usize) {
        let transport = &mut self.transports[place];
        if !transport.queue.is_empty() && !std::mem::replace(&mut transport.queued, true) {
            self.send_due.push(place as u32);
        }
    }
}

/// Of layers that were left nothing is shown any more.
fn is_of_use(consumers: &Slab<Consumer>, item: &Item) -> bool {
    let output = consumers
        .get(item.consumer as usize)
        .and_then(|consumer| consumer.outputs.get(usize::from(item.output)));
    let source = Source { encoding: item.encoding, uid: item.uid };
    output.is_some_and(|output| output.shows(source))
}

impl Probator {
    /// Appends the next packet, plain.
    fn write(
        &mut self,
        twcc: u16,
        abs_send_time: [u8; 3],
        plan: &ExtensionPlan,
        out: &mut Vec<u8>,
    ) {
        let mut packet = [0u8; 12 + PAYLOAD];
        (packet[0], packet[1]) = (0x80, PAYLOAD_TYPE);
        let Some(header) = RtpHeader::parse(&packet) else { return };
        self.sequence = self.sequence.wrapping_add(1);
        self.timestamp = self.timestamp.wrapping_add(1);
        let fields = Outgoing {
            payload_type: PAYLOAD_TYPE,
            marker: false,
            sequence: self.sequence,
            timestamp: self.timestamp,
            ssrc: SSRC,
            osn: None,
        };
        let written = write_packet(out, &header, &packet, &fields, plan, None);
        if let Some(at) = written.abs_send_time {
            out[at..at + 3].copy_from_slice(&abs_send_time);
        }
        if let Some(at) = written.twcc {
            out[at..at + 2].copy_from_slice(&twcc.to_be_bytes());
        }
    }
}
