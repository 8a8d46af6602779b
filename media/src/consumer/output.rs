//! One output stream: judges each packet of its sources and gives it its place in a continuous
//! stream. Decides which packet, never which layer; writes no bytes.

use std::time::{Duration, Instant};

use starling_proto::MediaKind;

use crate::{
    codec::{Descriptor, Edit, Layers, Rewriter},
    ingress::{PacketRing, SlotRef, StoredPacket},
    producer::{RecvStream, StreamUid, key_frame::Stretch},
    rtp::{NtpTime, SeqManager},
};

use super::{
    replay::Replay,
    send_stats::SendStats,
    sent::{self, Sent, SentPackets},
    setup::{ConsumerSetup, OutputSetup},
    switch::{Switch, Verdict},
    timeline::Timeline,
};

/// Packets of a key frame that overtook its first one and are sent right after it (CO11).
const OVERTAKEN: u16 = 30;

/// Where a stretch of output comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Of the producer.
    pub encoding: u8,
    /// Its stream.
    pub uid: StreamUid,
}

/// How one packet goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which packet.
    pub slot: SlotRef,
    /// Output sequence number.
    pub sequence: u16,
    /// Output timestamp.
    pub timestamp: u32,
    /// What is changed in it.
    pub edit: Edit,
    /// Of the payload, for grouping.
    pub payload_len: u16,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// Not sent.
    Nothing,
    /// Sent.
    Send(Place),
    /// Sent, as the first of another encoding; packets that overtook it may follow.
    Started(Place),
    /// A key frame that cannot be used: another one is needed.
    AskAgain,
}

/// Within which all packets of a picture come: one of 30 a second.
const PICTURE: Duration = Duration::from_millis(33);

/// What became of the next packet from the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// Sent; over a pipe: to be kept there, or shown.
    Packet(Place, bool),
    /// Not for this receiver.
    LeftOut,
    /// Its turn has not come.
    Later,
    /// Nothing is left, or a newer key frame was begun with.
    Done,
}

/// See the module.
#[derive(Debug)]
pub struct Output {
    /// Its SSRCs.
    pub setup: OutputSetup,
    /// What flows.
    pub switch: Switch,
    /// Where the newest stretch comes from.
    pub source: Option<Source>,
    /// Its timestamps.
    pub timeline: Timeline,
    /// What it sent.
    pub stats: SendStats,
    /// Sequence number of the next retransmission.
    pub rtx_sequence: u16,
    /// A sender report should follow at once: the receiver can use the stream only with it.
    pub report_due: bool,
    /// What flows ends with the picture that is being sent, though what is awaited has not come.
    pub leaving: bool,
    sequence: Option<SeqManager>,
    first_sequence: Option<u16>,
    rewriter: Rewriter,
    sent: SentPackets,
    remembers: usize,
    gated: bool,
    video: bool,
    ignores_dtx: bool,
    /// Gets the primary block of redundant audio alone.
    unwraps: bool,
    piped: bool,
    last_marker: bool,
    replay: Option<Replay>,
}

/// What an output starts its numbers from.
#[derive(Clone, Copy, Debug)]
pub struct FirstNumbers {
    /// Sequence number; the source's if absent, as on pipes.
    pub sequence: Option<u16>,
    /// Picture id or frame number, and TL0PICIDX; the source's if absent.
    pub picture: Option<(u16, u8)>,
    /// Of retransmissions.
    pub rtx_sequence: u16,
}

impl Output {
    /// Sends nothing yet.
    pub fn new(setup: OutputSetup, consumer: &ConsumerSetup, first: FirstNumbers) -> Self {
        let remembers = match (consumer.feedback.nack, consumer.codec.kind()) {
            (false, _) => 0,
            (true, MediaKind::Video) => sent::VIDEO,
            (true, MediaKind::Audio) => sent::AUDIO,
        };
        let rewriter =
            first.picture.map_or(Rewriter::Plain, |first| Rewriter::new(consumer.codec, first));
        Self {
            setup,
            switch: Switch::default(),
            source: None,
            timeline: Timeline::new(consumer.clock_rate),
            stats: SendStats::default(),
            rtx_sequence: first.rtx_sequence,
            report_due: false,
            leaving: false,
            sequence: None,
            first_sequence: first.sequence,
            rewriter,
            sent: SentPackets::default(),
            remembers,
            gated: consumer.codec.can_be_key_frame(),
            video: consumer.codec.kind() == MediaKind::Video,
            ignores_dtx: consumer.ignore_dtx,
            unwraps: consumer.red_payload_type.is_none(),
            piped: first.sequence.is_none(),
            last_marker: true,
            replay: None,
        }
    }

    /// Judges a packet. `streams`: the producer's, to align timestamps by.
    pub fn offer(
        &mut self,
        now: Instant,
        source: Source,
        slot: SlotRef,
        packet: &StoredPacket,
        streams: &[Option<Box<RecvStream>>],
        target: Layers,
    ) -> Offer {
        let can_start = packet.facts.key_frame || packet.facts.unknown || !self.gated;
        match self.switch.judge(usize::from(source.encoding), can_start) {
            Verdict::Drop => Offer::Nothing,
            Verdict::Forward => {
                if self.source != Some(source) || self.has_left() {
                    return Offer::Nothing;
                }
                self.forward(now, slot, packet, target).map_or(Offer::Nothing, Offer::Send)
            }
            Verdict::Start => self.start(now, source, slot, packet, streams, target),
        }
    }

    fn start(
        &mut self,
        now: Instant,
        source: Source,
        slot: SlotRef,
        packet: &StoredPacket,
        streams: &[Option<Box<RecvStream>>],
        target: Layers,
    ) -> Offer {
        let aligned = self.align(source, packet.header.timestamp, streams);
        if self.timeline.start(now, packet.header.timestamp, aligned).is_err() {
            return Offer::AskAgain;
        }
        self.begin(source, packet.header.sequence);
        self.switch.started(usize::from(source.encoding));
        self.forward(now, slot, packet, target).map_or(Offer::Nothing, Offer::Started)
    }

    /// A new stretch begins with `input` of `source`.
    fn begin(&mut self, source: Source, input: u16) {
        let fresh = self.sequence.is_none();
        let first = self.first_sequence.unwrap_or(input);
        let sequence = self.sequence.get_or_insert_with(|| SeqManager::new(first));
        // One number is left out where a frame was cut short, so that no decoder takes the two
        // pieces for one (CO12).
        let gap = u16::from(self.video && !fresh && !self.last_marker);
        sequence.sync(input.wrapping_sub(1 + gap));
        self.rewriter.sync();
        if self.remembers > 0 && fresh {
            self.sent = SentPackets::new(self.remembers);
        }
        self.source = Some(source);
        self.report_due = true;
        self.leaving = false;
    }

    /// Whether what flows has ended, as it was to.
    fn has_left(&mut self) -> bool {
        let left = self.leaving && self.last_marker && self.switch.leave();
        self.leaving &= !left;
        left
    }

    /// Whether what was sent of `source` is still of use: of a layer that was left nothing is shown
    /// any more.
    pub fn shows(&self, source: Source) -> bool {
        let flows = self.switch.current() == Some(usize::from(source.encoding));
        flows && !self.leaving && self.source == Some(source)
    }

    /// Nothing was sent yet.
    pub const fn is_fresh(&self) -> bool {
        self.sequence.is_none()
    }

    /// A picture is under way: what began now would cut it short, and the decoder would show the
    /// piece. One whose end does not come holds up nothing.
    pub fn is_within_picture(&self, now: Instant) -> bool {
        let newest = self.timeline.newest();
        let lately = newest.is_some_and(|(_, at)| now.saturating_duration_since(at) < PICTURE);
        self.video && !self.last_marker && lately && self.switch.current().is_some()
    }

    /// Begins with a key frame from the buffer; [`Self::replay_next`] has its packets. False if its
    /// time does not fit.
    pub fn begin_replay(
        &mut self,
        now: Instant,
        source: Source,
        stretch: &Stretch,
        streams: &[Option<Box<RecvStream>>],
    ) -> bool {
        let last = stretch.last_timestamp;
        let aligned = self.align(source, last, streams);
        let before = self.timeline.newest().map(|(newest, _)| newest);
        // What flows goes on as it was if nothing comes of this.
        let mut timeline = self.timeline;
        if timeline.start(now, last, aligned).is_err() {
            return false;
        }
        let replay = match self.piped {
            true => Some(Replay::piped(now, stretch)),
            false => Replay::new(now, stretch, timeline.map(last), before),
        };
        let Some(replay) = replay else { return false };
        self.timeline = timeline;
        self.begin(source, stretch.first);
        self.switch.replays(usize::from(source.encoding));
        self.replay = Some(replay);
        true
    }

    /// The next packet to catch up with, at `rate` bits per second.
    pub fn replay_next(
        &mut self,
        now: Instant,
        stream: &RecvStream,
        rate: u64,
        target: Layers,
    ) -> Replayed {
        let Some(mut replay) = self.replay.filter(|_| self.switch.is_replaying()) else {
            self.replay = None;
            return Replayed::Done;
        };
        let left = stream.stats.newest_sequence().wrapping_sub(replay.next).cast_signed();
        if left < 0 {
            if let Some(current) = self.switch.current() {
                self.switch.started(current);
            }
            self.replay = None;
            return Replayed::Done;
        }
        if !replay.may_send(now, rate) {
            return Replayed::Later;
        }
        let ring = &stream.ring;
        let found = ring.by_sequence(replay.next);
        let Some((slot, packet)) = found.and_then(|slot| Some((slot, ring.slot(slot)?))) else {
            if replay.gives_up(now) {
                replay.advance(0);
                self.replay = Some(replay);
                return Replayed::LeftOut;
            }
            return Replayed::Later;
        };
        let input = packet.header.timestamp;
        let timestamp = replay.timestamp(input, self.timeline.map(input));
        let kept = replay.is_to_be_kept(input);
        let place = self.forward_at(now, slot, packet, target, timestamp);
        replay.advance(place.map_or(0, |_| packet.bytes.len()));
        self.replay = Some(replay);
        place.map_or(Replayed::LeftOut, |place| Replayed::Packet(place, kept))
    }

    /// The output timestamp that sender reports give `timestamp` of `source`.
    fn align(
        &self,
        source: Source,
        timestamp: u32,
        streams: &[Option<Box<RecvStream>>],
    ) -> Option<u32> {
        let last = self.source?;
        if last == source {
            return Some(self.timeline.map_aligned(timestamp));
        }
        let find = |source: Source| {
            let stream = streams.get(usize::from(source.encoding))?.as_deref()?;
            (stream.uid == source.uid).then_some(stream)
        };
        let offset = find(source)?.clock.offset_from(&find(last)?.clock)?;
        Some(self.timeline.map_aligned(timestamp.wrapping_sub(offset)))
    }

    fn forward(
        &mut self,
        now: Instant,
        slot: SlotRef,
        packet: &StoredPacket,
        target: Layers,
    ) -> Option<Place> {
        let timestamp = self.timeline.map(packet.header.timestamp);
        self.forward_at(now, slot, packet, target, timestamp)
    }

    #[inline]
    fn forward_at(
        &mut self,
        now: Instant,
        slot: SlotRef,
        packet: &StoredPacket,
        target: Layers,
        timestamp: u32,
    ) -> Option<Place> {
        let input = packet.header.sequence;
        let payload_len = self.payload_len(packet);
        let sequence = self.sequence.as_mut()?;
        if payload_len == 0 || (self.ignores_dtx && packet.facts.dtx) {
            sequence.drop(input);
            return None;
        }
        let Some(edit) = self.rewriter.process(&packet.facts, packet.header.timestamp, target)
        else {
            sequence.drop(input);
            return None;
        };
        let output = sequence.map(input)?;
        self.timeline.sent(now, timestamp);
        if sequence.max_output() == output {
            self.last_marker = packet.header.marker || edit.marker;
        }
        let source = self.source?;
        self.sent.insert(Sent {
            output,
            input,
            ts_offset: packet.header.timestamp.wrapping_sub(timestamp),
            edit,
            stream: stream_tag(source),
            resent_ms: 0,
        });
        self.stats.on_sent(now, packet.bytes.len(), payload_len);
        Some(Place { slot, sequence: output, timestamp, edit, payload_len: payload_len as u16 })
    }

    /// Packets that overtook the first one of the stretch that just started, in order.
    pub fn overtaken(
        &mut self,
        now: Instant,
        ring: &PacketRing,
        first: SlotRef,
        target: Layers,
        mut each: impl FnMut(Place),
    ) {
        let Some(start) = ring.slot(first).map(|packet| packet.header.sequence) else { return };
        for ahead in 1..=OVERTAKEN {
            let Some(slot) = ring.by_sequence(start.wrapping_add(ahead)) else { continue };
            // Those that came later than the first one are still to be offered.
            let behind = first.0.wrapping_sub(slot.0).cast_signed() > 0;
            let Some(packet) = ring.slot(slot).filter(|_| behind) else { continue };
            if let Some(place) = self.forward(now, slot, packet, target) {
                each(place);
            }
        }
    }

    /// How to send `output` again, and from which encoding; nothing if it is forgotten, too old, or
    /// was sent again a moment ago.
    pub fn resend(
        &mut self,
        output: u16,
        now_ms: u32,
        streams: &[Option<Box<RecvStream>>],
    ) -> Option<(Source, Place)> {
        let rtt = self.stats.rtt();
        let sent = self.sent.resend(output, now_ms, rtt)?;
        self.place_of(sent, streams)
    }

    /// How to send the packet that is `back` before the newest one again, for nothing but its
    /// bytes; nothing if it is gone.
    pub fn repeat(
        &self,
        back: u16,
        streams: &[Option<Box<RecvStream>>],
    ) -> Option<(Source, Place)> {
        let newest = self.sequence.as_ref()?.max_output();
        self.place_of(self.sent.find(newest.wrapping_sub(back))?, streams)
    }

    /// Bytes of the payload as the receiver gets it.
    fn payload_len(&self, packet: &StoredPacket) -> usize {
        match packet.facts.descriptor {
            Descriptor::Red(primary) if self.unwraps => {
                packet.payload().len() - usize::from(primary)
            }
            _ => packet.payload().len(),
        }
    }

    fn place_of(&self, sent: Sent, streams: &[Option<Box<RecvStream>>]) -> Option<(Source, Place)> {
        let (encoding, stream) = streams.iter().enumerate().find_map(|(index, stream)| {
            let stream = stream.as_deref()?;
            let source = Source { encoding: index as u8, uid: stream.uid };
            (stream_tag(source) == sent.stream).then_some((index, stream))
        })?;
        let slot = stream.ring.by_sequence(sent.input)?;
        let packet = stream.ring.slot(slot)?;
        let place = Place {
            slot,
            sequence: sent.output,
            timestamp: packet.header.timestamp.wrapping_sub(sent.ts_offset),
            edit: sent.edit,
            payload_len: self.payload_len(packet) as u16,
        };
        Some((Source { encoding: encoding as u8, uid: stream.uid }, place))
    }

    /// The layers inside the stream that flow.
    pub const fn layers(&self) -> Layers {
        self.rewriter.layers()
    }

    /// Whether `target` cannot be reached without a key frame of what flows.
    pub fn needs_key(&self, target: Layers) -> bool {
        self.switch.current().is_some() && self.rewriter.needs_key(target)
    }

    /// Where the reports of this stream stand: the sender's time if it told it.
    pub fn report_time(
        &self,
        now: Instant,
        stream: &RecvStream,
        wall: NtpTime,
        clock_rate: u32,
    ) -> Option<(NtpTime, u32)> {
        if let Some((ntp, timestamp)) = stream.capture_now(now) {
            return Some((ntp, self.timeline.map(timestamp)));
        }
        if !stream.has_no_reports(now) {
            return None;
        }
        let newest = self.timeline.newest()?;
        Some(super::send_stats::by_arrival(wall, newest, now, clock_rate))
    }
}

/// Three bits of encoding, five of uid: tells a stream from its successors for as long as a packet
/// is remembered.
fn stream_tag(source: Source) -> u8 {
    let tag = (source.encoding & 7) << 5 | (source.uid.0 as u8 & 31);
    // 255 means that nothing was sent.
    tag.min(254)
}
