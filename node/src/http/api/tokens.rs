//! `/v1/tokens`.

use axum::{
    Json,
    extract::{OriginalUri, State},
    http::StatusCode,
    response::Response,
};
use starling_proto::{
    RevocationId,
    rest::{CreateToken, Problem as ProblemBody, RevocationInfo, RevokeTokens, TokenCreated},
};

use crate::{
    http::{
        App, Problem,
        guard::Operator,
        page::Page,
        problem::{Body, Path, Query},
    },
    logs::AUDIT,
};

/// Issues a room token. (Whoever has the cluster's token_secret can sign one without asking.)
#[utoipa::path(
    post, path = "/v1/tokens", tag = "tokens", security(("admin" = [])),
    request_body = CreateToken,
    responses((status = 201, body = TokenCreated), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn create(
    operator: Operator,
    State(app): State<App>,
    Body(wish): Body<CreateToken>,
) -> Result<(StatusCode, Json<TokenCreated>), Problem> {
    operator.check_room(&wish.room)?;
    Ok((StatusCode::CREATED, Json(app.tokens.issue(&wish)?)))
}

/// Room tokens that are good no longer, by what was revoked.
#[utoipa::path(
    get, path = "/v1/tokens/revocations", tag = "tokens", security(("admin" = [])),
    params(Page),
    responses((status = 200, body = Vec<RevocationInfo>), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn revocations(
    _: Operator,
    State(app): State<App>,
    OriginalUri(uri): OriginalUri,
    Query(page): Query<Page>,
) -> Result<Response, Problem> {
    let all = page.cut(app.tokens.revocations(), |revocation| revocation.id.to_string())?;
    Ok(all.answer(&uri))
}

/// Revokes room tokens, on every node: one, or all of a room, of a peer, or issued before a time.
/// Nobody joins, comes back or moderates with one of them any more, and whoever is in a room by one
/// is sent away. It is kept until the last of them has expired.
#[utoipa::path(
    post, path = "/v1/tokens/revocations", tag = "tokens", security(("admin" = [])),
    request_body = RevokeTokens,
    responses((status = 201, body = RevocationInfo), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn revoke(
    operator: Operator,
    State(app): State<App>,
    Body(wish): Body<RevokeTokens>,
) -> Result<(StatusCode, Json<RevocationInfo>), Problem> {
    let revocation = app.tokens.revocation(wish, &operator.who.name)?;
    let RevocationInfo { id, record } = &revocation;
    operator.who.check_room(record.room.as_ref())?;
    app.node.revoke(revocation.clone()).await?;
    let shown = serde_json::to_string(record).unwrap_or_default();
    tracing::info!(target: AUDIT, who = %operator.who.name, %id, revoked = shown, "tokens revoked");
    Ok((StatusCode::CREATED, Json(revocation)))
}

/// Takes a revocation back. Who was sent away may come again.
#[utoipa::path(
    delete, path = "/v1/tokens/revocations/{revocation}", tag = "tokens",
    security(("admin" = [])),
    params(("revocation" = RevocationId, Path, description = "Its id.")),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn pardon(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<RevocationId>,
) -> Result<StatusCode, Problem> {
    app.node.pardon(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
