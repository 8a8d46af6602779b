//! What a member hears of each stream: gaps, losses, and what must not come. Pure: times are given.
//! Never counts what a member gets on two seats as coming twice.

use std::collections::BTreeMap;

/// Packets behind the newest within which a first arrival is told from a repetition: ten seconds of
/// a stream here.
const WINDOW: usize = 256;
/// Streams kept: more than a room of the fleet has.
const MAX_STREAMS: usize = 4_096;

/// Whose, and what: `audio` or `video`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct StreamKey {
    pub(super) of: String,
    pub(super) source: String,
}

/// What a packet of the fleet says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    /// Which member of the fleet.
    pub(super) member: u32,
    /// Its room.
    pub(super) room: u32,
    /// Which of its seats, counted over its lifetime.
    pub(super) life: u32,
    /// Which layer of a picture.
    pub(super) layer: u8,
    /// Which picture or sound, the same on all its seats and in all its layers.
    pub(super) number: u64,
}

impl Stamp {
    pub(super) const LEN: usize = 21;

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.member.to_be_bytes());
        out.extend_from_slice(&self.room.to_be_bytes());
        out.extend_from_slice(&self.life.to_be_bytes());
        out.push(self.layer);
        out.extend_from_slice(&self.number.to_be_bytes());
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::LEN] = bytes.first_chunk()?;
        let word = |at: usize| {
            u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let number = u64::from_be_bytes(*bytes.last_chunk()?);
        Some(Self { member: word(0), room: word(4), life: word(8), layer: bytes[12], number })
    }
}

/// Counts since the mark.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Heard {
    pub(super) gap_ms: f64,
    pub(super) received: u64,
    pub(super) lost: u64,
    pub(super) packets_lost: u64,
    pub(super) duplicates: u64,
    pub(super) older: u64,
    pub(super) strange: u64,
}

/// RTP sequence numbers of one seat.
#[derive(Clone, Copy, Debug, Default)]
struct Run {
    seat: u32,
    /// The first that counts and one more than the newest, beyond 16 bits.
    first: u64,
    end: u64,
    received: u64,
}

impl Run {
    fn take(&mut self, sequence: u16) {
        if self.end == 0 {
            // High enough that what came before it is still above 0.
            self.first = u64::from(sequence) + (1 << 16);
            self.end = self.first;
        }
        let ahead = sequence.wrapping_sub(self.end as u16) as i16;
        let number = self.end.wrapping_add_signed(i64::from(ahead));
        self.received += u64::from(number >= self.first);
        self.end = self.end.max(number + 1);
    }

    const fn lost(&self) -> u64 {
        (self.end - self.first).saturating_sub(self.received)
    }
}

/// Which copy of a picture: seat, life and layer.
type Which = (u32, u32, u8);

#[derive(Clone, Debug)]
struct Stream {
    /// When something new last came, or the mark.
    last: u64,
    gap: u64,
    /// The newest life heard on the newest seats: nodes learn of a move a moment apart, so that
    /// each seat has its own.
    lives: [(u32, u32); 2],
    runs: [Run; 2],
    /// The first number that counts, and one more than the newest.
    first: u64,
    end: u64,
    /// Number, seat, life and layer, by the number's place.
    seen: Vec<(u64, Which)>,
    heard: Heard,
}

impl Stream {
    fn new(now: u64, number: u64) -> Self {
        let seen = vec![(u64::MAX, (0, 0, 0)); WINDOW];
        let heard = Heard::default();
        let (lives, runs) = ([(0, 0); 2], [Run::default(); 2]);
        Self { last: now, gap: 0, lives, runs, first: number, end: number, seen, heard }
    }

    /// Sequence numbers of a seat, which may be a new one.
    fn run(&mut self, seat: u32) -> &mut Run {
        let known = self.runs.iter().position(|run| run.seat == seat);
        let at = known.unwrap_or_else(|| {
            let oldest = usize::from(self.runs[1].seat < self.runs[0].seat);
            self.heard.packets_lost += self.runs[oldest].lost();
            self.runs[oldest] = Run { seat, ..Run::default() };
            oldest
        });
        &mut self.runs[at]
    }

    /// The newest life heard on a seat, which may be a new one.
    fn life(&mut self, seat: u32) -> &mut u32 {
        let known = self.lives.iter().position(|(of, _)| *of == seat);
        let at = known.unwrap_or_else(|| {
            let oldest = usize::from(self.lives[1].0 < self.lives[0].0);
            self.lives[oldest] = (seat, 0);
            oldest
        });
        &mut self.lives[at].1
    }

    fn arrive(&mut self, now: u64) {
        self.gap = self.gap.max(now.saturating_sub(self.last));
        self.last = now;
        self.heard.received += 1;
    }
}

/// All that one member hears, over all its seats.
#[derive(Clone, Debug, Default)]
pub(super) struct Ear {
    streams: BTreeMap<StreamKey, Stream>,
}

impl Ear {
    /// A packet with a stamp came on a seat; `expected` are the member and the room it should be
    /// of.
    pub(super) fn stamped(
        &mut self,
        now: u64,
        key: &StreamKey,
        seat: u32,
        expected: (u32, u32),
        stamp: Stamp,
    ) {
        let Some(stream) = self.stream(now, key, stamp.number) else { return };
        if (stamp.member, stamp.room) != expected {
            stream.heard.strange += 1;
            return;
        }
        let life = stream.life(seat);
        if stamp.life < *life {
            stream.heard.older += 1;
            return;
        }
        *life = stamp.life;
        let place = stamp.number as usize % WINDOW;
        let copy = (seat, stamp.life, stamp.layer);
        let (seen, first) = stream.seen[place];
        if seen == stamp.number {
            // Of both seats of a publisher that moves, or of two layers where one was switched to:
            // the same picture, and not the same packet.
            stream.heard.duplicates += u64::from(first == copy);
            return;
        }
        stream.seen[place] = (stamp.number, copy);
        // Of before the mark, and late.
        if stamp.number >= stream.first {
            stream.arrive(now);
            stream.end = stream.end.max(stamp.number + 1);
        }
    }

    /// A packet of any kind came on a stream that is known.
    pub(super) fn packet(&mut self, key: &StreamKey, seat: u32, sequence: u16) {
        if let Some(stream) = self.streams.get_mut(key) {
            stream.run(seat).take(sequence);
        }
    }

    /// A packet of somebody who does not belong to the fleet.
    pub(super) fn unstamped(&mut self, now: u64, key: &StreamKey) {
        if let Some(stream) = self.stream(now, key, 0) {
            stream.arrive(now);
        }
    }

    fn stream(&mut self, now: u64, key: &StreamKey, number: u64) -> Option<&mut Stream> {
        if !self.streams.contains_key(key) && self.streams.len() >= MAX_STREAMS {
            return None;
        }
        Some(self.streams.entry(key.clone()).or_insert_with(|| Stream::new(now, number)))
    }

    /// Counts begin again.
    pub(super) fn mark(&mut self, now: u64) {
        for stream in self.streams.values_mut() {
            (stream.last, stream.gap, stream.first) = (now, 0, stream.end);
            stream.heard = Heard::default();
            for run in &mut stream.runs {
                (run.first, run.received) = (run.end, 0);
            }
        }
    }

    /// Forgets the streams of whoever left for good.
    pub(super) fn forget(&mut self, of: &str) {
        self.streams.retain(|key, _| key.of != of);
    }

    /// What was heard since the mark.
    pub(super) fn report(&self, now: u64) -> impl Iterator<Item = (&StreamKey, Heard)> {
        self.streams.iter().map(move |(key, stream)| {
            let gap = stream.gap.max(now.saturating_sub(stream.last));
            let sent = stream.end - stream.first;
            let lost = sent.saturating_sub(stream.heard.received);
            // Without stamps nothing was numbered.
            let lost = if stream.end == 0 { 0 } else { lost };
            let runs = stream.runs.iter().map(Run::lost).sum::<u64>();
            let packets_lost = stream.heard.packets_lost + runs;
            (key, Heard { gap_ms: gap as f64 / 1e6, lost, packets_lost, ..stream.heard })
        })
    }

    /// Streams that something came of within this many nanoseconds.
    pub(super) fn alive(&self, now: u64, within: u64) -> usize {
        let fresh = |stream: &&Stream| now.saturating_sub(stream.last) < within;
        self.streams.values().filter(fresh).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn key() -> StreamKey {
        StreamKey { of: "fleet-1".into(), source: "video".into() }
    }

    /// Packets as (ms, seat, life, number).
    fn hear(packets: &[(u64, u32, u32, u64)]) -> Ear {
        let mut ear = Ear::default();
        for (ms, seat, life, number) in packets {
            let stamp = Stamp { member: 1, room: 0, life: *life, layer: 0, number: *number };
            ear.stamped(ms * MS, &key(), *seat, (1, 0), stamp);
        }
        ear
    }

    fn report(ear: &Ear, ms: u64) -> Heard {
        ear.report(ms * MS).next().expect("one stream").1
    }

    #[test]
    fn a_stamp_survives_its_packet() {
        let stamp = Stamp { member: 7, room: 3, life: 2, layer: 1, number: 1 << 40 };
        let mut bytes = Vec::new();
        stamp.write(&mut bytes);
        assert_eq!(Stamp::read(&bytes), Some(stamp));
        assert_eq!(Stamp::read(&bytes[1..]), None);
    }

    #[test]
    fn the_longest_silence_is_the_gap_and_one_that_goes_on_counts() {
        let ear = hear(&[(0, 1, 1, 0), (60, 1, 1, 1), (400, 1, 1, 2), (460, 1, 1, 3)]);
        assert_eq!(report(&ear, 500).gap_ms, 340.0);
        assert_eq!(report(&ear, 1_460).gap_ms, 1_000.0);
    }

    #[test]
    fn what_was_sent_and_never_came_is_lost() {
        let ear = hear(&[(0, 1, 1, 5), (60, 1, 1, 6), (400, 1, 1, 9), (460, 1, 1, 8)]);
        let heard = report(&ear, 500);
        assert_eq!((heard.received, heard.lost), (4, 1));
    }

    #[test]
    fn two_seats_with_the_same_pictures_are_no_duplicates_but_one_seat_is() {
        let ear = hear(&[(0, 1, 1, 0), (1, 2, 1, 0), (60, 2, 1, 1), (61, 2, 1, 1), (62, 1, 1, 1)]);
        let moved = hear(&[(0, 1, 1, 0), (1, 1, 2, 0), (60, 1, 2, 1)]);
        assert_eq!(report(&moved, 100).duplicates, 0, "of both seats of who sends");
        let heard = report(&ear, 100);
        assert_eq!((heard.received, heard.duplicates, heard.lost), (2, 1, 0));
    }

    #[test]
    fn sequence_numbers_that_never_came_are_packets_lost_on_whichever_seat() {
        let mut ear = hear(&[(0, 1, 1, 0)]);
        for (seat, sequence) in [(1, 65_534), (1, 65_535), (1, 1), (2, 7), (2, 9), (2, 8), (3, 4)] {
            ear.packet(&key(), seat, sequence);
        }
        assert_eq!(report(&ear, 1).packets_lost, 1);
        ear.mark(MS);
        ear.packet(&key(), 3, 7);
        assert_eq!(report(&ear, 2).packets_lost, 2);
    }

    #[test]
    fn an_older_life_after_a_newer_is_told_but_not_of_two_seats() {
        let ear = hear(&[(0, 1, 1, 0), (60, 2, 2, 1), (62, 1, 1, 1), (120, 2, 2, 2)]);
        assert_eq!(report(&ear, 130).older, 0);
        let ear = hear(&[(0, 1, 1, 0), (60, 1, 2, 1), (70, 1, 1, 2), (120, 1, 2, 2)]);
        let heard = report(&ear, 130);
        assert_eq!((heard.older, heard.received, heard.lost), (1, 3, 0));
    }

    #[test]
    fn somebody_elses_packet_is_strange_and_counts_for_nothing() {
        let mut ear = hear(&[(0, 1, 1, 0)]);
        let stamp = Stamp { member: 1, room: 9, life: 1, layer: 0, number: 1 };
        ear.stamped(MS, &key(), 1, (1, 0), stamp);
        let heard = report(&ear, 2);
        assert_eq!((heard.strange, heard.received), (1, 1));
    }

    #[test]
    fn a_mark_begins_anew() {
        let mut ear = hear(&[(0, 1, 1, 0), (900, 1, 1, 3)]);
        ear.mark(1_000 * MS);
        for (ms, number) in [(1_020, 2), (1_050, 4), (1_100, 6)] {
            let stamp = Stamp { member: 1, room: 0, life: 1, layer: 0, number };
            ear.stamped(ms * MS, &key(), 1, (1, 0), stamp);
        }
        let heard = report(&ear, 1_110);
        assert_eq!((heard.received, heard.lost, heard.gap_ms), (2, 1, 50.0));
    }
}
