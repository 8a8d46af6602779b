//! Sleeping until a socket becomes readable, a deadline passes or another thread wakes us: epoll
//! and an eventfd. Also the thread's CPU clock. Knows nothing of what the sockets carry.
//!
//! Edge-triggered: the kernel need not look again at a socket that was emptied, nor we read the
//! eventfd, which is a sixth of a turn that forwards one packet.
#![expect(
    unsafe_code,
    reason = "epoll, eventfd and the thread's CPU clock have no safe door in std"
)]

use std::{
    fs::File,
    io::{self, Write},
    os::fd::{AsRawFd, FromRawFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

/// Sockets reported by one wait; the kernel rotates the rest to the front of the next.
const MAX_READY: usize = 64;
/// epoll's name for the waker; socket ids are 32 bits wide.
const WAKER: u64 = u64::MAX;

/// Wakes the thread that waits: one write per burst.
#[derive(Debug)]
pub(crate) struct Waker {
    eventfd: File,
    pending: AtomicBool,
}

impl Waker {
    /// The thread will take another turn that begins after this call. Cheap while one is due.
    pub(crate) fn wake(&self) {
        if !self.pending.swap(true, Ordering::SeqCst) {
            // Fails only if the counter is at its limit, and then the thread wakes anyway.
            let _ = (&self.eventfd).write(&1u64.to_ne_bytes());
        }
    }

    /// A turn begins: what is queued from now on needs a new wake.
    pub(crate) fn clear(&self) {
        self.pending.swap(false, Ordering::SeqCst);
    }
}

/// The sockets a thread waits for.
#[derive(Debug)]
pub(crate) struct Poll {
    epoll: OwnedFd,
    waker: Arc<Waker>,
    events: Vec<libc::epoll_event>,
    nanoseconds: bool,
}

impl Poll {
    pub(crate) fn new() -> io::Result<Self> {
        // SAFETY: both calls take no pointers and return a new descriptor or -1, which `owned`
        // checks.
        let (epoll, eventfd) = unsafe {
            let epoll = owned(libc::epoll_create1(libc::EPOLL_CLOEXEC))?;
            (epoll, owned(libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK))?)
        };
        let waker =
            Arc::new(Waker { eventfd: File::from(eventfd), pending: AtomicBool::new(false) });
        let events = vec![libc::epoll_event { events: 0, u64: 0 }; MAX_READY];
        let poll = Self { epoll, waker, events, nanoseconds: true };
        poll.register(&poll.waker.eventfd, WAKER, libc::EPOLLIN)?;
        Ok(poll)
    }

    pub(crate) const fn waker(&self) -> &Arc<Waker> {
        &self.waker
    }

    /// Reports `socket` as `id` whenever something comes, until it is closed. What is left in it is
    /// not reported again.
    pub(crate) fn add(&self, socket: &impl AsRawFd, id: u32) -> io::Result<()> {
        self.register(socket, u64::from(id), libc::EPOLLIN)
    }

    /// The same for a stream, which is reported also when it has room again after it was full.
    pub(crate) fn add_stream(&self, stream: &impl AsRawFd, id: u32) -> io::Result<()> {
        self.register(stream, u64::from(id), libc::EPOLLIN | libc::EPOLLOUT)
    }

    fn register(&self, fd: &impl AsRawFd, token: u64, events: libc::c_int) -> io::Result<()> {
        let events = (events | libc::EPOLLET) as u32;
        let mut event = libc::epoll_event { events, u64: token };
        // SAFETY: both descriptors are open for the call, and the kernel copies `event`.
        let result = unsafe {
            libc::epoll_ctl(
                self.epoll.as_raw_fd(),
                libc::EPOLL_CTL_ADD,
                fd.as_raw_fd(),
                &raw mut event,
            )
        };
        if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Waits at most `timeout` and adds the ids of sockets that became readable to `ready`, each
    /// once.
    pub(crate) fn wait(&mut self, timeout: Duration, ready: &mut Vec<u32>) -> io::Result<()> {
        let kept = ready.len();
        let mut count = if self.nanoseconds { self.wait_nanoseconds(timeout) } else { -1 };
        if count < 0
            && (!self.nanoseconds
                || io::Error::last_os_error().raw_os_error() == Some(libc::ENOSYS))
        {
            self.nanoseconds = false;
            count = self.wait_milliseconds(timeout);
        }
        let Ok(count) = usize::try_from(count) else {
            let error = io::Error::last_os_error();
            return if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) };
        };
        for event in &self.events[..count] {
            // The waker has no socket.
            let Ok(id) = u32::try_from(event.u64) else { continue };
            if !ready[..kept].contains(&id) {
                ready.push(id);
            }
        }
        Ok(())
    }

    /// `epoll_pwait2` (Linux 5.11).
    fn wait_nanoseconds(&mut self, timeout: Duration) -> i64 {
        let timeout = libc::timespec {
            tv_sec: timeout.as_secs() as libc::time_t,
            tv_nsec: libc::c_long::from(timeout.subsec_nanos() as i32),
        };
        // SAFETY: the events live in `self` and there are `MAX_READY` of them; `timeout` outlives
        // the call; a null signal mask is allowed.
        unsafe {
            libc::syscall(
                libc::SYS_epoll_pwait2,
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                MAX_READY,
                &raw const timeout,
                std::ptr::null::<libc::sigset_t>(),
                0usize,
            )
        }
    }

    /// Rounds up, so that a deadline less than a millisecond away does not spin.
    fn wait_milliseconds(&mut self, timeout: Duration) -> i64 {
        let timeout = timeout.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128) as i32;
        // SAFETY: the events live in `self` and there are `MAX_READY` of them.
        let count = unsafe {
            libc::epoll_wait(
                self.epoll.as_raw_fd(),
                self.events.as_mut_ptr(),
                MAX_READY as i32,
                timeout,
            )
        };
        i64::from(count)
    }
}

/// CPU time of the calling thread.
pub(crate) fn thread_cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: `time` outlives the call.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    if result == 0 {
        Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
    } else {
        Duration::ZERO
    }
}

/// # Safety
/// `fd` is -1 or a descriptor nobody else owns.
unsafe fn owned(fd: i32) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: open, and ours by the caller's promise.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

#[cfg(test)]
mod tests {
    use std::{net::UdpSocket, time::Instant};

    use super::*;

    #[test]
    fn a_burst_of_wakes_is_one_wake() {
        let mut poll = Poll::new().unwrap();
        let mut ready = vec![];
        for _ in 0..3 {
            poll.waker().wake();
        }
        poll.wait(Duration::from_secs(5), &mut ready).unwrap();
        assert!(ready.is_empty());
        let before = Instant::now();
        poll.wait(Duration::from_millis(5), &mut ready).unwrap();
        assert!(before.elapsed() >= Duration::from_millis(5), "one wait clears them all");
        poll.waker().clear();
        poll.waker().wake();
        poll.wait(Duration::from_secs(5), &mut ready).unwrap();
    }

    #[test]
    fn a_readable_socket_is_reported_with_both_clocks() {
        for nanoseconds in [true, false] {
            let mut poll = Poll::new().unwrap();
            poll.nanoseconds = nanoseconds;
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            poll.add(&socket, 7).unwrap();
            let mut ready = vec![];
            poll.wait(Duration::ZERO, &mut ready).unwrap();
            assert!(ready.is_empty());
            socket.send_to(b"x", socket.local_addr().unwrap()).unwrap();
            poll.wait(Duration::from_secs(5), &mut ready).unwrap();
            assert_eq!(ready, [7]);
            poll.wait(Duration::ZERO, &mut ready).unwrap();
            assert_eq!(ready, [7], "not reported again, and kept by whoever has not emptied it");
            socket.send_to(b"y", socket.local_addr().unwrap()).unwrap();
            poll.wait(Duration::from_secs(5), &mut ready).unwrap();
            assert_eq!(ready, [7], "each once");
        }
    }
}
