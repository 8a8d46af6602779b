//! `/v1/tokens`.

use axum::{Json, extract::State, http::StatusCode};
use starling_proto::rest::{CreateToken, Problem as ProblemBody, TokenCreated};

use crate::http::{App, Problem, guard::Operator, problem::Body};

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
