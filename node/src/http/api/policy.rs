//! `/v1/rooms/{room}/policy`. With `If-Match` a change is one with the comparison: of two callers
//! that have seen the same policy one is refused.

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header::IF_MATCH},
};
use starling_proto::{
    Code, RoomId,
    registry::RoomPolicy,
    rest::{PolicyChange, Problem as ProblemBody, RoomInfo},
};

use crate::http::{
    App, Problem,
    guard::Operator,
    manners::etag_of,
    problem::{Body, Path},
};

/// Where a room's peers may be, and how many.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/policy", tag = "rooms", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    responses((status = 200, body = RoomPolicy), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn one(
    _: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
) -> Result<Json<RoomPolicy>, Problem> {
    Ok(Json(app.node.room(&room).await?.policy))
}

/// Says where a room's peers may be: on which nodes, in which regions, how many.
#[utoipa::path(
    put, path = "/v1/rooms/{room}/policy", tag = "rooms", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("If-Match" = Option<String>, Header, description = "The ETag of the policy it is based on.")
    ),
    request_body = RoomPolicy,
    responses((status = 200, body = RoomInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn set(
    _: Operator,
    State(app): State<App>,
    headers: HeaderMap,
    Path(room): Path<RoomId>,
    Body(policy): Body<RoomPolicy>,
) -> Result<Json<RoomInfo>, Problem> {
    change(&app, &headers, &room, policy.into()).await
}

/// Changes what is given of a room's policy, and leaves the rest: `{"pinnedNodes": []}` unpins it.
#[utoipa::path(
    patch, path = "/v1/rooms/{room}/policy", tag = "rooms", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("If-Match" = Option<String>, Header, description = "The ETag of the policy it is based on.")
    ),
    request_body = PolicyChange,
    responses((status = 200, body = RoomInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn change_some(
    _: Operator,
    State(app): State<App>,
    headers: HeaderMap,
    Path(room): Path<RoomId>,
    Body(wish): Body<PolicyChange>,
) -> Result<Json<RoomInfo>, Problem> {
    change(&app, &headers, &room, wish).await
}

async fn change(
    app: &App,
    headers: &HeaderMap,
    room: &RoomId,
    wish: PolicyChange,
) -> Result<Json<RoomInfo>, Problem> {
    let Some(seen) = headers.get(IF_MATCH) else {
        return Ok(Json(app.node.set_room_policy(room, wish).await?));
    };
    let now = app.node.room(room).await?.policy;
    let body = serde_json::to_vec(&now).expect("a policy is plain data");
    if seen != "*" && seen != etag_of(&body) {
        return Err(Problem::new(Code::PreconditionFailed, "the policy has changed since")
            .hint("GET it again, and decide again"));
    }
    Ok(Json(app.node.change_room_policy(room, wish, now).await?))
}
