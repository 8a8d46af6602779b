//! `/v1/recordings`: each node has its own, any node gathers them and hands on what is another's.

use axum::{
    Json,
    body::Bytes,
    extract::{OriginalUri, State},
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use starling_proto::{
    NodeId, RecordingId,
    rest::{CreateRecording, NodeInfo, Problem as ProblemBody, RecordingInfo, Recordings},
};

use super::{
    nodes::{hand_on, look_at},
    pipes::{asked, of_all},
};
use crate::{
    http::{
        App, Problem, forward,
        guard::Operator,
        page::{Page, linked},
        problem::{Body, Path, Query},
    },
    recording::not_found,
};

/// All recordings, under way and over, of all nodes.
#[utoipa::path(
    get, path = "/v1/recordings", tag = "recordings", security(("admin" = [])),
    params(Page),
    responses((status = 200, body = Recordings), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn list(
    operator: Operator,
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let (mut recordings, missing) = of_all(&app, "recordings", app.recordings.list()).await;
    // A token for some rooms sees theirs.
    recordings.retain(|it: &RecordingInfo| operator.who.check_room(Some(&it.wish.room)).is_ok());
    let cut = page.cut(recordings, |it| it.id.to_string())?;
    let link = cut.link(&uri);
    let all = Recordings { recordings: cut.items, missing };
    Ok(linked(Json(all).into_response(), link))
}

/// A node's recordings.
#[utoipa::path(
    get, path = "/v1/nodes/{id}/recordings", tag = "recordings", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node."), Page),
    responses((status = 200, body = Vec<RecordingInfo>), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn of_node(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        return look_at(&app, operator, &id, asked(&uri)).await;
    }
    Ok(page.cut(app.recordings.list(), |it| it.id.to_string())?.answer(&uri))
}

/// Records a room, or some of it, into files on a node: each track as it is sent, in a file of its
/// own, also those that begin later. It ends by itself when nobody is in the room any more. The
/// others are told that a peer records.
#[utoipa::path(
    post, path = "/v1/recordings", tag = "recordings", security(("admin" = [])),
    request_body = CreateRecording,
    responses((status = 201, body = RecordingInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn create(
    operator: Operator,
    State(app): State<App>,
    Body(wish): Body<CreateRecording>,
) -> Result<Response, Problem> {
    operator.check_room(&wish.room)?;
    if let Some(id) = wish.node.clone().filter(|id| id != app.node.id()) {
        let body = serde_json::to_vec(&wish).unwrap_or_default();
        let path = "/v1/recordings".to_owned();
        return hand_on(&app, operator, &id, path, body, forward::WITHIN).await;
    }
    let made = app.recordings.start(wish).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// One recording.
#[utoipa::path(
    get, path = "/v1/recordings/{recording}", tag = "recordings", security(("admin" = [])),
    params(("recording" = RecordingId, Path, description = "Its id.")),
    responses((status = 200, body = RecordingInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn one(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<RecordingId>,
) -> Result<Json<RecordingInfo>, Problem> {
    find(&app, &operator, &id).await.map(|(info, _)| Json(info))
}

/// Ends a recording, and answers when its files are whole.
#[utoipa::path(
    post, path = "/v1/recordings/{recording}/stop", tag = "recordings", security(("admin" = [])),
    params(("recording" = RecordingId, Path, description = "Its id.")),
    responses((status = 200, body = RecordingInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn stop(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<RecordingId>,
) -> Result<Response, Problem> {
    if let (_, Some(node)) = find(&app, &operator, &id).await? {
        let path = format!("/v1/recordings/{id}/stop");
        return pass_on(&app, &node, Method::POST, path).await;
    }
    Ok(Json(app.recordings.stop(&id).await?).into_response())
}

/// Deletes a recording that is over, with its files.
#[utoipa::path(
    delete, path = "/v1/recordings/{recording}", tag = "recordings", security(("admin" = [])),
    params(("recording" = RecordingId, Path, description = "Its id.")),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn remove(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<RecordingId>,
) -> Result<Response, Problem> {
    if let (_, Some(node)) = find(&app, &operator, &id).await? {
        return pass_on(&app, &node, Method::DELETE, format!("/v1/recordings/{id}")).await;
    }
    app.recordings.delete(&id).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// A recording, and its node if that is another.
async fn find(
    app: &App,
    operator: &Operator,
    id: &RecordingId,
) -> Result<(RecordingInfo, Option<NodeInfo>), Problem> {
    let (info, node) = match app.recordings.find(id) {
        Some(info) => (info, None),
        // Whoever handed it on had found it here.
        None if operator.forwarded => return Err(not_found(id).into()),
        None => {
            let (all, _) = of_all::<RecordingInfo>(app, "recordings", Vec::new()).await;
            let info = all.into_iter().find(|info| info.id == *id).ok_or_else(|| not_found(id))?;
            let nodes = app.node.nodes().await;
            let node = nodes.into_iter().find(|node| node.id == info.node && !node.here);
            (info, Some(node.ok_or_else(|| not_found(id))?))
        }
    };
    operator.check_room(&info.wish.room)?;
    Ok((info, node))
}

/// Programs may take ten seconds to write the ends of their files.
async fn pass_on(
    app: &App,
    node: &NodeInfo,
    method: Method,
    path: String,
) -> Result<Response, Problem> {
    let within = forward::WITHIN + std::time::Duration::from_secs(6);
    forward::hand_on(app, node, method, &path, Bytes::new(), within).await
}
