//! One stream: frames in, frames out, and whether somebody has proved an ICE password on it.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use starling_media::ice::framing::Deframer;

/// Bytes that wait for a client to read: beyond the kernel's buffer, a key frame and half a second
/// of a stream. What would wait longer is late.
const MAX_WAITING: usize = 128 << 10;
/// Bytes taken before a password is proved: a hundred checks.
const MAX_UNPROVEN_BYTES: usize = 16 << 10;
/// Bytes of a frame's header.
const HEADER: usize = 2;

/// See the module.
#[derive(Debug)]
pub(super) struct Connection {
    io: TcpStream,
    pub(super) remote: SocketAddr,
    deframer: Deframer,
    /// Frames that the kernel did not take; the first may have gone in part.
    waiting: Vec<u8>,
    /// So much of them has gone.
    gone: usize,
    /// Since when nobody has proved anything; none while somebody has.
    unproven: Option<Instant>,
    /// Taken while nobody has.
    unproven_bytes: usize,
}

impl Connection {
    pub(super) fn new(io: TcpStream, remote: SocketAddr, now: Instant) -> io::Result<Self> {
        io.set_nonblocking(true)?;
        io.set_nodelay(true)?;
        Ok(Self {
            io,
            remote,
            deframer: Deframer::default(),
            waiting: Vec::new(),
            gone: 0,
            unproven: Some(now),
            unproven_bytes: 0,
        })
    }

    pub(super) const fn io(&self) -> &TcpStream {
        &self.io
    }

    /// Since when it is unproven.
    pub(super) const fn since(&self) -> Option<Instant> {
        self.unproven
    }

    pub(super) const fn is_proven(&self) -> bool {
        self.unproven.is_none()
    }

    /// Whether the plane knows the pair now.
    pub(super) const fn prove(&mut self, admitted: bool) {
        if admitted {
            self.unproven = None;
            self.unproven_bytes = 0;
        }
    }

    /// The same once in a while; how long it has been unproven.
    pub(super) fn look_after(&mut self, now: Instant, admitted: bool) -> Duration {
        if admitted {
            self.prove(true);
            return Duration::ZERO;
        }
        now.saturating_duration_since(*self.unproven.get_or_insert(now))
    }

    /// Reads what is there, about as much as `buffer` holds, and gives away what is whole. Whether
    /// there may be more; none if the stream has ended.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        take: &mut dyn FnMut(&mut [u8]),
    ) -> Option<bool> {
        let mut total = 0;
        while total < buffer.len() {
            let len = match self.io.read(buffer) {
                Ok(0) => return None,
                Ok(len) => len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return is_passing(&error).then_some(false),
            };
            total += len;
            if !self.is_proven() {
                self.unproven_bytes = self.unproven_bytes.saturating_add(len);
                if self.unproven_bytes > MAX_UNPROVEN_BYTES {
                    return None;
                }
            }
            self.deframer.feed(&mut buffer[..len], take).ok()?;
        }
        Some(true)
    }

    /// Whether a datagram of `len` bytes fits beside `more` bytes of frames that are yet to be
    /// written.
    pub(super) fn has_room(&self, more: usize, len: usize) -> bool {
        self.waiting.len() - self.gone + more + HEADER + len <= MAX_WAITING
    }

    /// Writes whole frames, or keeps what the kernel does not take. False if the stream has ended.
    pub(super) fn write(&mut self, frames: &[u8]) -> bool {
        let mut rest = frames;
        if self.waiting.is_empty() {
            match self.io.write(frames) {
                Ok(len) => rest = &frames[len..],
                Err(error) if is_passing(&error) => {}
                Err(_) => return false,
            }
        }
        self.waiting.extend_from_slice(rest);
        true
    }

    /// There may be room for what waits. False if the stream has ended.
    pub(super) fn write_waiting(&mut self) -> bool {
        while self.gone < self.waiting.len() {
            match self.io.write(&self.waiting[self.gone..]) {
                Ok(len) => self.gone += len,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Now and then, so that it does not grow by what has gone.
                    if self.gone > MAX_WAITING {
                        self.waiting.drain(..self.gone);
                        self.gone = 0;
                    }
                    return is_passing(&error);
                }
            }
        }
        // Given back: few connections are ever behind.
        self.waiting = Vec::new();
        self.gone = 0;
        true
    }
}

fn is_passing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}
