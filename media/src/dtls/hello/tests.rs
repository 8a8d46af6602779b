//! ClientHellos, whole and in pieces.

use proptest::prelude::*;

use super::*;

/// Chromium 156's order.
const CHROMIUM: [u16; 3] = [1, 8, 7];

/// A ClientHello's body with `use_srtp` behind `filling` bytes of another extension.
fn hello(profiles: &[u16], filling: usize) -> Vec<u8> {
    let mut extensions = vec![0, 51];
    extensions.extend((filling as u16).to_be_bytes());
    extensions.resize(extensions.len() + filling, 0xab);
    let list: Vec<u8> = profiles.iter().flat_map(|it| it.to_be_bytes()).collect();
    extensions.extend([0, 14, 0, list.len() as u8 + 3, 0, list.len() as u8]);
    extensions.extend(list);
    extensions.push(0);
    let mut body = vec![0xfe, 0xfd];
    body.extend([0x11; 32]);
    body.extend([0, 2, 0xc0, 0xc1, 0, 2, 0xc0, 0x2b, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    body
}

/// One handshake fragment in one record.
fn fragment(sequence: u16, body: &[u8], at: usize, len: usize) -> Vec<u8> {
    let number = |value: usize| (value as u32).to_be_bytes()[1..].to_vec();
    let message = [
        vec![1],
        number(body.len()),
        sequence.to_be_bytes().to_vec(),
        number(at),
        number(len),
        body[at..at + len].to_vec(),
    ]
    .concat();
    let mut record = vec![22, 0xfe, 0xff, 0, 0, 0, 0, 0, 0, 0, 0];
    record.extend((message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}

#[test]
fn whole_hello_gives_the_clients_order() {
    let body = hello(&CHROMIUM, 10);
    let datagram = fragment(0, &body, 0, body.len());
    assert_eq!(HelloReader::default().push(&datagram), Some(CHROMIUM.to_vec()));
}

#[test]
fn two_datagrams_in_either_order_and_repeated() {
    let body = hello(&CHROMIUM, 1_300);
    let first = fragment(0, &body, 0, 1_175);
    let second = fragment(0, &body, 1_175, body.len() - 1_175);
    for order in [[&first, &first, &second], [&second, &second, &first]] {
        let mut reader = HelloReader::default();
        assert_eq!(reader.push(order[0]), None);
        assert_eq!(reader.push(order[1]), None);
        assert_eq!(reader.push(order[2]), Some(CHROMIUM.to_vec()));
    }
}

#[test]
fn fragments_may_share_a_datagram_and_overlap() {
    let body = hello(&CHROMIUM, 200);
    let datagram = [fragment(0, &body, 0, 150), fragment(0, &body, 100, body.len() - 100)].concat();
    assert_eq!(HelloReader::default().push(&datagram), Some(CHROMIUM.to_vec()));
}

#[test]
fn second_hello_after_a_cookie_starts_anew() {
    let (old, new) = (hello(&[1], 400), hello(&[7], 400));
    let mut reader = HelloReader::default();
    assert_eq!(reader.push(&fragment(0, &old, 0, 200)), None);
    assert_eq!(reader.push(&fragment(1, &new, 200, new.len() - 200)), None);
    assert_eq!(reader.push(&fragment(1, &new, 0, 200)), Some(vec![7]));
    assert_eq!(reader.push(&fragment(1, &new, 0, new.len())), Some(vec![7]), "and again");
}

#[test]
fn hello_without_srtp_is_an_empty_list() {
    let mut body = hello(&[7], 0);
    let len = body.len();
    body[len - 9..len - 7].copy_from_slice(&[0, 99]);
    let datagram = fragment(0, &body, 0, len);
    assert_eq!(HelloReader::default().push(&datagram), Some(Vec::new()));
    let no_extensions = &body[..34 + 10];
    let datagram = fragment(0, no_extensions, 0, no_extensions.len());
    assert_eq!(HelloReader::default().push(&datagram), Some(Vec::new()));
}

#[test]
fn other_messages_and_encrypted_records_are_skipped() {
    let body = hello(&[7], 0);
    let good = fragment(0, &body, 0, body.len());
    let mut finished = good.clone();
    finished[13] = 20;
    let mut encrypted = good.clone();
    encrypted[4] = 1;
    let mut reader = HelloReader::default();
    assert_eq!(reader.push(&finished), None);
    assert_eq!(reader.push(&encrypted), None);
    assert_eq!(reader.push(&[finished, good].concat()), Some(vec![7]));
}

#[test]
fn message_beyond_the_bound_keeps_no_memory() {
    let body = vec![0; MAX_HELLO + 1];
    let mut reader = HelloReader::default();
    assert_eq!(reader.push(&fragment(0, &body, 0, 100)), None);
    assert!(reader.message.is_none());
    assert_eq!(reader.push(&fragment(0, &body[1..], 0, 100)), None);
    assert!(reader.message.is_some());
}

#[test]
fn gcm_128_is_preferred_whatever_the_order() {
    assert_eq!(preferred_profile(&CHROMIUM), Some(SrtpProfile::AeadAes128Gcm));
    assert_eq!(preferred_profile(&[1, 8]), Some(SrtpProfile::AeadAes256Gcm));
    assert_eq!(preferred_profile(&[2, 1]), Some(SrtpProfile::AesCm128HmacSha1_80));
    assert_eq!(preferred_profile(&[2]), Some(SrtpProfile::AesCm128HmacSha1_32));
    assert_eq!(preferred_profile(&[9]), None);
    assert_eq!(preferred_profile(&[]), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        HelloReader::default().push(&bytes);
        srtp_profiles(&bytes);
    }

    #[test]
    fn no_changed_or_cut_hello_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        len in any::<prop::sample::Index>(),
    ) {
        let body = hello(&CHROMIUM, 30);
        let mut datagram = fragment(0, &body, 0, body.len());
        for (at, to) in changes {
            let at = at.index(datagram.len());
            datagram[at] = to;
        }
        datagram.truncate(len.index(datagram.len() + 1));
        let mut reader = HelloReader::default();
        reader.push(&datagram);
        reader.push(&datagram);
    }

    /// However a hello is cut and shuffled, the last piece completes it.
    #[test]
    fn any_cut_is_reassembled(
        cuts in prop::collection::vec(1..400_usize, 1..8),
        seed in any::<u64>(),
    ) {
        let body = hello(&CHROMIUM, 300);
        let mut edges: Vec<usize> = cuts.into_iter().filter(|&at| at < body.len()).collect();
        edges.extend([0, body.len()]);
        edges.sort_unstable();
        edges.dedup();
        let mut pieces: Vec<_> =
            edges.windows(2).map(|it| fragment(0, &body, it[0], it[1] - it[0])).collect();
        let turn = (seed % pieces.len() as u64) as usize;
        pieces.rotate_left(turn);
        let mut reader = HelloReader::default();
        let last = pieces.pop().expect("at least one piece");
        for piece in pieces {
            prop_assert_eq!(reader.push(&piece), None);
        }
        prop_assert_eq!(reader.push(&last), Some(CHROMIUM.to_vec()));
    }
}
