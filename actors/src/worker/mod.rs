//! One OS thread per core's worth of media: it owns a plane and its sockets and does nothing but
//! their turns. Actors talk to it through a [`WorkerHandle`]; packets never leave it but on a wire
//! or a pipe.

mod config;
mod counters;
mod driver;
mod events;
mod handle;
mod load;
mod pipe;
mod plain;
mod poll;
mod shared;
mod slice;
mod socket;
mod tcp;
#[cfg(test)]
mod tests;

pub use config::{PLAIN_BUFFER, SHARED_BUFFER, WorkerConfig};
pub use counters::{SocketCounters, TcpCounters, WorkerCounters};
pub use events::{EventSink, WorkerEvent};
pub use handle::{MAX_PLAIN_SOCKETS, PlainSockets, Worker, WorkerHandle};
pub use pipe::{PipeOut, PipeSink};
pub use shared::MAX_COMMANDS;
pub use slice::take_short_slices;
pub(crate) use tcp::check as check_tcp;
