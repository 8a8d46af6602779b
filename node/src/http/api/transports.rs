//! `/v1/rooms/{room}/peers/{peer}/transports`: plain RTP for programs.

use axum::{Json, extract::State, http::StatusCode};
use starling_proto::{
    ConsumerId, PeerId, RoomId, TransportId,
    rest::{
        ConnectPlainTransport, ConsumerCreated, CreateConsumer, CreatePlainTransport,
        CreateProducer, PlainTransportInfo, Problem as ProblemBody, ProducerCreated,
        TransportBitrates,
    },
};

use crate::http::{
    App, Problem,
    guard::Operator,
    problem::{Body, Path},
};

type OnPeer = (RoomId, PeerId);
type OnTransport = (RoomId, PeerId, TransportId);

/// Gives a peer a plain RTP transport.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/transports", tag = "transports",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "A peer made with POST.")
    ),
    request_body = CreatePlainTransport,
    responses((status = 201, body = PlainTransportInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn create(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<OnPeer>,
    Body(options): Body<CreatePlainTransport>,
) -> Result<(StatusCode, Json<PlainTransportInfo>), Problem> {
    let made = app.node.create_plain_transport(&room, &peer, options).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Tells a transport where to send, and the other side's SRTP key.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/transports/{transport}/connect", tag = "transports",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("transport" = TransportId, Path, description = "The transport.")
    ),
    request_body = ConnectPlainTransport,
    responses((status = 200, body = PlainTransportInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn connect(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<OnTransport>,
    Body(options): Body<ConnectPlainTransport>,
) -> Result<Json<PlainTransportInfo>, Problem> {
    Ok(Json(app.node.connect_plain_transport(&room, &peer, &transport, options).await?))
}

/// Limits what a transport sends and receives.
#[utoipa::path(
    put, path = "/v1/rooms/{room}/peers/{peer}/transports/{transport}/bitrates",
    tag = "transports", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("transport" = TransportId, Path, description = "The transport.")
    ),
    request_body = TransportBitrates,
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn bitrates(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<OnTransport>,
    Body(limits): Body<TransportBitrates>,
) -> Result<StatusCode, Problem> {
    app.node.set_bitrates(&room, &peer, &transport, limits).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Ends a transport, with what it produces and consumes.
#[utoipa::path(
    delete, path = "/v1/rooms/{room}/peers/{peer}/transports/{transport}", tag = "transports",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("transport" = TransportId, Path, description = "The transport.")
    ),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn remove(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<OnTransport>,
) -> Result<StatusCode, Problem> {
    app.node.remove_transport(&room, &peer, &transport).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Starts a producer: what is sent to the transport with these parameters goes into the room.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/transports/{transport}/producers",
    tag = "transports", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("transport" = TransportId, Path, description = "The transport.")
    ),
    request_body = CreateProducer,
    responses((status = 201, body = ProducerCreated), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn produce(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<OnTransport>,
    Body(producer): Body<CreateProducer>,
) -> Result<(StatusCode, Json<ProducerCreated>), Problem> {
    let made = app.node.plain_produce(&room, &peer, &transport, producer).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Starts a consumer: a producer of the room, on any node, is sent to the transport's address.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/transports/{transport}/consumers",
    tag = "transports", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("transport" = TransportId, Path, description = "The transport.")
    ),
    request_body = CreateConsumer,
    responses((status = 201, body = ConsumerCreated), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn consume(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<OnTransport>,
    Body(consumer): Body<CreateConsumer>,
) -> Result<(StatusCode, Json<ConsumerCreated>), Problem> {
    let made = app.node.plain_consume(&room, &peer, &transport, consumer).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Resumes a consumer that was made paused, once its receiver listens.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}/resume", tag = "transports",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("consumer" = ConsumerId, Path, description = "The consumer.")
    ),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn resume(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, consumer)): Path<(RoomId, PeerId, ConsumerId)>,
) -> Result<StatusCode, Problem> {
    app.node.resume_consumer(&room, &peer, &consumer).await?;
    Ok(StatusCode::NO_CONTENT)
}
