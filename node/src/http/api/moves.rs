//! `/v1/rooms/{room}/move`: each node of the room moves its own clients.

use axum::{
    Json,
    body::to_bytes,
    extract::State,
    http::{Method, StatusCode},
};
use starling_proto::{
    Code, NodeId, Refusal, RoomId,
    rest::{MoveRoom, NodeMoving, Problem as ProblemBody, RoomMoving},
};

use crate::http::{
    App, MAX_BODY, Problem, forward,
    guard::Operator,
    problem::{Body, Path},
};

/// Moves a room's clients to a node, in batches and make before break: they hear and show no gap.
/// It goes on after the answer; `GET /v1/rooms/{room}/peers` says who is where. Nobody is cut, and
/// programs' peers stay.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/move", tag = "rooms", security(("admin" = [])),
    params(("room" = RoomId, Path, description = "The room.")),
    request_body = MoveRoom,
    responses((status = 202, body = RoomMoving), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn move_room(
    operator: Operator,
    State(app): State<App>,
    Path(room): Path<RoomId>,
    Body(wish): Body<MoveRoom>,
) -> Result<(StatusCode, Json<RoomMoving>), Problem> {
    if operator.forwarded {
        let moving = app.node.move_room(&room, &wish.to).await?;
        return Ok((StatusCode::ACCEPTED, Json(moving)));
    }
    let on = app.node.room(&room).await?.nodes;
    if let Some(from) = wish.from.as_ref().filter(|from| !on.contains(from)) {
        let text = format!("room '{room}' has no peers on node '{from}'");
        return Err(Problem::new(Code::NodeNotFound, text)
            .hint("`starling rooms get` shows the nodes that it is on"));
    }
    let leaving = |node: &NodeId| wish.from.as_ref().map_or(*node != wish.to, |from| node == from);
    let mut nodes = Vec::new();
    for node in on.iter().filter(|node| leaving(node)) {
        nodes.extend(begin(&app, &room, node, &wish.to).await?);
    }
    let MoveRoom { to, .. } = wish;
    Ok((StatusCode::ACCEPTED, Json(RoomMoving { room, to, nodes })))
}

async fn begin(
    app: &App,
    room: &RoomId,
    node: &NodeId,
    to: &NodeId,
) -> Result<Vec<NodeMoving>, Problem> {
    if node == app.node.id() {
        return Ok(app.node.move_room(room, to).await?.nodes);
    }
    let known = app.node.nodes().await.into_iter().find(|info| info.id == *node);
    // It has died a moment ago, and its clients are on their way already.
    let Some(info) = known else { return Ok(Vec::new()) };
    let wish = MoveRoom { to: to.clone(), from: Some(node.clone()) };
    let body = serde_json::to_vec(&wish).expect("ids are JSON").into();
    let path = format!("/v1/rooms/{room}/move");
    let answer = forward::hand_on(app, &info, Method::POST, &path, body, forward::WITHIN).await?;
    let status = answer.status();
    let strange = || Problem::new(Code::NodeUnreachable, format!("node {node} answered strangely"));
    let body = to_bytes(answer.into_body(), MAX_BODY).await.map_err(|_| strange())?;
    if status.is_success() {
        let moving: RoomMoving = serde_json::from_slice(&body).map_err(|_| strange())?;
        return Ok(moving.nodes);
    }
    let problem: ProblemBody = serde_json::from_slice(&body).map_err(|_| strange())?;
    Err(Problem::from(Refusal::from(problem)))
}
