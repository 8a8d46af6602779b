//! Sends a source's frames in time.

use std::{
    io,
    net::{SocketAddrV4, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use crate::{
    shape::Source,
    sys::{self, Name, Outbox},
};

/// Datagrams in one message: 58 of 1,116 bytes fit 65,507.
const SEGMENTS: usize = 58;
/// As a publisher's kernel has it.
const BUFFER: usize = 4 << 20;

/// A publisher's socket.
pub(crate) struct Driver {
    socket: UdpSocket,
    outbox: Outbox,
    bytes: Vec<u8>,
    batch: Vec<(Name, std::ops::Range<usize>, usize)>,
    /// A frame is one message (GSO) and arrives as one (GRO), or each packet is a message.
    together: bool,
}

impl Driver {
    pub(crate) fn new(together: bool) -> io::Result<Self> {
        let socket = sys::bind(SocketAddrV4::new([127, 0, 0, 1].into(), 0), BUFFER, false)?;
        Ok(Self { socket, outbox: Outbox::new(), bytes: Vec::new(), batch: Vec::new(), together })
    }

    /// Sends `frames` frames, one each `interval`. One that is late does not make the next one
    /// early.
    pub(crate) fn send(
        &mut self,
        source: &mut Source,
        to: SocketAddrV4,
        frames: u32,
        interval: Duration,
    ) {
        let mut due = Instant::now();
        for _ in 0..frames {
            let now = Instant::now();
            if now < due {
                thread::sleep(due - now);
            } else if now > due + interval {
                due = now;
            }
            due += interval;
            self.send_one(source, to);
        }
    }

    /// Sends the next frame.
    pub(crate) fn send_one(&mut self, source: &mut Source, to: SocketAddrV4) {
        let len = source.frame(&mut self.bytes);
        let name = Name::new(to);
        let step = if self.together { len * SEGMENTS } else { len };
        self.batch.clear();
        for start in (0..self.bytes.len()).step_by(step) {
            self.batch.push((name, start..self.bytes.len().min(start + step), len));
        }
        self.outbox.send(&self.socket, &self.bytes, &self.batch);
    }
}
