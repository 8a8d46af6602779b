//! What a plane counts. Numbers only grow; gauges say so.

use starling_proto::MediaKind;

use crate::consumer::LatencyTotals;

/// Packets and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Packets.
    pub packets: u64,
    /// Their bytes, RTP headers included.
    pub bytes: u64,
}

/// The same for each kind of media.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByKind {
    /// Audio.
    pub audio: Flow,
    /// Video.
    pub video: Flow,
}

impl ByKind {
    /// Counts a packet.
    pub(super) const fn add(&mut self, kind: MediaKind, bytes: usize) {
        let flow = match kind {
            MediaKind::Audio => &mut self.audio,
            MediaKind::Video => &mut self.video,
        };
        flow.packets += 1;
        flow.bytes += bytes as u64;
    }

    /// Of both kinds.
    pub const fn packets(&self) -> u64 {
        self.audio.packets + self.video.packets
    }
}

/// What the receivers of a plane can take, as far as they say when packets arrive. All gauges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Estimates {
    /// Receivers.
    pub receivers: u64,
    /// Those for whom there would be more to send than they can take.
    pub limited: u64,
    /// What they can take, summed, in bits per second.
    pub bitrate: u64,
}

/// Counters of a plane.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlaneCounters {
    /// Transports now (gauge).
    pub transports: u64,
    /// Producers now (gauge).
    pub producers: u64,
    /// Consumers now (gauge).
    pub consumers: u64,
    /// Datagrams taken.
    pub datagrams_received: u64,
    /// Bytes of them.
    pub bytes_received: u64,
    /// Datagrams handed out.
    pub datagrams_sent: u64,
    /// Bytes of them.
    pub bytes_sent: u64,
    /// RTP packets of producers taken, retransmissions included.
    pub rtp_received: u64,
    /// The media among them that was new, by kind.
    pub received: ByKind,
    /// RTP packets forwarded to consumers, retransmissions included.
    pub rtp_forwarded: u64,
    /// The same by kind.
    pub forwarded: ByKind,
    /// RTP packets of producers that were missing when they were reported on; some are repaired.
    pub rtp_lost: u64,
    /// Retransmissions sent.
    pub rtp_retransmitted: u64,
    /// Packets repaired by retransmission from a producer.
    pub rtp_repaired: u64,
    /// How long forwarded packets were here; retransmissions, which are late anyhow, are not in it.
    pub latency: LatencyTotals,
    /// Packets taken from pipes.
    pub piped_received: u64,
    /// Packets handed to pipes.
    pub piped_sent: u64,
    /// Runs handed out: one system call's worth of datagrams each.
    pub runs_sent: u64,
    /// NACKed sequence numbers sent to producers.
    pub nacks_sent: u64,
    /// NACKed sequence numbers received from consumers.
    pub nacks_received: u64,
    /// Key-frame requests sent.
    pub key_frame_requests_sent: u64,
    /// Key-frame requests received.
    pub key_frame_requests_received: u64,
    /// Key frames that receivers began with from the buffer, instead of asking for one.
    pub key_frames_replayed: u64,
    /// Key frames asked for because none was in the buffer that could be begun with.
    pub key_frames_not_kept: u64,
    /// Times the layers that a consumer gets were others than before.
    pub layer_changes: u64,
    /// What receivers can take.
    pub estimates: Estimates,
    /// Commands that named something gone.
    pub commands_ignored: u64,
    /// Datagrams from a source that no transport admitted.
    pub dropped_unknown_source: u64,
    /// STUN messages that failed authentication or named no transport.
    pub dropped_stun: u64,
    /// Datagrams of no known protocol, and malformed RTP.
    pub dropped_malformed: u64,
    /// Packets that failed SRTP authentication, or were replayed.
    pub dropped_srtp: u64,
    /// Packets before SRTP keys.
    pub dropped_unkeyed: u64,
    /// RTP that belongs to no producer.
    pub dropped_unknown_stream: u64,
    /// Duplicate, too old or out-of-window RTP.
    pub dropped_stale: u64,
    /// Malformed RTCP.
    pub dropped_rtcp: u64,
    /// Events dropped because nobody polled.
    pub dropped_events: u64,
    /// Trace events dropped because other events waited.
    pub dropped_traces: u64,
    /// Packets not forwarded because a send queue was full.
    pub dropped_queue_full: u64,
}
