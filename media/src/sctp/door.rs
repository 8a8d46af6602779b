//! What may reach the association. It counts payload bytes only, so that pieces of one byte would
//! cost hundreds of times what its window allows; here pieces are counted. Reads chunk headers
//! (RFC 9260 §3.2, RFC 8260 §2.1), never payloads.

const HEADER: usize = 12;
const DATA: u8 = 0;
const I_DATA: u8 = 64;
const INIT: u8 = 1;
const SACK: u8 = 3;
const BEGINS: u8 = 2;
const ENDS: u8 = 1;
/// Whole messages that came and were not read: 4,096 cost a megabyte beside their payloads.
const MAX_UNREAD: usize = 4_096;
/// Of a piece that is not a message's last: senders cut at their path's width, which is 1,200 in
/// WebRTC and 1,280 at least in IPv6.
const SHORT: usize = 256;
/// Short pieces that cannot belong to a message that anybody would send, over an association's
/// life.
const MAX_STRAYS: usize = 4_096;
/// Chunks of a datagram: 1,500 bytes of the shortest.
const MAX_CHUNKS: usize = 128;

/// How far ahead of what is acknowledged a piece may be: a window of full pieces is a tenth of it.
const MAX_AHEAD: u32 = 8_192;

/// What is to be done with a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Inspected {
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
pub struct Door {
    /// Messages that came and were not read. A retransmission counts twice, and the next read that
    /// finds nothing more puts it right.
    unread: usize,
    /// Last pieces without a first one, and short pieces from the middle.
    strays: usize,
    /// Number (TSN) of the last piece before which none is missing.
    cumulative: Option<u32>,
}

impl Door {
    /// Judges a datagram.
    pub fn inspect(&mut self, datagram: &[u8]) -> Inspected {
        if datagram.len() < HEADER + 4 {
            return Inspected::Malformed;
        }
        let (mut whole, mut strays, mut firsts) = (0, 0, 0);
        let (mut data, mut ahead) = (false, false);
        for (n, (kind, flags, chunk)) in chunks(&datagram[HEADER..]).enumerate() {
            if n == MAX_CHUNKS {
                return Inspected::Malformed;
            }
            if kind == INIT && self.cumulative.is_none() {
                self.cumulative = number(chunk, 16).map(|first| first.wrapping_sub(1));
            }
            if kind != DATA && kind != I_DATA {
                continue;
            }
            data = true;
            ahead |= self.is_ahead(number(chunk, 4));
            let short = chunk.len().saturating_sub(if kind == DATA { 16 } else { 20 }) < SHORT;
            match (flags & BEGINS != 0, flags & ENDS != 0) {
                (true, true) => whole += 1,
                (false, true) => strays += usize::from(short),
                (true, false) if !short => firsts += 1,
                (true | false, false) => strays += usize::from(short),
            }
        }
        if ahead || data && self.unread >= MAX_UNREAD {
            return Inspected::HeldOff;
        }
        self.unread += whole;
        self.strays = (self.strays + strays).saturating_sub(firsts);
        if self.strays > MAX_STRAYS {
            return Inspected::Hostile("too many short pieces of messages");
        }
        Inspected::Fine
    }

    /// Looks at a datagram of ours: what it acknowledges.
    pub fn sent(&mut self, datagram: &[u8]) {
        let ours = datagram.get(HEADER..).unwrap_or_default();
        for (_, _, chunk) in chunks(ours).filter(|(kind, ..)| *kind == SACK) {
            self.cumulative = number(chunk, 4).or(self.cumulative);
        }
    }

    /// In serial number arithmetic (RFC 1982). Before an INIT nothing is taken anyway.
    fn is_ahead(&self, tsn: Option<u32>) -> bool {
        let (Some(tsn), Some(cumulative)) = (tsn, self.cumulative) else { return false };
        let distance = tsn.wrapping_sub(cumulative);
        distance > MAX_AHEAD && distance < 1 << 31
    }

    /// A message of so many pieces was read.
    pub fn read(&mut self, pieces: usize) {
        if pieces == 1 {
            self.unread = self.unread.saturating_sub(1);
        }
    }

    /// All that has come was read.
    pub fn all_read(&mut self) {
        self.unread = 0;
    }
}

fn number(chunk: &[u8], at: usize) -> Option<u32> {
    chunk.get(at..)?.first_chunk::<4>().map(|bytes| u32::from_be_bytes(*bytes))
}

/// Type, flags and bytes of each chunk. Ends before one that does not fit.
fn chunks(mut rest: &[u8]) -> impl Iterator<Item = (u8, u8, &[u8])> {
    std::iter::from_fn(move || {
        let [kind, flags, high, low, ..] = *rest else { return None };
        let len = usize::from(u16::from_be_bytes([high, low]));
        if len < 4 || len > rest.len() {
            return None;
        }
        let chunk = &rest[..len];
        rest = &rest[len.next_multiple_of(4).min(rest.len())..];
        Some((kind, flags, chunk))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(pieces: &[(u8, usize)]) -> Vec<u8> {
        let mut out = vec![0; HEADER];
        for (flags, payload) in pieces {
            let len = 16 + payload;
            out.extend([DATA, *flags, (len >> 8) as u8, len as u8]);
            out.extend(vec![0; (len - 4).next_multiple_of(4)]);
        }
        out
    }

    #[test]
    fn unread_messages_shut_the_door_for_data_only() {
        let mut door = Door::default();
        let message = packet(&[(BEGINS | ENDS, 1)]);
        for _ in 0..MAX_UNREAD {
            assert_eq!(door.inspect(&message), Inspected::Fine);
        }
        assert_eq!(door.inspect(&message), Inspected::HeldOff);
        let sack = [vec![0; HEADER], vec![3, 0, 0, 16], vec![0; 12]].concat();
        assert_eq!(door.inspect(&sack), Inspected::Fine);
        door.read(1);
        assert_eq!(door.inspect(&message), Inspected::Fine);
    }

    #[test]
    fn long_messages_in_pieces_pass_for_ever() {
        let mut door = Door::default();
        for _ in 0..100_000 {
            assert_eq!(door.inspect(&packet(&[(BEGINS, 1_100)])), Inspected::Fine);
            assert_eq!(door.inspect(&packet(&[(0, 1_100)])), Inspected::Fine);
            assert_eq!(door.inspect(&packet(&[(ENDS, 7)])), Inspected::Fine);
        }
    }

    #[test]
    fn short_pieces_that_belong_to_nothing_end_it() {
        for flags in [0, BEGINS, ENDS] {
            let mut door = Door::default();
            let piece = packet(&[(flags, 1)]);
            let fine = (0..).take_while(|_| door.inspect(&piece) == Inspected::Fine).count();
            assert_eq!(fine, MAX_STRAYS);
        }
    }

    #[test]
    fn pieces_far_ahead_of_what_is_acknowledged_wait_outside() {
        let mut door = Door::default();
        let init = [&[0; HEADER][..], &[INIT, 0, 0, 20], &[0; 12], &[0, 0, 0, 5]].concat();
        assert_eq!(door.inspect(&init), Inspected::Fine);
        let tsn = |tsn: u32| {
            let mut packet = packet(&[(BEGINS | ENDS, 300)]);
            packet[HEADER + 4..HEADER + 8].copy_from_slice(&tsn.to_be_bytes());
            packet
        };
        assert_eq!(door.inspect(&tsn(4 + MAX_AHEAD)), Inspected::Fine);
        assert_eq!(door.inspect(&tsn(5 + MAX_AHEAD)), Inspected::HeldOff);
        assert_eq!(door.inspect(&tsn(0)), Inspected::Fine, "a repetition");
        door.sent(&[&[0; HEADER][..], &[SACK, 0, 0, 16, 0, 0, 0, 9], &[0; 8]].concat());
        assert_eq!(door.inspect(&tsn(5 + MAX_AHEAD)), Inspected::Fine);
    }

    #[test]
    fn what_is_no_packet_is_malformed() {
        let mut door = Door::default();
        assert_eq!(door.inspect(&[]), Inspected::Malformed);
        assert_eq!(door.inspect(&[0; 15]), Inspected::Malformed);
        assert_eq!(door.inspect(&[0; 40]), Inspected::Fine, "the association judges it");
    }
}
