//! `starling dev` only: shows the process' nodes and kills one, so that the page can show what
//! happens then. Never does: exist on a node that was started otherwise.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header::ORIGIN},
};
use serde::{Deserialize, Serialize};
use starling_proto::{Code, NodeId, Refusal};
use utoipa::ToSchema;

use super::{App, Problem, problem::Path};

/// A node of this process.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevNode {
    /// Its id.
    pub id: NodeId,
    /// Its page.
    pub url: String,
    /// Not killed.
    pub alive: bool,
}

/// The nodes of a `starling dev` process.
pub trait DevNodes: Send + Sync {
    /// All of them.
    fn nodes(&self) -> Vec<DevNode>;
    /// Ends one without goodbyes.
    ///
    /// # Errors
    /// `node_not_found`, `wrong_state` if it is dead already.
    fn kill(&self, node: &NodeId) -> Result<(), Refusal>;
    /// Starts one again that was killed.
    ///
    /// # Errors
    /// `node_not_found`, `wrong_state` if it lives.
    fn start(&self, node: &NodeId) -> Result<(), Refusal>;
    /// Hosts under which pages of this process are opened.
    fn hosts(&self) -> Vec<String>;
}

/// The nodes of this `starling dev`.
#[utoipa::path(
    get, path = "/dev/nodes", tag = "dev",
    responses((status = 200, body = Vec<DevNode>), (status = "4XX", body = starling_proto::rest::Problem))
)]
pub async fn list(State(app): State<App>) -> Result<Json<Vec<DevNode>>, Problem> {
    Ok(Json(dev(&app)?.nodes()))
}

/// Kills a node of this `starling dev`: its sockets close, nobody is told.
#[utoipa::path(
    post, path = "/dev/nodes/{id}/kill", tag = "dev",
    params(("id" = NodeId, Path, description = "The node.")),
    responses((status = 202), (status = "4XX", body = starling_proto::rest::Problem))
)]
pub async fn kill(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<NodeId>,
) -> Result<StatusCode, Problem> {
    check_origin(&app, &headers)?;
    dev(&app)?.kill(&id)?;
    Ok(StatusCode::ACCEPTED)
}

/// Starts a node again that was killed.
#[utoipa::path(
    post, path = "/dev/nodes/{id}/start", tag = "dev",
    params(("id" = NodeId, Path, description = "The node.")),
    responses((status = 202), (status = "4XX", body = starling_proto::rest::Problem))
)]
pub async fn start(
    State(app): State<App>,
    headers: HeaderMap,
    Path(id): Path<NodeId>,
) -> Result<StatusCode, Problem> {
    check_origin(&app, &headers)?;
    dev(&app)?.start(&id)?;
    Ok(StatusCode::ACCEPTED)
}

/// In dev there are no tokens, so a page of somebody else must not be able to use the open doors of
/// a developer's machine.
///
/// # Errors
/// `forbidden` if a browser says that another site's page asks.
pub fn check_origin(app: &App, headers: &HeaderMap) -> Result<(), Problem> {
    let (Some(dev), Some(origin)) = (&app.dev, headers.get(ORIGIN)) else { return Ok(()) };
    if is_own(dev, origin.to_str().unwrap_or_default()) {
        return Ok(());
    }
    Err(Problem::new(Code::Forbidden, "a page of another site may not use this dev cluster")
        .hint("open the page from one of the links that `starling dev` printed"))
}

/// Whether an origin is a page of this process, on any of its ports.
pub fn is_own(dev: &Arc<dyn DevNodes>, origin: &str) -> bool {
    let host = origin.strip_prefix("http://").or(origin.strip_prefix("https://")).unwrap_or("");
    let host = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    };
    dev.hosts().iter().any(|own| own == host.trim_matches(['[', ']']))
}

fn dev(app: &App) -> Result<&Arc<dyn DevNodes>, Problem> {
    app.dev.as_ref().ok_or_else(|| {
        Problem::new(Code::MethodNotFound, "this is no `starling dev`")
            .hint("nodes are killed from outside otherwise")
    })
}
