//! The kernel's doors that std lacks: one clock for all processes, another thread's CPU time, and
//! batched UDP with GSO and GRO. Looks into no datagram.
#![expect(unsafe_code, reason = "clocks, recvmmsg and sendmmsg have no safe door in std")]

use std::{
    io, mem,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::{AsRawFd, RawFd},
    ptr,
    time::Duration,
};

/// Messages of one system call, each way.
const BATCH: usize = 64;
/// What GRO fills at most.
const MERGED: usize = 65_536;

#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control([u8; 64]);

const CMSG_HEADER: usize = size_of::<libc::cmsghdr>();

/// Nanoseconds of CLOCK_MONOTONIC, the same in every process of a machine.
pub(crate) fn monotonic() -> u64 {
    clock(libc::CLOCK_MONOTONIC)
}

/// CPU nanoseconds of a thread of this process since it started.
pub(crate) fn thread_cpu(tid: i32) -> u64 {
    // The kernel's name for a thread's scheduler clock: its id inverted, then "per thread,
    // scheduler".
    clock((!tid) << 3 | 6)
}

/// CPU nanoseconds of a whole process, of this user or below.
pub(crate) fn process_cpu(pid: u32) -> u64 {
    clock((!(pid as i32)) << 3 | 2)
}

/// The calling thread.
pub(crate) fn thread_id() -> i32 {
    // SAFETY: takes and changes nothing.
    unsafe { libc::gettid() }
}

fn clock(id: libc::clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call.
    let result = unsafe { libc::clock_gettime(id, &raw mut time) };
    if result == 0 {
        time.tv_sec.unsigned_abs() * 1_000_000_000 + time.tv_nsec.unsigned_abs()
    } else {
        0
    }
}

/// A UDP socket of IPv4 with buffers of `buffer` bytes or as near as the kernel allows.
pub(crate) fn bind(addr: SocketAddrV4, buffer: usize, gro: bool) -> io::Result<UdpSocket> {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
    let fd = socket.as_raw_fd();
    let wanted = buffer as libc::c_int;
    for (forced, plain) in
        [(libc::SO_RCVBUFFORCE, libc::SO_RCVBUF), (libc::SO_SNDBUFFORCE, libc::SO_SNDBUF)]
    {
        if set(fd, libc::SOL_SOCKET, forced, wanted).is_err() {
            set(fd, libc::SOL_SOCKET, plain, wanted)?;
        }
    }
    if gro {
        set(fd, libc::SOL_UDP, libc::UDP_GRO, 1)?;
    }
    socket.bind(&std::net::SocketAddr::V4(addr).into())?;
    Ok(socket.into())
}

fn set(fd: RawFd, level: i32, name: i32, value: libc::c_int) -> io::Result<()> {
    // SAFETY: `value` outlives the call and its length is given.
    let result = unsafe {
        let len = size_of_val(&value) as libc::socklen_t;
        libc::setsockopt(fd, level, name, (&raw const value).cast(), len)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// An address in the kernel's form.
#[derive(Clone, Copy)]
pub(crate) struct Name(libc::sockaddr_in);

impl Name {
    pub(crate) fn new(addr: SocketAddrV4) -> Self {
        Self(libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: addr.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from_ne_bytes(addr.ip().octets()) },
            sin_zero: [0; 8],
        })
    }

    fn addr(&self) -> SocketAddrV4 {
        let ip = Ipv4Addr::from(self.0.sin_addr.s_addr.to_ne_bytes());
        SocketAddrV4::new(ip, u16::from_be(self.0.sin_port))
    }
}

/// Arrays of `recvmmsg`.
pub(crate) struct Inbox {
    slot: usize,
    bytes: Vec<u8>,
    names: Vec<Name>,
    controls: Vec<Control>,
    buffers: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
    filled: usize,
}

impl Inbox {
    /// For merged datagrams, as long as they come.
    pub(crate) fn merged() -> Self {
        Self::new(MERGED)
    }

    /// For single datagrams, of which `slot` bytes are kept.
    pub(crate) fn new(slot: usize) -> Self {
        Self {
            slot,
            bytes: vec![0; BATCH * slot],
            names: vec![Name::new(SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0)); BATCH],
            controls: vec![Control([0; 64]); BATCH],
            buffers: vec![zero(); BATCH],
            messages: vec![zero(); BATCH],
            filled: 0,
        }
    }

    /// Waits for one message, as long as the socket's timeout says, and takes up to `max`.
    pub(crate) fn receive(&mut self, socket: &UdpSocket, max: usize) -> usize {
        let max = max.min(BATCH);
        for (n, bytes) in self.bytes.chunks_exact_mut(self.slot).take(max).enumerate() {
            self.buffers[n] =
                libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: self.slot };
            let header = &mut self.messages[n].msg_hdr;
            header.msg_name = (&raw mut self.names[n]).cast();
            header.msg_namelen = size_of::<Name>() as libc::socklen_t;
            header.msg_iov = &raw mut self.buffers[n];
            header.msg_iovlen = 1;
            header.msg_control = (&raw mut self.controls[n]).cast();
            header.msg_controllen = size_of::<Control>() as _;
        }
        // SAFETY: every header points at one name, one control and one slot of `self`, none of
        // which moves during the call; their lengths are given.
        let count = unsafe {
            libc::recvmmsg(
                socket.as_raw_fd(),
                self.messages.as_mut_ptr(),
                max as _,
                libc::MSG_WAITFORONE as _,
                ptr::null_mut(),
            )
        };
        self.filled = usize::try_from(count).unwrap_or(0);
        self.filled
    }

    /// Each datagram of the last call. A datagram longer than its slot comes cut.
    pub(crate) fn drain(&mut self, mut take: impl FnMut(SocketAddrV4, &mut [u8])) {
        for n in 0..mem::take(&mut self.filled) {
            let len = (self.messages[n].msg_len as usize).min(self.slot);
            let stride = stride(&self.messages[n].msg_hdr, &self.controls[n]).unwrap_or(len).max(1);
            let from = self.names[n].addr();
            let start = n * self.slot;
            for datagram in self.bytes[start..start + len].chunks_mut(stride) {
                take(from, datagram);
            }
        }
    }
}

fn stride(header: &libc::msghdr, control: &Control) -> Option<usize> {
    if header.msg_controllen < CMSG_HEADER + size_of::<libc::c_int>() {
        return None;
    }
    // SAFETY: `Control` is aligned for and longer than a `cmsghdr`, all of whose bit patterns are
    // valid.
    let head = unsafe { control.0.as_ptr().cast::<libc::cmsghdr>().read() };
    if head.cmsg_level != libc::SOL_UDP || head.cmsg_type != libc::UDP_GRO {
        return None;
    }
    let value = control.0[CMSG_HEADER..].first_chunk()?;
    usize::try_from(libc::c_int::from_ne_bytes(*value)).ok()
}

/// Arrays of `sendmmsg`, filled message by message.
pub(crate) struct Outbox {
    controls: Vec<Control>,
    buffers: Vec<libc::iovec>,
    messages: Vec<libc::mmsghdr>,
    filled: usize,
    /// Datagrams the kernel did not take.
    pub(crate) refused: u64,
}

impl Outbox {
    pub(crate) fn new() -> Self {
        Self {
            controls: vec![Control([0; 64]); BATCH],
            buffers: vec![zero(); BATCH],
            messages: vec![zero(); BATCH],
            filled: 0,
            refused: 0,
        }
    }

    /// Sends each of `batch`: to whom, which part of `bytes`, how long a datagram is (GSO if the
    /// part is longer). Blocks while the socket's buffer is full.
    pub(crate) fn send(
        &mut self,
        socket: &UdpSocket,
        bytes: &[u8],
        batch: &[(Name, std::ops::Range<usize>, usize)],
    ) {
        for part in batch.chunks(BATCH) {
            for (n, (name, range, segment)) in part.iter().enumerate() {
                let datagrams = &bytes[range.clone()];
                self.buffers[n] = libc::iovec {
                    iov_base: datagrams.as_ptr().cast_mut().cast(),
                    iov_len: datagrams.len(),
                };
                let header = &mut self.messages[n].msg_hdr;
                header.msg_name = ptr::from_ref(name).cast_mut().cast();
                header.msg_namelen = size_of::<Name>() as libc::socklen_t;
                header.msg_iov = &raw mut self.buffers[n];
                header.msg_iovlen = 1;
                header.msg_control = ptr::null_mut();
                header.msg_controllen = 0;
                if datagrams.len() > *segment {
                    let value = (*segment as u16).to_ne_bytes();
                    let control = &mut self.controls[n];
                    header.msg_controllen =
                        write(control, libc::SOL_UDP, libc::UDP_SEGMENT, &value);
                    header.msg_control = ptr::from_mut(control).cast();
                }
            }
            self.filled = part.len();
            self.submit(socket);
        }
    }

    fn submit(&mut self, socket: &UdpSocket) {
        let mut next = 0;
        while next < self.filled {
            let rest = &mut self.messages[next..self.filled];
            // SAFETY: every header points at a name, a control and bytes that the caller of `send`
            // and `self` hold for the whole call; the kernel only reads them.
            let count = unsafe {
                libc::sendmmsg(socket.as_raw_fd(), rest.as_mut_ptr(), rest.len() as _, 0)
            };
            match usize::try_from(count) {
                Ok(count) => next += count,
                Err(_) => {
                    self.refused += 1;
                    next += 1;
                }
            }
        }
    }
}

/// Sends one datagram from `source`, an address of this machine, on a socket bound to all of them.
pub(crate) fn send_from(
    socket: &UdpSocket,
    source: Ipv4Addr,
    to: SocketAddrV4,
    bytes: &[u8],
) -> io::Result<()> {
    let mut name = Name::new(to);
    let mut control = Control([0; 64]);
    let mut info = [0; size_of::<libc::in_pktinfo>()];
    // struct in_pktinfo: interface index, source address, destination address.
    info[4..8].copy_from_slice(&source.octets());
    let mut buffer =
        libc::iovec { iov_base: bytes.as_ptr().cast_mut().cast(), iov_len: bytes.len() };
    let mut header: libc::msghdr = zero();
    header.msg_name = (&raw mut name).cast();
    header.msg_namelen = size_of::<Name>() as libc::socklen_t;
    header.msg_iov = &raw mut buffer;
    header.msg_iovlen = 1;
    header.msg_controllen = write(&mut control, libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
    header.msg_control = (&raw mut control).cast();
    // SAFETY: name, control and bytes outlive the call, which only reads them.
    let sent = unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, 0) };
    if sent < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Writes one control message; its length with padding.
fn write(control: &mut Control, level: i32, kind: i32, value: &[u8]) -> usize {
    let mut head: libc::cmsghdr = zero();
    head.cmsg_len = (CMSG_HEADER + value.len()) as _;
    head.cmsg_level = level;
    head.cmsg_type = kind;
    // SAFETY: `Control` is aligned for and longer than a `cmsghdr`.
    unsafe { control.0.as_mut_ptr().cast::<libc::cmsghdr>().write(head) };
    control.0[CMSG_HEADER..CMSG_HEADER + value.len()].copy_from_slice(value);
    (CMSG_HEADER + value.len()).next_multiple_of(size_of::<usize>())
}

/// Receive calls of `socket` end after this long.
pub(crate) fn wait_at_most(socket: &UdpSocket, time: Duration) -> io::Result<()> {
    socket.set_read_timeout(Some(time))
}

/// A C structure of zeros.
fn zero<T: Zero>() -> T {
    // SAFETY: `Zero` is only implemented for structures of integers and nullable pointers.
    unsafe { mem::zeroed() }
}

trait Zero: Copy {}
impl Zero for libc::iovec {}
impl Zero for libc::msghdr {}
impl Zero for libc::mmsghdr {}
impl Zero for libc::cmsghdr {}
