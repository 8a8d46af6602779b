//! What a client sends over DTLS, and what another node sends of data channels.

use std::time::{Duration, Instant};

use starling_media::sctp::Sctp;
use starling_proto::{
    message::{Audience, DataMessage, MessageKind},
    sctp::Delivery,
};

use super::{DATAGRAM, Kind, Target, behaviour, size};

pub(super) const MESSAGE: Kind = Kind {
    name: "message",
    about: "DataMessage::decode of a link's data stream",
    cost: 1,
    max_len: 512,
    words: &[&[0x40], &[0x80], &[0xc1, 64]],
    seeds: || {
        let audience = Audience { subchannels: vec![1, 2], required: Some(1), ignored: Some(9) };
        [Audience::default(), audience]
            .map(|audience| {
                let message =
                    DataMessage { kind: MessageKind::Binary, payload: b"abc"[..].into(), audience };
                [&message.header()[..], &message.payload].concat()
            })
            .into()
    },
    make: || Box::new(Message),
};

pub(super) const SCTP: Kind = Kind {
    name: "sctp",
    about: "datagrams of a client for an association, through its door",
    cost: 8,
    max_len: DATAGRAM,
    words: &[
        &[0, 3, 0, 20],
        &[64, 3, 0, 24],
        &[130, 0, 0, 20, 0, 13, 0, 16],
        &[192, 0, 0, 8],
        &[3, 0, 0, 16],
        &[0x13, 0x88, 0x13, 0x88],
    ],
    seeds,
    make: || Box::new(Association::new()),
};

struct Message;

impl Target for Message {
    fn run(&mut self, input: &[u8]) -> u64 {
        let Some(message) = DataMessage::decode(input) else { return behaviour(input.is_empty()) };
        let again = [&message.header()[..], &message.payload].concat();
        assert_eq!(DataMessage::decode(&again).as_ref(), Some(&message));
        let Audience { subchannels, required, ignored } = &message.audience;
        behaviour((size(subchannels.len()), required.is_some(), ignored.is_some()))
    }
}

/// Kept over inputs: a datagram meets what others left.
struct Association {
    sctp: Sctp,
    now: Instant,
    runs: u64,
}

impl Association {
    fn new() -> Self {
        Self { sctp: Sctp::new(), now: Instant::now(), runs: 0 }
    }
}

impl Target for Association {
    fn run(&mut self, input: &[u8]) -> u64 {
        self.runs += 1;
        if self.runs.is_multiple_of(256)
            || !self.sctp.is_connected() && self.runs.is_multiple_of(16)
        {
            self.sctp = Sctp::new();
        }
        // The sum is not what is to be found: every other input has a good one.
        let mut datagram = input.to_vec();
        if self.runs.is_multiple_of(2) {
            seal(&mut datagram);
        }
        self.sctp.handle_datagram(self.now, &datagram);
        self.now += Duration::from_millis(20);
        self.sctp.handle_timeout(self.now);
        let mut shape = Vec::new();
        while let Some(event) = self.sctp.poll_event() {
            shape.push(std::mem::discriminant(&event));
        }
        self.sctp.open(0, &Delivery::RELIABLE);
        let read = self.sctp.read(0).map(|message| size(message.payload.len()));
        let mut sent = 0;
        while let Some(datagrams) = self.sctp.poll_transmit(self.now) {
            sent += datagrams.len();
            assert!(sent < 1_000, "it answers one datagram with {sent}");
        }
        behaviour((shape, read, sent, self.sctp.counters().malformed > 0))
    }
}

/// The CRC32c of SCTP (RFC 9260 §6.8), bit by bit.
fn seal(datagram: &mut [u8]) {
    let Some(sum) = datagram.get_mut(8..12) else { return };
    sum.fill(0);
    let mut crc = u32::MAX;
    for byte in &*datagram {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 };
        }
    }
    datagram[8..12].copy_from_slice(&(!crc).to_le_bytes());
}

fn seeds() -> Vec<Vec<u8>> {
    let header = [0x13, 0x88, 0x13, 0x88, 0, 0, 0, 0, 0, 0, 0, 0];
    let init = [1, 0, 0, 20, 0, 0, 0, 7, 0, 16, 0, 0, 4, 0, 4, 0, 0, 0, 0, 5];
    let data = [0, 3, 0, 20, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 51, 1, 2, 3, 4];
    let sack = [3, 0, 0, 16, 0, 0, 0, 4, 0, 16, 0, 0, 0, 0, 0, 0];
    let forward = [192, 0, 0, 8, 0, 0, 0, 9];
    let reset = [130, 0, 0, 20, 0, 13, 0, 16, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 9];
    let chunks: [&[u8]; 5] = [&init, &data, &sack, &forward, &reset];
    chunks.into_iter().map(|chunk| [&header[..], chunk].concat()).collect()
}
