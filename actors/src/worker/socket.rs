//! A UDP socket that receives and sends in batches: `recvmmsg` with GRO, `sendmmsg` with GSO. Never
//! blocks but for one wait of a millisecond for room; never looks into a datagram.
//!
//! Raw system calls, because quinn-udp sends one run per call and pays for ECN and packet info on
//! every received datagram: 969 ns against 737 ns where sources interleave.
#![expect(unsafe_code, reason = "recvmmsg, sendmmsg and SO_*BUFFORCE have no safe door in std")]

use std::{
    io, mem,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, UdpSocket},
    ops::Range,
    os::fd::{AsRawFd, RawFd},
    ptr,
};

use starling_media::Run;

use super::counters::SocketCounters;

/// Messages of one receive call. Beyond 32 the system call is no longer what costs.
pub(crate) const RECEIVE_SLOTS: usize = 32;
/// Largest UDP payload, which is what GRO fills at most.
const SLOT: usize = 65_536;
/// Messages of one send call.
const SEND_MESSAGES: usize = 64;
/// Datagrams the kernel takes in one message: `UDP_MAX_SEGMENTS` before Linux 6.9.
const MAX_SEGMENTS: usize = 64;
/// Bytes the kernel takes in one message: 65,535 less the headers of IPv6 and UDP, rounded down.
const MAX_MESSAGE: usize = 65_000;
/// Longest wait for room in the send buffer. A turn must not wait longer than an audio packet is
/// late.
const SEND_WAIT_MILLISECONDS: i32 = 1;
/// Refusals of GSO for one run each, after which a socket stops trying: they come from a route or
/// device that will refuse the next one too.
const MAX_GSO_REFUSALS: u32 = 16;
/// Datagrams that every path carries: 1,280 bytes of IPv6 (RFC 8200 §5) less its header and UDP's.
const SAFE_SEGMENT: usize = 1_232;

/// Room for one control message, aligned as the kernel wants it.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 64]);

/// A non-blocking UDP socket.
#[derive(Debug)]
pub(crate) struct Socket {
    io: UdpSocket,
    gso: bool,
    refusals: u32,
}

impl Socket {
    /// Binds with kernel buffers of `buffer` bytes each way, or as near as the kernel allows. IPv6
    /// sockets are only IPv6.
    pub(crate) fn bind(addr: SocketAddr, buffer: usize) -> io::Result<Self> {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(addr),
            socket2::Type::DGRAM,
            Some(socket2::Protocol::UDP),
        )?;
        socket.set_nonblocking(true)?;
        if addr.is_ipv6() {
            socket.set_only_v6(true)?;
        }
        let wanted = libc::c_int::try_from(buffer).unwrap_or(libc::c_int::MAX);
        for (forced, plain) in
            [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
        {
            // Without CAP_NET_ADMIN the kernel's maximum applies; less than wished is still a
            // socket.
            if set_option(socket.as_raw_fd(), libc::SOL_SOCKET, forced, wanted).is_err() {
                let _ = set_option(socket.as_raw_fd(), libc::SOL_SOCKET, plain, wanted);
            }
        }
        // A kernel without GRO delivers datagrams one by one; one without GSO refuses this option.
        let _ = set_option(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_GRO, 1);
        let gso = set_option(socket.as_raw_fd(), libc::SOL_UDP, libc::UDP_SEGMENT, 0).is_ok();
        socket.bind(&addr.into())?;
        Ok(Self { io: socket.into(), gso, refusals: 0 })
    }

    pub(crate) fn local_addr(&self) -> io::Result<SocketAddr> {
        self.io.local_addr()
    }

    /// As on a kernel that knows no GSO.
    #[cfg(test)]
    pub(crate) fn refuse_gso(&mut self) {
        self.gso = false;
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        self.io.as_raw_fd()
    }
}

fn set_option(fd: RawFd, level: i32, name: i32, value: libc::c_int) -> io::Result<()> {
    // SAFETY: `value` outlives the call and its length is given.
    let result = unsafe {
        libc::setsockopt(
            fd,
            level,
            name,
            (&raw const value).cast(),
            size_of_val(&value) as libc::socklen_t,
        )
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Slots that one receive call fills, and every next one fills again.
pub(crate) struct Receiver {
    bytes: Vec<u8>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    buffers: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
    /// Messages of the last call that were not handed out.
    filled: usize,
    /// Slots the kernel has written to since they were made ready.
    used: usize,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        let mut receiver = Self {
            bytes: vec![0; RECEIVE_SLOTS * SLOT],
            names: vec![empty(); RECEIVE_SLOTS],
            controls: vec![Control([0; 64]); RECEIVE_SLOTS],
            buffers: vec![empty(); RECEIVE_SLOTS],
            messages: vec![empty(); RECEIVE_SLOTS],
            filled: 0,
            used: RECEIVE_SLOTS,
        };
        receiver.arm();
        receiver
    }

    /// Makes the slots that the kernel has written to ready for the next call.
    fn arm(&mut self) {
        let used = mem::take(&mut self.used);
        for (slot, bytes) in self.bytes.chunks_exact_mut(SLOT).enumerate().take(used) {
            self.buffers[slot] = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: SLOT };
            let header = &mut self.messages[slot].msg_hdr;
            header.msg_name = (&raw mut self.names[slot]).cast();
            header.msg_namelen = size_of::<libc::sockaddr_storage>() as libc::socklen_t;
            header.msg_iov = &raw mut self.buffers[slot];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[slot]).cast();
            header.msg_controllen = size_of::<Control>() as _;
        }
    }

    /// Takes what waits, up to [`RECEIVE_SLOTS`] messages. True if more may wait.
    pub(crate) fn receive(&mut self, socket: &Socket, counters: &mut SocketCounters) -> bool {
        self.arm();
        counters.receive_calls += 1;
        // SAFETY: every header points at one name, one control and one slot of `self`, whose
        // vectors never grow and so never move; their lengths are given anew wherever the kernel
        // has changed them.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                RECEIVE_SLOTS as _,
                libc::MSG_DONTWAIT as _,
                ptr::null_mut(),
            )
        };
        self.filled = usize::try_from(count).unwrap_or(0);
        self.used = self.filled;
        counters.messages_received += self.filled as u64;
        if count >= 0 {
            return self.filled == RECEIVE_SLOTS;
        }
        // An error of an earlier send; what waits behind it is still to be taken.
        let failed = io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock;
        counters.receive_errors += u64::from(failed);
        failed
    }

    /// Hands out each datagram of the last call; none for one that was longer than a slot.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(SocketAddr, Option<&mut [u8]>)) {
        for slot in 0..mem::take(&mut self.filled) {
            let message = &self.messages[slot];
            let len = message.msg_len as usize;
            let Some(from) = address(&self.names[slot]) else { continue };
            if message.msg_hdr.msg_flags & libc::MSG_TRUNC != 0 {
                take(from, None);
                continue;
            }
            let stride = stride(&message.msg_hdr, &self.controls[slot]).unwrap_or(len).max(1);
            for datagram in self.bytes[slot * SLOT..slot * SLOT + len].chunks_mut(stride) {
                take(from, Some(datagram));
            }
        }
    }
}

/// Length of each datagram of a message but the last, if GRO merged several.
fn stride(header: &libc::msghdr, control: &Control) -> Option<usize> {
    // The kernel writes at most one control message: GRO's.
    const HEADER: usize = size_of::<libc::cmsghdr>();
    if header.msg_controllen < HEADER + size_of::<libc::c_int>() {
        return None;
    }
    // SAFETY: `Control` is aligned for and longer than a `cmsghdr`, all of whose bit patterns are
    // valid.
    let head = unsafe { control.0.as_ptr().cast::<libc::cmsghdr>().read() };
    if head.cmsg_level != libc::SOL_UDP || head.cmsg_type != libc::UDP_GRO {
        return None;
    }
    let value =
        control.0[HEADER..].first_chunk().map(|bytes| libc::c_int::from_ne_bytes(*bytes))?;
    usize::try_from(value).ok().filter(|stride| *stride > 0)
}

/// One message of a send call.
#[derive(Debug)]
struct Message {
    to: SocketAddr,
    bytes: Range<usize>,
    segment: usize,
}

impl Message {
    fn segments(&self) -> usize {
        self.bytes.len().div_ceil(self.segment)
    }
}

/// Arrays of one send call, used again by the next.
pub(crate) struct Sender {
    queue: Vec<Message>,
    names: Vec<libc::sockaddr_storage>,
    controls: Vec<Control>,
    buffers: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
}

impl Sender {
    pub(crate) fn new() -> Self {
        Self {
            queue: Vec::new(),
            names: vec![empty(); SEND_MESSAGES],
            controls: vec![Control([0; 64]); SEND_MESSAGES],
            buffers: vec![empty(); SEND_MESSAGES],
            messages: vec![empty(); SEND_MESSAGES],
        }
    }

    /// Sends runs of `bytes`. If the kernel's buffer is full it waits once for a millisecond; what
    /// does not fit then is dropped and counted. Runs the kernel refuses to segment are sent
    /// datagram by datagram.
    pub(crate) fn send(
        &mut self,
        socket: &mut Socket,
        bytes: &[u8],
        runs: &[Run],
        counters: &mut SocketCounters,
    ) {
        self.queue.clear();
        for run in runs {
            let segment = run.segment.max(1);
            let many = (MAX_MESSAGE / segment).clamp(1, MAX_SEGMENTS);
            let step = if socket.gso { segment * many } else { segment };
            let starts = run.bytes.clone().step_by(step);
            self.queue.extend(starts.map(|start| Message {
                to: run.to,
                bytes: start..run.bytes.end.min(start + step),
                segment,
            }));
        }
        let mut next = 0;
        let mut waited = false;
        while next < self.queue.len() {
            counters.send_calls += 1;
            let Err(error) = self.submit(socket, bytes, &mut next, counters) else { continue };
            match error.raw_os_error() {
                Some(libc::EINTR) => {}
                Some(libc::EAGAIN | libc::ENOBUFS) if !waited => {
                    waited = true;
                    wait_writable(socket);
                }
                Some(libc::EAGAIN | libc::ENOBUFS) => {
                    let rest = self.queue[next..].iter().map(|m| m.segments() as u64);
                    counters.send_buffer_full += rest.sum::<u64>();
                    return;
                }
                Some(libc::EIO | libc::EINVAL | libc::EMSGSIZE)
                    if self.queue[next].segments() > 1 =>
                {
                    counters.gso_refused += 1;
                    // Longer ones are their sender's doing: a publisher must not turn GSO off for
                    // everybody.
                    let fits = self.queue[next].segment <= SAFE_SEGMENT;
                    socket.refusals += u32::from(fits);
                    // EIO: no checksum offload on the way, which does not change by itself.
                    socket.gso &= error.raw_os_error() != Some(libc::EIO)
                        && socket.refusals < MAX_GSO_REFUSALS;
                    self.split(next);
                }
                _ => {
                    counters.send_errors += self.queue[next].segments() as u64;
                    next += 1;
                }
            }
        }
    }

    /// One call over the messages from `next` on; moves `next` past those the kernel took.
    fn submit(
        &mut self,
        socket: &Socket,
        bytes: &[u8],
        next: &mut usize,
        counters: &mut SocketCounters,
    ) -> io::Result<()> {
        let batch = &self.queue[*next..self.queue.len().min(*next + SEND_MESSAGES)];
        for (slot, message) in batch.iter().enumerate() {
            let datagrams = &bytes[message.bytes.clone()];
            self.buffers[slot] = libc::iovec {
                iov_base: datagrams.as_ptr().cast_mut().cast(),
                iov_len: datagrams.len(),
            };
            let header = &mut self.messages[slot].msg_hdr;
            header.msg_namelen = write_address(message.to, &mut self.names[slot]);
            header.msg_name = (&raw mut self.names[slot]).cast();
            header.msg_iov = &raw mut self.buffers[slot];
            header.msg_iovlen = 1;
            if datagrams.len() > message.segment {
                header.msg_controllen = write_segment(message.segment, &mut self.controls[slot]);
                header.msg_control = (&raw mut self.controls[slot]).cast();
            } else {
                header.msg_controllen = 0;
                header.msg_control = ptr::null_mut();
            }
        }
        // SAFETY: every header points at one name, one control and a part of `bytes`, none of which
        // moves during the call; the kernel only reads them.
        let count = unsafe {
            libc::sendmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                batch.len() as _,
                libc::MSG_DONTWAIT as _,
            )
        };
        let Ok(count) = usize::try_from(count) else { return Err(io::Error::last_os_error()) };
        counters.messages_sent += count as u64;
        counters.datagrams_sent += batch[..count].iter().map(|m| m.segments() as u64).sum::<u64>();
        *next += count;
        Ok(())
    }

    /// Replaces a message by its datagrams.
    fn split(&mut self, at: usize) {
        let Message { to, bytes, segment } = &self.queue[at];
        let (to, segment, end) = (*to, *segment, bytes.end);
        let starts = bytes.clone().step_by(segment);
        let singles =
            starts.map(|start| Message { to, bytes: start..end.min(start + segment), segment });
        self.queue.splice(at..=at, singles.collect::<Vec<_>>());
    }
}

fn wait_writable(socket: &Socket) {
    let mut wait = libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLOUT, revents: 0 };
    // SAFETY: one entry, which outlives the call.
    unsafe { libc::poll(&raw mut wait, 1, SEND_WAIT_MILLISECONDS) };
}

/// Writes GSO's control message and returns its length.
fn write_segment(segment: usize, control: &mut Control) -> usize {
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let value = (segment.min(usize::from(u16::MAX)) as u16).to_ne_bytes();
    // SAFETY: an integer-only structure; zero is a valid value.
    let mut head = unsafe { mem::zeroed::<libc::cmsghdr>() };
    head.cmsg_len = (HEADER + value.len()) as _;
    head.cmsg_level = libc::SOL_UDP;
    head.cmsg_type = libc::UDP_SEGMENT;
    // SAFETY: `Control` is aligned for and longer than a `cmsghdr`.
    unsafe { control.0.as_mut_ptr().cast::<libc::cmsghdr>().write(head) };
    control.0[HEADER..HEADER + value.len()].copy_from_slice(&value);
    (HEADER + value.len()).next_multiple_of(size_of::<usize>())
}

fn write_address(addr: SocketAddr, storage: &mut libc::sockaddr_storage) -> libc::socklen_t {
    match addr {
        SocketAddr::V4(addr) => {
            let value = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: addr.port().to_be(),
                sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(addr.ip().octets()) },
                sin_zero: [0; 8],
            };
            // SAFETY: `sockaddr_storage` is aligned for and longer than every socket address.
            unsafe { ptr::from_mut(storage).cast::<libc::sockaddr_in>().write(value) };
            size_of::<libc::sockaddr_in>() as libc::socklen_t
        }
        SocketAddr::V6(addr) => {
            let value = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: addr.port().to_be(),
                sin6_flowinfo: addr.flowinfo(),
                sin6_addr: libc::in6_addr { s6_addr: addr.ip().octets() },
                sin6_scope_id: addr.scope_id(),
            };
            // SAFETY: as above.
            unsafe { ptr::from_mut(storage).cast::<libc::sockaddr_in6>().write(value) };
            size_of::<libc::sockaddr_in6>() as libc::socklen_t
        }
    }
}

fn address(storage: &libc::sockaddr_storage) -> Option<SocketAddr> {
    match i32::from(storage.ss_family) {
        libc::AF_INET => {
            // SAFETY: the kernel wrote a `sockaddr_in`, as the family says; all bit patterns are
            // valid.
            let value = unsafe { ptr::from_ref(storage).cast::<libc::sockaddr_in>().read() };
            let ip = Ipv4Addr::from(value.sin_addr.s_addr.to_ne_bytes());
            Some(SocketAddrV4::new(ip, u16::from_be(value.sin_port)).into())
        }
        libc::AF_INET6 => {
            // SAFETY: as above, a `sockaddr_in6`.
            let value = unsafe { ptr::from_ref(storage).cast::<libc::sockaddr_in6>().read() };
            let ip = Ipv6Addr::from(value.sin6_addr.s6_addr);
            let port = u16::from_be(value.sin6_port);
            Some(SocketAddrV6::new(ip, port, value.sin6_flowinfo, value.sin6_scope_id).into())
        }
        _ => None,
    }
}

/// A C structure of zeros.
fn empty<T: Zero>() -> T {
    // SAFETY: `Zero` is only implemented for structures of integers and nullable pointers.
    unsafe { mem::zeroed() }
}

/// Structures for which all zeros is a value.
trait Zero: Copy {}
impl Zero for libc::sockaddr_storage {}
impl Zero for libc::iovec {}
impl Zero for libc::mmsghdr {}
