//! The packets that wait for a link: by class, oldest first, never longer than they are of use.
//! Pure: `now` is an argument. Never touches QUIC.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use starling_proto::flow::{FlowId, MAX_HEADER, Part, encode_header};

use super::PacketClass;

/// Most packets that wait, per class: 200 ms of 100 Mbit/s of 1,200-byte video is 2,083.
pub(super) const MAX_WAITING: usize = 2_048;
/// Video older than this is shed: receivers' jitter buffers have given it up and asked again by
/// then.
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

    /// Moves packets that are still of use to `out`, RTCP first, then audio, then video, while
    /// their bytes and `overhead` for each fit `space` and `out` has fewer than `most`. True if
    /// more wait.
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

    /// How long the oldest packet has waited.
    pub(super) fn wait(&self, now: Instant) -> Duration {
        let first =
            [&self.control, &self.audio, &self.video].into_iter().filter_map(VecDeque::front);
        let oldest = first.map(|waiting| waiting.since).min();
        oldest.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
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

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: FlowId = FlowId(1);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    /// The first byte of each packet that comes out.
    fn take(queue: &mut DeadlineQueue, now: Instant, space: usize) -> (Vec<u8>, bool) {
        let mut out = Vec::new();
        let more = queue.take(now, space, 0, usize::MAX, &mut out);
        (out.iter().map(|w| w.datagram[w.header]).collect(), more)
    }

    #[test]
    fn reports_and_audio_overtake_video() {
        let (mut queue, now) = (DeadlineQueue::default(), Instant::now());
        for (class, byte) in [
            (PacketClass::Video, 1),
            (PacketClass::Audio, 2),
            (PacketClass::Video, 3),
            (PacketClass::Control, 4),
        ] {
            queue.push(now, FLOW, class, &[byte]);
        }
        assert_eq!(take(&mut queue, now, 100), (vec![4, 2, 1, 3], false));
    }

    #[test]
    fn what_does_not_fit_waits() {
        let (mut queue, now) = (DeadlineQueue::default(), Instant::now());
        queue.push(now, FLOW, PacketClass::Audio, &[1; 9]);
        queue.push(now, FLOW, PacketClass::Video, &[2; 9]);
        assert_eq!(take(&mut queue, now, 19), (vec![1], true));
        assert_eq!(queue.wait(now + ms(7)), ms(7));
        assert_eq!(take(&mut queue, now, 9), (vec![], true));
        assert_eq!(take(&mut queue, now, 10), (vec![2], false));
        assert_eq!(queue.wait(now + ms(7)), ms(0));
    }

    #[test]
    fn stale_packets_are_shed_by_the_patience_of_their_class() {
        let (mut queue, now) = (DeadlineQueue::default(), Instant::now());
        for (class, byte) in
            [(PacketClass::Video, 1), (PacketClass::Audio, 2), (PacketClass::Control, 3)]
        {
            queue.push(now, FLOW, class, &[byte]);
        }
        queue.push(now + ms(100), FLOW, PacketClass::Video, &[4]);
        assert_eq!(take(&mut queue, now + ms(200), 0), (vec![], true));
        assert_eq!(queue.shed(), Shed::default());
        take(&mut queue, now + ms(201), 0);
        assert_eq!(queue.shed(), Shed { video: 1, ..Shed::default() });
        take(&mut queue, now + ms(501), 0);
        assert_eq!(queue.shed(), Shed { video: 2, audio: 1, control: 0 });
        assert_eq!(take(&mut queue, now + ms(1_000), 100), (vec![3], false));
    }

    #[test]
    fn a_full_class_sheds_its_oldest_and_no_other() {
        let (mut queue, now) = (DeadlineQueue::default(), Instant::now());
        queue.push(now, FLOW, PacketClass::Audio, &[9]);
        for n in 0..=MAX_WAITING {
            queue.push(now, FLOW, PacketClass::Video, &[u8::from(n > 0)]);
        }
        assert_eq!(queue.shed(), Shed { video: 1, ..Shed::default() });
        let (out, _) = take(&mut queue, now, usize::MAX);
        assert_eq!((out.len(), out[0], out[1]), (MAX_WAITING + 1, 9, 1));
    }

    #[test]
    fn packets_of_a_burst_share_a_block() {
        let (mut queue, now) = (DeadlineQueue::default(), Instant::now());
        let mut out = Vec::new();
        for _ in 0..20 {
            queue.push(now, FLOW, PacketClass::Video, &[7; 1_200]);
        }
        queue.take(now, usize::MAX, 0, usize::MAX, &mut out);
        let step = out[1].datagram.as_ptr() as usize - out[0].datagram.as_ptr() as usize;
        assert_eq!(step, 1_201);
    }
}
