//! RTCP we send: reports about each second, and at once what cannot wait: NACK, PLI or FIR,
//! transport-wide feedback (RC1 to RC3). Decides nothing about media.

use std::time::Instant;

use serde_json::json;
use starling_proto::trace::TraceType;

use crate::{
    bandwidth::estimator::MAX_BITRATE,
    producer::Feedback,
    rtcp::{
        MAX_COMPOUND, ReportBlock,
        build::{self, MAX_BLOCKS},
    },
    rtp::clock,
};

use super::Plane;

/// Least that a publisher without transport-wide feedback is told it may send, in bits per second:
/// enough for it to start its second simulcast layer and show what the path carries.
const REMB_FLOOR: u64 = 1_500_000;
/// SSRCs named in one REMB: three layers and RTX of a dozen videos.
const REMB_SSRCS: usize = 72;
/// Bytes of a sender report with its CNAME and an answer to reference times, at most.
const SENDER_BLOCK: usize = 28 + 268 + 108;

impl Plane {
    /// Reports about everything a transport receives and sends.
    pub(super) fn report(&mut self, now: Instant, place: usize) {
        self.report_reception(now, place);
        self.report_sending(now, place);
        self.estimate_remb(now, place);
    }

    fn report_reception(&mut self, now: Instant, place: usize) {
        let sender = self.transports[place].rtcp_ssrc;
        let mut blocks = [ReportBlock::default(); MAX_BLOCKS];
        let mut count = 0;
        for position in 0..self.transports[place].producers.len() {
            let index = self.transports[place].producers[position] as usize;
            let worst = self.worst_loss(now, index);
            for encoding in 0..self.producers[index].streams.len() {
                let Some(stream) = self.producers[index].streams[encoding].as_deref_mut() else {
                    continue;
                };
                if !stream.is_reported(now) {
                    continue;
                }
                let Some(mut block) = stream.stats.report_block(now) else { continue };
                stream.counts.fraction_lost = block.fraction_lost;
                self.counters.rtp_lost += stream.stats.lost_reported();
                block.fraction_lost = block.fraction_lost.max(worst);
                blocks[count] = block;
                count += 1;
                if count == MAX_BLOCKS {
                    self.send_reception(now, place, sender, &blocks[..count]);
                    count = 0;
                }
            }
        }
        if count > 0 {
            self.send_reception(now, place, sender, &blocks[..count]);
        }
    }

    /// What the receiver that loses most loses of a sender with in-band FEC: the sender adds as
    /// much redundancy as it is told is lost, and is to add it for that one too (RC7). Over a pipe
    /// the far plane's receivers count.
    fn worst_loss(&self, now: Instant, index: usize) -> u8 {
        let producer = &self.producers[index];
        if !producer.setup.in_band_fec {
            return 0;
        }
        let consumers = producer.consumers.iter().map(|place| &self.consumers[*place as usize]);
        let outputs = consumers.filter(|consumer| consumer.active).flat_map(|c| &c.outputs);
        let live = outputs.filter(|output| output.stats.is_live(now));
        live.map(|output| output.stats.fraction_lost).max().unwrap_or(0)
    }

    fn send_reception(&mut self, now: Instant, place: usize, sender: u32, blocks: &[ReportBlock]) {
        let mut packet = std::mem::take(&mut self.scratch.rtcp);
        packet.clear();
        build::receiver_report(&mut packet, sender, blocks);
        build::xr_receiver_reference_time(&mut packet, sender, self.wall.ntp(now));
        self.send_rtcp(now, place, &packet);
        self.scratch.rtcp = packet;
    }

    fn report_sending(&mut self, now: Instant, place: usize) {
        let mut packet = std::mem::take(&mut self.scratch.rtcp);
        packet.clear();
        self.answer_reference_times(now, place, &mut packet);
        for position in 0..self.transports[place].consumers.len() {
            let consumer = self.transports[place].consumers[position] as usize;
            for output in 0..self.consumers[consumer].outputs.len() {
                if packet.len() + SENDER_BLOCK > MAX_COMPOUND {
                    self.send_rtcp(now, place, &packet);
                    packet.clear();
                }
                self.write_sender_report(now, consumer, output, &mut packet);
            }
        }
        if !packet.is_empty() {
            self.send_rtcp(now, place, &packet);
        }
        self.scratch.rtcp = packet;
    }

    /// Answers belong to the first report of a round; without streams to report on there are none.
    fn answer_reference_times(&mut self, now: Instant, place: usize, packet: &mut Vec<u8>) {
        let transport = &mut self.transports[place];
        let sender = transport.rtcp_ssrc;
        let blocks: Vec<_> = transport
            .reference_times
            .drain(..)
            .map(|(mut block, at)| {
                block.delay = clock::compact(now.saturating_duration_since(at));
                block
            })
            .collect();
        if blocks.is_empty() {
            return;
        }
        build::receiver_report(packet, sender, &[]);
        build::xr_dlrr(packet, sender, &blocks);
    }

    fn write_sender_report(
        &mut self,
        now: Instant,
        place: usize,
        position: usize,
        packet: &mut Vec<u8>,
    ) {
        let wall = self.wall.ntp(now);
        let consumer = &mut self.consumers[place];
        let Some(producer) = consumer.producer else { return };
        let clock_rate = consumer.setup.clock_rate;
        let output = &mut consumer.outputs[position];
        let Some(source) = output.source.filter(|_| output.stats.is_live(now)) else { return };
        let producer = &self.producers[producer];
        let Some(stream) = producer.stream(usize::from(source.encoding), source.uid) else {
            return;
        };
        let Some(time) = output.report_time(now, stream, wall, clock_rate) else { return };
        output.report_due = false;
        let ssrc = output.setup.ssrc;
        let info = output.stats.report(now, ssrc, time);
        build::sender_report(packet, &info, &[]);
        let cname = [&consumer.setup.cname, &producer.setup.cname]
            .into_iter()
            .find(|cname| !cname.is_empty());
        build::sdes_cname(packet, ssrc, cname.map_or("starling", |cname| cname.as_str()));
    }

    /// Sends the sender reports of outputs whose receiver waits for one.
    pub(super) fn report_if_due(&mut self, now: Instant, place: usize) {
        let mut packet = std::mem::take(&mut self.scratch.rtcp);
        packet.clear();
        for position in 0..self.consumers[place].outputs.len() {
            if self.consumers[place].outputs[position].report_due
                && packet.len() + SENDER_BLOCK <= MAX_COMPOUND
            {
                self.write_sender_report(now, place, position, &mut packet);
            }
        }
        if !packet.is_empty() {
            let transport = self.consumers[place].transport;
            self.send_rtcp(now, transport, &packet);
        }
        self.scratch.rtcp = packet;
    }

    /// Tells publishers that know nothing better how much to send: half more than what comes, so
    /// that it can grow, and never so little that it cannot. All are told the limit their owner set
    /// (WT10), and a few times that it is gone.
    fn estimate_remb(&mut self, now: Instant, place: usize) {
        let mut ssrcs = std::mem::take(&mut self.scratch.ssrcs);
        ssrcs.clear();
        let transport = &mut self.transports[place];
        let limit = (transport.max_incoming > 0).then_some(transport.max_incoming);
        let told = limit.is_some() || transport.limits_due > 0;
        for &index in &transport.producers {
            let producer = &self.producers[index as usize];
            let Feedback { remb, twcc, .. } = producer.setup.feedback;
            if !told && (!remb || (twcc && producer.setup.ids.twcc != 0)) {
                continue;
            }
            for stream in producer.streams.iter().flatten().filter(|stream| stream.active) {
                ssrcs.extend(std::iter::once(stream.ssrc).chain(stream.rtx_ssrc));
            }
        }
        if !ssrcs.is_empty() {
            ssrcs.truncate(REMB_SSRCS);
            let received = transport.received.all.rate.bits_per_second(now);
            let bitrate = match (limit, told) {
                (Some(limit), _) => limit,
                (None, true) => MAX_BITRATE,
                (None, false) => (received + received / 2).max(REMB_FLOOR),
            };
            transport.told_incoming = (!told).then_some(bitrate);
            transport.limits_due = transport.limits_due.saturating_sub(u8::from(limit.is_none()));
            let mut packet = std::mem::take(&mut self.scratch.rtcp);
            packet.clear();
            build::remb(&mut packet, transport.rtcp_ssrc, bitrate, &ssrcs);
            self.send_rtcp(now, place, &packet);
            self.scratch.rtcp = packet;
        }
        self.scratch.ssrcs = ssrcs;
    }

    /// Says BYE on pipes that carry layers which fell silent: the plane there would wait for them.
    pub(super) fn tell_pipes_of_silence(&mut self, now: Instant, index: usize, silent: u32) {
        if silent == 0 {
            return;
        }
        for position in 0..self.producers[index].consumers.len() {
            let place = self.producers[index].consumers[position] as usize;
            self.tell_pipe_of_silence(now, place, silent);
        }
    }

    /// The same on one pipe, if it is one.
    pub(super) fn tell_pipe_of_silence(&mut self, now: Instant, place: usize, silent: u32) {
        let consumer = &self.consumers[place];
        let svc = consumer.producer.is_none_or(|producer| self.producers[producer].is_svc());
        if svc || !consumer.is_pipe() || !consumer.active {
            return;
        }
        let mut ssrcs = std::mem::take(&mut self.scratch.ssrcs);
        ssrcs.clear();
        let carried = consumer.outputs.iter().enumerate().filter(|(encoding, output)| {
            silent & (1 << encoding) != 0 && output.switch.current().is_some()
        });
        ssrcs.extend(carried.map(|(_, output)| output.setup.ssrc));
        if !ssrcs.is_empty() {
            let transport = consumer.transport;
            let sender = self.transports[transport].rtcp_ssrc;
            let mut packet = std::mem::take(&mut self.scratch.rtcp);
            packet.clear();
            build::receiver_report(&mut packet, sender, &[]);
            build::bye(&mut packet, &ssrcs);
            self.send_rtcp(now, transport, &packet);
            self.scratch.rtcp = packet;
        }
        self.scratch.ssrcs = ssrcs;
    }

    /// PLI, or FIR where only that was negotiated (KF4).
    pub(super) fn send_key_frame_request(&mut self, now: Instant, index: usize, ssrc: u32) {
        let producer = &mut self.producers[index];
        let place = producer.transport;
        let sender = self.transports[place].rtcp_ssrc;
        let Feedback { pli, fir, .. } = producer.setup.feedback;
        let mut packet = std::mem::take(&mut self.scratch.rtcp);
        packet.clear();
        let stream = producer.streams.iter_mut().flatten().find(|stream| stream.ssrc == ssrc);
        if fir && !pli {
            producer.fir_sequence = producer.fir_sequence.wrapping_add(1);
            build::fir(&mut packet, sender, &[(ssrc, producer.fir_sequence)]);
            if let Some(stream) = stream {
                stream.counts.firs += 1;
            }
        } else if pli || producer.piped {
            build::pli(&mut packet, sender, ssrc);
            if let Some(stream) = stream {
                stream.counts.plis += 1;
            }
        }
        if !packet.is_empty() {
            self.counters.key_frame_requests_sent += 1;
            self.send_rtcp(now, place, &packet);
            let (key, kind) =
                (self.producers[index].key, if pli { TraceType::Pli } else { TraceType::Fir });
            self.trace_producer(now, key, kind, || json!({ "ssrc": ssrc }));
        }
        self.scratch.rtcp = packet;
    }

    /// Asks for the packets a stream misses; when to look again.
    pub(super) fn ask_for_missing(
        &mut self,
        now: Instant,
        index: usize,
        encoding: usize,
    ) -> Option<Instant> {
        let producer = self.producers.get_mut(index)?;
        let stream = producer.streams.get_mut(encoding)?.as_deref_mut()?;
        let nack = stream.nack.as_mut()?;
        let mut asked = std::mem::take(&mut self.scratch.asked);
        asked.clear();
        nack.poll(now, stream.rtt, &mut asked);
        let next = nack.next_deadline();
        if !asked.is_empty() {
            stream.counts.nacks += 1;
            stream.counts.nacked += asked.len() as u64;
            self.counters.nacks_sent += asked.len() as u64;
            let (ssrc, place, key) = (stream.ssrc, producer.transport, producer.key);
            self.send_nacks(now, place, ssrc, &asked);
            self.trace_producer(
                now,
                key,
                TraceType::Nack,
                || json!({ "ssrc": ssrc, "packets": asked }),
            );
        }
        self.scratch.asked = asked;
        next
    }

    fn send_nacks(&mut self, now: Instant, place: usize, media: u32, mut lost: &[u16]) {
        let sender = self.transports[place].rtcp_ssrc;
        let mut packet = std::mem::take(&mut self.scratch.rtcp);
        while !lost.is_empty() {
            packet.clear();
            let told = build::nack(&mut packet, sender, media, lost, MAX_COMPOUND);
            if told == 0 {
                break;
            }
            self.send_rtcp(now, place, &packet);
            lost = &lost[told..];
        }
        self.scratch.rtcp = packet;
    }

    /// Tells a publisher when its packets arrived; when to look again.
    pub(super) fn send_feedback(&mut self, now: Instant, place: usize) -> Option<Instant> {
        let transport = self.transports.get_mut(place)?;
        let sender = transport.rtcp_ssrc;
        // Any of its streams will do: the numbers are the transport's.
        let media = transport
            .producers
            .iter()
            .filter(|index| self.producers[**index as usize].setup.feedback.twcc)
            .flat_map(|index| self.producers[*index as usize].streams.iter().flatten())
            .map(|stream| stream.ssrc)
            .next();
        let recorder = transport.twcc_in.as_deref_mut()?;
        let mut packet = std::mem::take(&mut self.scratch.rtcp);
        packet.clear();
        recorder.poll(now, sender, media.unwrap_or(0), &mut packet);
        let next = recorder.next_deadline();
        if media.is_some() {
            let mut rest = packet.as_slice();
            while let Some(len) = first_packet_len(rest) {
                let (first, later) = rest.split_at(len);
                self.send_rtcp(now, place, first);
                rest = later;
            }
        }
        self.scratch.rtcp = packet;
        next
    }
}

/// Length of the first RTCP packet of a compound that we built.
fn first_packet_len(compound: &[u8]) -> Option<usize> {
    let words = u16::from_be_bytes([*compound.get(2)?, *compound.get(3)?]);
    Some((4 + 4 * usize::from(words)).min(compound.len()))
}
