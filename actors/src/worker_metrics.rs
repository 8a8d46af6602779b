//! A worker's counters as figures for operators.

use starling_media::{PlaneCounters, consumer::LatencyTotals};

use crate::{
    Metric,
    worker::{SocketCounters, TcpCounters, WorkerCounters},
};

/// Appends them, labelled with the worker's number.
pub(crate) fn append(metrics: &mut Vec<Metric>, index: usize, counters: &WorkerCounters) {
    let all = thread(counters).into_iter().chain(sockets(&counters.sockets));
    let plane = &counters.plane;
    let all = all.chain(tcp(&counters.tcp)).chain(objects(plane)).chain(packets(plane));
    let all = all.chain(by_kind(plane)).chain(repair(plane)).chain(dropped(plane));
    let all = all.chain(latency(&plane.latency));
    metrics.extend(all.map(|metric| metric.label("worker", index.to_string())));
}

fn thread(of: &WorkerCounters) -> [Metric; 8] {
    const CPU: &str = "CPU time of the worker.";
    const TURN: &str = "Longest turn of the last second.";
    const BUSY: &str = "Share of the last second the worker was awake.";
    const WAITING: &str = "Commands that wait for the worker.";
    const REFUSED: &str = "Commands refused because too many waited.";
    const PIPE: &str = "Packets from pipes dropped because too many waited.";
    const LOST: &str = "Packets for pipes that the link shed.";
    const EVENTS: &str = "Events lost because the control plane was behind.";
    let cpu = Metric::counter("starling_worker_cpu_seconds_total", CPU, 0);
    let turn = of.longest_turn.as_secs_f64();
    [
        Metric { value: of.cpu.as_secs_f64(), ..cpu },
        Metric::gauge("starling_worker_busy_ratio", BUSY, f64::from(of.busy)),
        Metric::gauge("starling_worker_longest_turn_seconds", TURN, turn),
        Metric::gauge("starling_worker_commands_waiting", WAITING, of.commands_waiting as f64),
        Metric::counter("starling_worker_commands_refused_total", REFUSED, of.commands_refused),
        Metric::counter("starling_worker_pipe_dropped_total", PIPE, of.pipe_dropped),
        Metric::counter("starling_worker_piped_lost_total", LOST, of.piped_lost),
        Metric::counter("starling_worker_events_dropped_total", EVENTS, of.events_dropped),
    ]
}

fn sockets(of: &SocketCounters) -> [Metric; 4] {
    const FULL: &str = "Datagrams dropped because the send buffer was full.";
    const CALLS: &str = "System calls that sent them.";
    let count = Metric::counter;
    [
        count(
            "starling_udp_datagrams_received_total",
            "Datagrams received.",
            of.datagrams_received,
        ),
        count("starling_udp_datagrams_sent_total", "Datagrams sent.", of.datagrams_sent),
        count("starling_udp_send_calls_total", CALLS, of.send_calls),
        count("starling_udp_send_buffer_full_total", FULL, of.send_buffer_full),
    ]
}

fn tcp(of: &TcpCounters) -> [Metric; 7] {
    const REFUSED: &str = "TCP connections closed at once because there were too many.";
    const UNPROVEN: &str = "TCP connections ended without a proven ICE password.";
    const DROPPED: &str = "Datagrams dropped because a TCP client did not read.";
    let (count, gauge) = (Metric::counter, Metric::gauge);
    [
        gauge("starling_tcp_connections", "TCP connections.", of.connections as f64),
        count("starling_tcp_accepted_total", "TCP connections taken.", of.accepted),
        count("starling_tcp_refused_total", REFUSED, of.refused),
        count("starling_tcp_unproven_total", UNPROVEN, of.unproven_ended),
        count(
            "starling_tcp_datagrams_received_total",
            "Datagrams received over TCP.",
            of.frames_received,
        ),
        count("starling_tcp_datagrams_sent_total", "Datagrams sent over TCP.", of.frames_sent),
        count("starling_tcp_dropped_total", DROPPED, of.frames_dropped),
    ]
}

fn objects(of: &PlaneCounters) -> [Metric; 8] {
    const ESTIMATED: &str = "Receivers that say when packets arrive: what they can take is known.";
    const LIMITED: &str =
        "Of these, those for whom there would be more to send than they can take.";
    const SUM: &str = "What these receivers can take, summed.";
    const LAYERS: &str = "Times the layers that a consumer gets were others than before.";
    const IGNORED: &str = "Commands about something gone.";
    let (count, gauge) = (Metric::counter, Metric::gauge);
    [
        gauge("starling_consumers", "Consumers.", of.consumers as f64),
        gauge("starling_producers", "Producers.", of.producers as f64),
        gauge("starling_transports", "Transports.", of.transports as f64),
        gauge("starling_receivers_estimated", ESTIMATED, of.estimates.receivers as f64),
        gauge("starling_receivers_limited", LIMITED, of.estimates.limited as f64),
        gauge("starling_receivers_estimate_bits_per_second", SUM, of.estimates.bitrate as f64),
        count("starling_layer_changes_total", LAYERS, of.layer_changes),
        count("starling_commands_ignored_total", IGNORED, of.commands_ignored),
    ]
}

fn packets(of: &PlaneCounters) -> [Metric; 6] {
    const RECEIVED: &str = "RTP packets that came, from clients and pipes, retransmissions too.";
    const FORWARDED: &str = "RTP packets to consumers, retransmissions too.";
    let count = Metric::counter;
    [
        count("starling_rtp_received_total", RECEIVED, of.rtp_received),
        count("starling_rtp_forwarded_total", FORWARDED, of.rtp_forwarded),
        count("starling_piped_received_total", "Packets from pipes.", of.piped_received),
        count("starling_piped_sent_total", "Packets to pipes.", of.piped_sent),
        count("starling_datagrams_received_bytes_total", "Bytes received.", of.bytes_received),
        count("starling_datagrams_sent_bytes_total", "Bytes sent.", of.bytes_sent),
    ]
}

fn by_kind(of: &PlaneCounters) -> Vec<Metric> {
    let count = |name, help, audio, video| {
        [("audio", audio), ("video", video)]
            .map(|(kind, n)| Metric::counter(name, help, n).label("kind", kind))
    };
    let (received, forwarded) = (&of.received, &of.forwarded);
    [
        count(
            "starling_media_received_packets_total",
            "Packets of producers that were new, by kind.",
            received.audio.packets,
            received.video.packets,
        ),
        count(
            "starling_media_received_bytes_total",
            "Their bytes, RTP headers included.",
            received.audio.bytes,
            received.video.bytes,
        ),
        count(
            "starling_media_forwarded_packets_total",
            "Packets to consumers, retransmissions too, by kind.",
            forwarded.audio.packets,
            forwarded.video.packets,
        ),
        count(
            "starling_media_forwarded_bytes_total",
            "Their bytes as sent, encryption included.",
            forwarded.audio.bytes,
            forwarded.video.bytes,
        ),
    ]
    .concat()
}

fn repair(of: &PlaneCounters) -> [Metric; 9] {
    const LOST: &str = "Packets of producers that had not come when they were reported on.";
    const RETRANSMITTED: &str = "Retransmissions to consumers.";
    const NACKS_IN: &str = "Sequence numbers we were asked for again.";
    const KEY_FRAMES: &str = "Key frames asked for.";
    const KEY_FRAMES_IN: &str = "Key frames we were asked for.";
    const REPLAYED: &str = "Key frames that consumers began with from the buffer.";
    const NOT_KEPT: &str = "Key frames that were not in the buffer when a consumer needed them.";
    let count = Metric::counter;
    [
        count("starling_rtp_lost_total", LOST, of.rtp_lost),
        count("starling_rtp_retransmitted_total", RETRANSMITTED, of.rtp_retransmitted),
        count("starling_rtp_repaired_total", "Packets a producer repaired.", of.rtp_repaired),
        count("starling_nacks_sent_total", "Sequence numbers asked for again.", of.nacks_sent),
        count("starling_nacks_received_total", NACKS_IN, of.nacks_received),
        count("starling_key_frame_requests_sent_total", KEY_FRAMES, of.key_frame_requests_sent),
        count(
            "starling_key_frame_requests_received_total",
            KEY_FRAMES_IN,
            of.key_frame_requests_received,
        ),
        count("starling_key_frames_replayed_total", REPLAYED, of.key_frames_replayed),
        count("starling_key_frames_not_kept_total", NOT_KEPT, of.key_frames_not_kept),
    ]
}

fn latency(of: &LatencyTotals) -> Vec<Metric> {
    const HELP: &str = "How long forwarded packets were in the worker.";
    let bounds = (0..).map(|octave| LatencyTotals::bound(octave).map(|it| it.as_secs_f64()));
    let buckets = bounds.zip(of.octaves);
    Metric::histogram("starling_added_latency_seconds", HELP, buckets, of.micros as f64 / 1e6)
}

fn dropped(of: &PlaneCounters) -> [Metric; 9] {
    const HELP: &str = "Packets counted and dropped.";
    [
        ("unknown_source", of.dropped_unknown_source),
        ("stun", of.dropped_stun),
        ("malformed", of.dropped_malformed),
        ("srtp", of.dropped_srtp),
        ("unkeyed", of.dropped_unkeyed),
        ("unknown_stream", of.dropped_unknown_stream),
        ("stale", of.dropped_stale),
        ("rtcp", of.dropped_rtcp),
        ("queue_full", of.dropped_queue_full),
    ]
    .map(|(reason, value)| {
        Metric::counter("starling_dropped_total", HELP, value).label("reason", reason)
    })
}
