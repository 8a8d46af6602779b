//! One stream that arrives: what is kept of it, counted, asked for again. Composes the machines of
//! `ingress`; sends nothing itself.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use starling_proto::MediaKind;

use super::{
    LayerRates,
    key_frame::{KeyFrame, Stretch},
};
use crate::{
    codec::{
        self, Codec, Descriptor, Layers, PacketFacts,
        dependency::{Dependencies, FrameFacts, Structure},
        vp8,
    },
    ingress::{
        NackGenerator, PacketRing, RateCalculator, ReceiveStats, ScoreWindow, SlotRef, Verdict,
        nack::NackOutcome, rate,
    },
    rtp::{CaptureClock, NtpTime, RtpHeader, clock},
};

/// How long a stream without sender reports is waited for before its timestamps are aligned by time
/// of arrival. Senders report each second, libwebrtc at once.
const NO_REPORTS: Duration = Duration::from_secs(3);

/// How long a layer that fell silent must send again before it is chosen again: an encoder near its
/// limit switches layers off and on, and each return costs a key frame.
const SETTLED: Duration = Duration::from_secs(1);
/// Reports about a stream end so long after its last packet: its sender has heard all there is.
const REPORTED: Duration = Duration::from_secs(5);

/// Packets behind the newest one that may still be repaired: as many as a buffer has.
const REPAIRED: i16 = 1_024;

/// Spatial layers of one stream: dependency descriptors allow four, and no mode of VP9 has more.
pub const MAX_SPATIAL: usize = 4;

/// Names a stream of a plane; never used twice, so that what was said of one cannot be taken for
/// another under the same SSRC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamUid(pub u32);

/// Counts for statistics (ST1).
#[derive(Clone, Copy, Debug, Default)]
pub struct StreamCounts {
    /// Duplicates and packets from nowhere near.
    pub discarded: u64,
    /// Retransmissions that nobody waited for.
    pub rtx_discarded: u64,
    /// NACK packets sent.
    pub nacks: u64,
    /// Sequence numbers in them.
    pub nacked: u64,
    /// PLIs sent.
    pub plis: u64,
    /// FIRs sent.
    pub firs: u64,
    /// As last reported, in 1/256.
    pub fraction_lost: u8,
}

/// See the module.
#[derive(Debug)]
pub struct RecvStream {
    /// Its name.
    pub uid: StreamUid,
    /// Of its media.
    pub ssrc: u32,
    /// Of its retransmissions, once known.
    pub rtx_ssrc: Option<u32>,
    /// Its last packets.
    pub ring: PacketRing,
    /// Its counts.
    pub stats: ReceiveStats,
    /// What is missing, if it is asked for.
    pub nack: Option<NackGenerator>,
    /// Its timestamps in the sender's time.
    pub clock: CaptureClock,
    /// When the newest sender report came.
    pub reported_at: Option<Instant>,
    /// How well it arrives.
    pub score: ScoreWindow,
    /// How much.
    pub rate: RateCalculator,
    /// How much of each layer.
    pub layers: LayerRates,
    /// To its sender, once measured.
    pub rtt: Option<Duration>,
    /// Packets came lately.
    pub active: bool,
    /// Since when.
    pub active_since: Instant,
    /// More.
    pub counts: StreamCounts,
    /// It fell silent before.
    pub fell_silent: bool,
    /// Its sender began anew under the same SSRC since somebody last looked.
    pub restarted: bool,
    /// The newest packet of the past that came over a pipe to be kept; none before it is shown.
    kept: Option<u16>,
    /// The latest key frame.
    key_frame: Option<KeyFrame>,
    codec: Codec,
    clock_rate: u32,
    dtx: bool,
    wide: Vec<u8>,
    dependency_id: u8,
    red: Option<u8>,
    dependencies: Dependencies,
    /// When each spatial layer of an SVC stream last sent; at first, when the stream began.
    spatial: [Instant; MAX_SPATIAL],
}

/// How a stream begins.
#[derive(Clone, Copy, Debug)]
pub struct StreamSetup {
    /// Its name.
    pub uid: StreamUid,
    /// Of its media.
    pub ssrc: u32,
    /// Of its retransmissions, if declared.
    pub rtx_ssrc: Option<u32>,
    /// What its payloads are.
    pub codec: Codec,
    /// In Hz.
    pub clock_rate: u32,
    /// Audio or video.
    pub kind: MediaKind,
    /// Lost packets are asked for.
    pub nack: bool,
    /// The sender may fall silent.
    pub dtx: bool,
    /// Its id of the dependency descriptor; 0 if it has none.
    pub dependency_id: u8,
    /// Payload type of packets with redundancy, if there are such.
    pub red: Option<u8>,
}

/// What became of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Dropped, and counted here.
    Dropped,
    /// Kept.
    Stored {
        /// Where.
        slot: SlotRef,
        /// A key frame begins with it.
        key_frame: bool,
        /// It came by retransmission.
        repaired: bool,
    },
}

impl RecvStream {
    /// Nothing came yet.
    pub fn new(now: Instant, setup: &StreamSetup) -> Self {
        let window = if setup.dtx { rate::DTX_WINDOW } else { rate::STREAM_WINDOW };
        Self {
            uid: setup.uid,
            ssrc: setup.ssrc,
            rtx_ssrc: setup.rtx_ssrc,
            ring: PacketRing::new(setup.kind),
            stats: ReceiveStats::new(setup.ssrc, setup.clock_rate),
            nack: setup.nack.then(NackGenerator::new),
            clock: CaptureClock::new(setup.clock_rate),
            reported_at: None,
            score: ScoreWindow::default(),
            rate: RateCalculator::new(window),
            layers: LayerRates::default(),
            rtt: None,
            active: false,
            active_since: now,
            counts: StreamCounts::default(),
            fell_silent: false,
            restarted: false,
            kept: None,
            key_frame: None,
            codec: setup.codec,
            clock_rate: setup.clock_rate,
            dtx: setup.dtx,
            wide: Vec::new(),
            dependency_id: setup.dependency_id,
            red: setup.red,
            dependencies: Dependencies::default(),
            spatial: [now; MAX_SPATIAL],
        }
    }

    /// Takes a media packet, or one that was decoded from a retransmission (`rtx`).
    pub fn take(&mut self, now: Instant, header: &RtpHeader, packet: &[u8], rtx: bool) -> Intake {
        if self.ring.by_sequence(header.sequence).is_some() {
            return self.discard(rtx);
        }
        let verdict = if rtx {
            self.stats.on_retransmission(now, header, packet.len())
        } else {
            self.stats.on_packet(now, header, packet.len())
        };
        match verdict {
            Verdict::Rejected => return self.discard(rtx),
            Verdict::Restarted { .. } => self.restart(),
            Verdict::Accepted { .. } => {}
        }
        let Some(facts) = self.describe(now, header, packet) else { return self.discard(rtx) };
        if let Some(nack) = &mut self.nack {
            let outcome = nack.on_packet(now, header.sequence, facts.key_frame);
            match outcome {
                NackOutcome::Filled { .. } if rtx => self.stats.on_repaired(),
                NackOutcome::Unexpected if rtx => return self.discard(rtx),
                NackOutcome::New | NackOutcome::Filled { .. } | NackOutcome::Unexpected => {}
            }
        }
        self.rate.add(now, packet.len());
        self.layers.on_packet(facts.spatial_layer, facts.temporal_layer, packet.len());
        let key_frame = facts.key_frame;
        let slot = self.store(now, header, packet, facts);
        if key_frame {
            KeyFrame::note(&mut self.key_frame, header.sequence, header.timestamp);
        }
        slot.map_or(Intake::Dropped, |slot| Intake::Stored { slot, key_frame, repaired: rtx })
    }

    /// Whether a packet that came over a pipe is of the past: it says so, or is repaired and older
    /// than one that did.
    pub fn is_kept(&mut self, sequence: u16, says_so: bool) -> bool {
        let ahead = self.kept.map(|newest| sequence.wrapping_sub(newest).cast_signed());
        if says_so && ahead.is_none_or(|ahead| ahead > 0) {
            self.kept = Some(sequence);
        } else if ahead.is_some_and(|ahead| ahead > REPAIRED) {
            self.kept = None;
        }
        says_so || ahead.is_some_and(|ahead| ahead <= 0)
    }

    /// All that a receiver of `target` needs to begin with the latest key frame.
    pub fn since_key_frame(&self, now: Instant, target: Layers) -> Option<Stretch> {
        self.key_frame?.stretch(now, &self.ring, self.stats.newest_sequence(), target)
    }

    /// Nobody begins with what came until now.
    pub const fn forget_key_frame(&mut self) {
        self.key_frame = None;
    }

    /// `None` if nobody could make anything of it.
    fn describe(&mut self, now: Instant, header: &RtpHeader, packet: &[u8]) -> Option<PacketFacts> {
        if self.red == Some(header.payload_type) {
            return codec::describe_redundant(self.codec, header.payload(packet));
        }
        let descriptor = match self.dependency_id {
            0 => None,
            id => header.extension(packet, id),
        };
        let frame = descriptor.and_then(|descriptor| self.dependencies.read(descriptor));
        let facts = codec::describe(self.codec, header.payload(packet), frame);
        if let Some(last) = self.spatial.get_mut(usize::from(facts.spatial_layer)) {
            *last = now;
        }
        Some(facts)
    }

    /// The spatial layers of an SVC stream that are sent, as a mask: `silence` ends one while
    /// another goes on.
    pub fn spatial_layers(&self, silence: Duration) -> u8 {
        let newest = self.spatial.iter().max();
        self.spatial.iter().enumerate().fold(0, |mask, (layer, last)| {
            let quiet = newest.map_or(silence, |newest| newest.saturating_duration_since(*last));
            mask | u8::from(quiet < silence) << layer
        })
    }

    fn store(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        packet: &[u8],
        facts: PacketFacts,
    ) -> Option<SlotRef> {
        let Descriptor::Vp8(narrow) = facts.descriptor else {
            return self.ring.insert(now, header, packet, facts);
        };
        if narrow.picture_id.is_none() || narrow.wide_picture_id {
            return self.ring.insert(now, header, packet, facts);
        }
        self.wide.clear();
        self.wide.extend_from_slice(packet);
        let wide = vp8::widen_picture_id(&mut self.wide, header.header_len).unwrap_or(narrow);
        let descriptor = Descriptor::Vp8(wide);
        self.ring.insert(now, header, &self.wide, PacketFacts { descriptor, ..facts })
    }

    fn discard(&mut self, rtx: bool) -> Intake {
        if rtx {
            self.counts.rtx_discarded += 1;
        } else {
            self.counts.discarded += 1;
        }
        Intake::Dropped
    }

    fn restart(&mut self) {
        self.restarted = true;
        self.kept = None;
        self.key_frame = None;
        self.ring.clear();
        self.clock = CaptureClock::new(self.clock_rate);
        self.reported_at = None;
        self.dependencies = Dependencies::default();
        if let Some(nack) = &mut self.nack {
            nack.reset();
        }
    }

    /// A sender report of this stream.
    pub fn on_sender_report(&mut self, now: Instant, ntp: NtpTime, timestamp: u32) {
        self.clock.on_report(ntp, timestamp);
        self.stats.on_sender_report(now, ntp);
        self.reported_at = Some(now);
    }

    /// Marks it active; true if it was not.
    pub fn activate(&mut self, now: Instant) -> bool {
        if self.active {
            return false;
        }
        self.active = true;
        self.active_since = now;
        self.layers.reset();
        if self.score.score() == 0 {
            self.score.reset(10);
        }
        true
    }

    /// It sends, but nothing has come for long.
    pub fn is_overdue(&self, now: Instant) -> bool {
        self.active && self.stats.is_inactive(now, self.dtx)
    }

    /// It sends no more for now; true if it was active.
    pub fn fall_silent(&mut self) -> bool {
        self.fell_silent = true;
        self.pause()
    }

    /// It sends no more because nobody wanted it, and may be chosen as soon as it comes again; true
    /// if it was active.
    pub fn pause(&mut self) -> bool {
        if !std::mem::replace(&mut self.active, false) {
            return false;
        }
        self.score.reset(0);
        if let Some(nack) = &mut self.nack {
            nack.reset();
        }
        true
    }

    /// It may be chosen: it never fell silent, or has sent for a while since.
    pub fn is_settled(&self, now: Instant) -> bool {
        !self.fell_silent || now.saturating_duration_since(self.active_since) >= SETTLED
    }

    /// What `frame` of this stream was read by, unless a key frame has come since.
    pub fn structure_of(&self, frame: &FrameFacts) -> Option<&Structure> {
        self.dependencies.structure_of(frame)
    }

    /// Whether its sender should hear about it.
    pub fn is_reported(&self, now: Instant) -> bool {
        let last = self.stats.last_packet();
        last.is_some_and(|last| now.saturating_duration_since(last) < REPORTED)
    }

    /// Nothing can be aligned by its sender's clock, and nothing of that kind is to be expected.
    pub fn has_no_reports(&self, now: Instant) -> bool {
        !self.clock.is_known() && now.saturating_duration_since(self.active_since) >= NO_REPORTS
    }

    /// The sender's time now, and the timestamp of what is captured now (RC5). `None` before the
    /// first report.
    pub fn capture_now(&self, now: Instant) -> Option<(NtpTime, u32)> {
        let since = now.saturating_duration_since(self.reported_at?);
        let micros = self.clock.newest()?.micros + since.as_micros() as i64;
        Some((NtpTime::from_micros(micros), self.clock.timestamp_at(micros)?))
    }

    /// What `last_rr` and its delay say of the way to the sender (RC6).
    pub fn on_dlrr(&mut self, arrival: NtpTime, last_rr: u32, delay: u32) {
        if let Some(rtt) = clock::round_trip(arrival, last_rr, delay) {
            self.rtt = Some(rtt);
        }
    }

    /// Round score of the last interval; true if the smoothed one is another now.
    pub fn update_score(&mut self) -> bool {
        let interval = self.stats.take_interval();
        self.active && self.score.push(interval.score()).is_some()
    }

    /// mediasoup's `inbound-rtp` fields that are counted here.
    pub fn report(&mut self, now: Instant, into: &mut Map<String, Value>) {
        into.insert("bitrateByLayer".into(), self.layers.report(now));
        let stats = &self.stats;
        let fields = json!({
            "ssrc": self.ssrc,
            "rtxSsrc": self.rtx_ssrc,
            "packetsLost": stats.packets_lost().max(0),
            "fractionLost": self.counts.fraction_lost,
            "jitter": stats.jitter(),
            "packetsDiscarded": self.counts.discarded,
            "packetsRetransmitted": stats.retransmitted(),
            "packetsRepaired": stats.repaired(),
            "nackCount": self.counts.nacks,
            "nackPacketCount": self.counts.nacked,
            "pliCount": self.counts.plis,
            "firCount": self.counts.firs,
            "roundTripTime": self.rtt.map_or(0.0, |rtt| rtt.as_secs_f64() * 1000.0),
            "rtxPacketsDiscarded": self.counts.rtx_discarded,
            "score": self.score.score(),
            "packetCount": stats.packets(),
            "byteCount": stats.bytes(),
            "bitrate": self.rate.bits_per_second(now),
        });
        if let Value::Object(fields) = fields {
            into.extend(fields.into_iter().filter(|(_, value)| !value.is_null()));
        }
    }
}
