//! The cluster's events as one stream: each node tells its own, and the node that is asked merges
//! what all tell. Never does: decide what is an event.

mod line;
pub(crate) mod log;
mod marks;
mod merge;
mod source;
mod wish;

pub(crate) use line::own_lines;
pub(crate) use merge::{Merge, Out};
pub(crate) use wish::{Asked, Wish};

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use starling_proto::time::Timestamp;

/// How often a node says that it has told everything until now, and looks whether nodes have come:
/// a stream that is taken up again repeats what came in so long.
pub(crate) const BEAT: Duration = Duration::from_secs(1);

/// Readers of a node: consoles, command lines, and a program for each.
pub(crate) const READERS: usize = 16;
/// Other nodes that read a node's own events: so many readers of each of 64 nodes, or one of each
/// of a thousand.
pub(crate) const READING_NODES: usize = 1_024;

/// The wall clock.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp { unix_ms: u64::try_from(since.as_millis()).unwrap_or(u64::MAX) }
}
