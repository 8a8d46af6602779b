//! The kernel's doors that std lacks: waiting to the nanosecond, and going before others.
#![expect(unsafe_code, reason = "ppoll, prctl and the scheduler have no safe door in std")]

use std::{os::fd::AsRawFd, ptr};

/// Waits until one of `files` can be read or `nanos` have passed; none: as long as it takes.
pub(crate) fn wait<const N: usize>(files: [&impl AsRawFd; N], nanos: Option<u64>) -> [bool; N] {
    let mut polled =
        files.map(|file| libc::pollfd { fd: file.as_raw_fd(), events: libc::POLLIN, revents: 0 });
    let time = nanos.map(|nanos| libc::timespec {
        tv_sec: (nanos / 1_000_000_000) as libc::time_t,
        tv_nsec: (nanos % 1_000_000_000) as _,
    });
    let time = time.as_ref().map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `polled` and `time` outlive the call, and the count is theirs.
    let ready = unsafe { libc::ppoll(polled.as_mut_ptr(), N as _, time, ptr::null()) };
    polled.map(|polled| ready > 0 && polled.revents != 0)
}

/// Timers that fire when they are due, and a turn as soon as there is something to do. Whether the
/// machine allows the latter: a wire that waits for a compiler is a bad wire, and it works so
/// little that nobody misses the time.
pub(crate) fn hurry() -> bool {
    // SAFETY: changes how the calling thread's timers are grouped.
    unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) };
    let parameters = libc::sched_param { sched_priority: 1 };
    // SAFETY: `parameters` outlives the call, which changes the calling thread alone.
    let result = unsafe { libc::sched_setscheduler(0, libc::SCHED_FIFO, &raw const parameters) };
    result == 0
}
