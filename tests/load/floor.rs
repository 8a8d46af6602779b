//! The least that forwarding can cost here: receive, decrypt, copy into a ring, and for each
//! receiver copy, write a header, encrypt, send. Same crypto, same copies, same calls of the kernel
//! as a worker; no decision, no statistics, no clock, one stream.

use std::{
    io,
    net::{SocketAddrV4, UdpSocket},
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use starling_media::srtp::{Receiver, Sender};
use starling_proto::transport::SrtpProfile;

use crate::{
    shape::{self, HEADER},
    sink::Sink,
    subject::ssrc,
    sys::{self, Inbox, Name, Outbox},
};

/// As a worker's.
const BUFFER: usize = 4 << 20;
/// As a plane's flight: stays in the second-level cache.
const FLIGHT: usize = 256 * 1024;
/// As a worker takes at once.
const MESSAGES: usize = 32;
const RING: usize = 1_024;
const MAX_SEGMENTS: usize = 64;
const MAX_RUN: usize = 65_000;
/// MID, abs-send-time and transport-wide sequence number, as a browser gets them.
const EXTENSIONS: [u8; 16] = [0xbe, 0xde, 0, 3, 0x10, b'0', 0x42, 0, 0, 0, 0x51, 0, 0, 0, 0, 0];

/// What the loop does.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FloorConfig {
    pub(crate) profile: Option<SrtpProfile>,
    pub(crate) receivers: usize,
    /// Runs of a receiver in one message.
    pub(crate) gso: bool,
    /// A socket per receiver, as plain transports have.
    pub(crate) sockets: bool,
}

/// The loop, on its own thread.
pub(crate) struct Floor {
    target: SocketAddrV4,
    tid: i32,
    sent: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Floor {
    pub(crate) fn start(config: FloorConfig, sink: &Sink) -> io::Result<Self> {
        let any = SocketAddrV4::new([127, 0, 0, 1].into(), 0);
        let socket = sys::bind(any, BUFFER, true)?;
        sys::wait_at_most(&socket, Duration::from_millis(50))?;
        let std::net::SocketAddr::V4(target) = socket.local_addr()? else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        let outs = if config.sockets { config.receivers } else { 1 };
        let outs =
            (0..outs).map(|_| sys::bind(any, BUFFER, false)).collect::<io::Result<Vec<_>>>()?;
        let (sent, stop) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
        let tid = Arc::new(AtomicI32::new(0));
        let names = (0..config.receivers).map(|n| Name::new(sink.addr(n))).collect::<Vec<_>>();
        let mut shared = (Arc::clone(&sent), Arc::clone(&stop), Arc::clone(&tid));
        let thread = thread::Builder::new().name("floor".into()).spawn(move || {
            shared.2.store(sys::thread_id(), Ordering::Release);
            let mut floor = Loop::new(config, outs, names);
            let mut inbox = Inbox::merged();
            while !shared.1.load(Ordering::Relaxed) {
                if inbox.receive(&socket, MESSAGES) > 0 {
                    inbox.drain(|_, datagram| floor.take(datagram));
                    floor.forward(&mut shared.0);
                }
            }
        })?;
        while tid.load(Ordering::Acquire) == 0 {
            thread::yield_now();
        }
        let tid = tid.load(Ordering::Acquire);
        Ok(Self { target, tid, sent, stop, thread: Some(thread) })
    }

    /// Where to send to.
    pub(crate) const fn target(&self) -> SocketAddrV4 {
        self.target
    }

    /// CPU nanoseconds and packets so far.
    pub(crate) fn spent(&self) -> (u64, u64) {
        (sys::thread_cpu(self.tid), self.sent.load(Ordering::Relaxed))
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

struct Output {
    name: Name,
    srtp: Option<Sender>,
    header: [u8; HEADER + EXTENSIONS.len()],
    sequence: u16,
}

struct Loop {
    config: FloorConfig,
    sockets: Vec<UdpSocket>,
    receiver: Option<Receiver>,
    outputs: Vec<Output>,
    ring: Vec<Vec<u8>>,
    next: usize,
    batch: Vec<usize>,
    arena: Vec<u8>,
    runs: Vec<(Name, Range<usize>, usize)>,
    outbox: Outbox,
}

impl Loop {
    fn new(config: FloorConfig, sockets: Vec<UdpSocket>, names: Vec<Name>) -> Self {
        let outputs = names.into_iter().enumerate().map(|(n, name)| {
            let mut header = [0; HEADER + EXTENSIONS.len()];
            header[0] = 0x90;
            header[8..12].copy_from_slice(&ssrc(n).to_be_bytes());
            header[HEADER..].copy_from_slice(&EXTENSIONS);
            let srtp = config.profile.map(|profile| {
                Sender::new(profile, &shape::key(profile, n)).expect("keys of the profile's length")
            });
            Output { name, srtp, header, sequence: n as u16 }
        });
        Self {
            config,
            sockets,
            receiver: config.profile.map(|profile| {
                Receiver::new(profile, &shape::key(profile, usize::MAX))
                    .expect("keys of the profile's length")
            }),
            outputs: outputs.collect(),
            ring: (0..RING).map(|_| Vec::with_capacity(1_500)).collect(),
            next: 0,
            batch: Vec::new(),
            arena: Vec::with_capacity(2 * FLIGHT),
            runs: Vec::new(),
            outbox: Outbox::new(),
        }
    }

    fn take(&mut self, datagram: &mut [u8]) {
        let len = match &mut self.receiver {
            Some(receiver) => match receiver.unprotect_rtp(datagram) {
                Some(len) => len,
                None => return,
            },
            None => datagram.len(),
        };
        let slot = &mut self.ring[self.next];
        slot.clear();
        slot.extend_from_slice(&datagram[..len]);
        self.batch.push(self.next);
        self.next = (self.next + 1) % RING;
    }

    fn forward(&mut self, sent: &mut Arc<AtomicU64>) {
        let packets = (self.batch.len() * self.outputs.len()) as u64;
        for n in 0..self.outputs.len() {
            let mut start = self.arena.len();
            let mut segment = 0;
            for at in 0..self.batch.len() {
                let written = self.write(n, self.batch[at]);
                let run = self.arena.len() - start;
                let full = run > MAX_RUN || run.div_ceil(written) > MAX_SEGMENTS;
                if run > written && (!self.config.gso || full) {
                    let end = self.arena.len() - written;
                    self.runs.push((self.outputs[n].name, start..end, segment));
                    start = end;
                }
                segment = written;
            }
            self.runs.push((self.outputs[n].name, start..self.arena.len(), segment));
            if self.config.sockets {
                self.outbox.send(&self.sockets[n], &self.arena, &self.runs);
                self.runs.clear();
            }
            if self.arena.len() >= FLIGHT {
                self.fly();
            }
        }
        self.fly();
        self.batch.clear();
        sent.fetch_add(packets, Ordering::Relaxed);
    }

    /// Appends the packet of a slot for the `n`-th receiver; its length.
    fn write(&mut self, n: usize, slot: usize) -> usize {
        let (output, packet) = (&mut self.outputs[n], &self.ring[slot]);
        let start = self.arena.len();
        output.header[1..HEADER - 4].copy_from_slice(&packet[1..HEADER - 4]);
        output.header[2..4].copy_from_slice(&output.sequence.to_be_bytes());
        output.sequence = output.sequence.wrapping_add(1);
        self.arena.extend_from_slice(&output.header);
        self.arena.extend_from_slice(&packet[HEADER..]);
        let len = self.arena.len() - start;
        let Some(srtp) = &mut output.srtp else { return len };
        self.arena.resize(start + len + srtp.rtp_overhead(), 0);
        srtp.protect_rtp(&mut self.arena[start..], len).expect("a whole packet with room")
    }

    fn fly(&mut self) {
        if !self.runs.is_empty() {
            self.outbox.send(&self.sockets[0], &self.arena, &self.runs);
        }
        self.runs.clear();
        self.arena.clear();
    }
}
