//! `/v1/rooms/{room}/peers`.

use axum::{Json, extract::State, http::StatusCode};
use starling_proto::{
    PeerId, RoomId,
    rest::{CreatePeer, MovePeer, PeerInfo, PeerMoved, Problem as ProblemBody},
};

use crate::http::{
    App, Problem,
    guard::Operator,
    problem::{Body, Path},
};

/// Peers of a room, on all nodes.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/peers", tag = "peers", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    responses((status = 200, body = Vec<PeerInfo>), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn list(
    _: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
) -> Result<Json<Vec<PeerInfo>>, Problem> {
    Ok(Json(app.node.peers(&room).await?))
}

/// Makes a peer without signalling on the node that is asked, for programs such as ffmpeg.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers", tag = "peers", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    request_body = CreatePeer,
    responses((status = 201, body = PeerInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn create(
    _: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
    Body(peer): Body<CreatePeer>,
) -> Result<(StatusCode, Json<PeerInfo>), Problem> {
    Ok((StatusCode::CREATED, Json(app.node.create_peer(&room, peer).await?)))
}

/// Moves a client to another node, make before break, and answers when it is there.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/move", tag = "peers", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "The peer.")
    ),
    request_body = MovePeer,
    responses((status = 200, body = PeerMoved), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn move_away(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<(RoomId, PeerId)>,
    Body(wish): Body<MovePeer>,
) -> Result<Json<PeerMoved>, Problem> {
    Ok(Json(app.node.move_peer(&room, &peer, wish).await?))
}

/// Sends a peer away, whichever node it is on.
#[utoipa::path(
    delete, path = "/v1/rooms/{room}/peers/{peer}", tag = "peers", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "The peer.")
    ),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn remove(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<(RoomId, PeerId)>,
) -> Result<StatusCode, Problem> {
    app.node.remove_peer(&room, &peer).await?;
    Ok(StatusCode::NO_CONTENT)
}
