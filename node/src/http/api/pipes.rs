//! `/v1/links` and `/v1/pipes`: each node tells of its own, any node gathers them.

use axum::{
    Json,
    extract::{OriginalUri, State},
    http::{Method, Uri},
    response::{IntoResponse, Response},
};
use serde::de::DeserializeOwned;
use starling_proto::{
    NodeId,
    rest::{LinkInfo, Links, PipeInfo, Pipes, Problem as ProblemBody},
};

use crate::http::{
    App, Problem,
    api::nodes::look_at,
    gather::gather,
    guard::Operator,
    page::{self, Page, linked},
    problem::{Path, Query},
};

/// All links, from both ends.
#[utoipa::path(
    get, path = "/v1/links", tag = "links", security(("admin" = [])),
    params(Page),
    responses((status = 200, body = Links), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn links(
    _: Operator,
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let (links, missing) = of_all(&app, "links", app.node.links().await).await;
    let cut = page.cut(links, of_link)?;
    let link = cut.link(&uri);
    Ok(linked(Json(Links { links: cut.items, missing }).into_response(), link))
}

/// What is pulled from node to node, each from the node that it comes to.
#[utoipa::path(
    get, path = "/v1/pipes", tag = "links", security(("admin" = [])),
    params(Page),
    responses((status = 200, body = Pipes), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn pipes(
    _: Operator,
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let (pipes, missing) = of_all(&app, "pipes", app.node.pipes().await).await;
    let cut = page.cut(pipes, of_pipe)?;
    let link = cut.link(&uri);
    Ok(linked(Json(Pipes { pipes: cut.items, missing }).into_response(), link))
}

/// In lists, by what it is.
fn of_link(link: &LinkInfo) -> String {
    format!("{} {}", link.from, link.to)
}

fn of_pipe(pipe: &PipeInfo) -> String {
    format!("{} {} {}", pipe.to, pipe.room, pipe.producer)
}

/// A node's links.
#[utoipa::path(
    get, path = "/v1/nodes/{id}/links", tag = "links", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node."), Page),
    responses((status = 200, body = Vec<LinkInfo>), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn links_of(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        return look_at(&app, operator, &id, asked(&uri)).await;
    }
    Ok(page.cut(app.node.links().await, of_link)?.answer(&uri))
}

/// What a node pulls from others.
#[utoipa::path(
    get, path = "/v1/nodes/{id}/pipes", tag = "links", security(("admin" = [])),
    params(("id" = NodeId, Path, description = "The node."), Page),
    responses((status = 200, body = Vec<PipeInfo>), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn pipes_of(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        return look_at(&app, operator, &id, asked(&uri)).await;
    }
    Ok(page.cut(app.node.pipes().await, of_pipe)?.answer(&uri))
}

pub(super) fn asked(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(String::new, ToString::to_string)
}

/// What this node tells and what all others do, by node; and who did not answer.
pub(super) async fn of_all<T: DeserializeOwned>(
    app: &App,
    what: &str,
    own: Vec<T>,
) -> (Vec<T>, Vec<NodeId>) {
    let path = |id: &NodeId| format!("/v1/nodes/{id}/{what}?limit={}", page::MAX);
    let (told, missing) = gather::<Vec<T>>(app, &Method::GET, path).await;
    (own.into_iter().chain(told.into_iter().flatten()).collect(), missing)
}
