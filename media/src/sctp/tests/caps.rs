//! What a hostile client can make an association keep, datagram by datagram. The budget is a
//! megabyte less than the 5 MB that one may take, because DTLS and the socket keep some, too.

use super::*;
use crate::{
    counting::live,
    sctp::packet::{chunks, number},
};

/// Bytes that an association may take, whatever its client does.
const BUDGET: i64 = 4_000_000;

const WHOLE: u8 = 3;
const FIRST: u8 = 2;
const MIDDLE: u8 = 0;
const UNORDERED: u8 = 4;

/// A client that says what it likes.
struct Attacker {
    now: Instant,
    server: Sctp,
    /// Of the server.
    tag: [u8; 4],
    tsn: u32,
    /// Last number of the server's before its first piece.
    theirs: u32,
    /// Acknowledged by the server, and its window.
    sacked: (u32, u32),
    /// What it said last was dropped, and is to be said again.
    held_off: bool,
    /// Datagrams of the server.
    got: Vec<Bytes>,
    before: i64,
    peak: i64,
}

impl Attacker {
    fn connect(window: u32) -> Self {
        let before = live();
        let now = Instant::now();
        let (tag, sacked) = ([0; 4], (0, 0));
        let server = Sctp::new();
        let mut it = Self {
            now,
            server,
            tag,
            tsn: 1,
            theirs: 0,
            sacked,
            held_off: false,
            got: vec![],
            before,
            peak: 0,
        };
        let mut init = vec![1, 0, 0, 28, 0, 0, 0, 7];
        init.extend(window.to_be_bytes());
        init.extend([255, 255, 255, 255, 0, 0, 0, 1]);
        // Partial reliability and resets are spoken (RFC 5061 §4.2.7).
        init.extend([0x80, 8, 0, 6, 192, 130, 0, 0]);
        init[3] = 26;
        it.send(&[&init]);
        let ack = it.got[0].clone();
        let (_, ack) = chunks(&ack).next().unwrap();
        it.tag = ack[4..8].try_into().unwrap();
        it.theirs = number(ack, 16).unwrap().wrapping_sub(1);
        // Parameters begin after the fixed part, whose tag and TSN are random (RFC 9260 §3.3.3).
        let cookie = (20..ack.len()).step_by(4).find(|at| ack[*at..*at + 2] == [0, 7]).unwrap();
        let len = usize::from(u16::from_be_bytes([ack[cookie + 2], ack[cookie + 3]]));
        let mut echo = ack[cookie..cookie + len].to_vec();
        echo[..2].copy_from_slice(&[10, 0]);
        it.send(&[&echo]);
        assert!(it.server.is_connected());
        it
    }

    /// One datagram, of a millisecond.
    fn send(&mut self, all: &[&[u8]]) {
        let mut datagram = [&[0x13, 0x88, 0x13, 0x88][..], &self.tag, &[0; 4]].concat();
        for chunk in all {
            datagram.extend_from_slice(chunk);
            datagram.resize(datagram.len().next_multiple_of(4), 0);
        }
        seal(&mut datagram);
        self.now += Duration::from_millis(1);
        let before = self.server.counters().held_off;
        self.server.handle_datagram(self.now, &datagram);
        self.held_off = self.server.counters().held_off > before;
        self.server.handle_timeout(self.now);
        self.got.clear();
        while let Some(datagrams) = self.server.poll_transmit(self.now) {
            self.got.extend(datagrams);
        }
        for datagram in &self.got {
            assert!(datagram.len() <= MTU as usize, "{} bytes", datagram.len());
            if let Some((3, sack)) = chunks(datagram).next() {
                self.sacked = (number(sack, 4).unwrap(), number(sack, 8).unwrap());
            }
        }
        self.measure();
    }

    fn measure(&mut self) {
        let got: usize = self.got.iter().map(Bytes::len).sum();
        self.peak = self.peak.max(live() - self.before - got as i64);
        let peak = self.peak;
        assert!(peak < BUDGET, "{peak} bytes");
    }

    fn data(tsn: u32, flags: u8, stream: u16, ssn: u16, payload: &[u8]) -> Vec<u8> {
        let len = (16 + payload.len()) as u16;
        let mut out = vec![0, flags];
        out.extend(len.to_be_bytes());
        out.extend(tsn.to_be_bytes());
        out.extend(stream.to_be_bytes());
        out.extend(ssn.to_be_bytes());
        out.extend([0, 0, 0, 53]);
        out.extend_from_slice(payload);
        out
    }

    fn next(&mut self) -> u32 {
        self.tsn += 1;
        self.tsn - 1
    }

    /// Until it is over. What is left then, and what the client is told.
    fn ends(mut self, mut send: impl FnMut(&mut Self)) -> (i64, String) {
        for _ in 0..40_000 {
            let tsn = self.tsn;
            send(&mut self);
            if self.held_off {
                // Until what came before is acknowledged.
                self.tsn = tsn;
                self.now += Duration::from_millis(200);
            }
            let events: Vec<_> = std::iter::from_fn(|| self.server.poll_event()).collect();
            if let Some(SctpEvent::Lost(why)) = events.into_iter().next_back() {
                let abort = self.got.last().expect("it is told").clone();
                assert_eq!(abort[4..8], [0, 0, 0, 7], "with its own tag");
                assert_eq!(abort[12], 6, "an ABORT");
                self.send(&[&[4, 0, 0, 4]]);
                assert_eq!(self.got, [abort], "and again when it goes on");
                self.send(&[&[6, 0, 0, 4]]);
                assert!(self.got.is_empty(), "but not in answer to its own");
                eprintln!("at most {} bytes, then: {why}", self.peak);
                return (live() - self.before, why);
            }
        }
        panic!("it goes on with {} bytes, {:?}", self.peak, self.server.counters());
    }

    /// As long as it likes.
    fn lasts(mut self, rounds: usize, mut send: impl FnMut(&mut Self)) -> Self {
        for n in 0..rounds {
            send(&mut self);
            assert!(self.server.is_connected(), "{n}: {:?}", self.server.poll_event());
        }
        eprintln!("at most {} bytes", self.peak);
        self
    }
}

/// Fills a datagram: an acknowledged nothing (HEARTBEAT, RFC 9260 §3.3.5).
fn filler(bytes: u16) -> Vec<u8> {
    let mut out = vec![4, 0];
    out.extend(bytes.to_be_bytes());
    out.extend([0, 1]);
    out.extend((bytes - 4).to_be_bytes());
    out.resize(usize::from(bytes), 0);
    out
}

/// Reads all there is, as a node does that has room.
fn read_all(attacker: &mut Attacker, streams: u16) {
    (0..streams).for_each(|id| while attacker.server.read(id).is_some() {});
    attacker.server.set_drained(true);
}

#[test]
fn a_message_that_never_ends_ends_the_association() {
    let heartbeat = filler(1_000);
    let (left, _) = Attacker::connect(1 << 20).ends(|it| {
        let tsn = it.next();
        let flags = if tsn == 1 { FIRST } else { MIDDLE };
        it.send(&[&Attacker::data(tsn, flags, 0, 0, &[1]), &heartbeat]);
        read_all(it, 1);
    });
    assert!(left < 100_000, "{left} bytes are left");
}

#[test]
fn beginnings_on_every_stream_end_the_association() {
    let (_, why) = Attacker::connect(1 << 20).ends(|it| {
        let tsn = it.next();
        let stream = (tsn % u32::from(STREAMS)) as u16;
        it.send(&[&Attacker::data(tsn, FIRST, stream, (tsn / 1_024) as u16, &[1; 1_100])]);
        read_all(it, STREAMS);
    });
    assert!(why.contains("receive buffer"), "{why}");
}

#[test]
fn one_piece_of_a_full_datagram_does_not_keep_the_datagram() {
    // An ordered message whose predecessor never comes, beside one that is read at once.
    let other = [7; 1_000];
    let (_, why) = Attacker::connect(1 << 20).ends(|it| {
        let (kept, read) = (it.next(), it.next());
        let ssn = (kept / 2 % 30_000) as u16 + 1;
        let kept = Attacker::data(kept, WHOLE, 0, ssn, &[1]);
        it.send(&[&kept, &Attacker::data(read, WHOLE | UNORDERED, 1, 0, &other)]);
        read_all(it, 2);
    });
    assert!(why.contains("never whole"), "{why}");
}

#[test]
fn gaps_without_end_are_held_off() {
    let it = Attacker::connect(1 << 20).lasts(20_000, |it| {
        it.tsn += 1;
        let tsn = it.next();
        it.send(&[&Attacker::data(tsn, FIRST, 0, 0, &[1]), &filler(900)]);
        read_all(it, 1);
    });
    assert!(it.server.counters().held_off > 10_000);
}

#[test]
fn nothing_is_taken_that_nobody_reads() {
    let it = Attacker::connect(1 << 20).lasts(20_000, |it| {
        let tsn = it.next();
        it.send(&[&Attacker::data(tsn, WHOLE, 0, tsn as u16, &[1]), &filler(900)]);
    });
    assert!(it.server.counters().held_off > 10_000);
}

#[test]
fn streams_beyond_those_agreed_on_end_the_association() {
    let (_, why) = Attacker::connect(1 << 20).ends(|it| {
        let tsn = it.next();
        it.send(&[&Attacker::data(tsn, WHOLE, tsn as u16 - 1, 0, &[1])]);
        read_all(it, STREAMS);
    });
    assert_eq!(why, "stream 1024 is beyond the 1024 agreed on");
    let (_, why) = Attacker::connect(1 << 20).ends(|it| {
        let tsn = it.next();
        it.send(&[&Attacker::data(tsn, WHOLE, 65_535, 0, &[1])]);
    });
    assert_eq!(why, "stream 65535 is beyond the 1024 agreed on");
}

#[test]
fn a_flood_of_resets_whose_answers_are_not_answered_ends_the_association() {
    for read in [true, false] {
        let (_, why) = Attacker::connect(1 << 20).ends(|it| {
            let tsn = it.next();
            let ids: Vec<u8> = (0..300u16).flat_map(u16::to_be_bytes).collect();
            let mut reset = vec![130, 0];
            reset.extend((20 + ids.len() as u16).to_be_bytes());
            reset.extend([0, 13]);
            reset.extend((16 + ids.len() as u16).to_be_bytes());
            // Their numbers begin where those of pieces do (RFC 6525 §4.1).
            reset.extend([tsn, 0, tsn].map(u32::to_be_bytes).concat());
            reset.extend(ids);
            it.send(&[&Attacker::data(tsn, WHOLE, (tsn % 300) as u16, 0, &[1]), &reset]);
            if read {
                read_all(it, 300);
            }
        });
        assert_eq!(why, "streams that are closed before others have been");
    }
}

/// Writes until there is no room; how many messages.
fn fill(it: &mut Attacker, streams: u16, payload: usize) -> usize {
    let message = DataMessage::new(MessageKind::Binary, &vec![1; payload]);
    let mut written = 0;
    for id in 0..streams {
        assert!(it.server.open(id, &Delivery::RELIABLE));
        while it.server.has_room(id) {
            assert!(it.server.write(id, &message));
            written += 1;
            it.measure();
        }
    }
    written
}

#[test]
fn a_window_of_nothing_holds_back_what_waits_to_be_sent() {
    for (payload, most) in [(1, 4_200), (1_000, 850), (MAX_MESSAGE, 6)] {
        let mut it = Attacker::connect(1_500);
        let written = fill(&mut it, 4, payload);
        assert!(written <= most, "{written} messages of {payload} bytes");
        // It never acknowledges, and says again and again that it has no room.
        let sack = [&[3, 0, 0, 16][..], &it.theirs.to_be_bytes(), &[0; 8]].concat();
        let it = it.lasts(5_000, |it| it.send(&[&sack]));
        assert!(!it.server.has_room(0));
    }
}

#[test]
fn all_of_it_at_once_stays_within_the_budget() {
    let mut it = Attacker::connect(1_500);
    fill(&mut it, 4, 1);
    let mut size = 0;
    it.ends(|it| {
        let tsn = it.next();
        // Small pieces first, so that as many as may are held; then the window is filled.
        size = if tsn < 2_500 { 1 } else { 1_000 };
        let stream = (tsn % u32::from(STREAMS)) as u16;
        let piece = Attacker::data(tsn, FIRST, stream, (tsn / 1_024) as u16, &vec![1; size]);
        it.send(&[&piece, &filler(120)]);
        read_all(it, STREAMS);
    });
}
