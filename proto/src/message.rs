//! A data channel's message as it travels between nodes: what it is, who may have it, its bytes.
//! Never does: deliver one.
//!
//! ```text
//! 0          kind: 0 string, 1 binary; bit 6: required, bit 7: ignored subchannel follows
//! 1          number of subchannels
//! 2 bytes    each: required, ignored, subchannels (big endian)
//! the rest   payload
//! ```

use std::sync::Arc;

use crate::sctp::MAX_MESSAGE;

/// Subchannels of a message: rooms in a room, of which a message is for a few.
pub const MAX_SUBCHANNELS: usize = 64;
/// Longest header in bytes.
pub const MAX_HEADER: usize = 2 + 2 * (2 + MAX_SUBCHANNELS);

const REQUIRED: u8 = 0x40;
const IGNORED: u8 = 0x80;

/// Text or bytes (RFC 8831 §8: payload protocol identifiers 51 and 56, 53 and 57).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageKind {
    /// UTF-8, as far as its sender says.
    String,
    /// Anything.
    Binary,
}

/// A message, shared by all who are to get it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataMessage {
    /// Text or bytes.
    pub kind: MessageKind,
    /// At most [`MAX_MESSAGE`] bytes; may be empty.
    pub payload: Arc<[u8]>,
    /// Whom it is for; nobody named: everybody.
    pub audience: Audience,
}

/// Which consumers get a message, by the subchannels they are in (mediasoup `DataConsumer.cpp`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// Those in one of these; none: all.
    pub subchannels: Vec<u16>,
    /// Only those in this one.
    pub required: Option<u16>,
    /// Not those in this one.
    pub ignored: Option<u16>,
}

impl DataMessage {
    /// A message for everybody.
    pub fn new(kind: MessageKind, payload: &[u8]) -> Self {
        Self { kind, payload: payload.into(), audience: Audience::default() }
    }

    /// The bytes before the payload. Subchannels above [`MAX_SUBCHANNELS`] are left out.
    pub fn header(&self) -> Vec<u8> {
        let Audience { subchannels, required, ignored } = &self.audience;
        let count = subchannels.len().min(MAX_SUBCHANNELS);
        let kind = u8::from(self.kind == MessageKind::Binary);
        let required_flag = required.map_or(0, |_| REQUIRED);
        let ignored_flag = ignored.map_or(0, |_| IGNORED);
        let mut out = Vec::with_capacity(2 + 2 * (2 + count));
        out.extend([kind | required_flag | ignored_flag, count as u8]);
        let numbers = required.iter().chain(ignored).chain(&subchannels[..count]);
        numbers.for_each(|number| out.extend(number.to_be_bytes()));
        out
    }

    /// Reads a message that another node sent; `None` if it is none.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let ([flags, count], mut rest) = bytes.split_first_chunk::<2>()?;
        let kind = match flags & !(REQUIRED | IGNORED) {
            0 => MessageKind::String,
            1 => MessageKind::Binary,
            _ => return None,
        };
        let mut number = || {
            let (number, after) = rest.split_first_chunk::<2>()?;
            rest = after;
            Some(u16::from_be_bytes(*number))
        };
        let count = usize::from(*count);
        if count > MAX_SUBCHANNELS {
            return None;
        }
        let required = if flags & REQUIRED == 0 { None } else { Some(number()?) };
        let ignored = if flags & IGNORED == 0 { None } else { Some(number()?) };
        let subchannels = (0..count).map(|_| number()).collect::<Option<Vec<_>>>()?;
        if rest.len() > MAX_MESSAGE {
            return None;
        }
        let audience = Audience { subchannels, required, ignored };
        Some(Self { kind, payload: rest.into(), audience })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_read_as_it_was_written() {
        for audience in [
            Audience::default(),
            Audience { subchannels: vec![1, 65_535], required: None, ignored: Some(7) },
            Audience { subchannels: vec![], required: Some(9), ignored: Some(0) },
        ] {
            let message =
                DataMessage { kind: MessageKind::Binary, payload: [1, 2, 3][..].into(), audience };
            let bytes = [&message.header()[..], &message.payload].concat();
            assert_eq!(DataMessage::decode(&bytes), Some(message));
        }
    }

    #[test]
    fn what_is_cut_or_unknown_is_no_message() {
        for bytes in [&[][..], &[0], &[2, 0], &[0, 1], &[REQUIRED, 0, 1], &[1, 65]] {
            assert_eq!(DataMessage::decode(bytes), None, "{bytes:?}");
        }
        let empty = DataMessage::new(MessageKind::String, b"");
        assert_eq!(DataMessage::decode(&[0, 0]), Some(empty));
        let long = vec![0; 2 + MAX_MESSAGE + 1];
        assert_eq!(DataMessage::decode(&long), None);
    }
}
