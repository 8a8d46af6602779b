//! Where forwarded packets end: one socket for all loopback addresses, drained by a thread of its
//! own, so that receivers cost the measured thread nothing but the kernel's delivery.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use starling_media::rtp::{PacketClass, classify, is_rtcp};

use crate::sys::{self, Inbox};

/// A second of 500 receivers at a megabit.
const BUFFER: usize = 64 << 20;
/// Longest packet looked at.
const SLOT: usize = 2_048;
/// Bytes that tell what a datagram is.
const PEEK: usize = 16;

/// Many addresses of 127.1.0.0/16 on one port.
pub(crate) struct Sink {
    socket: Arc<UdpSocket>,
    port: u16,
    received: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Sink {
    /// Counts RTP and looks at nothing else.
    pub(crate) fn counting() -> io::Result<Self> {
        Self::start(PEEK, |_| {})
    }

    /// Hands every RTP packet to `take`, on the sink's thread.
    pub(crate) fn reading(take: impl FnMut(&mut [u8]) + Send + 'static) -> io::Result<Self> {
        Self::start(SLOT, take)
    }

    fn start(slot: usize, mut take: impl FnMut(&mut [u8]) + Send + 'static) -> io::Result<Self> {
        let any = SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0);
        let socket = Arc::new(sys::bind(any, BUFFER, false)?);
        sys::wait_at_most(&socket, Duration::from_millis(50))?;
        let port = socket.local_addr()?.port();
        let (received, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let shared = (Arc::clone(&socket), Arc::clone(&received), Arc::clone(&stop));
        let thread = thread::Builder::new().name("sink".into()).spawn(move || {
            let (socket, received, stop) = shared;
            let mut inbox = Inbox::new(slot);
            while !stop.load(Ordering::Relaxed) {
                inbox.receive(&socket, usize::MAX);
                let mut count = 0;
                inbox.drain(|_, datagram| {
                    let rtp = datagram.first().is_some_and(|&first| {
                        classify(first) == PacketClass::RtpOrRtcp && !is_rtcp(datagram)
                    });
                    if rtp {
                        count += 1;
                        take(datagram);
                    }
                });
                received.fetch_add(count, Ordering::Relaxed);
            }
        })?;
        Ok(Self { socket, port, received, stop, thread: Some(thread) })
    }

    /// Of the `n`-th receiver.
    pub(crate) fn addr(&self, n: usize) -> SocketAddrV4 {
        let ip = Ipv4Addr::new(127, 1, (n / 250) as u8, (n % 250 + 1) as u8);
        SocketAddrV4::new(ip, self.port)
    }

    /// Sends as the `n`-th receiver.
    pub(crate) fn send_as(&self, n: usize, to: SocketAddrV4, bytes: &[u8]) -> io::Result<()> {
        sys::send_from(&self.socket, *self.addr(n).ip(), to, bytes)
    }

    /// RTP packets so far.
    pub(crate) fn received(&self) -> u64 {
        self.received.load(Ordering::Relaxed)
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
