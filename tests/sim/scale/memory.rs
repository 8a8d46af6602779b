//! Memory of this process, as Linux counts it.

use std::fs;

/// Bytes that a thing takes, to the page.
pub(super) fn of<T>(make: impl FnOnce() -> T) -> u64 {
    let before = status("VmRSS:");
    let thing = make();
    let taken = status("VmRSS:").saturating_sub(before);
    drop(thing);
    taken
}

/// Most bytes that the process ever had.
pub(super) fn peak() -> u64 {
    status("VmHWM:")
}

fn status(name: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}
