//! A message in a frame of a direct transport's WebSocket, beside packets: these begin with 128 to
//! 191 (RFC 7983). Never does: packets.
//!
//! ```text
//! 0          1
//! 1          length of the id
//! n bytes    the data producer's id, from the program; the data consumer's, to it
//! the rest   the message, as between nodes
//! ```

use crate::{
    message::{DataMessage, MAX_HEADER},
    sctp::MAX_MESSAGE,
};

/// First byte of such a frame.
const MESSAGE: u8 = 1;
/// Longest frame.
pub const MAX_FRAME: usize = 2 + 255 + MAX_HEADER + MAX_MESSAGE;

/// The frame; none if the id is longer than ids are.
pub fn encode(id: &str, message: &DataMessage) -> Option<Vec<u8>> {
    let header = message.header();
    let mut out = Vec::with_capacity(2 + id.len() + header.len() + message.payload.len());
    out.extend([MESSAGE, u8::try_from(id.len()).ok()?]);
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(&header);
    out.extend_from_slice(&message.payload);
    Some(out)
}

/// Id and message; none if the frame is a packet, or nothing.
pub fn decode(frame: &[u8]) -> Option<(&str, DataMessage)> {
    let [MESSAGE, len, rest @ ..] = frame else { return None };
    let (id, message) = rest.split_at_checked(usize::from(*len))?;
    Some((std::str::from_utf8(id).ok()?, DataMessage::decode(message)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::{Audience, MessageKind};

    #[test]
    fn a_message_is_framed_with_whose_it_is() {
        let audience = Audience { subchannels: vec![7], required: None, ignored: None };
        let message =
            DataMessage { kind: MessageKind::Binary, payload: b"abc"[..].into(), audience };
        let frame = encode("d1", &message).unwrap();
        assert_eq!(frame, [1, 2, b'd', b'1', 1, 1, 0, 7, b'a', b'b', b'c']);
        assert_eq!(decode(&frame), Some(("d1", message.clone())));
        assert_eq!(encode(&"x".repeat(256), &message), None);
        for bad in [&[][..], &[1], &[1, 9, 1], &[0x80, 0, 0, 0], &[1, 1, 0xff, 0, 0]] {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
    }
}
