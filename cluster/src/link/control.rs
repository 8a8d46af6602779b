//! The control stream: u32 length (big endian), then one message in `proto`'s codec. Never knows
//! what a message means.

use std::io;

use bytes::{BufMut, BytesMut};
use quinn::{ReadExactError, RecvStream, SendStream};
use serde::{Serialize, de::DeserializeOwned};
use starling_proto::codec::{self, CodecError, MAX_MESSAGE};

/// Largest Hello in bytes: a node id of 64 and three numbers fit many times.
pub(super) const MAX_HELLO: usize = 1_024;
/// A message's bytes are read in steps of this size, so that a length alone reserves no memory.
const STEP: usize = 64 * 1024;

/// Why the control stream ended.
#[derive(Debug, thiserror::Error)]
pub(super) enum ControlError {
    /// The connection or the stream ended.
    #[error("control stream ended: {0}")]
    Ended(#[from] io::Error),
    /// A message that cannot be read or written.
    #[error("{0}")]
    Malformed(#[from] CodecError),
    /// A message above the limit.
    #[error("control message of {len} bytes is above the limit of {limit}")]
    TooLong { len: usize, limit: usize },
}

impl ControlError {
    /// Is it the other side's (or our) breach of the protocol, and not just an end?
    pub(super) fn is_breach(&self) -> bool {
        !matches!(self, Self::Ended(_))
    }
}

/// Appends a framed message to `out`.
pub(super) fn frame<T: Serialize>(message: &T, out: &mut BytesMut) -> Result<(), ControlError> {
    let bytes = codec::encode(message)?;
    let len = u32::try_from(bytes.len())
        .map_err(|_| ControlError::TooLong { len: bytes.len(), limit: MAX_MESSAGE })?;
    out.reserve(4 + bytes.len());
    out.put_u32(len);
    out.put_slice(&bytes);
    Ok(())
}

/// Writes one message.
pub(super) async fn write<T: Serialize>(
    stream: &mut SendStream,
    message: &T,
) -> Result<(), ControlError> {
    let mut out = BytesMut::new();
    frame(message, &mut out)?;
    stream.write_all(&out).await.map_err(io::Error::from)?;
    Ok(())
}

/// Reads one message of at most `limit` bytes.
pub(super) async fn read<T: DeserializeOwned>(
    stream: &mut RecvStream,
    limit: usize,
) -> Result<T, ControlError> {
    let mut len = [0; 4];
    stream.read_exact(&mut len).await.map_err(ended)?;
    let len = u32::from_be_bytes(len) as usize;
    if len > limit {
        return Err(ControlError::TooLong { len, limit });
    }
    let mut bytes = Vec::new();
    while bytes.len() < len {
        let at = bytes.len();
        bytes.resize(len.min(at + STEP), 0);
        stream.read_exact(&mut bytes[at..]).await.map_err(ended)?;
    }
    Ok(codec::decode(&bytes)?)
}

fn ended(e: ReadExactError) -> io::Error {
    match e {
        ReadExactError::FinishedEarly(_) => io::ErrorKind::UnexpectedEof.into(),
        ReadExactError::ReadError(e) => e.into(),
    }
}
