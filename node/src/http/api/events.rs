//! `/v1/nodes/{id}/events`: what happens on a node, as server-sent events.

use std::convert::Infallible;

use axum::{
    extract::State,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::Stream;
use serde::Deserialize;
use starling_proto::{Code, NodeId, RoomId, observer::Observed, rest::Problem as ProblemBody};
use tokio::sync::broadcast::error::RecvError;

use crate::http::{
    App, Problem,
    guard::Operator,
    problem::{Path, Query},
};

/// Query of the events.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    /// Of this room alone.
    room: Option<RoomId>,
}

/// What happens to the objects of a node from now on, as mediasoup's observers are told: `observed`
/// with an event, and `lost` with a number where the reader was too slow. Ask the node itself.
#[utoipa::path(
    get, path = "/v1/nodes/{id}/events", tag = "nodes", security(("admin" = [])),
    params(
        ("id" = NodeId, Path, description = "The node that is asked."),
        ("room" = Option<RoomId>, Query, description = "Only what happens in this room.")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = Observed),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn events(
    _: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
    Query(Wish { room }): Query<Wish>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    if id != *app.node.id() {
        return Err(Problem::new(Code::WrongNode, format!("this is not node '{id}'"))
            .hint("a stream of events is not handed on: ask that node at its api_url"));
    }
    let feed = app.node.observe()?;
    let events = futures::stream::unfold((feed, room), async |(mut feed, room)| {
        loop {
            let event = match feed.recv().await {
                Ok(told) if room.is_some() && told.room_id != room => continue,
                Ok(told) => Event::default().event("observed").json_data(&*told),
                Err(RecvError::Lagged(count)) => Event::default().event("lost").json_data(count),
                Err(RecvError::Closed) => return None,
            };
            return Some((Ok(event.unwrap_or_default()), (feed, room)));
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
