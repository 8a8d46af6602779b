//! `/v1/rooms`.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use starling_proto::{
    RoomId,
    registry::RoomPolicy,
    rest::{
        ClientAt, CreateRoom, Placement, PlacementExplained, PolicyChange, Problem as ProblemBody,
        RoomInfo,
    },
};

use crate::{
    auth::{Reason, Scope},
    http::{
        App, Problem,
        guard::{self, Operator},
        problem::{Body, Path, Query},
    },
};

/// All rooms.
#[utoipa::path(
    get, path = "/v1/rooms", tag = "rooms", security(("admin" = [])),
    responses((status = 200, body = Vec<RoomInfo>), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn list(_: Operator, State(app): State<App>) -> Json<Vec<RoomInfo>> {
    Json(app.node.rooms().await)
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

/// Says where a room's peers may be: on which nodes, in which regions, how many.
#[utoipa::path(
    put, path = "/v1/rooms/{room}/policy", tag = "rooms", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    request_body = RoomPolicy,
    responses((status = 200, body = RoomInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn set_policy(
    _: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
    Body(policy): Body<RoomPolicy>,
) -> Result<Json<RoomInfo>, Problem> {
    Ok(Json(app.node.set_room_policy(&room, policy).await?))
}

/// Changes what is given of a room's policy, and leaves the rest: `{"pinnedNodes": []}` unpins it.
#[utoipa::path(
    patch, path = "/v1/rooms/{room}/policy", tag = "rooms", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    request_body = PolicyChange,
    responses((status = 200, body = RoomInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn change_policy(
    _: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
    Body(change): Body<PolicyChange>,
) -> Result<Json<RoomInfo>, Problem> {
    Ok(Json(app.node.set_room_policy(&room, change).await?))
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
