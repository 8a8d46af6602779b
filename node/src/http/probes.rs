//! `/livez`, `/readyz`, `/metrics`. Never does: restart a node because its registry is away.

use axum::{
    Json,
    extract::{FromRequestParts, Request, State},
    http::{
        StatusCode,
        header::{ACCEPT, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use starling_proto::rest::{Health, Problem as ProblemBody};

use super::{
    App, Problem,
    guard::{Operator, Side},
};
use crate::metrics::text::{Format, write};

/// Do the node's threads turn?
#[utoipa::path(
    get, path = "/livez", tag = "probes",
    responses((status = 200, description = "They do."), (status = 503, description = "They do not."))
)]
pub(crate) async fn livez(State(app): State<App>) -> (StatusCode, &'static str) {
    if app.node.alive() {
        return (StatusCode::OK, "ok\n");
    }
    (StatusCode::SERVICE_UNAVAILABLE, "a worker thread does not turn\n")
}

/// May the node get new peers? What is degraded is listed and does not make it unready.
#[utoipa::path(
    get, path = "/readyz", tag = "probes",
    responses((status = 200, body = Health), (status = 503, body = Health))
)]
pub(crate) async fn readyz(State(app): State<App>) -> (StatusCode, Json<Health>) {
    let starling_actors::Readiness { ready, degraded } = app.node.readiness().await;
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Health { ready, degraded }))
}

// Or as OpenMetrics, for who accepts that.
/// Figures in Prometheus' text format. Needs the admin token, except on `admin_listen` and in dev.
#[utoipa::path(
    get, path = "/metrics", tag = "probes", security((), ("admin" = [])),
    responses(
        (status = 200, content_type = "text/plain", body = String),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn metrics(State(app): State<App>, request: Request) -> Result<Response, Problem> {
    let (mut parts, _) = request.into_parts();
    let open = super::guard::side(&parts) == Side::Admin && !super::guard::is_rebound(&parts);
    if app.dev.is_none() && !open {
        Operator::from_request_parts(&mut parts, &app).await?;
    }
    let mut all = app.node.metrics().await;
    all.extend(app.metrics());
    let accept = parts.headers.get(ACCEPT).and_then(|value| value.to_str().ok());
    let format = Format::wanted(accept.unwrap_or_default());
    Ok(([(CONTENT_TYPE, format.content_type())], write(&all, format)).into_response())
}
