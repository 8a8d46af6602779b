//! What may reach the association. It counts payload bytes only, so that pieces of one byte would
//! cost hundreds of times what its window allows; here pieces are counted. Reads chunk headers
//! (RFC 9260 §3.2, RFC 8260 §2.1), never payloads.

use starling_proto::sctp::RECEIVE_WINDOW;

use super::{
    arrived::{Arrived, Place},
    packet::{DATA, HEADER, I_DATA, INIT, SACK, chunks, number},
    resets::Resets,
};

/// Pieces that came and were not read: what a path of 100 ms brings behind a lost one at 20,000 a
/// second.
const MAX_HELD: usize = 2_048;
/// The same with those that were let in because they fill a gap, when all that can be read was
/// read. Of a client that means well, each makes others readable. The association takes half a
/// kilobyte for each beside its payload: 1.5 MB.
pub(super) const MAX_STUCK: usize = 3 * MAX_HELD / 2;
/// As long as fewer pieces wait, each may keep the whole datagram in which it came: 300 KB at most.
const WHOLE: usize = 256;
/// Chunks of a datagram: 1,500 bytes of the shortest.
const MAX_CHUNKS: usize = 128;

/// What is to be done with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Inspected {
    /// Hand it on.
    Fine,
    /// It is no SCTP packet.
    Malformed,
    /// Drop it: it will be sent again, and by then something may have been read.
    HeldOff,
    /// End the association.
    Hostile(&'static str),
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Door {
    /// Pieces that came and were not read. One that the association drops, or gives up with the
    /// rest of its message, stays counted until what we acknowledge says how much there is.
    held: usize,
    arrived: Arrived,
    resets: Resets,
    /// All that can be read was read.
    drained: bool,
}

impl Door {
    /// Judges a datagram.
    pub(super) fn inspect(&mut self, datagram: &[u8]) -> Inspected {
        if datagram.len() < HEADER + 4 {
            return Inspected::Malformed;
        }
        let (mut new, mut fills) = (0, false);
        for (n, (kind, chunk)) in chunks(datagram).enumerate() {
            if n == MAX_CHUNKS {
                return Inspected::Malformed;
            }
            if kind == INIT
                && let Some(first) = number(chunk, 16)
            {
                self.arrived.begin(first);
            }
            let Some(tsn) = piece(kind, chunk) else { continue };
            if chunk.len() == overhead(kind) {
                // RFC 9260 §6.2: no user data ends an association. It would weigh nothing.
                return Inspected::Hostile("a piece of a message without data");
            }
            match self.arrived.place(tsn) {
                Place::Ahead => return Inspected::HeldOff,
                Place::Next => (new, fills) = (new + 1, true),
                Place::New => new += 1,
                Place::Again => {}
            }
        }
        if new > 0 && self.held >= MAX_HELD {
            // What is missing before them is let in, or nothing would ever be read.
            match self.drained && fills {
                true if self.held >= MAX_STUCK => {
                    return Inspected::Hostile("too many pieces of messages that are never whole");
                }
                true => {}
                false => return Inspected::HeldOff,
            }
        }
        if !self.resets.came(datagram) {
            return Inspected::Hostile("streams that are closed before others have been");
        }
        self.held += new;
        for (kind, chunk) in chunks(datagram) {
            if let Some(tsn) = piece(kind, chunk).filter(|_| new > 0) {
                self.arrived.mark(tsn);
            }
        }
        Inspected::Fine
    }

    /// Looks at a datagram of ours: what it acknowledges, and how much it says is there.
    pub(super) fn sent(&mut self, datagram: &[u8]) {
        self.resets.sent(datagram);
        for (_, chunk) in chunks(datagram).filter(|(kind, _)| *kind == SACK) {
            if let (Some(cumulative), Some(window)) = (number(chunk, 4), number(chunk, 8)) {
                self.arrived.acknowledge(cumulative);
                // No piece is shorter than a byte.
                self.held = self.held.min(RECEIVE_WINDOW.saturating_sub(window as usize));
            }
        }
    }

    /// So many pieces wait that each has to come in a datagram of its own, of which it keeps no
    /// more than itself.
    pub(super) fn is_crowded(&self) -> bool {
        self.held > WHOLE
    }

    /// A message of so many pieces was read.
    pub(super) fn read(&mut self, pieces: usize) {
        self.held = self.held.saturating_sub(pieces);
    }

    /// Whether all that can be read was read.
    pub(super) fn set_drained(&mut self, drained: bool) {
        self.drained = drained;
    }
}

/// The number of a piece of a message; absent: it is something else.
fn piece(kind: u8, chunk: &[u8]) -> Option<u32> {
    matches!(kind, DATA | I_DATA).then(|| number(chunk, 4)).flatten()
}

/// Bytes before the user data.
const fn overhead(kind: u8) -> usize {
    if kind == DATA { 16 } else { 20 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: u32 = 5;

    /// Pieces with numbers from `tsn` on.
    fn packet(tsn: u32, payloads: &[usize]) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        for (tsn, payload) in (tsn..).zip(payloads) {
            let len = 16 + payload;
            out.extend([DATA, 0, (len >> 8) as u8, len as u8]);
            out.extend(tsn.to_be_bytes());
            out.extend(vec![0; (len - 8).next_multiple_of(4)]);
        }
        out
    }

    fn sack(cumulative: u32, queued: usize) -> Vec<u8> {
        let window = (RECEIVE_WINDOW - queued) as u32;
        let chunk = [cumulative.to_be_bytes(), window.to_be_bytes(), [0; 4]].concat();
        [&[0; HEADER][..], &[SACK, 0, 0, 16], &chunk].concat()
    }

    fn begun() -> Door {
        let mut door = Door::default();
        let tsn = FIRST.to_be_bytes();
        let init = [&[0; HEADER][..], &[INIT, 0, 0, 20], &[0; 12], &tsn].concat();
        assert_eq!(door.inspect(&init), Inspected::Fine);
        door
    }

    #[test]
    fn what_is_not_read_shuts_the_door_for_new_pieces_only() {
        let mut door = begun();
        for n in 0..MAX_HELD as u32 {
            assert_eq!(door.inspect(&packet(FIRST + n, &[1])), Inspected::Fine);
            assert_eq!(door.inspect(&packet(FIRST + n, &[1])), Inspected::Fine, "again");
        }
        let next = FIRST + MAX_HELD as u32;
        assert_eq!(door.inspect(&packet(next, &[1])), Inspected::HeldOff);
        assert_eq!(door.inspect(&sack(0, 0)), Inspected::Fine);
        door.read(1);
        assert_eq!(door.inspect(&packet(next, &[1])), Inspected::Fine);
    }

    #[test]
    fn what_is_missing_is_let_in_when_all_that_can_be_read_was() {
        let mut door = begun();
        for n in 1..=MAX_HELD as u32 {
            assert_eq!(door.inspect(&packet(FIRST + n, &[1])), Inspected::Fine);
        }
        assert_eq!(door.inspect(&packet(FIRST, &[1])), Inspected::HeldOff, "others are unread");
        door.set_drained(true);
        let behind = FIRST + 1 + MAX_HELD as u32;
        assert_eq!(door.inspect(&packet(behind, &[1])), Inspected::HeldOff);
        assert_eq!(door.inspect(&packet(FIRST, &[1])), Inspected::Fine);
        door.read(MAX_HELD + 1);
        door.sent(&sack(behind - 1, 0));
        assert_eq!(door.inspect(&packet(behind, &[1])), Inspected::Fine);
    }

    #[test]
    fn a_message_cut_where_a_packet_is_full_passes_for_ever() {
        // As libwebrtc cuts: the rest of a packet is filled with the beginning of a message.
        let mut door = begun();
        for n in 0..100_000 {
            let tsn = FIRST + 3 * n;
            assert_eq!(door.inspect(&packet(tsn, &[20, 46, 26])), Inspected::Fine, "{n}");
            door.read(if n == 0 { 1 } else { 2 });
            door.read(1);
            door.sent(&sack(tsn + 2, 26));
        }
    }

    #[test]
    fn pieces_that_never_make_a_message_end_it() {
        let mut door = begun();
        door.set_drained(true);
        let mut come = 0;
        let end = (FIRST..).find_map(|tsn| {
            door.sent(&sack(tsn - 1, come));
            let inspected = door.inspect(&packet(tsn, &[1]));
            come += 1;
            (inspected != Inspected::Fine).then_some(inspected)
        });
        assert!(matches!(end, Some(Inspected::Hostile(_))), "{end:?}");
        assert_eq!(come, MAX_STUCK + 1);
    }

    #[test]
    fn what_the_sender_gave_up_is_forgotten_with_what_we_acknowledge() {
        let mut door = begun();
        for n in 0..100 * MAX_STUCK as u32 {
            assert_eq!(door.inspect(&packet(FIRST + n, &[700])), Inspected::Fine, "{n}");
            if n % 1_000 == 999 {
                door.sent(&sack(FIRST + n, 0));
            }
        }
    }

    #[test]
    fn pieces_far_ahead_and_without_data_stay_outside() {
        let mut door = begun();
        let far = FIRST + super::super::arrived::MAX_AHEAD;
        assert_eq!(door.inspect(&packet(far, &[300])), Inspected::HeldOff);
        assert_eq!(door.inspect(&packet(far - 1, &[300])), Inspected::Fine);
        assert_eq!(door.inspect(&packet(0, &[300])), Inspected::Fine, "a repetition");
        door.sent(&sack(FIRST, 0));
        assert_eq!(door.inspect(&packet(far, &[300])), Inspected::Fine);
        assert!(matches!(door.inspect(&packet(FIRST + 1, &[0])), Inspected::Hostile(_)));
    }

    #[test]
    fn what_is_no_packet_is_malformed() {
        let mut door = Door::default();
        assert_eq!(door.inspect(&[]), Inspected::Malformed);
        assert_eq!(door.inspect(&[0; 15]), Inspected::Malformed);
        assert_eq!(door.inspect(&[9; 40]), Inspected::Fine, "the association judges it");
    }
}
