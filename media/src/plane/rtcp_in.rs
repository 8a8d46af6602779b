//! RTCP that arrives: reports, requests for packets and key frames. Terminated here on both sides;
//! what has to go on to the other side is asked anew (RC4).

use std::time::Instant;

use serde_json::json;
use starling_proto::trace::TraceType;

use crate::{
    consumer::Place,
    producer::Part,
    rtcp::{self, DlrrBlock, ReportBlock, RtcpItem, SenderInfo},
};

use super::{
    Plane,
    trace::report_info,
    transport::{Item, MAX_QUEUE},
};

/// Of a retransmission beside its payload: header, extensions, OSN, authentication.
const RTX_OVERHEAD: usize = 40;

impl Plane {
    /// Takes a plaintext RTCP packet.
    pub(super) fn take_rtcp(&mut self, now: Instant, place: usize, packet: &[u8]) {
        let mut items = std::mem::take(&mut self.scratch.items);
        items.clear();
        self.counters.dropped_rtcp += u64::from(rtcp::parse(packet, &mut items));
        for item in items.drain(..) {
            self.take_item(now, place, item);
        }
        self.scratch.items = items;
    }

    fn take_item(&mut self, now: Instant, place: usize, item: RtcpItem) {
        match item {
            RtcpItem::Sr { info, blocks } => {
                self.on_sender_report(now, place, &info);
                self.on_report_blocks(now, place, &blocks);
            }
            RtcpItem::Rr { blocks, .. } => self.on_report_blocks(now, place, &blocks),
            RtcpItem::Nack { media, lost, .. } => self.on_nack(now, place, media, &lost),
            RtcpItem::Pli { media, .. } => self.on_picture_loss(now, place, media, false),
            RtcpItem::Fir { entries, .. } => {
                for (ssrc, _) in entries {
                    self.on_picture_loss(now, place, ssrc, true);
                }
            }
            RtcpItem::Remb { bitrate, .. } => self.on_receiver_estimate(now, place, bitrate),
            RtcpItem::Twcc(feedback) => self.on_feedback(now, place, &feedback),
            RtcpItem::XrRrt { ssrc, ntp } => {
                self.transports[place].on_reference_time(now, ssrc, ntp.middle());
            }
            RtcpItem::XrDlrr { blocks, .. } => self.on_dlrr(now, place, &blocks),
            RtcpItem::Bye { ssrcs } if self.transports[place].is_pipe() => {
                self.on_silence(now, place, &ssrcs);
            }
            // Browsers say BYE of streams they go on with after renegotiation (RC4).
            RtcpItem::Bye { .. } | RtcpItem::SdesCname { .. } | RtcpItem::Other { .. } => {}
        }
    }

    fn on_sender_report(&mut self, now: Instant, place: usize, info: &SenderInfo) {
        let Some(route) = self.transports[place].routes.get(&info.ssrc).copied() else { return };
        if route.part != Part::Media {
            return;
        }
        let index = route.producer as usize;
        let producer = &mut self.producers[index];
        let stream = producer.streams[usize::from(route.encoding)].as_deref_mut();
        let Some(stream) = stream else { return };
        let first = !stream.clock.is_known();
        stream.on_sender_report(now, info.ntp, info.timestamp);
        let (key, layered) = (producer.key, producer.is_layered());
        self.trace_producer(now, key, TraceType::Sr, || report_info(info));
        if first && layered {
            self.on_usability(now, index);
        }
        if first {
            self.report_to_pipes(now, index, route.encoding);
        }
    }

    /// A far plane can switch between layers only once it has their reports.
    fn report_to_pipes(&mut self, now: Instant, index: usize, encoding: u8) {
        for position in 0..self.producers[index].consumers.len() {
            let place = self.producers[index].consumers[position] as usize;
            let consumer = &mut self.consumers[place];
            if !consumer.is_pipe() {
                continue;
            }
            if let Some(output) = consumer.outputs.get_mut(usize::from(encoding))
                && output.switch.current().is_some()
            {
                output.report_due = true;
                self.report_if_due(now, place);
            }
        }
    }

    /// The plane at the other end of a pipe says that layers are switched off at their source: here
    /// that could be told from loss only much later.
    fn on_silence(&mut self, now: Instant, place: usize, ssrcs: &[u32]) {
        for ssrc in ssrcs {
            let Some(route) = self.transports[place].routes.get(ssrc).copied() else { continue };
            let index = route.producer as usize;
            let producer = &mut self.producers[index];
            let stream = producer.streams[usize::from(route.encoding)].as_deref_mut();
            if route.part == Part::Media && stream.is_some_and(|stream| stream.fall_silent()) {
                self.on_usability(now, index);
                self.tell_pipes_of_silence(now, index, 1 << route.encoding);
            }
        }
    }

    fn on_report_blocks(&mut self, now: Instant, place: usize, blocks: &[ReportBlock]) {
        for block in blocks {
            let Some(route) = self.transports[place].out_routes.get(&block.ssrc).copied() else {
                continue;
            };
            let consumer = &mut self.consumers[route.consumer as usize];
            let Some(output) = consumer.outputs.get_mut(usize::from(route.output)) else {
                continue;
            };
            if output.setup.ssrc != block.ssrc {
                continue;
            }
            if output.stats.on_report(now, block) {
                self.tell_consumer_score(route.consumer as usize);
            }
        }
    }

    fn on_nack(&mut self, now: Instant, place: usize, media: u32, lost: &[u16]) {
        self.counters.nacks_received += lost.len() as u64;
        let now_ms = self.ms(now);
        let transport = &mut self.transports[place];
        let Some(route) = transport.out_routes.get(&media).copied() else { return };
        let consumer = &mut self.consumers[route.consumer as usize];
        let Some(producer) = consumer.producer else { return };
        let Some(output) = consumer.outputs.get_mut(usize::from(route.output)) else { return };
        if !consumer.active || output.setup.ssrc != media {
            return;
        }
        output.stats.nacks += 1;
        output.stats.nacked += lost.len() as u64;
        let rtx = output.setup.rtx_ssrc.is_some();
        // Under GCM a packet may be repeated only to the bit, which new header extensions rule out.
        let repeatable =
            transport.srtp.as_ref().is_none_or(|srtp| srtp.sender.may_repeat_with_changed_header());
        if !rtx && !repeatable {
            return;
        }
        let streams = &self.producers[producer].streams;
        for sequence in lost {
            let Some((source, found)) = output.resend(*sequence, now_ms, streams) else { continue };
            if !output.shows(source) {
                continue;
            }
            let item = Item {
                consumer: route.consumer,
                order: transport.queue.len() as u32,
                producer: producer as u32,
                uid: source.uid,
                encoding: source.encoding,
                output: route.output,
                again: true,
                rtx,
                probe: false,
                past: false,
                kept: false,
                place: Place { ..found },
            };
            let len = usize::from(found.payload_len) + RTX_OVERHEAD;
            let kept = match &mut transport.bandwidth {
                Some(bandwidth) => bandwidth.pacer.push(len, item),
                None if transport.queue.len() < MAX_QUEUE => {
                    transport.queue.push(item);
                    true
                }
                None => false,
            };
            if !kept {
                self.counters.dropped_queue_full += 1;
                break;
            }
        }
        let key = consumer.key;
        self.has_queue(place);
        if self.transports[place].bandwidth.as_ref().is_some_and(|known| !known.pacer.is_empty()) {
            self.release(now, place);
            self.start_pacing(now, place);
        }
        let info = || json!({ "ssrc": media, "packets": lost });
        self.trace_consumer(now, key, TraceType::Nack, info);
    }

    fn on_picture_loss(&mut self, now: Instant, place: usize, media: u32, fir: bool) {
        let Some(route) = self.transports[place].out_routes.get(&media).copied() else { return };
        let consumer = &mut self.consumers[route.consumer as usize];
        let Some(output) = consumer.outputs.get_mut(usize::from(route.output)) else { return };
        if fir {
            output.stats.firs += 1;
        } else {
            output.stats.plis += 1;
        }
        let (key, piped) = (consumer.key, consumer.is_pipe());
        let kind = if fir { TraceType::Fir } else { TraceType::Pli };
        self.trace_consumer(now, key, kind, || json!({ "ssrc": media }));
        if !piped {
            self.request_for_consumer(now, route.consumer as usize);
            return;
        }
        // A far plane asks for one encoding at a time.
        self.counters.key_frame_requests_received += 1;
        let consumer = &self.consumers[route.consumer as usize];
        if let (Some(producer), true) = (consumer.producer, consumer.active) {
            self.request_key_frame(now, producer, usize::from(route.output));
        }
    }

    fn on_dlrr(&mut self, now: Instant, place: usize, blocks: &[DlrrBlock]) {
        let arrival = self.wall.ntp(now);
        let own = self.transports[place].rtcp_ssrc;
        for block in blocks.iter().filter(|block| block.ssrc == own) {
            for position in 0..self.transports[place].producers.len() {
                let index = self.transports[place].producers[position] as usize;
                for stream in self.producers[index].streams.iter_mut().flatten() {
                    stream.on_dlrr(arrival, block.last_rr, block.delay);
                }
            }
        }
    }
}
