//! A link's counters as figures for operators.

use starling_cluster::link::LinkCounters;
use starling_proto::NodeId;

use crate::Metric;

/// Appends them, labelled with the other node. Counters begin anew when a link does.
pub(crate) fn append(metrics: &mut Vec<Metric>, node: &NodeId, of: &LinkCounters) {
    let count = Metric::counter;
    let shed = |class: &str, n| {
        count("starling_link_packets_shed_total", "Packets too old, or too many, to send.", n)
            .label("class", class.to_owned())
    };
    let rtt = of.rtt.as_secs_f64();
    let all = [
        Metric::gauge("starling_link_rtt_seconds", "Smoothed round trip.", rtt),
        count("starling_link_packets_sent_total", "Media packets handed to QUIC.", of.packets_out),
        count("starling_link_bytes_sent_total", "Their bytes.", of.bytes_out),
        count("starling_link_packets_received_total", "Media packets received.", of.packets_in),
        count("starling_link_bytes_received_total", "Their bytes.", of.bytes_in),
        shed("audio", of.shed_audio),
        shed("video", of.shed_video),
        shed("control", of.shed_control),
        count("starling_link_packets_split_total", "Packets sent in two parts.", of.split),
        count("starling_link_packets_halved_total", "Packets of which half came.", {
            of.reassembly_failed
        }),
        count("starling_link_quic_packets_lost_total", "QUIC packets lost on the way.", of.lost),
        count("starling_link_datagrams_sent_total", "UDP datagrams sent.", of.datagrams_out),
        count("starling_link_messages_sent_total", "Control messages sent.", of.messages_out),
        count("starling_link_messages_received_total", "Control messages received.", {
            of.messages_in
        }),
        Metric::gauge("starling_link_datagram_bytes", "Largest datagram the path carries.", {
            of.max_datagram as f64
        }),
    ];
    if let Some(limit) = of.limit {
        let help = "Bits per second the link takes, while that is less than what is wanted.";
        let gauge = Metric::gauge("starling_link_limit_bits_per_second", help, limit as f64);
        metrics.push(gauge.label("node", node.to_string()));
    }
    metrics.extend(all.map(|metric| metric.label("node", node.to_string())));
}
