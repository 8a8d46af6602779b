//! A worker's counters as figures for operators.

use crate::{Metric, worker::WorkerCounters};

/// Appends them, labelled with the worker's number.
pub(crate) fn append(metrics: &mut Vec<Metric>, index: usize, counters: &WorkerCounters) {
    let WorkerCounters { plane, sockets, .. } = counters;
    let plane_counters = *plane;
    let count = |name, help, value| Metric::counter(name, help, value);
    let gauge = |name, help, value| Metric::gauge(name, help, value);
    let own = [
        gauge(
            "starling_worker_busy_ratio",
            "Share of the last second the worker was awake.",
            f64::from(counters.busy),
        ),
        Metric {
            value: counters.cpu.as_secs_f64(),
            ..count("starling_worker_cpu_seconds_total", "CPU time of the worker.", 0)
        },
        gauge(
            "starling_worker_longest_turn_seconds",
            "Longest turn of the last second.",
            counters.longest_turn.as_secs_f64(),
        ),
        count(
            "starling_worker_commands_refused_total",
            "Commands refused because too many waited.",
            counters.commands_refused,
        ),
        count(
            "starling_worker_pipe_dropped_total",
            "Packets from pipes dropped because too many waited.",
            counters.pipe_dropped,
        ),
        count(
            "starling_worker_piped_lost_total",
            "Packets for pipes that the link shed.",
            counters.piped_lost,
        ),
        count(
            "starling_worker_events_dropped_total",
            "Events lost because the control plane was behind.",
            counters.events_dropped,
        ),
        count(
            "starling_udp_datagrams_received_total",
            "Datagrams received.",
            sockets.datagrams_received,
        ),
        count("starling_udp_datagrams_sent_total", "Datagrams sent.", sockets.datagrams_sent),
        count("starling_udp_send_calls_total", "System calls that sent them.", sockets.send_calls),
        count(
            "starling_udp_send_buffer_full_total",
            "Datagrams dropped because the send buffer was full.",
            sockets.send_buffer_full,
        ),
        gauge("starling_consumers", "Consumers.", plane.consumers as f64),
        gauge("starling_producers", "Producers.", plane.producers as f64),
        gauge("starling_transports", "Transports.", plane.transports as f64),
    ];
    let plane = [
        count("starling_rtp_received_total", "RTP packets of producers.", plane.rtp_received),
        count("starling_rtp_forwarded_total", "RTP packets to consumers.", plane.rtp_forwarded),
        count(
            "starling_rtp_retransmitted_total",
            "Retransmissions to consumers.",
            plane.rtp_retransmitted,
        ),
        count("starling_rtp_repaired_total", "Packets repaired by a producer.", plane.rtp_repaired),
        count("starling_piped_received_total", "Packets from pipes.", plane.piped_received),
        count("starling_piped_sent_total", "Packets to pipes.", plane.piped_sent),
        count("starling_nacks_sent_total", "Sequence numbers asked for again.", plane.nacks_sent),
        count(
            "starling_nacks_received_total",
            "Sequence numbers we were asked for.",
            plane.nacks_received,
        ),
        count(
            "starling_key_frame_requests_sent_total",
            "Key frames asked for.",
            plane.key_frame_requests_sent,
        ),
    ];
    let dropped = [
        ("unknown_source", plane_counters.dropped_unknown_source),
        ("stun", plane_counters.dropped_stun),
        ("malformed", plane_counters.dropped_malformed),
        ("srtp", plane_counters.dropped_srtp),
        ("unkeyed", plane_counters.dropped_unkeyed),
        ("unknown_stream", plane_counters.dropped_unknown_stream),
        ("stale", plane_counters.dropped_stale),
        ("rtcp", plane_counters.dropped_rtcp),
        ("queue_full", plane_counters.dropped_queue_full),
    ];
    let dropped = dropped.map(|(reason, value)| {
        count("starling_dropped_total", "Packets counted and dropped.", value)
            .label("reason", reason)
    });
    let own = own.into_iter().chain(plane).chain(dropped);
    metrics.extend(own.map(|metric| metric.label("worker", index.to_string())));
}
