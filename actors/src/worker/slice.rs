//! How the kernel's scheduler treats a thread that carries media: it runs for microseconds and has
//! to run at once. Knows nothing of workers.
#![expect(unsafe_code, reason = "sched_setattr has no safe door in std")]

/// A turn of a worker takes some ten microseconds, and a burst of a thousand packets about this
/// long. It is the least that the kernel grants, too (`sched_setattr(2)`: 0.1 ms to 100 ms).
const SLICE_NANOSECONDS: u64 = 100_000;

/// Asks the kernel to let the calling thread run in short slices. A thread that wakes with a
/// shorter one than the thread that runs takes the core from it: a packet then does not wait until
/// signalling, on as many threads as there are cores, has used up its 3 ms. Shares of the cores
/// stay as they are, and nobody needs a privilege. Kernels before 6.12 do not know it, and change
/// nothing; nor is a refusal an error, as it may come from a sandbox that was made before.
pub fn take_short_slices() {
    let attributes = libc::sched_attr {
        size: size_of::<libc::sched_attr>() as u32,
        sched_policy: libc::SCHED_OTHER as u32,
        sched_flags: 0,
        sched_nice: nice(),
        sched_priority: 0,
        sched_runtime: SLICE_NANOSECONDS,
        sched_deadline: 0,
        sched_period: 0,
    };
    // SAFETY: the kernel reads `size` bytes of `attributes`, which outlives the call; 0 is the
    // calling thread, and no flag is known yet.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

/// The calling thread's, to be left as it is.
fn nice() -> i32 {
    // SAFETY: takes numbers only; 0 is the calling thread. An error is -1, a nice value as well.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slice() -> u64 {
        let mut told = libc::sched_attr {
            size: 0,
            sched_policy: 0,
            sched_flags: 0,
            sched_nice: 0,
            sched_priority: 0,
            sched_runtime: 0,
            sched_deadline: 0,
            sched_period: 0,
        };
        let size = size_of::<libc::sched_attr>() as u32;
        // SAFETY: the kernel writes at most `size` bytes to `told`, which outlives the call.
        let done = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut told, size, 0u32) };
        assert_eq!(done, 0);
        told.sched_runtime
    }

    #[test]
    fn a_thread_gets_the_slice_it_asks_for_where_the_kernel_knows_any() {
        let before = std::thread::spawn(slice).join().unwrap();
        let after = std::thread::spawn(|| {
            take_short_slices();
            slice()
        });
        // Before 6.12 the field says 0 for a thread of no deadline.
        let wanted = if before == 0 { 0 } else { SLICE_NANOSECONDS };
        assert_eq!(after.join().unwrap(), wanted, "was {before}");
    }
}
