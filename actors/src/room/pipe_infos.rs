//! What operators see of a room's pipes: by which way each producer of another node comes here, and
//! how well.

use futures::{StreamExt, stream};
use ractor::ActorRef;
use serde_json::Value;
use starling_cluster::decide::pulls::PulledFrom;
use starling_proto::{MediaKind, rest::PipeInfo};

use super::RoomState;
use crate::{
    node::{Reply, ask},
    router::{Look, RouterMsg, StatsWish},
};

/// Questions to routers at a time: a quarter of what may wait there.
const AT_ONCE: usize = 64;

impl RoomState {
    pub(super) fn pipe_infos(&self, reply: Reply<Vec<PipeInfo>>) {
        let told = self.pipes.pulls.all().map(|pull| {
            let entry = self.replica.producer(&pull.producer).map(|(_, entry)| entry);
            let kind = entry.map_or(MediaKind::Video, |entry| entry.kind);
            let root = self.root_of(&pull.producer).and_then(|root| self.routers.get(root));
            (self.pipe_info(pull, kind), root.map(|router| router.actor.clone()))
        });
        let told = stream::iter(told.collect::<Vec<_>>());
        tokio::spawn(async move {
            let infos = told.map(|(info, router)| filled(info, router)).buffered(AT_ONCE);
            let _ = reply.send(Ok(infos.collect().await));
        });
    }

    fn pipe_info(&self, pull: PulledFrom, kind: MediaKind) -> PipeInfo {
        PipeInfo {
            room: self.args.id.clone(),
            producer: pull.producer,
            kind,
            from: pull.from.map(|(node, _)| node),
            to: self.args.shared.config.id.clone(),
            hops: pull.path.len(),
            path: pull.path,
            passed_on_to: pull.takers,
            used: pull.used,
            layers: Vec::new(),
            packets: 0,
            bytes: 0,
            bitrate: 0,
            lost: 0,
            repaired: 0,
            round_trip_ms: None,
        }
    }
}

async fn filled(mut info: PipeInfo, router: Option<ActorRef<RouterMsg>>) -> PipeInfo {
    let Some(router) = router else { return info };
    let producer = || info.producer.clone();
    let layers = ask(&router, |reply| RouterMsg::Look(Look::Layers(producer(), reply))).await;
    let of = StatsWish::Producer(producer());
    let stats = ask(&router, |reply| RouterMsg::Look(Look::Stats { of, reply })).await;
    let layers = layers.unwrap_or_default();
    info.layers = (0..u32::BITS as u8).filter(|layer| layers >> layer & 1 == 1).collect();
    for stream in stats.ok().iter().filter_map(Value::as_array).flatten() {
        let count = |field: &str| stream[field].as_u64().unwrap_or(0);
        info.packets += count("packetCount");
        info.bytes += count("byteCount");
        info.bitrate += count("bitrate");
        info.lost += count("packetsLost");
        info.repaired += count("packetsRepaired");
        let rtt = stream["roundTripTime"].as_f64().filter(|rtt| *rtt > 0.0);
        info.round_trip_ms = rtt.into_iter().chain(info.round_trip_ms).reduce(f64::max);
    }
    info
}
