//! `/v1/events`: what happens in the cluster, as server-sent events; `/v1/nodes/{id}/events`: what
//! happens to the objects of a node.

use std::{convert::Infallible, time::Duration};

use axum::{
    extract::State,
    http::HeaderMap,
    response::{
        IntoResponse, Response, Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::StreamExt;
use serde::Deserialize;
use starling_proto::{
    Code, NodeId, RoomId,
    observer::Observed,
    rest::{Event as Told, Problem as ProblemBody},
};
use tokio::sync::broadcast::error::RecvError;

use crate::{
    events::{Asked, Merge, Out, READERS, now, own_lines},
    http::{
        App, Problem,
        api::nodes::pass_on,
        guard::Operator,
        problem::{Path, Query},
    },
};

/// When a reader that lost the stream is to come back: a node that has died is known to have by
/// then.
const RETRY: Duration = Duration::from_secs(2);

/// What happens in the cluster, on all nodes, as server-sent events: messages with an event each,
/// and `gap` where some are no longer kept (an `EventGap`: what is known is then to be read anew).
/// The ids are places in the stream. A reader that comes back with the last one as `Last-Event-ID`,
/// to whichever node, misses nothing that is still kept, the last 4,096 of each node; what was told
/// in the second or two before it may be told again, under the same `id` in the event.
#[utoipa::path(
    get, path = "/v1/events", tag = "events", security(("admin" = [])),
    params(
        Asked,
        ("Last-Event-ID" = Option<String>, Header, description = "The last id; before `since`.")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = Told),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn all(
    operator: Operator,
    State(app): State<App>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let wish = asked.read(last)?;
    let seats = if operator.forwarded { &app.reading_nodes } else { &app.readers };
    let seat = seats.clone().try_acquire_owned().map_err(|_| {
        let message = format!("{READERS} readers have this node's events already");
        Problem::new(Code::LimitReached, message).hint("end one of them, or ask another node")
    })?;
    if operator.forwarded {
        return Ok(own_lines(app.node.follow(Some(wish.since.unwrap_or_else(now))), seat));
    }
    let merge = Merge::new(&app, wish, seat).await;
    let first = futures::stream::once(async { Ok(Event::default().retry(RETRY)) });
    let rest = futures::stream::unfold(merge, async |mut merge| {
        let told = match merge.next().await {
            Out::Event(event, place) => Event::default().id(place).json_data(&*event),
            Out::Gap(gap) => Event::default().event("gap").json_data(gap),
            Out::Place(place) => Ok(Event::default().id(place)),
        };
        Some((Ok::<_, Infallible>(told.unwrap_or_default()), merge))
    });
    Ok(Sse::new(first.chain(rest)).into_response())
}

/// Query of the events.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    /// Of this room alone.
    room: Option<RoomId>,
}

/// What happens to the objects of a node from now on, as mediasoup's observers are told: `observed`
/// with an event, and `lost` with a number where the reader was too slow.
#[utoipa::path(
    get, path = "/v1/nodes/{id}/events", tag = "nodes", security(("admin" = [])),
    params(
        ("id" = NodeId, Path, description = "The node."),
        ("room" = Option<RoomId>, Query, description = "Only what happens in this room.")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = Observed),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn events(
    operator: Operator,
    State(app): State<App>,
    Path(id): Path<NodeId>,
    Query(Wish { room }): Query<Wish>,
) -> Result<Response, Problem> {
    if id != *app.node.id() {
        let query = room.map(|room| format!("?room={room}")).unwrap_or_default();
        return pass_on(&app, operator, &id, format!("/v1/nodes/{id}/events{query}")).await;
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
            return Some((Ok::<_, Infallible>(event.unwrap_or_default()), (feed, room)));
        }
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}
