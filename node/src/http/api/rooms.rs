//! `/v1/rooms`.

use axum::{
    Json,
    extract::{OriginalUri, State},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use starling_proto::{
    RoomId, RtpCapabilities,
    rest::{ClientAt, CreateRoom, Placement, PlacementExplained, Problem as ProblemBody, RoomInfo},
};

use crate::{
    auth::{Reason, Scope},
    http::{
        App, Problem,
        guard::{self, Operator},
        page::Page,
        problem::{Body, Path, Query},
    },
};

/// All rooms.
#[utoipa::path(
    get, path = "/v1/rooms", tag = "rooms", security(("admin" = [])),
    params(Page),
    responses((status = 200, body = Vec<RoomInfo>), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn list(
    _: Operator,
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let rooms = page.cut(app.node.rooms().await, |room| room.id.to_string())?;
    Ok(rooms.answer(&uri))
}

/// Makes a room that stays when it is empty. (Joining makes one that does not.)
#[utoipa::path(
    post, path = "/v1/rooms", tag = "rooms", security(("admin" = [])),
    request_body = CreateRoom,
    responses((status = 201, body = RoomInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn create(
    operator: Operator,
    State(app): State<App>,
    Body(room): Body<CreateRoom>,
) -> Result<(StatusCode, Json<RoomInfo>), Problem> {
    operator.check_room(&room.id)?;
    Ok((StatusCode::CREATED, Json(app.node.create_room(room).await?)))
}

/// One room.
#[utoipa::path(
    get, path = "/v1/rooms/{room}", tag = "rooms", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    responses((status = 200, body = RoomInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn one(
    _: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
) -> Result<Json<RoomInfo>, Problem> {
    Ok(Json(app.node.room(&room).await?))
}

/// The RTP capabilities of a room's routers, which are the same on all nodes: what
/// mediasoup-client's `Device.load` wants. The room need not exist.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/rtp-capabilities", tag = "rooms", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    responses((status = 200, body = RtpCapabilities), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn rtp_capabilities(
    _: Operator,
    State(app): State<App>,
    Path(_): Path<RoomId>,
) -> Json<RtpCapabilities> {
    Json(app.node.rtp_capabilities().clone())
}

/// Deletes a room: its peers are sent away on every node.
#[utoipa::path(
    delete, path = "/v1/rooms/{room}", tag = "rooms", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn delete(
    _: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
) -> Result<StatusCode, Problem> {
    app.node.delete_room(&room).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Where a join would go now, and why: every node with its points, or with the reason why it is
/// left out. Nothing is counted or changed by asking.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/explain", tag = "rooms", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room; it need not exist."),
        ("region" = Option<String>, Query, description = "Where the client is."),
        ("zone" = Option<String>, Query, description = "In which zone of that region.")
    ),
    responses((status = 200, body = PlacementExplained), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn explain(
    _: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
    Query(client): Query<ClientAt>,
) -> Result<Json<PlacementExplained>, Problem> {
    Ok(Json(app.node.explain(&room, client).await?))
}

/// Where to join a room; the peer is counted there until it comes. For clients: a token for the
/// room is enough, and `starling dev` wants none.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/placement", tag = "rooms",
    security(("room" = []), ("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("region" = Option<String>, Query, description = "Where the client is."),
        ("zone" = Option<String>, Query, description = "In which zone of that region.")
    ),
    responses((status = 200, body = Placement), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn placement(
    State(app): State<App>,
    headers: HeaderMap,
    Path(room): Path<RoomId>,
    Query(client): Query<ClientAt>,
) -> Result<Json<Placement>, Problem> {
    may_place(&app, &headers, &room)?;
    Ok(Json(app.node.place(&room, client).await?))
}

fn may_place(app: &App, headers: &HeaderMap, room: &RoomId) -> Result<(), Problem> {
    if app.dev.is_some() {
        return super::super::dev::check_origin(app, headers);
    }
    let Some(token) = guard::token(headers) else {
        return Err(Problem(app.tokens.refuse(Reason::Missing))
            .hint("send it as `Authorization: Bearer <token>`"));
    };
    if app.admin.check(Some(token)).is_ok_and(|who| who.check(Scope::Read, Some(room)).is_ok()) {
        return Ok(());
    }
    if app.tokens.verify(token)?.room != *room {
        return Err(Problem(app.tokens.refuse(Reason::OtherRoom))
            .hint("ask for the placement of the token's room"));
    }
    Ok(())
}
