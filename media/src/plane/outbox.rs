//! What waits to be sent, laid out as the driver hands it to the kernel: one arena of bytes, runs
//! of equal datagrams for one receiver, packets for pipes. Knows neither RTP nor keys.

use std::{net::SocketAddr, ops::Range, time::Instant};

use crate::{
    command::{PipeKey, SocketId},
    event::{Flight, Run},
};

/// Bytes after which a flight is handed out: it stays in a core's second-level cache between being
/// encrypted and being copied by the kernel.
pub(super) const FLIGHT: usize = 256 * 1024;
/// Bytes that may wait when nobody flushes; further packets are dropped. A turn of 256 datagrams
/// makes less than a sixteenth of it in answers.
pub(super) const MAX_WAITING: usize = 4 * 1024 * 1024;
/// Runs that a flight has room for from the start: single packets of audio for 500 receivers.
const RUNS: usize = 512;
/// Datagrams in a run (`UDP_MAX_SEGMENTS` of Linux before 6.9).
const MAX_SEGMENTS: usize = 64;
/// Bytes in a run: below the largest UDP payload, 65,507.
const MAX_RUN: usize = 65_000;

/// Where a transport's packets go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    /// A datagram.
    Udp(SocketId, SocketAddr),
    /// A packet of a pipe.
    Pipe(PipeKey),
}

#[derive(Debug)]
pub(super) struct Outbox {
    pub bytes: Vec<u8>,
    runs: Vec<Run>,
    piped: Vec<(PipeKey, Range<usize>)>,
    /// The last run has a shorter datagram at its end: nothing may follow.
    closed: bool,
}

impl Default for Outbox {
    /// Empty, with room for a flight: growing to it in the middle of a burst moves what is there.
    fn default() -> Self {
        Self {
            bytes: Vec::with_capacity(FLIGHT + MAX_RUN),
            runs: Vec::with_capacity(RUNS),
            piped: Vec::new(),
            closed: false,
        }
    }
}

/// What a flight held.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flown {
    pub datagrams: u64,
    pub bytes: u64,
    pub runs: u64,
    pub piped: u64,
    /// When it was sent, if there was anything.
    pub at: Option<Instant>,
}

impl Outbox {
    /// Whether a flight should be handed out before more is added.
    pub(super) fn is_full(&self) -> bool {
        self.bytes.len() >= FLIGHT
    }

    /// Whether nobody flushes.
    pub(super) fn is_overflowing(&self) -> bool {
        self.bytes.len() >= MAX_WAITING
    }

    /// The bytes from `start` on are one packet for `to`. True if the packet began a new run.
    pub(super) fn commit(&mut self, start: usize, to: Destination) -> bool {
        let end = self.bytes.len();
        match to {
            Destination::Pipe(pipe) => {
                self.piped.push((pipe, start..end));
                false
            }
            Destination::Udp(socket, address) => self.commit_datagram(start..end, socket, address),
        }
    }

    fn commit_datagram(&mut self, bytes: Range<usize>, socket: SocketId, to: SocketAddr) -> bool {
        let len = bytes.len();
        if let Some(run) = self.runs.last_mut() {
            let fits = run.bytes.end == bytes.start
                && run.to == to
                && run.socket == socket
                && len <= run.segment
                && run.bytes.len() + len <= MAX_RUN
                && run.bytes.len() / run.segment < MAX_SEGMENTS;
            if fits && !self.closed {
                run.bytes.end = bytes.end;
                self.closed = len < run.segment;
                return false;
            }
        }
        self.closed = false;
        self.runs.push(Run { socket, to, bytes, segment: len });
        true
    }

    /// Appends a whole packet.
    pub(super) fn push(&mut self, packet: &[u8], to: Destination) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(packet);
        self.commit(start, to);
    }

    /// Hands out what is there, and forgets it.
    pub(super) fn fly(&mut self, sink: &mut dyn FnMut(Flight<'_>) -> Instant) -> Flown {
        let mut flown = Flown::default();
        if !self.runs.is_empty() || !self.piped.is_empty() {
            for run in &self.runs {
                flown.datagrams += run.bytes.len().div_ceil(run.segment.max(1)) as u64;
                flown.bytes += run.bytes.len() as u64;
            }
            flown.runs = self.runs.len() as u64;
            flown.piped = self.piped.len() as u64;
            let flight = Flight { bytes: &self.bytes, runs: &self.runs, piped: &self.piped };
            flown.at = Some(sink(flight));
        }
        self.bytes.clear();
        self.runs.clear();
        self.piped.clear();
        self.closed = false;
        flown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(port: u16) -> Destination {
        Destination::Udp(SocketId(0), SocketAddr::from(([127, 0, 0, 1], port)))
    }

    fn runs(outbox: &mut Outbox) -> Vec<(usize, usize)> {
        let mut seen = Vec::new();
        outbox.fly(&mut |flight| {
            seen.extend(flight.runs.iter().map(|run| (run.bytes.len(), run.segment)));
            Instant::now()
        });
        seen
    }

    #[test]
    fn equal_datagrams_for_one_receiver_are_one_run_and_a_shorter_one_ends_it() {
        let mut outbox = Outbox::default();
        outbox.push(&[1; 100], to(1));
        outbox.push(&[2; 100], to(1));
        outbox.push(&[3; 60], to(1));
        outbox.push(&[4; 60], to(1));
        outbox.push(&[5; 61], to(1));
        outbox.push(&[6; 61], to(2));
        assert_eq!(runs(&mut outbox), [(260, 100), (60, 60), (61, 61), (61, 61)]);
        assert!(runs(&mut outbox).is_empty());
    }

    #[test]
    fn a_run_has_at_most_64_segments_and_65000_bytes() {
        let mut outbox = Outbox::default();
        for _ in 0..65 {
            outbox.push(&[1; 100], to(1));
        }
        assert_eq!(runs(&mut outbox), [(6400, 100), (100, 100)]);
        for _ in 0..60 {
            outbox.push(&[1; 1200], to(1));
        }
        assert_eq!(runs(&mut outbox), [(64_800, 1200), (7200, 1200)]);
    }

    #[test]
    fn a_piped_packet_between_datagrams_ends_the_run() {
        let mut outbox = Outbox::default();
        outbox.push(&[1; 10], to(1));
        outbox.push(&[2; 10], Destination::Pipe(PipeKey(7)));
        outbox.push(&[3; 10], to(1));
        assert_eq!(runs(&mut outbox), [(10, 10), (10, 10)]);
    }
}
