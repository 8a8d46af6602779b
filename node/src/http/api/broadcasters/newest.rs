//! What mediasoup-demo's newest server has beyond the older one's: it names things otherwise, and
//! producers and consumers are the broadcaster's, not a transport's.

use axum::{
    Json,
    extract::State,
    http::{StatusCode, header::LOCATION},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};
use starling_proto::{
    ConsumerId, MediaKind, PeerId, ProducerId, RoomId, RtpCapabilities, RtpParameters, TransportId,
    rest::{CreateConsumer, CreateProducer, PeerInfo, Problem as ProblemBody},
};

use super::OnBroadcaster;
use crate::http::{
    App, Problem,
    guard::Operator,
    problem::{Body, Path},
};

/// A producer to be.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Produce {
    transport_id: TransportId,
    kind: MediaKind,
    rtp_parameters: RtpParameters,
    #[serde(default)]
    app_data: Value,
}

/// A consumer to be.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Consume {
    transport_id: TransportId,
    producer_id: ProducerId,
    #[serde(default)]
    paused: bool,
    #[serde(default)]
    rtp_capabilities: Option<RtpCapabilities>,
}

/// 201 with where it is.
pub(super) fn created(path: &str, body: impl IntoResponse) -> Response {
    (StatusCode::CREATED, [(LOCATION, path.to_owned())], body).into_response()
}

/// mediasoup-demo: a broadcaster that was made is in the room already.
#[utoipa::path(
    post, path = "/rooms/{room}/broadcasters/{broadcaster}/join", tag = "broadcasters",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("broadcaster" = PeerId, Path, description = "The broadcaster.")
    ),
    responses((status = 200), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn join(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<OnBroadcaster>,
) -> Result<&'static str, Problem> {
    app.node.objects(&room, &peer).await?;
    Ok("broadcaster joined")
}

/// mediasoup-demo: starts a producer on the transport that the body names.
#[utoipa::path(
    post, path = "/rooms/{room}/broadcasters/{broadcaster}/producers", tag = "broadcasters",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("broadcaster" = PeerId, Path, description = "The broadcaster.")
    ),
    request_body = Object,
    responses((status = 201, body = Object), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn produce(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<OnBroadcaster>,
    Body(Produce { transport_id, kind, rtp_parameters, app_data }): Body<Produce>,
) -> Result<Response, Problem> {
    let producer = CreateProducer {
        kind,
        rtp_parameters,
        paused: false,
        key_frame_request_delay: 0,
        app_data,
    };
    let made = app.node.plain_produce(&room, &peer, &transport_id, producer).await?.producer_id;
    let path = format!("/rooms/{room}/broadcasters/{peer}/producers/{made}");
    Ok(created(&path, Json(json!({ "producerId": made }))))
}

/// mediasoup-demo: who else produces what.
#[utoipa::path(
    get, path = "/rooms/{room}/broadcasters/{broadcaster}/peerProducersInfos",
    tag = "broadcasters", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("broadcaster" = PeerId, Path, description = "The broadcaster.")
    ),
    responses((status = 200, body = Object), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn producers(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<OnBroadcaster>,
) -> Result<Json<Value>, Problem> {
    app.node.objects(&room, &peer).await?;
    let others = app.node.peers(&room).await?.into_iter().filter(|other| other.id != peer);
    let infos = others.map(|PeerInfo { id, producers, .. }| {
        let producers = producers.iter().map(|producer| {
            let codecs = producer.codecs.iter().map(|codec| {
                let mut codec = json!(codec);
                codec.as_object_mut().map(|fields| fields.remove("rtcpFeedback"));
                codec
            });
            json!({
                "producerId": producer.id,
                "kind": producer.kind,
                "source": producer.source,
                "consumableCodecs": codecs.collect::<Vec<_>>(),
            })
        });
        json!({ "peerId": id, "producers": producers.collect::<Vec<_>>() })
    });
    Ok(Json(json!({ "peerProducersInfos": infos.collect::<Vec<_>>() })))
}

/// mediasoup-demo: starts a consumer on the transport that the body names.
#[utoipa::path(
    post, path = "/rooms/{room}/broadcasters/{broadcaster}/consumers", tag = "broadcasters",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("broadcaster" = PeerId, Path, description = "The broadcaster.")
    ),
    request_body = Object,
    responses((status = 201, body = Object), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn consume(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<OnBroadcaster>,
    Body(Consume { transport_id, producer_id, paused, rtp_capabilities }): Body<Consume>,
) -> Result<Response, Problem> {
    let consumer = CreateConsumer {
        producer_id,
        rtp_capabilities,
        paused,
        ignore_dtx: false,
        preferred_layers: None,
        enable_rtx: None,
        mid: None,
    };
    let made = app.node.plain_consume(&room, &peer, &transport_id, consumer).await?.consumer_id;
    let path = format!("/rooms/{room}/broadcasters/{peer}/consumers/{made}");
    Ok(created(&path, Json(json!({ "consumerId": made }))))
}

/// mediasoup-demo: resumes a consumer that was made paused.
#[utoipa::path(
    post, path = "/rooms/{room}/broadcasters/{broadcaster}/consumers/{consumer}/resume",
    tag = "broadcasters", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("broadcaster" = PeerId, Path, description = "The broadcaster."),
        ("consumer" = ConsumerId, Path, description = "The consumer.")
    ),
    responses((status = 200), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn resume(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, consumer)): Path<(RoomId, PeerId, ConsumerId)>,
) -> Result<&'static str, Problem> {
    app.node.resume_consumer(&room, &peer, &consumer).await?;
    Ok("consumer resumed")
}
