//! `/rooms/{room}/broadcasters`: mediasoup-demo's HTTP API for programs, so that its ffmpeg and
//! GStreamer scripts work. Names are the demo's; everything behind them is the REST API's. Never
//! does: make WebRTC transports, for which there is WHIP.

pub(crate) mod newest;

use axum::{
    Json,
    extract::State,
    http::HeaderMap,
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use starling_proto::{
    Code, PeerId, ProducerId, RoomId, TransportId,
    rest::{
        ConnectPlainTransport, CreateConsumer, CreatePeer, CreatePlainTransport, CreateProducer,
        Problem as ProblemBody,
    },
};

use super::peers;
use crate::http::{
    App, Problem,
    guard::Operator,
    problem::{Body, Path, Query},
};

type OnBroadcaster = (RoomId, PeerId);
type OnTransport = (RoomId, PeerId, TransportId);

/// A broadcaster to be. Its device and capabilities are read and not used: what it consumes is said
/// with each consumer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Broadcaster {
    id: Option<PeerId>,
    /// The newest demo's name for it.
    peer_id: Option<PeerId>,
    #[serde(default)]
    display_name: String,
}

/// A transport to be, as the demo asks for it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Transport {
    #[serde(rename = "type", default)]
    kind: Option<String>,
    /// Said by the newest demo alone.
    direction: Option<String>,
    #[serde(default)]
    comedia: bool,
    #[serde(default = "yes")]
    rtcp_mux: bool,
}

fn yes() -> bool {
    true
}

/// Query of a consumer.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Wish {
    producer_id: ProducerId,
}

/// mediasoup-demo: the room's RTP capabilities.
#[utoipa::path(
    get, path = "/rooms/{room}", tag = "broadcasters", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    responses((status = 200, body = Object), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn capabilities(
    _: Operator,
    State(app): State<App>,
    Path(_): Path<RoomId>,
) -> Json<Value> {
    // The older demo takes the answer itself for capabilities, the newest a field of it.
    let mut both = json!(app.node.rtp_capabilities());
    both["routerRtpCapabilities"] = both.clone();
    Json(both)
}

/// mediasoup-demo: makes a broadcaster, and says who else produces what.
#[utoipa::path(
    post, path = "/rooms/{room}/broadcasters", tag = "broadcasters", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    request_body = Object,
    responses((status = 200, body = Object), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn create(
    _: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
    headers: HeaderMap,
    Body(Broadcaster { id, peer_id, display_name }): Body<Broadcaster>,
) -> Result<Response, Problem> {
    let newest = peer_id.is_some();
    let Some(id) = peer_id.or(id) else {
        return Err(Problem::new(Code::BadRequest, "'id' is missing"));
    };
    peers::make(&app, &room, CreatePeer::new(id.clone(), display_name), &headers).await?;
    if newest {
        let path = format!("/rooms/{room}/broadcasters/{id}");
        return Ok(newest::created(&path, "broadcaster created"));
    }
    let others = app.node.peers(&room).await?.into_iter().filter(|peer| peer.id != id);
    let peers = others.map(|peer| {
        let producers = peer.producers.iter().map(|p| json!({ "id": p.id, "kind": p.kind }));
        json!({
            "id": peer.id,
            "displayName": peer.display_name,
            "device": peer.device,
            "producers": producers.collect::<Vec<_>>(),
        })
    });
    Ok(Json(json!({ "peers": peers.collect::<Vec<_>>() })).into_response())
}

/// mediasoup-demo: ends a broadcaster.
#[utoipa::path(
    delete, path = "/rooms/{room}/broadcasters/{broadcaster}", tag = "broadcasters",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("broadcaster" = PeerId, Path, description = "The broadcaster.")
    ),
    responses((status = 200), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn remove(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<OnBroadcaster>,
) -> Result<&'static str, Problem> {
    app.node.remove_peer(&room, &peer).await?;
    Ok("broadcaster deleted")
}

/// mediasoup-demo: gives a broadcaster a plain transport.
#[utoipa::path(
    post, path = "/rooms/{room}/broadcasters/{broadcaster}/transports", tag = "broadcasters",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("broadcaster" = PeerId, Path, description = "The broadcaster.")
    ),
    request_body = Object,
    responses((status = 200, body = Object), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn transport(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<OnBroadcaster>,
    Body(Transport { kind, direction, comedia, rtcp_mux }): Body<Transport>,
) -> Result<Response, Problem> {
    if kind.is_some_and(|kind| kind != "plain") {
        return Err(Problem::new(Code::BadRequest, "broadcasters have plain transports")
            .hint("publish and play WebRTC over /whip/ and /whep/"));
    }
    let options = CreatePlainTransport { comedia, rtcp_mux, ..CreatePlainTransport::default() };
    let made = app.node.create_plain_transport(&room, &peer, options).await?;
    let mut answer = json!(made.address);
    let name = if direction.is_some() { "transportId" } else { "id" };
    answer[name] = json!(made.transport_id);
    if direction.is_none() {
        return Ok(Json(answer).into_response());
    }
    let id = made.transport_id;
    Ok(newest::created(&format!("/rooms/{room}/broadcasters/{peer}/transports/{id}"), Json(answer)))
}

/// mediasoup-demo: says where a plain transport sends.
#[utoipa::path(
    post, path = "/rooms/{room}/broadcasters/{broadcaster}/transports/{transport}/connect",
    tag = "broadcasters", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("broadcaster" = PeerId, Path, description = "The broadcaster."),
        ("transport" = TransportId, Path, description = "The transport.")
    ),
    request_body = ConnectPlainTransport,
    responses((status = 200), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn connect(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<OnTransport>,
    Body(options): Body<ConnectPlainTransport>,
) -> Result<Json<Value>, Problem> {
    app.node.connect_plain_transport(&room, &peer, &transport, options).await?;
    Ok(Json(json!({})))
}

/// mediasoup-demo: starts a producer.
#[utoipa::path(
    post, path = "/rooms/{room}/broadcasters/{broadcaster}/transports/{transport}/producers",
    tag = "broadcasters", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("broadcaster" = PeerId, Path, description = "The broadcaster."),
        ("transport" = TransportId, Path, description = "The transport.")
    ),
    request_body = CreateProducer,
    responses((status = 200, body = Object), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn produce(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<OnTransport>,
    Body(producer): Body<CreateProducer>,
) -> Result<Json<Value>, Problem> {
    let made = app.node.plain_produce(&room, &peer, &transport, producer).await?;
    Ok(Json(json!({ "id": made.producer_id })))
}

/// mediasoup-demo: starts a consumer.
#[utoipa::path(
    post, path = "/rooms/{room}/broadcasters/{broadcaster}/transports/{transport}/consume",
    tag = "broadcasters", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("broadcaster" = PeerId, Path, description = "The broadcaster."),
        ("transport" = TransportId, Path, description = "The transport."),
        ("producerId" = ProducerId, Query, description = "Of what.")
    ),
    responses((status = 200, body = Object), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn consume(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<OnTransport>,
    Query(Wish { producer_id }): Query<Wish>,
) -> Result<Json<Value>, Problem> {
    let consumer = CreateConsumer {
        producer_id: producer_id.clone(),
        rtp_capabilities: None,
        paused: false,
        preferred_layers: None,
        enable_rtx: None,
        ignore_dtx: false,
        mid: None,
    };
    let made = app.node.plain_consume(&room, &peer, &transport, consumer).await?;
    Ok(Json(json!({
        "id": made.consumer_id,
        "producerId": producer_id,
        "kind": made.kind,
        "rtpParameters": made.rtp_parameters,
        "type": "simple",
    })))
}
