//! New names and numbers: the one place where this crate draws randomness and reads the wall clock.

use std::time::{SystemTime, UNIX_EPOCH};

use rand::Rng;
use starling_proto::Id;

/// A new id in the form of a version 4 UUID (RFC 9562 §5.4), as mediasoup's users know them.
pub(crate) fn id<T: Id>() -> T {
    let random: u128 = rand::rng().random();
    let bits = (random & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let text = [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-");
    T::parse(&text).expect("hex and dashes, 36 characters")
}

/// The name of a span: all zero is none (W3C Trace Context §3.2.2.4), and one in 2^64.
pub(crate) fn span() -> [u8; 8] {
    rand::rng().random::<u64>().max(1).to_be_bytes()
}

/// Microseconds since 1970: epochs and incarnations.
pub(crate) fn wall_us() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use starling_proto::ProducerId;

    use super::*;

    #[test]
    fn ids_look_like_version_4_uuids_and_differ() {
        let (a, b) = (id::<ProducerId>(), id::<ProducerId>());
        assert_ne!(a, b);
        assert_eq!(a.as_str().len(), 36);
        assert_eq!(&a.as_str()[14..15], "4");
        assert!("89ab".contains(&a.as_str()[19..20]));
    }
}
