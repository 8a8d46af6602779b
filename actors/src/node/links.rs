//! What operators see of links, and of what is pulled over them.

use starling_cluster::link::Link;
use starling_proto::{
    NodeId,
    rest::{LinkInfo, PipeInfo},
};

use super::{
    Node, Reply,
    actor::{LinkSlot, NodeMsg, NodeTree},
    ask,
    rtts::Rtts,
};
use crate::room::RoomMsg;

/// Pipes told of at once: a gathering node reads 4 MB of each.
const MAX_TOLD: usize = 10_000;

impl Node {
    /// This node's links.
    pub async fn links(&self) -> Vec<LinkInfo> {
        ask(&self.actor, NodeMsg::Links).await.unwrap_or_default()
    }

    /// What this node pulls from others, room by room.
    pub async fn pipes(&self) -> Vec<PipeInfo> {
        let mut pipes = Vec::new();
        for room in ask(&self.actor, NodeMsg::RoomRefs).await.unwrap_or_default() {
            pipes.extend(ask(&room, RoomMsg::Pipes).await.unwrap_or_default());
            if pipes.len() >= MAX_TOLD {
                pipes.truncate(MAX_TOLD);
                break;
            }
        }
        pipes
    }
}

impl NodeTree {
    pub(super) fn link_infos(&self, reply: Reply<Vec<LinkInfo>>) {
        let from = &self.shared.config.id;
        let infos = self.links.values().map(|slot| info(from, &*slot.link, &slot.rtts));
        let _ = reply.send(Ok(infos.collect()));
    }

    pub(super) fn sample_rtts(&mut self) {
        for LinkSlot { link, rtts, .. } in self.links.values_mut() {
            rtts.add(link.rtt());
        }
    }
}

fn info(from: &NodeId, link: &dyn Link, rtts: &Rtts) -> LinkInfo {
    let of = link.counters();
    let ms = |rtt: std::time::Duration| rtt.as_secs_f64() * 1000.0;
    let (p50, p99) = rtts.percentiles();
    LinkInfo {
        from: from.clone(),
        to: link.node().clone(),
        protocol: link.version(),
        rtt_ms: ms(link.rtt()),
        rtt_p50_ms: ms(p50),
        rtt_p99_ms: ms(p99),
        packets_sent: of.packets_out,
        bytes_sent: of.bytes_out,
        packets_received: of.packets_in,
        bytes_received: of.bytes_in,
        shed_video: of.shed_video,
        shed_audio: of.shed_audio,
        shed_control: of.shed_control,
        quic_packets_lost: of.lost,
        split: of.split,
        datagram_bytes: of.max_datagram,
    }
}
