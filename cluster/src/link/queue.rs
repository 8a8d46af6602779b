//! The packets that wait for a link: by class, oldest first, never longer than they are of use. Pure:
//! `now` is an argument. Never touches QUIC.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use starling_proto::flow::{FlowId, MAX_HEADER, Part, encode_header};

use super::PacketClass;

/// Most packets that wait, per class: 200 ms of 100 Mbit/s of 1,200-byte video is 2,083.
pub(super) const MAX_WAITING: usize = 2_048;
/// Video older than this is shed: receivers' jitter buffers have given it up and asked again by then.
const VIDEO_LIFE: Duration = Duration::from_millis(200);
/// Audio older than this is shed: beyond what NetEq stretches to.
const AUDIO_LIFE: Duration = Duration::from_millis(500);
/// RTCP older than this is shed: the next report says it better.
const CONTROL_LIFE: Duration = Duration::from_secs(1);
/// Packets are copied into blocks of this size, so that a burst costs one allocation and not fifty,
/// and a packet that waits long holds no more than this.
const BLOCK: usize = 32 * 1024;
const _: () = assert!(BLOCK > 8 * super::MAX_PACKET);

/// A packet with its flow header, ready to be a datagram.
#[derive(Debug)]
pub(super) struct Waiting {
    /// Header and packet.
    pub(super) datagram: Bytes,
    /// How much of it is header.
    pub(super) header: usize,
    /// Whose it is, should it be split.
    pub(super) flow: FlowId,
    since: Instant,
}

/// Packets shed so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Shed {
    pub(super) video: u64,
    pub(super) audio: u64,
    pub(super) control: u64,
}

/// The queue of one link.
#[derive(Debug, Default)]
pub(super) struct DeadlineQueue {
    control: VecDeque<Waiting>,
    audio: VecDeque<Waiting>,
    video: VecDeque<Waiting>,
    block: BytesMut,
    shed: Shed,
}

impl DeadlineQueue {
    /// Adds a packet at the end of its class; the oldest of the class goes if it is full.
    pub(super) fn push(&mut self, now: Instant, flow: FlowId, class: PacketClass, packet: &[u8]) {
        let mut header = [0; MAX_HEADER];
        let header_len = encode_header(flow, Part::Whole, &mut header);
        let len = header_len + packet.len();
        if self.block.capacity() - self.block.len() < len {
            self.block = BytesMut::with_capacity(BLOCK);
        }
        self.block.extend_from_slice(&header[..header_len]);
        self.block.extend_from_slice(packet);
        let datagram = self.block.split().freeze();
        let (lane, shed) = self.lane(class);
        if lane.len() == MAX_WAITING {
            lane.pop_front();
            *shed += 1;
        }
        lane.push_back(Waiting { datagram, header: header_len, flow, since: now });
    }

    /// Moves packets that are still of use to `out`, RTCP first, then audio, then video, while their
    /// bytes and `overhead` for each fit `space` and `out` has fewer than `most`. True if more wait.
    pub(super) fn take(
        &mut self,
        now: Instant,
        mut space: usize,
        overhead: usize,
        most: usize,
        out: &mut Vec<Waiting>,
    ) -> bool {
        self.drop_stale(now);
        for class in [PacketClass::Control, PacketClass::Audio, PacketClass::Video] {
            let (lane, _) = self.lane(class);
            while let Some(next) = lane.front() {
                let cost = next.datagram.len() + overhead;
                if cost > space || out.len() >= most {
                    return true;
                }
                space -= cost;
                out.extend(lane.pop_front());
            }
        }
        false
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.control.len() + self.audio.len() + self.video.len()
    }

    /// What was shed so far.
    pub(super) fn shed(&self) -> Shed {
        self.shed
    }

    fn drop_stale(&mut self, now: Instant) {
        for (class, life) in [
            (PacketClass::Control, CONTROL_LIFE),
            (PacketClass::Audio, AUDIO_LIFE),
            (PacketClass::Video, VIDEO_LIFE),
        ] {
            let (lane, shed) = self.lane(class);
            while lane.front().is_some_and(|w| now.saturating_duration_since(w.since) > life) {
                lane.pop_front();
                *shed += 1;
            }
        }
    }

    fn lane(&mut self, class: PacketClass) -> (&mut VecDeque<Waiting>, &mut u64) {
        match class {
            PacketClass::Control => (&mut self.control, &mut self.shed.control),
            PacketClass::Audio => (&mut self.audio, &mut self.shed.audio),
            PacketClass::Video => (&mut self.video, &mut self.shed.video),
        }
    }
}
