//! A receiving transport as a browser's: transport-wide feedback, NACK and RTX, key-frame requests
//! and receiver reports; and what was seen of each stream. Knows no clock and no socket.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use serde_json::Value;
use starling_media::{
    ingress::{NackGenerator, ReceiveStats, TwccRecorder},
    rtcp::{self, MAX_COMPOUND, RtcpItem, build},
    rtp::{RtpHeader, Unwrapper},
};

use crate::{encoder::Mark, frames::Frames};

/// Ours in RTCP.
const SSRC: u32 = 1;
const TWCC: &str = "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Between two receiver reports, as libwebrtc's of video.
const REPORTS: Duration = Duration::from_millis(1_000);
/// Delays kept of a stream until they are taken.
const MAX_DELAYS: usize = 10_000;

/// Encodings of a camera that are told apart: as many as a browser sends.
pub const LAYERS: usize = 3;

/// One consumer.
pub struct Stream {
    /// Its id.
    pub consumer: String,
    /// Of whom.
    pub peer: String,
    /// Video, and not audio.
    pub video: bool,
    ssrc: u32,
    stats: ReceiveStats,
    unwrapper: Unwrapper,
    nack: NackGenerator,
    /// Of a video.
    pub frames: Frames,
    /// Payload bytes, without what came as a retransmission.
    pub bytes: u64,
    /// The same of each encoding, the smallest first.
    pub by_layer: [u64; LAYERS],
    /// Packets, without retransmissions.
    pub packets: u64,
    /// Retransmissions.
    pub rtx_packets: u64,
    /// Their bytes.
    pub rtx_bytes: u64,
    /// Packets asked for again.
    pub asked: u64,
    /// Key frames asked for.
    pub key_frames_asked: u64,
    /// Nanoseconds from sender to receiver of packets, and to the screen of frames.
    pub delays: Vec<u64>,
}

impl Stream {
    /// Packets that never came, as of now.
    pub fn missing(&self) -> i64 {
        self.stats.packets_lost() - self.stats.repaired() as i64
    }

    /// Packets that did not come at first.
    pub fn lost(&self) -> i64 {
        self.stats.packets_lost()
    }
}

/// All consumers of a transport.
pub struct Receiver {
    epoch: Instant,
    rtt: Duration,
    playout: u64,
    twcc: TwccRecorder,
    twcc_id: u8,
    /// Place of its stream, and whether it is that of retransmissions.
    by_ssrc: HashMap<u32, (usize, bool)>,
    /// In the order in which they were told.
    pub streams: Vec<Stream>,
    report_at: Instant,
    /// Bytes of probation: padding and retransmissions that nobody asked for.
    pub probe_bytes: u64,
    /// RTP datagrams' bytes in all.
    pub bytes: u64,
    items: Vec<RtcpItem>,
}

impl Receiver {
    /// `rtt` to the node, and how long after they were sent frames are shown, in nanoseconds.
    pub fn new(now: Instant, rtt: Duration, playout: u64) -> Self {
        Self {
            epoch: now,
            rtt,
            playout,
            twcc: TwccRecorder::new(now),
            twcc_id: 5,
            by_ssrc: HashMap::new(),
            streams: Vec::new(),
            report_at: now + REPORTS,
            probe_bytes: 0,
            bytes: 0,
            items: Vec::new(),
        }
    }

    /// A consumer as `newConsumer` tells it.
    pub fn add(&mut self, data: &Value) -> Option<()> {
        let rtp = &data["rtpParameters"];
        let encoding = &rtp["encodings"][0];
        let ssrc = encoding["ssrc"].as_u64()? as u32;
        let video = data["kind"] == "video";
        let extensions = rtp["headerExtensions"].as_array()?;
        if let Some(found) = extensions.iter().find(|it| it["uri"] == TWCC) {
            self.twcc_id = found["id"].as_u64()? as u8;
        }
        let place = self.streams.len();
        self.by_ssrc.insert(ssrc, (place, false));
        if let Some(rtx) = encoding["rtx"]["ssrc"].as_u64() {
            self.by_ssrc.insert(rtx as u32, (place, true));
        }
        self.streams.push(Stream {
            consumer: data["consumerId"].as_str()?.to_owned(),
            peer: data["peerId"].as_str()?.to_owned(),
            video,
            ssrc,
            stats: ReceiveStats::new(ssrc, if video { 90_000 } else { 48_000 }),
            unwrapper: Unwrapper::default(),
            nack: NackGenerator::new(),
            frames: Frames::default(),
            bytes: 0,
            by_layer: [0; LAYERS],
            packets: 0,
            rtx_packets: 0,
            rtx_bytes: 0,
            asked: 0,
            key_frames_asked: 0,
            delays: Vec::new(),
        });
        Some(())
    }

    /// An RTP packet in the clear. `clock` is the sender's clock, in nanoseconds.
    pub fn take(&mut self, now: Instant, clock: u64, packet: &[u8]) {
        let Some(header) = RtpHeader::parse(packet) else { return };
        self.bytes += packet.len() as u64;
        if let Some(&[high, low]) = header.extension(packet, self.twcc_id) {
            self.twcc.on_packet(now, u16::from_be_bytes([high, low]));
        }
        let payload = header.payload(packet);
        let Some(&(place, again)) = self.by_ssrc.get(&header.ssrc) else {
            self.probe_bytes += packet.len() as u64;
            return;
        };
        let at = now.saturating_duration_since(self.epoch).as_nanos() as u64;
        let stream = &mut self.streams[place];
        let (mut header, mut payload, len) = (header, payload, packet.len());
        if again {
            let Some((original, rest)) = payload.split_first_chunk::<2>() else {
                self.probe_bytes += len as u64;
                return;
            };
            header.sequence = u16::from_be_bytes(*original);
            header.ssrc = stream.ssrc;
            payload = rest;
            stream.rtx_packets += 1;
            stream.rtx_bytes += len as u64;
        }
        let Some(mark) = Mark::read(payload) else { return };
        let key = stream.video && mark.key_frame;
        if again {
            let before = stream.nack.missing();
            stream.nack.on_packet(now, header.sequence, key);
            stream.stats.on_retransmission(now, &header, len);
            if stream.nack.missing() < before {
                stream.stats.on_repaired();
            } else {
                self.probe_bytes += len as u64;
            }
        } else {
            stream.nack.on_packet(now, header.sequence, key);
            stream.stats.on_packet(now, &header, len);
            stream.packets += 1;
            stream.bytes += payload.len() as u64;
            stream.by_layer[usize::from(mark.spatial).min(LAYERS - 1)] += payload.len() as u64;
            if !stream.video && stream.delays.len() < MAX_DELAYS {
                stream.delays.push(clock.saturating_sub(mark.sent));
            }
        }
        if stream.video {
            let number = stream.unwrapper.unwrap(header.sequence);
            let delays = &mut stream.delays;
            let early = (mark.sent + self.playout).saturating_sub(clock);
            stream.frames.take(at, early, number, mark, |mark| {
                if delays.len() < MAX_DELAYS {
                    delays.push(clock.saturating_sub(mark.sent));
                }
            });
        }
    }

    /// An RTCP datagram in the clear.
    pub fn take_rtcp(&mut self, now: Instant, datagram: &[u8]) {
        self.items.clear();
        rtcp::parse(datagram, &mut self.items);
        for item in &self.items {
            let RtcpItem::Sr { info, .. } = item else { continue };
            for stream in self.streams.iter_mut().filter(|stream| stream.ssrc == info.ssrc) {
                stream.stats.on_sender_report(now, info.ntp);
            }
        }
    }

    /// Appends the RTCP datagrams that are due.
    pub fn poll(&mut self, now: Instant, out: &mut Vec<Vec<u8>>) {
        let at = now.saturating_duration_since(self.epoch).as_nanos() as u64;
        let mut bytes = Vec::new();
        if self.twcc.poll(now, SSRC, 0, &mut bytes) > 0 {
            out.push(std::mem::take(&mut bytes));
        }
        for stream in self.streams.iter_mut().filter(|stream| stream.video) {
            let mut missing = Vec::new();
            stream.nack.poll(now, Some(self.rtt), &mut missing);
            if !missing.is_empty() {
                stream.asked += missing.len() as u64;
                let room = MAX_COMPOUND - bytes.len();
                build::nack(&mut bytes, SSRC, stream.ssrc, &missing, room);
            }
            let lost = stream.nack.take_key_frame_wanted();
            if stream.frames.poll(at) || lost {
                stream.key_frames_asked += 1;
                build::pli(&mut bytes, SSRC, stream.ssrc);
            }
            // The next one may have many sequence numbers.
            if bytes.len() > MAX_COMPOUND / 2 {
                out.push(std::mem::take(&mut bytes));
            }
        }
        if now >= self.report_at {
            self.report_at = now + REPORTS;
            let blocks: Vec<_> =
                self.streams.iter_mut().filter_map(|it| it.stats.report_block(now)).collect();
            for blocks in blocks.chunks(build::MAX_BLOCKS) {
                let mut report = Vec::new();
                build::receiver_report(&mut report, SSRC, blocks);
                out.push(report);
            }
        }
        if !bytes.is_empty() {
            out.push(bytes);
        }
    }
}
