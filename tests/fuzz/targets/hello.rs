//! The reader of ClientHellos, over datagrams that the input is cut into.

use starling_media::dtls::{
    HelloReader, has_epoch0_record, is_alert, is_epoch0_handshake, preferred_profile, records,
    starts_ccs,
};

use super::{Kind, Target, behaviour, size};
use crate::packets;

pub(super) const KIND: Kind = Kind {
    name: "hello",
    about: "HelloReader::push over datagrams, DTLS record headers",
    cost: 1,
    max_len: 4_000,
    words: &[
        &[22, 0xfe, 0xfd, 0, 0],
        &[22, 0xfe, 0xff, 0, 0],
        &[20, 0xfe, 0xfd],
        &[0, 14, 0, 9],
        &[0, 14],
    ],
    seeds,
    make: || Box::new(Hello { reader: HelloReader::default(), runs: 0 }),
};

struct Hello {
    /// Kept over inputs: a reader meets what others left in it.
    reader: HelloReader,
    runs: u64,
}

impl Target for Hello {
    fn run(&mut self, input: &[u8]) -> u64 {
        self.runs += 1;
        if self.runs.is_multiple_of(64) {
            self.reader = HelloReader::default();
        }
        let mut found = Vec::new();
        let mut shape = Vec::new();
        for datagram in datagrams(input) {
            let taken: usize = records(datagram).map(|record| 13 + record.body.len()).sum();
            assert!(taken <= datagram.len(), "records beyond their datagram");
            let kinds = (is_epoch0_handshake(datagram), is_alert(datagram), starts_ccs(datagram));
            shape.push((size(taken), kinds, has_epoch0_record(datagram)));
            found.extend(self.reader.push(datagram));
        }
        let profiles = found
            .first()
            .map(|offered| (size(offered.len()), preferred_profile(offered).is_some()));
        behaviour((shape, profiles))
    }
}

/// Each begins with two bytes of length.
fn datagrams(mut input: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let (len, rest) = input.split_first_chunk::<2>()?;
        let len = usize::from(u16::from_be_bytes(*len)).min(rest.len());
        let (datagram, rest) = rest.split_at(len);
        input = rest;
        Some(datagram)
    })
}

fn seeds() -> Vec<Vec<u8>> {
    let with_length = |datagram: &[u8]| {
        let mut out = (datagram.len() as u16).to_be_bytes().to_vec();
        out.extend_from_slice(datagram);
        out
    };
    let hello = packets::client_hello(0);
    let mut all = vec![with_length(&hello)];
    // After a HelloVerifyRequest, behind an alert.
    let mut both = with_length(&[21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 2, 1, 0]);
    both.extend(with_length(&packets::client_hello(1)));
    all.push(both);
    // In two fragments.
    let message = &hello[13..];
    let (total, cut) = (message.len() - 12, 30);
    let mut split = Vec::new();
    for (at, part) in [(0, &message[12..12 + cut]), (cut, &message[12 + cut..])] {
        let mut fragment = message[..6].to_vec();
        fragment.extend_from_slice(&[0, 0, at as u8, 0, 0, part.len() as u8]);
        fragment.extend_from_slice(part);
        let mut record = hello[..11].to_vec();
        record.extend_from_slice(&(fragment.len() as u16).to_be_bytes());
        record.extend_from_slice(&fragment);
        split.extend(with_length(&record));
    }
    assert!(total < 256, "one byte of length is enough");
    all.push(split);
    all.push(with_length(&[20, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 1]));
    all.push(with_length(&[23, 0xfe, 0xfd, 0, 1, 0, 0, 0, 0, 0, 1, 0, 2, 9, 9]));
    all
}
