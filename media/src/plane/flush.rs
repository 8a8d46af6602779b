//! A transport's queue to bytes: written, padded, protected, grouped into runs. Decides nothing
//! about packets; no allocation once the buffers have their size.

use std::time::Instant;

use crate::{
    codec::{self, Descriptor, dependency, red},
    consumer::{Consumer, Span},
    ingress::StoredPacket,
    producer::{Producer, RecvStream},
    rtp::{Outgoing, pad, write_packet},
};

use super::{
    Plane, PlaneCounters,
    outbox::{Destination, Outbox},
    transport::{Item, Transport},
};

/// Packets whose payloads differ by no more are made equal with RTP padding: libwebrtc splits a
/// frame into parts that differ by a byte or two, and equal ones share a run.
const MAX_PAD: u16 = 4;

/// Id of the header extension, between our planes alone, of a packet that is to be kept and not
/// handed on (`consumer::replay`): beyond those that a router gives away, so that a plane that does
/// not know it sees none.
pub(super) const KEPT: u8 = 255;

/// Packets of one output that came together and left together.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    consumer: u32,
    output: u8,
    packets: u32,
    received: Instant,
}

impl Plane {
    /// What was written since the last flight left `at` this time.
    pub(super) fn note_departures(&mut self, at: Instant) {
        // What is fanned out to many came at one time.
        let mut last = (at, Span::between(at, at));
        for departure in self.scratch.departures.drain(..) {
            let Departure { consumer, output, packets, received } = departure;
            if last.0 != received {
                last = (received, Span::between(received, at));
            }
            self.counters.latency.add(last.1, packets);
            let consumer = self.consumers.get_mut(consumer as usize);
            if let Some(output) = consumer.and_then(|it| it.outputs.get_mut(usize::from(output))) {
                output.stats.latency.add(last.1, packets);
            }
        }
    }

    /// Writes what waits for a transport.
    pub(super) fn write_queue(&mut self, now: Instant, place: usize) {
        let Some(transport) = self.transports.get_mut(place) else { return };
        transport.queued = false;
        let mut queue = std::mem::take(&mut transport.queue);
        transport.queue_peak = transport.queue_peak.max(queue.len());
        let destination = transport.rtp_destination().filter(|_| transport.ready);
        if let Some(to) = destination
            && !self.outbox.is_overflowing()
        {
            if self.traced_consumers > 0 {
                self.trace_queue(now, &queue);
            }
            // One consumer after the other, audio among video too: runs are longer, and within a
            // flush nothing waits for anything.
            let several = queue.first().zip(queue.last()).is_some_and(|(a, b)| {
                a.consumer != b.consumer || queue.iter().any(|item| item.consumer != a.consumer)
            });
            if several {
                queue.sort_unstable_by_key(|item| (item.consumer, item.order));
            }
            let time = self.wall.abs_send_time(now);
            let Some(transport) = self.transports.get_mut(place) else { return };
            let micros =
                transport.bandwidth.as_ref().map_or(0, |known| known.estimator.micros(now));
            let mut writer = Writer {
                outbox: &mut self.outbox,
                counters: &mut self.counters,
                descriptor: &mut self.scratch.descriptor,
                departures: &mut self.scratch.departures,
                transport,
                to,
                abs_send_time: time,
                rtp_bytes: 0,
                rtx_bytes: 0,
                probe_bytes: 0,
                micros,
            };
            let mut rest = queue.as_slice();
            while !rest.is_empty() {
                let (len, longest) = group(rest);
                let (now_items, later) = rest.split_at(len);
                for item in now_items {
                    let Some(consumer) = self.consumers.get_mut(item.consumer as usize) else {
                        continue;
                    };
                    let Some(producer) = self.producers.get(item.producer as usize) else {
                        continue;
                    };
                    writer.write(now, item, consumer, producer, longest);
                }
                rest = later;
            }
            let (rtp, rtx, probe) = (writer.rtp_bytes, writer.rtx_bytes, writer.probe_bytes);
            let sent = &mut transport.sent;
            sent.all.add(now, rtp + rtx + probe);
            sent.rtp.add(now, rtp);
            if rtx > 0 {
                sent.rtx.add(now, rtx);
            }
            if let Some(bandwidth) = transport.bandwidth.as_mut().filter(|_| probe > 0) {
                bandwidth.probation.add(now, probe);
            }
        }
        queue.clear();
        self.transports[place].queue = queue;
    }
}

/// How many items from the first on can be made equally long, and the longest payload among them.
fn group(items: &[Item]) -> (usize, u16) {
    let len_of = |item: &Item| item.place.payload_len + 2 * u16::from(item.rtx);
    let Some(first) = items.first() else { return (0, 0) };
    let (mut least, mut most) = (len_of(first), len_of(first));
    let mut len = 1;
    for item in &items[1..] {
        let this = len_of(item);
        let (low, high) = (least.min(this), most.max(this));
        if item.consumer != first.consumer || high - low > MAX_PAD {
            break;
        }
        (least, most) = (low, high);
        len += 1;
    }
    (len, most)
}

struct Writer<'a> {
    outbox: &'a mut Outbox,
    counters: &'a mut PlaneCounters,
    /// A dependency descriptor that is rewritten.
    descriptor: &'a mut Vec<u8>,
    departures: &'a mut Vec<Departure>,
    transport: &'a mut Transport,
    to: Destination,
    abs_send_time: [u8; 3],
    rtp_bytes: usize,
    rtx_bytes: usize,
    probe_bytes: usize,
    /// Now, as the estimator counts.
    micros: i64,
}

impl Writer<'_> {
    fn write(
        &mut self,
        now: Instant,
        item: &Item,
        consumer: &mut Consumer,
        producer: &Producer,
        longest: u16,
    ) {
        let Some(stream) = producer.stream(usize::from(item.encoding), item.uid) else { return };
        let Some(packet) = stream.ring.slot(item.place.slot) else { return };
        let Some(output) = consumer.outputs.get_mut(usize::from(item.output)) else { return };
        let mut fields = Outgoing {
            payload_type: consumer.setup.payload_type,
            marker: packet.header.marker || item.place.edit.marker,
            sequence: item.place.sequence,
            timestamp: item.place.timestamp,
            ssrc: output.setup.ssrc,
            osn: None,
        };
        if let (Descriptor::Red(_), Some(red)) =
            (packet.facts.descriptor, consumer.setup.red_payload_type)
        {
            fields.payload_type = red;
        }
        if let (true, Some(ssrc), Some(payload_type)) =
            (item.rtx, output.setup.rtx_ssrc, consumer.setup.rtx_payload_type)
        {
            fields.osn = Some(fields.sequence);
            fields.payload_type = payload_type;
            fields.ssrc = ssrc;
            fields.sequence = output.rtx_sequence;
            output.rtx_sequence = output.rtx_sequence.wrapping_add(1);
        }
        let start = self.outbox.bytes.len();
        let (len, numbered) = self.lay_out(item, (stream, packet), consumer, &fields, longest);
        if !self.protect(start) {
            return;
        }
        let sent = self.outbox.bytes.len() - start;
        if let Some(bandwidth) = &mut self.transport.bandwidth {
            if numbered {
                bandwidth.estimator.on_sent(self.micros, sent);
            } else {
                bandwidth.estimator.on_untold(sent);
            }
        }
        self.outbox.commit(start, self.to);
        if item.probe {
            self.probe_bytes += sent;
            return;
        }
        self.counters.forwarded.add(producer.setup.kind, sent);
        if item.again {
            self.counters.rtp_retransmitted += 1;
            self.rtx_bytes += sent;
            if let Some(output) = consumer.outputs.get_mut(usize::from(item.output)) {
                output.stats.on_resent(now, len);
            }
        } else {
            self.rtp_bytes += sent;
            if !item.past {
                self.depart(item, packet.received);
            }
        }
    }

    fn depart(&mut self, item: &Item, received: Instant) {
        let Item { consumer, output, .. } = *item;
        match self.departures.last_mut() {
            Some(last)
                if (last.consumer, last.output, last.received) == (consumer, output, received) =>
            {
                last.packets += 1;
            }
            _ => self.departures.push(Departure { consumer, output, packets: 1, received }),
        }
    }

    /// Appends the plain packet; its length, and whether it has a transport-wide number.
    fn lay_out(
        &mut self,
        item: &Item,
        (stream, packet): (&RecvStream, &StoredPacket),
        consumer: &Consumer,
        fields: &Outgoing,
        longest: u16,
    ) -> (usize, bool) {
        self.rewrite_descriptor(item, stream, packet, consumer);
        let out = &mut self.outbox.bytes;
        let (header, bytes) = (&packet.header, &packet.bytes);
        let kept = item.kept.then(|| {
            let mut plan = consumer.plan.clone();
            plan.constant(KEPT, &[1]);
            plan
        });
        let plan = kept.as_ref().unwrap_or(&consumer.plan);
        let descriptor = (!self.descriptor.is_empty()).then_some(self.descriptor.as_slice());
        let written = write_packet(out, header, bytes, fields, plan, descriptor);
        if !consumer.is_pipe() {
            codec::rewrite(&mut out[written.payload..], &packet.facts, item.place.edit);
        }
        if let Descriptor::Red(primary) = packet.facts.descriptor {
            match consumer.setup.red_payload_type {
                Some(_) => {
                    red::renumber(&mut out[written.payload..], consumer.setup.payload_type);
                }
                None => {
                    out.drain(written.payload..written.payload + usize::from(primary));
                }
            }
        }
        if let Some(at) = written.abs_send_time {
            out[at..at + 3].copy_from_slice(&self.abs_send_time);
        }
        if let Some(at) = written.twcc {
            let next = self.transport.bandwidth.as_ref();
            let next = next.map_or(0, |bandwidth| bandwidth.estimator.next_sequence());
            out[at..at + 2].copy_from_slice(&next.to_be_bytes());
        }
        let body = item.place.payload_len + 2 * u16::from(item.rtx);
        let missing = longest.saturating_sub(body);
        if missing > 0 && matches!(self.to, Destination::Udp(socket, _) if !socket.is_tcp()) {
            pad(out, written.start, missing as u8);
        }
        (out.len() - written.start, written.twcc.is_some())
    }

    /// Prepares the dependency descriptor of a receiver that gets it.
    fn rewrite_descriptor(
        &mut self,
        item: &Item,
        stream: &RecvStream,
        packet: &StoredPacket,
        consumer: &Consumer,
    ) {
        self.descriptor.clear();
        let id = consumer.plan.rewritten();
        if let (1.., Descriptor::Frame(frame)) = (id, &packet.facts.descriptor)
            && let Some(descriptor) = packet.header.extension(&packet.bytes, id)
        {
            let known = stream.structure_of(frame);
            dependency::write(self.descriptor, descriptor, item.place.edit, frame, known);
        }
    }

    fn protect(&mut self, start: usize) -> bool {
        let Some(srtp) = &mut self.transport.srtp else { return true };
        let bytes = &mut self.outbox.bytes;
        let len = bytes.len() - start;
        bytes.resize(start + len + srtp.sender.rtp_overhead(), 0);
        match srtp.sender.protect_rtp(&mut bytes[start..], len) {
            Some(len) => {
                bytes.truncate(start + len);
                true
            }
            None => {
                bytes.truncate(start);
                false
            }
        }
    }
}
