//! Datagrams in a byte stream (RFC 4571 §2, as RFC 6544 §3 has it for ICE): two bytes of length,
//! then so many bytes. Owns the beginning of a frame that has not come whole. Never knows a socket.

/// Longest frame taken: no datagram of WebRTC is longer than what an Ethernet carries, and DTLS
/// flights are cut to it. A stream that claims more is not one of ours.
pub const MAX_FRAME: usize = 4_096;
/// Bytes of a length.
const HEADER: usize = 2;

/// The stream is of no use any more: a frame is longer than [`MAX_FRAME`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a frame is longer than {MAX_FRAME} bytes")]
pub struct TooLong;

/// Cuts a stream into datagrams.
#[derive(Debug, Default)]
pub struct Deframer {
    /// At most a length and [`MAX_FRAME`] bytes.
    partial: Vec<u8>,
}

impl Deframer {
    /// Takes the stream's next bytes and gives away each datagram that is whole, to be decrypted in
    /// place. Empty ones, which keep a stream alive (RFC 6544 §10.1), are left out.
    ///
    /// # Errors
    /// [`TooLong`]; what came before it was given away.
    pub fn feed(
        &mut self,
        mut bytes: &mut [u8],
        take: &mut dyn FnMut(&mut [u8]),
    ) -> Result<(), TooLong> {
        while !self.partial.is_empty() && !bytes.is_empty() {
            let missing = match frame_len(&self.partial)? {
                None => HEADER - self.partial.len(),
                Some(len) => HEADER + len - self.partial.len(),
            };
            let (now, later) = bytes.split_at_mut(missing.min(bytes.len()));
            self.partial.extend_from_slice(now);
            bytes = later;
            if let Some(len) = frame_len(&self.partial)?
                && self.partial.len() == HEADER + len
            {
                give(&mut self.partial[HEADER..], take);
                self.partial.clear();
            }
        }
        while let Some(len) = frame_len(bytes)? {
            if bytes.len() < HEADER + len {
                break;
            }
            let (frame, later) = bytes.split_at_mut(HEADER + len);
            give(&mut frame[HEADER..], take);
            bytes = later;
        }
        self.partial.extend_from_slice(bytes);
        Ok(())
    }

    /// Bytes of a frame that has not come whole.
    pub fn waiting(&self) -> usize {
        self.partial.len()
    }
}

/// Appends a datagram as a frame. False, and nothing appended, if it is longer than a length can
/// say.
pub fn frame(out: &mut Vec<u8>, datagram: &[u8]) -> bool {
    let Ok(len) = u16::try_from(datagram.len()) else { return false };
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(datagram);
    true
}

fn frame_len(bytes: &[u8]) -> Result<Option<usize>, TooLong> {
    let Some(&[high, low]) = bytes.first_chunk::<HEADER>() else { return Ok(None) };
    let len = usize::from(u16::from_be_bytes([high, low]));
    if len > MAX_FRAME { Err(TooLong) } else { Ok(Some(len)) }
}

fn give(datagram: &mut [u8], take: &mut dyn FnMut(&mut [u8])) {
    if !datagram.is_empty() {
        take(datagram);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stream(datagrams: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        for datagram in datagrams {
            assert!(frame(&mut bytes, datagram));
        }
        bytes
    }

    /// Feeds `bytes` in pieces of `step`.
    fn cut(bytes: &[u8], step: usize) -> Result<Vec<Vec<u8>>, TooLong> {
        let (mut deframer, mut seen) = (Deframer::default(), Vec::new());
        for piece in bytes.chunks(step) {
            deframer.feed(&mut piece.to_vec(), &mut |datagram| seen.push(datagram.to_vec()))?;
            assert!(deframer.waiting() < HEADER + MAX_FRAME);
        }
        Ok(seen)
    }

    #[test]
    fn datagrams_come_out_however_the_stream_is_cut() {
        let long = [7; MAX_FRAME];
        let bytes = stream(&[b"a", b"", b"second", &long, b"last"]);
        for step in [1, 2, 3, 7, 4_000, usize::MAX] {
            let step = step.min(bytes.len());
            assert_eq!(
                cut(&bytes, step).unwrap(),
                [&b"a"[..], b"second", &long, b"last"],
                "in pieces of {step}"
            );
        }
    }

    #[test]
    fn a_frame_longer_than_a_datagram_ends_the_stream() {
        let mut bytes = stream(&[b"fine"]);
        bytes.extend_from_slice(&(MAX_FRAME as u16 + 1).to_be_bytes());
        for step in [1, bytes.len()] {
            assert_eq!(cut(&bytes, step), Err(TooLong));
        }
        assert!(!frame(&mut Vec::new(), &[0; 65_536]));
    }
}
