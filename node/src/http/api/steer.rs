//! What operators do to a peer's producers and consumers, as an application of mediasoup does to
//! its own.

use axum::{extract::State, http::StatusCode};
use starling_actors::Steered;
use starling_proto::{
    ConsumerId, PeerId, ProducerId, RoomId,
    rest::{ChangeConsumer, ChangeProducer, Problem as ProblemBody},
};

use crate::http::{
    App, Problem,
    guard::Operator,
    problem::{Body, Path},
};

type Of<Id> = (RoomId, PeerId, Id);

/// Pauses or resumes a producer. Its client is not told; those who consume it are.
#[utoipa::path(
    patch, path = "/v1/rooms/{room}/peers/{peer}/producers/{producer}", tag = "objects",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("producer" = ProducerId, Path, description = "The producer.")
    ),
    request_body = ChangeProducer,
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn change_producer(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, id)): Path<Of<ProducerId>>,
    Body(change): Body<ChangeProducer>,
) -> Result<StatusCode, Problem> {
    steer(&app, &room, &peer, Steered::Producer(id, change)).await
}

/// Ends a producer. Its client is not told; those who consume it are.
#[utoipa::path(
    delete, path = "/v1/rooms/{room}/peers/{peer}/producers/{producer}", tag = "objects",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("producer" = ProducerId, Path, description = "The producer.")
    ),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn close_producer(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, id)): Path<Of<ProducerId>>,
) -> Result<StatusCode, Problem> {
    steer(&app, &room, &peer, Steered::CloseProducer(id)).await
}

/// Pauses or resumes a consumer, or changes its layers and priority.
#[utoipa::path(
    patch, path = "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}", tag = "objects",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("consumer" = ConsumerId, Path, description = "The consumer.")
    ),
    request_body = ChangeConsumer,
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn change_consumer(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, id)): Path<Of<ConsumerId>>,
    Body(change): Body<ChangeConsumer>,
) -> Result<StatusCode, Problem> {
    steer(&app, &room, &peer, Steered::Consumer(id, change)).await
}

/// Ends a consumer. Its client is told.
#[utoipa::path(
    delete, path = "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}", tag = "objects",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("consumer" = ConsumerId, Path, description = "The consumer.")
    ),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn close_consumer(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, id)): Path<Of<ConsumerId>>,
) -> Result<StatusCode, Problem> {
    steer(&app, &room, &peer, Steered::CloseConsumer(id)).await
}

/// Asks the sender of what a consumer gets for a key frame, unless it was asked a moment ago.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}/keyframe", tag = "objects",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("consumer" = ConsumerId, Path, description = "The consumer.")
    ),
    responses((status = 204), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn request_key_frame(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, id)): Path<Of<ConsumerId>>,
) -> Result<StatusCode, Problem> {
    steer(&app, &room, &peer, Steered::KeyFrame(id)).await
}

async fn steer(
    app: &App,
    room: &RoomId,
    peer: &PeerId,
    what: Steered,
) -> Result<StatusCode, Problem> {
    app.node.steer(room, peer, what).await?;
    Ok(StatusCode::NO_CONTENT)
}
