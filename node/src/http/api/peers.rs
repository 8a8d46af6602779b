//! `/v1/rooms/{room}/peers`.

use axum::{
    Json,
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use serde::Deserialize;
use starling_proto::{
    PeerId, Refusal, RoomId,
    mute::Muted,
    rest::{CreatePeer, MovePeer, PeerInfo, PeerMoved, Problem as ProblemBody},
    span::names,
};

use crate::{
    http::{
        App, Problem,
        guard::Operator,
        page::Page,
        problem::{Body, Path, Query},
    },
    traces::came_with,
};

/// Peers of a room, on all nodes.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/peers", tag = "peers", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room."), Page),
    responses((status = 200, body = Vec<PeerInfo>), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn list(
    _: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let peers = page.cut(app.node.peers(&room).await?, |peer| peer.id.to_string())?;
    Ok(peers.answer(&uri))
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
    headers: HeaderMap,
    Body(peer): Body<CreatePeer>,
) -> Result<(StatusCode, Json<PeerInfo>), Problem> {
    Ok((StatusCode::CREATED, Json(make(&app, &room, peer, &headers).await?)))
}

/// A program's peer joins, which may be traced as a client's join is.
pub(super) async fn make(
    app: &App,
    room: &RoomId,
    peer: CreatePeer,
    headers: &HeaderMap,
) -> Result<PeerInfo, Refusal> {
    let join = app.traces.begin((room, &peer.id), "rest", came_with(headers));
    let making = app.node.create_traced_peer(room, peer, join.context());
    let made = join.part(names::OPEN, making).await;
    join.end(&made);
    made
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

/// What is silenced of a peer.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/peers/{peer}/mute", tag = "peers", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "The peer.")
    ),
    responses((status = 200, body = Muted), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn muted(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<(RoomId, PeerId)>,
) -> Result<Json<Muted>, Problem> {
    Ok(Json(app.node.muted(&room, &peer).await?))
}

/// Silences a peer, or takes that back: what it sends of these kinds is paused, for what it
/// produces later, too, and on whichever node it goes on. Its client is told and cannot resume it.
#[utoipa::path(
    put, path = "/v1/rooms/{room}/peers/{peer}/mute", tag = "peers", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "The peer.")
    ),
    request_body = Muted,
    responses((status = 200, body = Muted), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn mute(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<(RoomId, PeerId)>,
    Body(muted): Body<Muted>,
) -> Result<Json<Muted>, Problem> {
    Ok(Json(app.node.mute_peer(&room, &peer, muted).await?))
}

/// Why a peer is sent away.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct Why {
    /// What its client reads, of at most 123 bytes.
    reason: Option<String>,
}

/// Sends a peer away, whichever node it is on. Its client is told why, and does not come back by
/// itself.
#[utoipa::path(
    delete, path = "/v1/rooms/{room}/peers/{peer}", tag = "peers", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "The peer."),
        Why
    ),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn remove(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<(RoomId, PeerId)>,
    Query(Why { reason }): Query<Why>,
) -> Result<StatusCode, Problem> {
    match reason {
        Some(reason) => app.node.kick_peer(&room, &peer, reason).await?,
        None => app.node.remove_peer(&room, &peer).await?,
    }
    Ok(StatusCode::NO_CONTENT)
}
