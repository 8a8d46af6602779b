//! RFC 5769's messages, our own read back, and mutations of both.

use proptest::prelude::*;

use super::*;

const PASSWORD: &str = "VOkJxbRl1RmTxUk/WvJxBt";

/// RFC 5769 §2.1.
const REQUEST: &str = "00010058 2112a442 b7e7a701bc34d686fa87dfae
    80220010 5354554e207465737420636c69656e74 00240004 6e0001ff
    80290008 932ff9b151263b36 00060009 6576746a3a68367659202020
    00080014 9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2 80280004 e57a3bcf";

/// RFC 5769 §2.2.
const RESPONSE_V4: &str = "0101003c 2112a442 b7e7a701bc34d686fa87dfae
    8022000b 7465737420766563746f7220 00200008 0001a147e112a643
    00080014 2b91f599fd9e90c38c7489f92af9ba53f06be7d7 80280004 c07d4c96";

/// RFC 5769 §2.3.
const RESPONSE_V6: &str = "01010048 2112a442 b7e7a701bc34d686fa87dfae
    8022000b 7465737420766563746f7220
    00200014 0002a1470113a9faa5d3f179bc25f4b5bed2b9d9
    00080014 a382954e4be67bf11784c97c8292c275bfe3ed41 80280004 c8fb0b4c";

const TRANSACTION: TransactionId = *b"transaction!";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().filter_map(|digit| digit.to_digit(16)).map(|digit| digit as u8).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn request() -> Vec<u8> {
    let mut bytes = Vec::new();
    let request = BindingRequest {
        username: "ours:theirs",
        priority: Some(1_853_824_767),
        use_candidate: true,
        nomination: Some(3),
        ice_controlling: Some(9),
        ice_controlled: None,
    };
    write_request(&mut bytes, &TRANSACTION, &request, &IntegrityKey::new(PASSWORD));
    bytes
}

#[test]
fn rfc_5769_request_is_read_and_authentic() {
    let bytes = hex(REQUEST);
    let message = StunMessage::parse(&bytes).unwrap();
    assert!(message.is_binding_request());
    assert_eq!(message.username, Some("evtj:h6vY"));
    assert_eq!(message.local_ufrag(), Some("evtj"));
    assert_eq!(message.priority, Some(0x6e00_01ff));
    assert_eq!(message.ice_controlled, Some(0x932f_f9b1_5126_3b36));
    assert!(message.fingerprint);
    assert!(message.is_authentic(&IntegrityKey::new(PASSWORD)));
    assert!(!message.is_authentic(&IntegrityKey::new("VOkJxbRl1RmTxUk/WvJxBu")));
}

#[test]
fn rfc_5769_responses_are_read_and_authentic() {
    let cases = [
        (RESPONSE_V4, "192.0.2.1:32853"),
        (RESPONSE_V6, "[2001:db8:1234:5678:11:2233:4455:6677]:32853"),
    ];
    for (bytes, address) in cases {
        let bytes = hex(bytes);
        let message = StunMessage::parse(&bytes).unwrap();
        assert_eq!(message.class, Class::Success);
        assert_eq!(message.mapped_address, Some(address.parse().unwrap()));
        assert!(message.is_authentic(&IntegrityKey::new(PASSWORD)));
        assert!(!message.is_binding_request());
    }
}

#[test]
fn own_request_is_read_back() {
    let bytes = request();
    let message = StunMessage::parse(&bytes).unwrap();
    assert_eq!(message.transaction, TRANSACTION);
    assert_eq!(message.local_ufrag(), Some("ours"));
    assert_eq!((message.use_candidate, message.nomination), (true, Some(3)));
    assert_eq!((message.ice_controlling, message.ice_controlled), (Some(9), None));
    assert!(message.is_authentic(&IntegrityKey::new(PASSWORD)));
}

#[test]
fn success_maps_both_families_and_unmaps_v4_in_v6() {
    let key = IntegrityKey::new(PASSWORD);
    let cases = [
        ("203.0.113.9:50000", "203.0.113.9:50000"),
        ("[2001:db8::1]:3478", "[2001:db8::1]:3478"),
        ("[::ffff:203.0.113.9]:50000", "203.0.113.9:50000"),
    ];
    for (remote, mapped) in cases {
        let mut bytes = Vec::new();
        write_success(&mut bytes, &TRANSACTION, remote.parse().unwrap(), &key);
        let message = StunMessage::parse(&bytes).unwrap();
        assert_eq!((message.class, message.method), (Class::Success, 1));
        assert_eq!(message.mapped_address, Some(mapped.parse().unwrap()));
        assert!(message.fingerprint && message.is_authentic(&key));
    }
}

#[test]
fn error_carries_its_code() {
    let key = IntegrityKey::new(PASSWORD);
    let mut bytes = Vec::new();
    write_error(&mut bytes, &TRANSACTION, 487, &key);
    let message = StunMessage::parse(&bytes).unwrap();
    assert_eq!((message.class, message.error_code), (Class::Error, Some(487)));
    assert!(message.fingerprint && message.is_authentic(&key));
}

#[test]
fn attributes_behind_the_integrity_do_not_count() {
    let key = IntegrityKey::new(PASSWORD);
    let mut bytes = Vec::new();
    start(&mut bytes, 0x0001, &TRANSACTION);
    attribute(&mut bytes, USERNAME, b"ours:theirs");
    let tag = integrity(&bytes, &key);
    attribute(&mut bytes, MESSAGE_INTEGRITY, &tag);
    attribute(&mut bytes, USE_CANDIDATE, &[]);
    attribute(&mut bytes, PRIORITY, &[0, 0, 0, 1]);
    let message = StunMessage::parse(&bytes).unwrap();
    assert!(message.is_authentic(&key));
    assert!(!message.use_candidate && message.priority.is_none() && !message.fingerprint);
}

#[test]
fn the_first_of_two_usernames_counts() {
    let mut bytes = Vec::new();
    start(&mut bytes, 0x0001, &TRANSACTION);
    attribute(&mut bytes, USERNAME, b"first:a");
    attribute(&mut bytes, USERNAME, b"second:b");
    assert_eq!(StunMessage::parse(&bytes).unwrap().local_ufrag(), Some("first"));
}

#[test]
fn malformed_messages_are_no_messages() {
    let good = request();
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let alone = |kind: u16, value: &[u8]| {
        let mut bytes = Vec::new();
        start(&mut bytes, 0x0001, &TRANSACTION);
        attribute(&mut bytes, kind, value);
        bytes
    };
    let cases: [(&str, Vec<u8>); 13] = [
        ("empty", Vec::new()),
        ("header cut short", good[..19].to_vec()),
        ("top bits", with(&|bytes| bytes[0] |= 0x80)),
        ("cookie", with(&|bytes| bytes[4] ^= 1)),
        ("length too long", with(&|bytes| bytes[3] += 4)),
        ("length not of words", with(&|bytes| bytes[3] += 1)),
        ("trailing bytes", with(&|bytes| bytes.extend([0; 4]))),
        ("fingerprint", with(&|bytes| *bytes.last_mut().unwrap() ^= 1)),
        ("a bit that only the fingerprint guards", with(&|bytes| bytes[8] ^= 1)),
        ("attribute beyond the end", with(&|bytes| bytes[23] = 0xff)),
        ("priority of three bytes", alone(PRIORITY, &[0, 0, 1])),
        ("empty mapped address", alone(XOR_MAPPED_ADDRESS, &[])),
        ("use-candidate with a value", alone(USE_CANDIDATE, &[1])),
    ];
    for (name, bytes) in cases {
        assert!(StunMessage::parse(&bytes).is_none(), "{name}");
    }
    let bare = alone(0x7777, &[1, 2, 3]);
    assert!(StunMessage::parse(&bare).is_some(), "unknown attributes are skipped");
}

#[test]
fn renomination_is_read_under_both_numbers() {
    for kind in [0x0030, 0xc001] {
        let mut bytes = Vec::new();
        start(&mut bytes, 0x0001, &TRANSACTION);
        attribute(&mut bytes, kind, &[0, 0, 0, 5]);
        assert_eq!(StunMessage::parse(&bytes).unwrap().nomination, Some(5));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..120)) {
        StunMessage::parse(&bytes);
    }

    /// Well-formed header around anything, so that the attribute loop is reached.
    #[test]
    fn no_attributes_panic(body in prop::collection::vec(any::<u8>(), 0..30)) {
        let mut bytes = Vec::new();
        start(&mut bytes, 0x0001, &TRANSACTION);
        for part in body.chunks(5) {
            let kind = u16::from(part[0]) % 0x40;
            attribute(&mut bytes, kind, part);
        }
        if let Some(message) = StunMessage::parse(&bytes) {
            message.is_authentic(&IntegrityKey::new("x"));
            message.local_ufrag();
        }
    }

    /// Without FINGERPRINT, which would notice first. The header's length does not go into the sum.
    #[test]
    fn no_changed_byte_stays_authentic(at in any::<prop::sample::Index>(), to in any::<u8>()) {
        let mut bytes = request();
        bytes.truncate(bytes.len() - 8);
        let len = (bytes.len() - HEADER) as u16;
        bytes[2..4].copy_from_slice(&len.to_be_bytes());
        let key = IntegrityKey::new(PASSWORD);
        prop_assert!(StunMessage::parse(&bytes).is_some_and(|it| it.is_authentic(&key)));
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != to);
        bytes[at] = to;
        prop_assert!(!StunMessage::parse(&bytes).is_some_and(|it| it.is_authentic(&key)));
    }
}
