//! What a worker counts. Numbers only grow; gauges say so.

use std::time::Duration;

use starling_media::PlaneCounters;

/// Counters of a worker, as of its last turn but for those other threads write.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WorkerCounters {
    /// Its plane's.
    pub plane: PlaneCounters,
    /// Its UDP sockets'.
    pub sockets: SocketCounters,
    /// Its TCP connections'.
    pub tcp: TcpCounters,
    /// Turns taken.
    pub turns: u64,
    /// Commands carried out.
    pub commands: u64,
    /// Commands that wait (gauge).
    pub commands_waiting: u64,
    /// Commands refused because 16,384 waited, or the worker was dead.
    pub commands_refused: u64,
    /// Packets from pipes dropped because too many waited.
    pub pipe_dropped: u64,
    /// Packets handed to a pipe that had no way out, or whose link shed them.
    pub piped_lost: u64,
    /// Events lost because the actor was too far behind.
    pub events_dropped: u64,
    /// CPU time of the thread since it started.
    pub cpu: Duration,
    /// Share of the last second the thread was awake, 0 to 1 (gauge): its stress.
    pub busy: f32,
    /// Longest turn of the last second (gauge).
    pub longest_turn: Duration,
    /// When its last turn began, since its start (gauge). More than a few seconds behind: it hangs.
    pub last_turn: Duration,
    /// Sockets of plain transports (gauge).
    pub plain_sockets: u64,
}

/// Counters of a worker's TCP connections.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpCounters {
    /// Connections now (gauge).
    pub connections: u64,
    /// Connections taken.
    pub accepted: u64,
    /// Connections closed at once, because there were too many.
    pub refused: u64,
    /// Connections ended on which nobody proved an ICE password in time, or any more.
    pub unproven_ended: u64,
    /// Datagrams received.
    pub frames_received: u64,
    /// Datagrams sent, or waiting for the client to read.
    pub frames_sent: u64,
    /// Datagrams dropped because the client does not read.
    pub frames_dropped: u64,
}

/// Counters of a worker's UDP sockets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SocketCounters {
    /// `recvmmsg` calls.
    pub receive_calls: u64,
    /// Messages received: one or, by GRO, many datagrams.
    pub messages_received: u64,
    /// Datagrams received.
    pub datagrams_received: u64,
    /// Messages longer than a slot.
    pub truncated: u64,
    /// Receive calls that failed.
    pub receive_errors: u64,
    /// `sendmmsg` calls.
    pub send_calls: u64,
    /// Messages sent: one or, by GSO, many datagrams.
    pub messages_sent: u64,
    /// Datagrams sent.
    pub datagrams_sent: u64,
    /// Datagrams dropped because the kernel's send buffer was full.
    pub send_buffer_full: u64,
    /// Datagrams the kernel refused.
    pub send_errors: u64,
    /// Runs sent datagram by datagram because the kernel refused GSO.
    pub gso_refused: u64,
}
