//! `/v1/rooms/{room}/peers/{peer}/transports`: WebRTC and plain RTP for programs.

use axum::{Json, extract::State, http::StatusCode};
use starling_proto::{
    ConsumerId, PeerId, RoomId, TransportId,
    rest::{
        ConnectTransport, ConsumerCreated, CreateConsumer, CreateProducer, CreateTransport,
        IceRestarted, IceServerInfo, Problem as ProblemBody, ProducerCreated, TransportBitrates,
        TransportConnected, TransportCreated, WebRtcTransportMade,
    },
};

use crate::{
    http::{
        App, Problem,
        guard::Operator,
        problem::{Body, Path},
    },
    ice::since_1970,
};

type OnPeer = (RoomId, PeerId);
type OnTransport = (RoomId, PeerId, TransportId);

/// Gives a peer a transport: WebRTC for an application that does its own signalling, plain RTP for
/// ffmpeg and the like.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/transports", tag = "transports",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "A peer made with POST.")
    ),
    request_body = CreateTransport,
    responses((status = 201, body = TransportCreated), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn create(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<OnPeer>,
    Body(options): Body<CreateTransport>,
) -> Result<(StatusCode, Json<TransportCreated>), Problem> {
    let made = match options {
        CreateTransport::Plain(options) => {
            TransportCreated::Plain(app.node.create_plain_transport(&room, &peer, options).await?)
        }
        CreateTransport::Webrtc(options) => {
            let transport = app.node.create_webrtc_transport(&room, &peer, options).await?;
            let servers = app.ice.of(&peer, since_1970()).into_iter();
            let ice_servers = servers.map(IceServerInfo::from).collect();
            TransportCreated::Webrtc(Box::new(WebRtcTransportMade { transport, ice_servers }))
        }
    };
    Ok((StatusCode::CREATED, Json(made)))
}

/// Connects a transport, once: of a WebRTC one the client's DTLS parameters, of a plain one where
/// to send and the other side's SRTP key.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/transports/{transport}/connect", tag = "transports",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("transport" = TransportId, Path, description = "The transport.")
    ),
    request_body = ConnectTransport,
    responses((status = 200, body = TransportConnected), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn connect(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<OnTransport>,
    Body(ConnectTransport { dtls_parameters, plain }): Body<ConnectTransport>,
) -> Result<Json<TransportConnected>, Problem> {
    let (node, of) = (&app.node, (&room, &peer, &transport));
    Ok(Json(match dtls_parameters {
        Some(dtls) => {
            let connected = node.connect_webrtc_transport(of.0, of.1, of.2, dtls).await?;
            TransportConnected::Webrtc(connected)
        }
        None => {
            let connected = node.connect_plain_transport(of.0, of.1, of.2, plain).await?;
            TransportConnected::Plain(connected)
        }
    }))
}

/// Gives a WebRTC transport new ICE credentials: for a client that has another network, or to mend
/// what is disconnected.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/transports/{transport}/restart-ice",
    tag = "transports", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("transport" = TransportId, Path, description = "The transport.")
    ),
    responses((status = 200, body = IceRestarted), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn restart_ice(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<OnTransport>,
) -> Result<Json<IceRestarted>, Problem> {
    Ok(Json(app.node.restart_ice(&room, &peer, &transport).await?))
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

/// Starts a consumer: a producer of the room, on any node, is sent on the transport.
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
