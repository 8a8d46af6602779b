//! The last packets of one stream, as they came: the source of every copy a receiver gets, now or
//! when it asks again. Never rewrites them.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use starling_proto::MediaKind;

use crate::{codec::PacketFacts, rtp::RtpHeader};

/// Names a stored packet until it leaves the ring; afterwards it names nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotRef(pub u32);

/// One packet, without SRTP.
#[derive(Clone, Debug)]
pub struct StoredPacket {
    /// As parsed from `bytes`.
    pub header: RtpHeader,
    /// What the payload says.
    pub facts: PacketFacts,
    /// When it came.
    pub received: Instant,
    /// Whole packet.
    pub bytes: Vec<u8>,
}

impl StoredPacket {
    /// The payload, without padding.
    pub fn payload(&self) -> &[u8] {
        self.header.payload(&self.bytes)
    }
}

/// Longest packet kept: an Ethernet frame's payload. Senders stay below 1,250.
pub const MAX_PACKET_LEN: usize = 1500;
/// Two seconds of 5 Mbit/s; what is older than that is late for any receiver (NK4).
const VIDEO_PACKETS: usize = 1024;
/// A second at 20 ms per packet, and some.
const AUDIO_PACKETS: usize = 64;
const VIDEO_AGE: Duration = Duration::from_secs(2);
const AUDIO_AGE: Duration = Duration::from_secs(1);
/// Buffers kept for reuse when a burst has aged out; the others go back to the allocator.
const SPARE_BUFFERS: usize = 16;
/// Opus at its usual rates; a longer packet grows its buffer once.
const AUDIO_BUFFER: usize = 256;

/// See the module. Bounded by count and age.
#[derive(Debug)]
pub struct PacketRing {
    packets: VecDeque<StoredPacket>,
    /// [`SlotRef`] of the front.
    front: u32,
    /// Slot by sequence number modulo its length; may be stale, so it is checked on use. Twice
    /// the packets, so that two of them never fight for one place in an ordered stream.
    index: Vec<u32>,
    spare: Vec<Vec<u8>>,
    capacity: usize,
    max_age: Duration,
    buffer_len: usize,
}

impl PacketRing {
    /// Empty; takes memory as packets come.
    pub const fn new(kind: MediaKind) -> Self {
        let (capacity, max_age, buffer_len) = match kind {
            MediaKind::Audio => (AUDIO_PACKETS, AUDIO_AGE, AUDIO_BUFFER),
            MediaKind::Video => (VIDEO_PACKETS, VIDEO_AGE, MAX_PACKET_LEN),
        };
        Self {
            packets: VecDeque::new(),
            front: 0,
            index: Vec::new(),
            spare: Vec::new(),
            capacity,
            max_age,
            buffer_len,
        }
    }

    /// Keeps a copy. `None` if it is longer than [`MAX_PACKET_LEN`].
    pub fn insert(
        &mut self,
        now: Instant,
        header: &RtpHeader,
        packet: &[u8],
        facts: PacketFacts,
    ) -> Option<SlotRef> {
        if packet.len() > MAX_PACKET_LEN {
            return None;
        }
        self.make_room(now);
        let mut bytes = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(self.buffer_len));
        bytes.extend_from_slice(packet);
        let slot = self.front.wrapping_add(self.packets.len() as u32);
        if self.index.is_empty() {
            self.index = vec![slot.wrapping_sub(1); self.capacity * 2];
        }
        let place = self.place(header.sequence);
        self.index[place] = slot;
        self.packets.push_back(StoredPacket { header: *header, facts, received: now, bytes });
        Some(SlotRef(slot))
    }

    /// The packet, if it is still here.
    pub fn slot(&self, slot: SlotRef) -> Option<&StoredPacket> {
        self.packets.get(slot.0.wrapping_sub(self.front) as usize)
    }

    /// Where the packet with this sequence number is, if it is still here.
    pub fn by_sequence(&self, sequence: u16) -> Option<SlotRef> {
        let slot = SlotRef(*self.index.get(self.place(sequence))?);
        (self.slot(slot)?.header.sequence == sequence).then_some(slot)
    }

    /// Number of packets kept.
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether nothing is kept.
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Forgets all packets: their stream began anew.
    pub fn clear(&mut self) {
        while !self.packets.is_empty() {
            self.pop();
        }
    }

    fn place(&self, sequence: u16) -> usize {
        usize::from(sequence) & (self.index.len().wrapping_sub(1))
    }

    fn make_room(&mut self, now: Instant) {
        while let Some(oldest) = self.packets.front() {
            let age = now.saturating_duration_since(oldest.received);
            if self.packets.len() < self.capacity && age <= self.max_age {
                break;
            }
            self.pop();
        }
    }

    fn pop(&mut self) {
        let Some(packet) = self.packets.pop_front() else { return };
        self.front = self.front.wrapping_add(1);
        if self.spare.len() < SPARE_BUFFERS {
            let mut bytes = packet.bytes;
            bytes.clear();
            self.spare.push(bytes);
        }
    }
}

#[cfg(test)]
mod tests;
