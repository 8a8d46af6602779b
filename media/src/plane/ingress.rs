//! RTP that arrives: to its producer's stream, by SSRC or by what its header extensions say, and to
//! the queue of its producer's fan-out.

use std::time::Instant;

use crate::{
    event::Event,
    ingress::{SlotRef, TwccRecorder},
    producer::{Intake, MAX_PENDING, Part, Pending, RecvStream},
    rtp::{RtpHeader, rtx_decode},
};

use super::{
    Plane,
    flush::KEPT,
    transport::{MAX_ROUTES, Route},
};

impl Plane {
    /// Takes a plaintext RTP packet.
    pub(super) fn take_rtp(&mut self, now: Instant, place: usize, packet: &mut [u8]) {
        let Some(header) = RtpHeader::parse(packet) else {
            self.counters.dropped_malformed += 1;
            return;
        };
        self.counters.rtp_received += 1;
        self.record_arrival(now, place, &header, packet);
        let transport = &mut self.transports[place];
        let Some(route) = transport.routes.get(&header.ssrc).copied() else {
            match self.discover(now, place, &header, packet) {
                Some(route) => self.take_routed(now, place, route, &header, packet),
                None => self.counters.dropped_unknown_stream += 1,
            }
            return;
        };
        self.take_routed(now, place, route, &header, packet);
    }

    fn record_arrival(&mut self, now: Instant, place: usize, header: &RtpHeader, packet: &[u8]) {
        let start = self.start;
        let transport = &mut self.transports[place];
        let id = transport.ids.twcc;
        if id == 0 || transport.is_pipe() {
            return;
        }
        let Some(&[high, low]) = header.extension(packet, id) else { return };
        let recorder = transport.twcc_in.get_or_insert_with(|| Box::new(TwccRecorder::new(start)));
        recorder.on_packet(now, u16::from_be_bytes([high, low]));
        if let Some(at) = recorder.next_deadline() {
            if !std::mem::replace(&mut transport.twcc_armed, true) {
                self.timers.feedback.push(place as u32);
            }
            self.timers.arm(at);
        }
    }

    /// Finds the producer of an unknown SSRC (PD3) and remembers it.
    fn discover(
        &mut self,
        now: Instant,
        place: usize,
        header: &RtpHeader,
        packet: &[u8],
    ) -> Option<Route> {
        let transport = &self.transports[place];
        let ids = transport.ids;
        let value = |id: u8| (id != 0).then(|| header.extension(packet, id)).flatten();
        let mid = value(ids.mid);
        let (rid, repaired) = (value(ids.rid), value(ids.repaired_rid));
        let route = transport.producers.iter().find_map(|&index| {
            let setup = &self.producers[index as usize].setup;
            let part = setup.takes(header.payload_type)?;
            let other = mid
                .is_some_and(|mid| setup.mid.as_ref().is_some_and(|mine| mine.as_bytes() != mid));
            if other {
                return None;
            }
            let encoding = setup.find(part, rid, repaired)? as u8;
            Some(Route { producer: index, encoding, part })
        })?;
        let transport = &mut self.transports[place];
        if transport.routes.len() >= MAX_ROUTES {
            return None;
        }
        // A sender that changed its SSRC began anew; its old one is another's from now on.
        transport.routes.retain(|_, known| *known != route);
        transport.routes.insert(header.ssrc, route);
        if route.part == Part::Media {
            self.end_stream(now, route);
        } else if let Some(stream) = self.stream_mut(route) {
            stream.rtx_ssrc = Some(header.ssrc);
        }
        Some(route)
    }

    fn end_stream(&mut self, now: Instant, route: Route) {
        let index = route.producer as usize;
        self.fan_out(now, index);
        self.producers[index].streams[usize::from(route.encoding)] = None;
        self.stop_consumers(route);
    }

    /// Who got this stream has to start again with what follows it.
    fn stop_consumers(&mut self, route: Route) {
        let index = route.producer as usize;
        for position in 0..self.producers[index].consumers.len() {
            let consumer = self.producers[index].consumers[position] as usize;
            let output = self.consumers[consumer].output_of(route.encoding);
            if let Some(output) = self.consumers[consumer].outputs.get_mut(output)
                && output.switch.current() == Some(usize::from(route.encoding))
            {
                output.switch.stop();
            }
        }
    }

    fn stream_mut(&mut self, route: Route) -> Option<&mut RecvStream> {
        let producer = &mut self.producers[route.producer as usize];
        producer.streams[usize::from(route.encoding)].as_deref_mut()
    }

    fn take_routed(
        &mut self,
        now: Instant,
        place: usize,
        route: Route,
        header: &RtpHeader,
        packet: &mut [u8],
    ) {
        let received = &mut self.transports[place].received;
        let setup = &self.producers[route.producer as usize].setup;
        if setup.takes(header.payload_type) != Some(route.part) {
            self.counters.dropped_unknown_stream += 1;
            return;
        }
        if route.part == Part::Media {
            received.rtp.add(now, packet.len());
            self.take_media(now, route, header, packet, false);
            return;
        }
        received.rtx.add(now, packet.len());
        let payload_type = setup.payload_type;
        // Retransmissions of a stream that has not begun help nobody.
        let Some(stream) = self.stream_mut(route) else { return };
        let Some(media) = rtx_decode(header, packet, stream.ssrc, payload_type) else { return };
        if let Some(header) = RtpHeader::parse(media) {
            self.take_media(now, route, &header, media, true);
        }
    }

    fn take_media(
        &mut self,
        now: Instant,
        route: Route,
        header: &RtpHeader,
        packet: &[u8],
        rtx: bool,
    ) {
        let (index, encoding) = (route.producer as usize, usize::from(route.encoding));
        if self.producers[index].streams[encoding].is_none() {
            let uid = self.next_uid();
            let producer = &mut self.producers[index];
            let setup = producer.stream_setup(encoding, uid, header.ssrc);
            producer.streams[encoding] = Some(Box::new(RecvStream::new(now, &setup)));
        }
        let producer = &mut self.producers[index];
        let Some(stream) = producer.streams[encoding].as_deref_mut() else { return };
        let Intake::Stored { slot, key_frame, repaired } = stream.take(now, header, packet, rtx)
        else {
            self.counters.dropped_stale += 1;
            return;
        };
        self.counters.rtp_repaired += u64::from(repaired);
        self.counters.received.add(producer.setup.kind, packet.len());
        let ssrc = stream.ssrc;
        let restarted = std::mem::take(&mut stream.restarted);
        let says_so = producer.piped && header.extension(packet, KEPT).is_some();
        let kept = stream.is_kept(header.sequence, says_so);
        let begins = !kept && (stream.activate(now) || restarted);
        if restarted {
            let uid = self.next_uid();
            if let Some(stream) = self.producers[index].streams[encoding].as_deref_mut() {
                stream.uid = uid;
            }
            self.stop_consumers(route);
        }
        let lost_too_much = self.arm_nack(index, encoding);
        if kept {
            return;
        }
        if key_frame {
            self.producers[index].key_frames.on_key_frame(now, ssrc, begins);
        }
        if begins {
            self.watch(index);
            self.producers[index].usability = self.producers[index].usability(now);
            // Also if nothing else has changed: those that were stopped start again.
            self.aim_all(now, index);
            self.tell_scores(index);
            if !key_frame {
                self.begin_pipes(now, index, encoding);
                self.welcome(now, index);
            }
        }
        if lost_too_much {
            self.request_key_frame(now, index, encoding);
        }
        let producer = &self.producers[index];
        if !producer.expected.is_empty() && (key_frame || !producer.has_key_frames()) {
            self.begin_with(now, index, encoding);
        }
        if !rtx {
            self.hear(now, index, header, packet);
            self.turn(index, header, packet);
        }
        if !self.producers[index].trace.is_empty() {
            self.trace_packet(now, index, header, packet, (key_frame, rtx));
        }
        self.enqueue(now, index, route.encoding, slot);
    }

    /// The camera is held otherwise than before (PD7).
    fn turn(&mut self, index: usize, header: &RtpHeader, packet: &[u8]) {
        let producer = &mut self.producers[index];
        let id = producer.setup.ids.orientation;
        if id == 0 || producer.piped {
            return;
        }
        let Some(&[now, ..]) = header.extension(packet, id) else { return };
        if producer.orientation.replace(now) != Some(now) {
            let producer = producer.key;
            self.tell(Event::VideoOrientation { producer, orientation: now.into() });
        }
    }

    /// Has missing packets asked for in time; whether there are too many of them.
    fn arm_nack(&mut self, index: usize, encoding: usize) -> bool {
        let stream = self.producers[index].streams[encoding].as_deref_mut();
        let Some(nack) = stream.and_then(|stream| stream.nack.as_mut()) else { return false };
        if let Some(at) = nack.next_deadline() {
            let entry = (index as u32, encoding as u8);
            if !self.timers.missing.contains(&entry) {
                self.timers.missing.push(entry);
            }
            self.timers.arm(at);
        }
        nack.take_key_frame_wanted()
    }

    fn enqueue(&mut self, now: Instant, index: usize, encoding: u8, slot: SlotRef) {
        let producer = &mut self.producers[index];
        if producer.paused || producer.consumers.is_empty() {
            return;
        }
        producer.pending.push(Pending { encoding, slot });
        if !std::mem::replace(&mut producer.queued, true) {
            self.fan_out_due.push(index as u32);
        }
        if self.producers[index].pending.len() >= MAX_PENDING {
            self.fan_out(now, index);
        }
    }
}
