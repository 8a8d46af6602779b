//! `/v1/nodes`.

use std::time::Duration;

use axum::{
    Json,
    extract::{OriginalUri, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use starling_proto::{
    Code, NodeId, RoomId,
    rest::{DrainInfo, DrainNode, NodeInfo, Problem as ProblemBody, Reloaded, SetLog, WorkersInfo},
};

use crate::{
    http::{
        App, Problem, forward,
        guard::Operator,
        page::Page,
        problem::{Body, Path, Query},
    },
    logs,
};

/// Longest drain: Kubernetes' cluster autoscaler cuts at 10 minutes, other operators wait out a
/// call.
const MAX_DEADLINE: Duration = Duration::from_secs(24 * 3600);

/// All nodes, as this one knows them.
#[utoipa::path(
    get, path = "/v1/nodes", tag = "nodes", security(("admin" = [])),
    params(Page),
    responses((status = 200, body = Vec<NodeInfo>), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn list(
    _: Operator,
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let nodes = page.cut(app.node.nodes().await, |node| node.id.to_string())?;
    Ok(nodes.answer(&uri))
}

/// One node.
#[utoipa::path(
    get, path = "/v1/nodes/{id}", tag = "nodes", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node.")),
    responses((status = 200, body = NodeInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn one(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
) -> Result<Json<NodeInfo>, Problem> {
    find(&app, &id).await.map(Json)
}

/// Takes no new peers and moves the present ones to other nodes: the biggest rooms first, no faster
/// than the others take them in unless the deadline is near; in an emergency all at once. Who is
/// left at the deadline is cut. With `wait` the answer comes when it is over.
#[utoipa::path(
    post, path = "/v1/nodes/{id}/drain", tag = "nodes", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node.")),
    request_body = DrainNode,
    responses(
        (status = 200, body = NodeInfo, description = "Drained, with wait."),
        (status = 202, body = NodeInfo, description = "Draining."),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn drain(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
    Body(wish): Body<DrainNode>,
) -> Result<Response, Problem> {
    let deadline = wish.deadline_ms.map_or(app.drain_deadline, Duration::from_millis);
    if deadline > MAX_DEADLINE {
        return Err(Problem::new(Code::BadRequest, "the deadline is more than a day away")
            .hint("give at most 86400000 as deadlineMs"));
    }
    if id != *app.node.id() {
        let body = serde_json::to_vec(&wish).expect("a number and a flag are JSON");
        let path = format!("/v1/nodes/{id}/drain");
        let within = deadline + forward::WITHIN;
        return hand_on(&app, operator, &id, path, body, within).await;
    }
    app.node.start_drain(deadline, wish.emergency).await?;
    let status = if wish.wait {
        app.node.drained(deadline).await;
        StatusCode::OK
    } else {
        StatusCode::ACCEPTED
    };
    Ok((status, Json(find(&app, &id).await?)).into_response())
}

/// How far the node is with leaving.
#[utoipa::path(
    get, path = "/v1/nodes/{id}/drain", tag = "nodes", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node.")),
    responses((status = 200, body = DrainInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn drain_info(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        return look_at(&app, operator, &id, format!("/v1/nodes/{id}/drain")).await;
    }
    Ok(Json(app.node.drain_info()).into_response())
}

/// Takes no new peers; those that are there stay.
#[utoipa::path(
    post, path = "/v1/nodes/{id}/cordon", tag = "nodes", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node.")),
    responses((status = 200, body = NodeInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn cordon(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        let path = format!("/v1/nodes/{id}/cordon");
        return hand_on(&app, operator, &id, path, Vec::new(), forward::WITHIN).await;
    }
    app.node.cordon().await?;
    Ok(Json(find(&app, &id).await?).into_response())
}

/// Takes new peers again.
#[utoipa::path(
    post, path = "/v1/nodes/{id}/undrain", tag = "nodes", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node.")),
    responses((status = 200, body = NodeInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn undrain(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        let path = format!("/v1/nodes/{id}/undrain");
        return hand_on(&app, operator, &id, path, Vec::new(), forward::WITHIN).await;
    }
    app.node.undrain().await?;
    Ok(Json(find(&app, &id).await?).into_response())
}

/// Logs by another filter until the process ends.
#[utoipa::path(
    put, path = "/v1/nodes/{id}/log", tag = "nodes", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node.")),
    request_body = SetLog,
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn log(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
    Body(wish): Body<SetLog>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        let body = serde_json::to_vec(&wish).expect("a text is JSON");
        let asked = (Method::PUT, format!("/v1/nodes/{id}/log"));
        return hand_on_as(&app, operator, &id, asked, body, forward::WITHIN).await;
    }
    logs::set(&wish.filter)?;
    tracing::info!(filter = wish.filter, "what is logged was changed");
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The node's process and its workers: resources, threads, rooms (mediasoup's worker dump).
#[utoipa::path(
    get, path = "/v1/nodes/{id}/workers", tag = "nodes", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node.")),
    responses((status = 200, body = WorkersInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn workers(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        return look_at(&app, operator, &id, format!("/v1/nodes/{id}/workers")).await;
    }
    Ok(Json(app.node.workers().await?).into_response())
}

/// What the node's router of a room forwards to whom, in the fields of mediasoup's router dump.
#[utoipa::path(
    get, path = "/v1/nodes/{id}/routers/{room}", tag = "nodes", security(("admin" = [])),
    params(
        ("id" = NodeId, Path, description = "The node."),
        ("room" = RoomId, Path, description = "The room.")
    ),
    responses((status = 200, body = serde_json::Value), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn router(
    operator: Operator,
    State(app): State<App>,
    Path((id, room)): Path<(NodeId, RoomId)>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        return look_at(&app, operator, &id, format!("/v1/nodes/{id}/routers/{room}")).await;
    }
    Ok(Json(app.node.router_dump(&room).await?).into_response())
}

/// Reads a node's settings again: the keys of room tokens, the admin tokens and the certificate of
/// `listen` are taken over, all or none. Other settings need a restart. SIGHUP does the same, and
/// so does a change of one of their files within a minute.
#[utoipa::path(
    post, path = "/v1/nodes/{id}/reload", tag = "nodes", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node.")),
    responses((status = 200, body = Reloaded), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn reload(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        let path = format!("/v1/nodes/{id}/reload");
        return hand_on(&app, operator, &id, path, Vec::new(), forward::WITHIN).await;
    }
    let reloaded = tokio::task::spawn_blocking(move || crate::reload::now(&app)).await;
    let ended = || Problem::new(Code::Internal, "reading the settings failed");
    Ok(Json(reloaded.map_err(|_| ended())??).into_response())
}

pub(super) async fn look_at(
    app: &App,
    operator: Operator,
    id: &NodeId,
    path: String,
) -> Result<Response, Problem> {
    hand_on_as(app, operator, id, (Method::GET, path), Vec::new(), forward::WITHIN).await
}

/// What has no end, from another node.
pub(super) async fn pass_on(
    app: &App,
    operator: Operator,
    id: &NodeId,
    path: String,
) -> Result<Response, Problem> {
    let node = other(app, operator, id).await?;
    forward::stream_on(app, &node, &path, "text/event-stream").await
}

pub(super) async fn hand_on(
    app: &App,
    operator: Operator,
    id: &NodeId,
    path: String,
    body: Vec<u8>,
    within: Duration,
) -> Result<Response, Problem> {
    hand_on_as(app, operator, id, (Method::POST, path), body, within).await
}

async fn hand_on_as(
    app: &App,
    operator: Operator,
    id: &NodeId,
    (method, path): (Method, String),
    body: Vec<u8>,
    within: Duration,
) -> Result<Response, Problem> {
    let node = other(app, operator, id).await?;
    forward::hand_on(app, &node, method, &path, body.into(), within).await
}

async fn other(app: &App, operator: Operator, id: &NodeId) -> Result<NodeInfo, Problem> {
    let node = find(app, id).await?;
    if operator.forwarded {
        return Err(Problem::new(Code::WrongNode, format!("this node is not {id}"))
            .hint("the node's api_url leads to another node: correct it"));
    }
    Ok(node)
}

async fn find(app: &App, id: &NodeId) -> Result<NodeInfo, Problem> {
    let nodes = app.node.nodes().await;
    nodes.into_iter().find(|node| node.id == *id).ok_or_else(|| {
        Problem::new(Code::NodeNotFound, format!("there is no node '{id}'"))
            .hint("`starling nodes list` shows all nodes")
    })
}
