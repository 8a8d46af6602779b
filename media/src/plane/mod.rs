//! One core's media plane: commands, datagrams and pipe packets in; datagrams, pipe packets, events
//! and the next deadline out. Composes transports, producers and consumers; decides nothing itself.

mod counters;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

pub use counters::PlaneCounters;

use crate::{
    command::{Command, PipeKey, SocketId},
    event::{Event, Flight},
};

/// What a plane starts from.
#[derive(Clone, Copy, Debug)]
pub struct PlaneConfig {
    /// Of its random numbers: initial sequence numbers, SSRCs of reports, hash keys.
    pub seed: u64,
    /// Now.
    pub start: Instant,
    /// Wall clock time at `start`, since 1970: NTP times of sender reports are made from it.
    pub wall: Duration,
}

/// The plane. `Send`; owned and driven by one thread.
#[derive(Debug)]
pub struct Plane {
    config: PlaneConfig,
    counters: PlaneCounters,
}

impl Plane {
    /// A plane without transports.
    pub fn new(config: PlaneConfig) -> Self {
        Self { config, counters: PlaneCounters::default() }
    }

    /// Carries out a wish. One that names something gone is counted and ignored.
    pub fn handle_command(&mut self, _now: Instant, _command: Command) {}

    /// Takes a datagram from a socket. Decrypts in place.
    pub fn handle_datagram(
        &mut self,
        _now: Instant,
        _socket: SocketId,
        _from: SocketAddr,
        _datagram: &mut [u8],
    ) {
    }

    /// Takes a plaintext RTP or RTCP packet from a pipe.
    pub fn handle_pipe(&mut self, _now: Instant, _pipe: PipeKey, _packet: &[u8]) {}

    /// Does what is due. Bounded; call again while [`Self::next_timeout`] is not after `now`.
    pub fn handle_timeout(&mut self, _now: Instant) {}

    /// When [`Self::handle_timeout`] wants to be called, and what for (for metrics).
    pub fn next_timeout(&self) -> Option<(Instant, &'static str)> {
        let _ = self.config;
        None
    }

    /// The next fact for the control plane.
    pub fn poll_event(&mut self) -> Option<Event> {
        None
    }

    /// Hands everything that waits to be sent to `sink`, in batches. The bytes live only for the
    /// call.
    pub fn flush(&mut self, _now: Instant, _sink: &mut dyn FnMut(Flight<'_>)) {}

    /// What happened so far.
    pub fn counters(&self) -> PlaneCounters {
        self.counters
    }
}
