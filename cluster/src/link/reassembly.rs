//! Packets that came in two parts. Pure: `now` is an argument. Never keeps a part for long.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use starling_proto::flow::FlowId;

/// Most packets of which one part is missing: two key frames of 30 packets, interleaved.
pub(super) const MAX_PENDING: usize = 64;
/// How long a part waits for the other: they leave back to back, so later means lost.
pub(super) const LIFE: Duration = Duration::from_millis(500);

/// Which half a part is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Half {
    First,
    Last,
}

/// Parts that wait for their other half.
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    pending: VecDeque<Pending>,
    failed: u64,
}

#[derive(Debug)]
struct Pending {
    flow: FlowId,
    tag: u16,
    half: Half,
    bytes: Bytes,
    since: Instant,
}

impl Reassembly {
    /// Takes a part; the packet, if this made it whole.
    pub(super) fn handle_part(
        &mut self,
        now: Instant,
        flow: FlowId,
        tag: u16,
        half: Half,
        bytes: Bytes,
    ) -> Option<Bytes> {
        self.drop_stale(now);
        let same = |p: &Pending| p.flow == flow && p.tag == tag;
        if let Some(at) = self.pending.iter().position(same) {
            let other = self.pending.remove(at)?;
            if other.half == half {
                // The tag came round again: the older packet's other half is lost.
                self.failed += 1;
            } else {
                let (first, last) =
                    if half == Half::First { (bytes, other.bytes) } else { (other.bytes, bytes) };
                let mut whole = BytesMut::with_capacity(first.len() + last.len());
                whole.extend_from_slice(&first);
                whole.extend_from_slice(&last);
                return Some(whole.freeze());
            }
        }
        if self.pending.len() == MAX_PENDING {
            self.pending.pop_front();
            self.failed += 1;
        }
        self.pending.push_back(Pending { flow, tag, half, bytes, since: now });
        None
    }

    /// Packets given up since the last call.
    pub(super) fn take_failed(&mut self) -> u64 {
        std::mem::take(&mut self.failed)
    }

    fn drop_stale(&mut self, now: Instant) {
        let stale = |p: &Pending| now.saturating_duration_since(p.since) > LIFE;
        while self.pending.front().is_some_and(stale) {
            self.pending.pop_front();
            self.failed += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOW: FlowId = FlowId(3);

    fn part(table: &mut Reassembly, now: Instant, tag: u16, half: Half) -> Option<Bytes> {
        let bytes = if half == Half::First { "he" } else { "llo" };
        table.handle_part(now, FLOW, tag, half, Bytes::from_static(bytes.as_bytes()))
    }

    #[test]
    fn halves_join_in_either_order() {
        let (mut table, now) = (Reassembly::default(), Instant::now());
        assert_eq!(part(&mut table, now, 1, Half::First), None);
        assert_eq!(part(&mut table, now, 2, Half::Last), None);
        assert_eq!(part(&mut table, now, 1, Half::Last).as_deref(), Some(&b"hello"[..]));
        assert_eq!(part(&mut table, now, 2, Half::First).as_deref(), Some(&b"hello"[..]));
        assert_eq!(table.take_failed(), 0);
    }

    #[test]
    fn halves_of_different_flows_do_not_join() {
        let (mut table, now) = (Reassembly::default(), Instant::now());
        part(&mut table, now, 1, Half::First);
        let last = Bytes::from_static(b"x");
        assert_eq!(table.handle_part(now, FlowId(4), 1, Half::Last, last), None);
    }

    #[test]
    fn a_half_waits_no_longer_than_its_life() {
        let (mut table, now) = (Reassembly::default(), Instant::now());
        part(&mut table, now, 1, Half::First);
        assert_eq!(part(&mut table, now + LIFE + Duration::from_millis(1), 1, Half::Last), None);
        assert_eq!(table.take_failed(), 1);
    }

    #[test]
    fn the_oldest_half_makes_room() {
        let (mut table, now) = (Reassembly::default(), Instant::now());
        for tag in 0..=MAX_PENDING as u16 {
            part(&mut table, now, tag, Half::First);
        }
        assert_eq!(table.take_failed(), 1);
        assert_eq!(part(&mut table, now, 0, Half::Last), None);
        assert!(part(&mut table, now, 2, Half::Last).is_some());
    }

    #[test]
    fn a_tag_that_comes_round_forgets_its_first_use() {
        let (mut table, now) = (Reassembly::default(), Instant::now());
        part(&mut table, now, 1, Half::First);
        assert_eq!(part(&mut table, now, 1, Half::First), None);
        assert_eq!(table.take_failed(), 1);
        assert!(part(&mut table, now, 1, Half::Last).is_some());
    }
}
