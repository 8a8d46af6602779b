use proptest::prelude::*;

use super::*;

fn packet(sequence: u16, len: usize) -> Vec<u8> {
    let mut packet = vec![0; len.max(12)];
    packet[0] = 0x80;
    packet[2..4].copy_from_slice(&sequence.to_be_bytes());
    packet
}

fn insert(ring: &mut PacketRing, now: Instant, sequence: u16, len: usize) -> Option<SlotRef> {
    let packet = packet(sequence, len);
    let header = RtpHeader::parse(&packet)?;
    ring.insert(now, &header, &packet, PacketFacts::default())
}

#[test]
fn packet_is_found_by_slot_and_by_sequence() {
    let now = Instant::now();
    let mut ring = PacketRing::new(MediaKind::Video);
    assert!(ring.is_empty());
    assert_eq!(ring.by_sequence(0), None);
    let slot = insert(&mut ring, now, 65535, 20).unwrap();
    let next = insert(&mut ring, now, 0, 21).unwrap();
    assert_eq!(ring.by_sequence(65535), Some(slot));
    assert_eq!(ring.by_sequence(0), Some(next));
    assert_eq!(ring.by_sequence(1), None);
    let stored = ring.slot(next).unwrap();
    assert_eq!((stored.header.sequence, stored.bytes.len()), (0, 21));
    assert_eq!((stored.received, stored.payload().len()), (now, 9));
}

#[test]
fn oldest_leaves_when_the_ring_is_full() {
    let now = Instant::now();
    let mut ring = PacketRing::new(MediaKind::Audio);
    let first = insert(&mut ring, now, 0, 20).unwrap();
    for sequence in 1..=AUDIO_PACKETS as u16 {
        insert(&mut ring, now, sequence, 20);
    }
    assert_eq!(ring.len(), AUDIO_PACKETS);
    assert!(ring.slot(first).is_none());
    assert_eq!(ring.by_sequence(0), None);
    assert!(ring.by_sequence(1).is_some());
}

#[test]
fn packets_age_out_and_give_their_buffers_back() {
    let now = Instant::now();
    let mut ring = PacketRing::new(MediaKind::Video);
    for sequence in 0..100 {
        insert(&mut ring, now, sequence, 1200);
    }
    let later = now + VIDEO_AGE;
    insert(&mut ring, later, 100, 1200);
    assert_eq!(ring.len(), 101);
    insert(&mut ring, later + Duration::from_millis(1), 101, 1200);
    assert_eq!(ring.len(), 2);
    assert_eq!(ring.spare.len(), SPARE_BUFFERS - 1);
    assert!(ring.spare.iter().all(|spare| spare.is_empty() && spare.capacity() >= 1200));
}

#[test]
fn longer_packets_than_any_network_carries_are_not_kept() {
    let now = Instant::now();
    let mut ring = PacketRing::new(MediaKind::Video);
    assert!(insert(&mut ring, now, 1, MAX_PACKET_LEN).is_some());
    assert!(insert(&mut ring, now, 2, MAX_PACKET_LEN + 1).is_none());
    assert_eq!(ring.len(), 1);
}

#[test]
fn cleared_ring_knows_nothing() {
    let now = Instant::now();
    let mut ring = PacketRing::new(MediaKind::Audio);
    let slot = insert(&mut ring, now, 1, 20).unwrap();
    ring.clear();
    assert!(ring.is_empty() && ring.slot(slot).is_none());
    assert_eq!(ring.by_sequence(1), None);
    let again = insert(&mut ring, now, 1, 20).unwrap();
    assert_ne!(again, slot);
}

proptest! {
    #[test]
    fn what_was_kept_last_is_found(
        start: u16,
        steps in prop::collection::vec((0u16..4, 0u64..60), 1..300),
    ) {
        let mut now = Instant::now();
        let mut ring = PacketRing::new(MediaKind::Audio);
        let mut sequence = start;
        let mut kept: Vec<(u16, SlotRef, Instant)> = Vec::new();
        for (skip, wait) in steps {
            now += Duration::from_millis(wait);
            sequence = sequence.wrapping_add(skip + 1);
            kept.push((sequence, insert(&mut ring, now, sequence, 20).unwrap(), now));
        }
        let newest = now;
        for (back, (sequence, slot, at)) in kept.iter().rev().enumerate() {
            let expected = back < AUDIO_PACKETS && newest.duration_since(*at) <= AUDIO_AGE;
            prop_assert_eq!(ring.slot(*slot).is_some(), expected);
            // The index may lose packets to much newer ones, yet never names a wrong one.
            let found = ring.by_sequence(*sequence);
            prop_assert!(found.is_none() || (found == Some(*slot) && expected));
            if back < AUDIO_PACKETS / 4 {
                prop_assert_eq!(found.is_some(), expected);
            }
        }
    }
}
