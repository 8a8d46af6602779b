//! The first head of a connection, read before anything is made for it: who says nothing, or says
//! it slowly, costs a task and what it said, and not the server's buffers. Never does: judge a head
//! beyond where it ends.

use std::{future::poll_fn, io, pin::Pin, task::ready};

use tokio::io::{AsyncRead, ReadBuf};

/// Bytes read at once, on the stack: a browser's whole head, mostly.
const PIECE: usize = 2 * 1024;

/// Reads until a head is whole, or what came cannot be one or is longer than `most`: those are for
/// the server, which refuses them in its own words. `None` if the client is gone.
///
/// # Errors
/// The stream's.
pub(super) async fn head<T>(io: &mut T, most: usize) -> io::Result<Option<Vec<u8>>>
where
    T: AsyncRead + Unpin,
{
    let mut bytes = Vec::new();
    loop {
        let known = bytes.len();
        if read(io, &mut bytes).await? == 0 {
            return Ok(None);
        }
        if known == 0 {
            // A server skips empty lines before a request (RFC 9112 §2.2), and so do we, or they
            // would be the end of a head.
            let empty = bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
            bytes.drain(..empty);
        }
        let begins = bytes.first().is_none_or(|first| is_token(*first));
        if !begins || bytes.len() >= most || is_whole(&bytes, known) {
            return Ok(Some(bytes));
        }
    }
}

async fn read<T: AsyncRead + Unpin>(io: &mut T, into: &mut Vec<u8>) -> io::Result<usize> {
    poll_fn(|context| {
        let mut piece = [0; PIECE];
        let mut buffer = ReadBuf::new(&mut piece);
        ready!(Pin::new(&mut *io).poll_read(context, &mut buffer))?;
        into.extend_from_slice(buffer.filled());
        Ok(buffer.filled().len()).into()
    })
    .await
}

/// A character that a method may begin with (RFC 9110 §5.6.2): anything else is refused at once.
const fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.')
        || matches!(byte, b'^'..=b'`' | b'|' | b'~')
}

/// Whether an empty line is in it, of which the first `known` bytes had none.
fn is_whole(bytes: &[u8], known: usize) -> bool {
    let new = &bytes[known.saturating_sub(2).min(bytes.len())..];
    new.windows(2).any(|two| two == b"\n\n") || new.windows(3).any(|three| three == b"\n\r\n")
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};

    use super::*;

    /// What comes of these pieces; nothing if it is still waited for.
    async fn read_of(pieces: &[&[u8]]) -> Option<Option<String>> {
        let (mut near, mut far) = duplex(64 * 1024);
        let reading = tokio::spawn(async move { head(&mut near, 100).await.unwrap() });
        for piece in pieces {
            far.write_all(piece).await.unwrap();
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
        }
        if !reading.is_finished() {
            reading.abort();
            return None;
        }
        let bytes = reading.await.unwrap();
        Some(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    #[tokio::test]
    async fn a_head_is_whole_with_its_empty_line_however_it_comes() {
        let whole = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
        let bytes: Vec<_> = whole.as_bytes().chunks(1).collect();
        assert_eq!(read_of(&bytes).await, Some(Some(whole.into())));
        assert_eq!(read_of(&[whole.as_bytes()]).await, Some(Some(whole.into())));
        assert_eq!(read_of(&bytes[..bytes.len() - 1]).await, None);
        assert_eq!(read_of(&[b"GET / HTTP/1.1\n", b"\n"]).await.unwrap().unwrap().len(), 16);
        let with_body = [whole.as_bytes(), b"body"].concat();
        assert!(read_of(&[&with_body]).await.unwrap().unwrap().ends_with("body"));
    }

    #[tokio::test]
    async fn empty_lines_before_it_are_no_head() {
        assert_eq!(read_of(&[b"\r\n\r\n"]).await, None);
        assert_eq!(read_of(&[b"\n", b"\n", b"\n"]).await, None);
        let whole = read_of(&[b"\r\n", b"\r\nGET / HTTP/1.1\r\n", b"\r\n"]).await;
        assert_eq!(whole, Some(Some("GET / HTTP/1.1\r\n\r\n".into())));
    }

    #[tokio::test]
    async fn what_cannot_be_one_and_what_is_too_long_is_the_servers_at_once() {
        assert!(read_of(&[b"\x16\x03\x01"]).await.is_some(), "TLS, where there is none");
        assert!(read_of(&[b"{"]).await.is_some());
        assert_eq!(read_of(&[b"!"]).await, None, "a server would wait for more");
        assert_eq!(read_of(&[&[b'a'; 99]]).await, None);
        assert_eq!(read_of(&[&[b'a'; 99], b"a"]).await.unwrap().unwrap().len(), 100);
    }

    #[tokio::test]
    async fn who_goes_leaves_nothing() {
        let (mut near, far) = duplex(64);
        drop(far);
        assert_eq!(head(&mut near, 100).await.unwrap(), None);
    }
}
