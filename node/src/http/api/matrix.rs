//! `/v1/rooms/{room}/matrix`: each node of the room tells what its own peers get, any node gathers
//! them. Reads only.

use std::collections::HashMap;

use axum::{
    Json,
    body::{Bytes, to_bytes},
    extract::State,
    http::Method,
};
use futures::{StreamExt, stream};
use serde_json::Value;
use starling_actors::Inspected;
use starling_proto::{
    ConsumerId, MediaKind, NodeId, PeerId, ProducerId, RoomId,
    rest::{MatrixCell, MatrixWish, NodeInfo, PeerInfo, Problem as ProblemBody, RoomMatrix},
};

use crate::http::{
    App, Problem, forward,
    guard::Operator,
    problem::{Path, Query},
};

/// Cells of a node, up to the last peer's: two questions to a plane for each, which take it less
/// than a millisecond per ten; and more than thirty people by thirty nobody reads.
const MAX_CELLS: usize = 1000;
/// Nodes asked at a time, and cells.
const AT_ONCE: usize = 16;
/// Longest answer of one node: its cells are 300 bytes each, and the last peer may have hundreds.
const MAX_ANSWER: usize = 1 << 20;

/// Who gets what of whom in a room now: layers, losses, scores, bit rates and round trips, on all
/// nodes. Of a node with very many streams the first thousand are told, and how many peers were
/// left out.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/matrix", tag = "rooms", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("kind" = Option<MediaKind>, Query, description = "Audio or video alone.")
    ),
    responses((status = 200, body = RoomMatrix), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn matrix(
    operator: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
    Query(wish): Query<MatrixWish>,
) -> Result<Json<RoomMatrix>, Problem> {
    if operator.forwarded {
        return Ok(Json(own(&app, &room, wish).await));
    }
    let on = app.node.room(&room).await?.nodes;
    let mut all = own(&app, &room, wish).await;
    let nodes = app.node.nodes().await.into_iter();
    let others = stream::iter(nodes.filter(|node| !node.here && on.contains(&node.id)));
    let answers = others.map(|node| {
        let (app, room) = (&app, &room);
        async move { (told(app, &node, room, wish).await, node.id) }
    });
    let answers: Vec<_> = answers.buffered(AT_ONCE).collect().await;
    for (told, node) in answers {
        match told {
            Some(told) => {
                all.cells.extend(told.cells);
                all.left_out += told.left_out;
            }
            None => all.missing.push(node),
        }
    }
    Ok(Json(all))
}

async fn told(app: &App, node: &NodeInfo, room: &RoomId, wish: MatrixWish) -> Option<RoomMatrix> {
    let kind = match wish.kind {
        None => "",
        Some(MediaKind::Audio) => "?kind=audio",
        Some(MediaKind::Video) => "?kind=video",
    };
    let path = format!("/v1/rooms/{room}/matrix{kind}");
    let asked = forward::hand_on(app, node, Method::GET, &path, Bytes::new(), forward::WITHIN);
    let body = to_bytes(asked.await.ok()?.into_body(), MAX_ANSWER).await.ok()?;
    serde_json::from_slice(&body).ok()
}

/// What this node's peers get; nothing if it has none of the room.
async fn own(app: &App, room: &RoomId, wish: MatrixWish) -> RoomMatrix {
    let mut all =
        RoomMatrix { room: room.clone(), cells: Vec::new(), left_out: 0, missing: Vec::new() };
    let Ok(peers) = app.node.peers(room).await else { return all };
    let sent = senders(&peers, wish);
    let mut wanted = Vec::new();
    for peer in peers.iter().filter(|peer| peer.node == *app.node.id() && !peer.lost) {
        if wanted.len() >= MAX_CELLS {
            all.left_out += 1;
            continue;
        }
        // It has left since.
        let Ok(objects) = app.node.objects(room, &peer.id).await else { continue };
        let known = objects.consumers.into_iter();
        let known = known.filter(|consumer| sent.contains_key(&consumer.producer_id));
        wanted.extend(known.map(|consumer| (peer.id.clone(), consumer)));
    }
    let cells = stream::iter(wanted).map(|(to, consumer)| {
        let sent = &sent;
        async move {
            let sent = sent.get(&consumer.producer_id)?;
            cell(app, room, &to, consumer.id, sent).await
        }
    });
    all.cells = cells.buffered(AT_ONCE).filter_map(std::future::ready).collect().await;
    all
}

/// Whose a producer is, and which.
struct Sent<'a> {
    from: &'a PeerId,
    source: &'a str,
    kind: MediaKind,
}

fn senders(peers: &[PeerInfo], wish: MatrixWish) -> HashMap<&ProducerId, Sent<'_>> {
    let all = peers.iter().flat_map(|peer| {
        peer.producers.iter().map(|producer| {
            let sent = Sent { from: &peer.id, source: &producer.source, kind: producer.kind };
            (&producer.id, sent)
        })
    });
    all.filter(|(_, sent)| wish.kind.is_none_or(|kind| kind == sent.kind)).collect()
}

async fn cell(
    app: &App,
    room: &RoomId,
    to: &PeerId,
    consumer: ConsumerId,
    sent: &Sent<'_>,
) -> Option<MatrixCell> {
    let of = || Inspected::Consumer(consumer.clone());
    let held = app.node.inspect(room, to, of(), true).await.ok()?;
    let counted = app.node.inspect(room, to, of(), false).await.ok()?;
    Some(read(app.node.id(), to, sent, &held, &counted))
}

/// A cell out of mediasoup's dump and stats of a consumer.
fn read(node: &NodeId, to: &PeerId, sent: &Sent<'_>, held: &Value, counted: &Value) -> MatrixCell {
    let out = &counted[0];
    let layered = matches!(held["type"].as_str(), Some("simulcast" | "svc"));
    let score = out["score"].as_u64().and_then(|score| u8::try_from(score).ok());
    MatrixCell {
        to: to.clone(),
        node: node.clone(),
        from: sent.from.clone(),
        source: sent.source.to_owned(),
        kind: sent.kind,
        paused: held["paused"] == true || held["producerPaused"] == true,
        spatial_layer: held["currentSpatialLayer"].as_i64().filter(|_| layered),
        temporal_layer: held["currentTemporalLayer"].as_i64().filter(|_| layered),
        score: score.unwrap_or(0),
        lost: out["fractionLost"].as_f64().unwrap_or(0.0) / 256.0,
        bitrate: out["bitrate"].as_u64().unwrap_or(0),
        rtt_ms: out["roundTripTime"].as_f64().unwrap_or(0.0),
        added_ms: out["addedLatencyMs"]["p50"].as_f64(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use starling_proto::Id;

    use super::*;

    fn peer(name: &str) -> PeerInfo {
        let producer = |kind: &str| {
            json!({"id": format!("{name}-{kind}"), "kind": kind, "type": "simple", "source": kind,
                "paused": false, "mimeType": ""})
        };
        serde_json::from_value(json!({
            "id": name, "displayName": "", "node": "n1", "device": {}, "lost": false,
            "producers": [producer("audio"), producer("video")],
        }))
        .unwrap()
    }

    #[test]
    fn a_cell_says_what_the_plane_says_in_shares_and_milliseconds() {
        let peers = [peer("ada")];
        let sent = senders(&peers, MatrixWish { kind: Some(MediaKind::Video) });
        assert_eq!(sent.len(), 1);
        let sent = sent.values().next().unwrap();
        let held = json!({"type": "simulcast", "paused": false, "producerPaused": true,
            "currentSpatialLayer": 2, "currentTemporalLayer": null});
        let counted = json!([{"score": 9, "fractionLost": 64, "bitrate": 1200, "roundTripTime": 3.5,
            "addedLatencyMs": {"p50": 0.25}}, {"type": "inbound-rtp", "score": 1}]);
        let (node, to) = ("n1".parse().unwrap(), "ben".parse().unwrap());
        let cell = read(&node, &to, sent, &held, &counted);
        assert_eq!((cell.from.as_str(), cell.source.as_str()), ("ada", "video"));
        assert_eq!((cell.spatial_layer, cell.temporal_layer), (Some(2), None));
        assert_eq!((cell.score, cell.lost, cell.bitrate), (9, 0.25, 1200));
        assert_eq!((cell.rtt_ms, cell.added_ms, cell.paused), (3.5, Some(0.25), true));
        let simple = json!({"type": "simple", "paused": false, "currentSpatialLayer": -1});
        let cell = read(&node, &to, sent, &simple, &json!([]));
        assert_eq!((cell.spatial_layer, cell.score, cell.paused), (None, 0, false));
    }
}
