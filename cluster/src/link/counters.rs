//! What a link counts. Never decides.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// A link's counters, absolute since it came up. "Packets" are those of `send_packet` and
/// `deliver`, not datagrams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Packets handed to QUIC.
    pub packets_out: u64,
    /// Their bytes, flow headers excluded.
    pub bytes_out: u64,
    /// Packets delivered to sinks.
    pub packets_in: u64,
    /// Their bytes.
    pub bytes_in: u64,
    /// Video packets shed: too old, or too many waiting.
    pub shed_video: u64,
    /// Audio packets shed.
    pub shed_audio: u64,
    /// RTCP packets shed.
    pub shed_control: u64,
    /// Packets that travelled in two parts because the path does not carry them.
    pub split: u64,
    /// Packets too large even for two parts.
    pub oversize: u64,
    /// Packets of which only one part came in time.
    pub reassembly_failed: u64,
    /// Packets of flows nobody here has opened.
    pub unknown_flow: u64,
    /// Datagrams that are not ours.
    pub malformed: u64,
    /// Control messages sent.
    pub messages_out: u64,
    /// Control messages received.
    pub messages_in: u64,
    /// QUIC packets this side sent that were lost.
    pub lost: u64,
    /// UDP datagrams sent.
    pub datagrams_out: u64,
    /// System calls that took them: fewer, with segmentation offload.
    pub transmits: u64,
    /// Smoothed round trip.
    pub rtt: Duration,
    /// Bits per second that it takes, once that was less than what is wanted.
    pub limit: Option<u64>,
    /// Largest datagram the path carries now, in bytes.
    pub max_datagram: u64,
}

/// The live cells behind [`LinkCounters`], for what the link's tasks count themselves.
#[derive(Debug, Default)]
pub(super) struct Cells {
    pub(super) packets_out: AtomicU64,
    pub(super) bytes_out: AtomicU64,
    pub(super) packets_in: AtomicU64,
    pub(super) bytes_in: AtomicU64,
    pub(super) split: AtomicU64,
    pub(super) oversize: AtomicU64,
    pub(super) reassembly_failed: AtomicU64,
    pub(super) unknown_flow: AtomicU64,
    pub(super) malformed: AtomicU64,
    pub(super) messages_out: AtomicU64,
    pub(super) messages_in: AtomicU64,
}

impl Cells {
    /// Adds to one of them.
    pub(super) fn add(cell: &AtomicU64, n: u64) {
        if n > 0 {
            cell.fetch_add(n, Relaxed);
        }
    }

    /// What they hold now; the rest is zero.
    pub(super) fn read(&self) -> LinkCounters {
        let read = |cell: &AtomicU64| cell.load(Relaxed);
        LinkCounters {
            packets_out: read(&self.packets_out),
            bytes_out: read(&self.bytes_out),
            packets_in: read(&self.packets_in),
            bytes_in: read(&self.bytes_in),
            split: read(&self.split),
            oversize: read(&self.oversize),
            reassembly_failed: read(&self.reassembly_failed),
            unknown_flow: read(&self.unknown_flow),
            malformed: read(&self.malformed),
            messages_out: read(&self.messages_out),
            messages_in: read(&self.messages_in),
            ..LinkCounters::default()
        }
    }
}
