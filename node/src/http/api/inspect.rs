//! What operators look at: a peer's transports, producers and consumers, in mediasoup's stats and
//! dump fields, and what passes them as server-sent events.

use std::convert::Infallible;

use axum::{
    Json,
    extract::State,
    response::{
        Sse,
        sse::{Event, KeepAlive},
    },
};
use futures::Stream;
use serde::Deserialize;
use serde_json::Value;
use starling_actors::Inspected;
use starling_proto::{
    Code, ConsumerId, PeerId, ProducerId, RoomId, TransportId,
    rest::{PeerObjects, Problem as ProblemBody},
    trace::{TraceEvent, TraceType, Traced},
};

use crate::http::{
    App, Problem,
    guard::Operator,
    problem::{Path, Query},
};

type Of<Id> = (RoomId, PeerId, Id);

/// Ids of a peer's transports, producers and consumers.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/peers/{peer}", tag = "objects", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "The peer.")
    ),
    responses((status = 200, body = PeerObjects), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn objects(
    _: Operator,
    State(app): State<App>,
    Path((room, peer)): Path<(RoomId, PeerId)>,
) -> Result<Json<PeerObjects>, Problem> {
    Ok(Json(app.node.objects(&room, &peer).await?))
}

macro_rules! inspected {
    ($($of:ident: $id:ty, $path:literal, $name:literal, $dump:ident, $stats:ident;)*) => {$(
        #[doc = concat!("What the plane holds of a ", $name, ", in the fields of mediasoup's dump.")]
        #[utoipa::path(
            summary = concat!("What the plane holds of a ", $name, ", in the fields of mediasoup's dump."),
            get, path = $path, tag = "objects", security(("admin" = [])),
            params(
                ("room" = RoomId, Path, description = "The room."),
                ("peer" = PeerId, Path, description = "Its peer."),
                ($name = $id, Path, description = "Which.")
            ),
            responses((status = 200, body = Value), (status = "4XX", body = ProblemBody))
        )]
        pub(crate) async fn $dump(
            _: Operator,
            State(app): State<App>,
            Path((room, peer, id)): Path<Of<$id>>,
        ) -> Result<Json<Value>, Problem> {
            Ok(Json(app.node.inspect(&room, &peer, Inspected::$of(id), true).await?))
        }

        #[doc = concat!("What the plane counts of a ", $name, ", in mediasoup's stats fields.")]
        #[utoipa::path(
            summary = concat!("What the plane counts of a ", $name, ", in mediasoup's stats fields."),
            get, path = concat!($path, "/stats"), tag = "objects", security(("admin" = [])),
            params(
                ("room" = RoomId, Path, description = "The room."),
                ("peer" = PeerId, Path, description = "Its peer."),
                ($name = $id, Path, description = "Which.")
            ),
            responses((status = 200, body = Vec<Value>), (status = "4XX", body = ProblemBody))
        )]
        pub(crate) async fn $stats(
            _: Operator,
            State(app): State<App>,
            Path((room, peer, id)): Path<Of<$id>>,
        ) -> Result<Json<Value>, Problem> {
            Ok(Json(app.node.inspect(&room, &peer, Inspected::$of(id), false).await?))
        }
    )*};
}

inspected! {
    Transport: TransportId, "/v1/rooms/{room}/peers/{peer}/transports/{transport}", "transport",
        transport, transport_stats;
    Producer: ProducerId, "/v1/rooms/{room}/peers/{peer}/producers/{producer}", "producer",
        producer, producer_stats;
    Consumer: ConsumerId, "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}", "consumer",
        consumer, consumer_stats;
}

/// Query of a trace.
#[derive(Debug, Deserialize)]
pub(crate) struct Wish {
    /// Names, separated by commas; all of them if absent.
    types: Option<String>,
}

impl Wish {
    fn read(self, of: &Inspected) -> Result<Vec<TraceType>, Problem> {
        let all = match of {
            Inspected::Transport(_) => TraceType::OF_TRANSPORT,
            Inspected::Producer(_) => TraceType::OF_PRODUCER,
            Inspected::Consumer(_) => TraceType::OF_CONSUMER,
        };
        let Some(names) = self.types else { return Ok(all.to_vec()) };
        let read = |name: &str| {
            all.iter().copied().find(|kind| kind.name() == name).ok_or_else(|| {
                let message = "'types' names something that cannot be traced here";
                let all: Vec<_> = all.iter().map(|kind| kind.name()).collect();
                let hint = format!("give any of {}, separated by commas", all.join(", "));
                Problem::new(Code::BadRequest, message).hint(hint)
            })
        };
        names.split(',').map(read).collect()
    }
}

/// What passes a producer, as server-sent events: `trace` with an event, and `lost` with a number
/// where the reader was too slow. Ends with the producer.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/peers/{peer}/producers/{producer}/trace", tag = "objects",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("producer" = ProducerId, Path, description = "The producer."),
        ("types" = Option<String>, Query, description = "rtp, keyframe, nack, pli, fir, sr.")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = TraceEvent),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn trace_producer(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, id)): Path<Of<ProducerId>>,
    Query(wish): Query<Wish>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    trace(&app, &room, &peer, Inspected::Producer(id), wish).await
}

/// What passes a consumer; as for a producer.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/peers/{peer}/consumers/{consumer}/trace", tag = "objects",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("consumer" = ConsumerId, Path, description = "The consumer."),
        ("types" = Option<String>, Query, description = "rtp, keyframe, nack, pli, fir.")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = TraceEvent),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn trace_consumer(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, id)): Path<Of<ConsumerId>>,
    Query(wish): Query<Wish>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    trace(&app, &room, &peer, Inspected::Consumer(id), wish).await
}

/// What is sent on a transport to find out what it carries, and what came of it; as for a producer.
#[utoipa::path(
    get, path = "/v1/rooms/{room}/peers/{peer}/transports/{transport}/trace", tag = "objects",
    security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("transport" = TransportId, Path, description = "The transport."),
        ("types" = Option<String>, Query, description = "probation, bwe.")
    ),
    responses(
        (status = 200, content_type = "text/event-stream", body = TraceEvent),
        (status = "4XX", body = ProblemBody)
    )
)]
pub(crate) async fn trace_transport(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, id)): Path<Of<TransportId>>,
    Query(wish): Query<Wish>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    trace(&app, &room, &peer, Inspected::Transport(id), wish).await
}

async fn trace(
    app: &App,
    room: &RoomId,
    peer: &PeerId,
    of: Inspected,
    wish: Wish,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>> + use<>>, Problem> {
    let types = wish.read(&of)?;
    let traced = app.node.trace(room, peer, of, types).await?;
    let events = futures::stream::unfold(traced, async |mut traced| {
        let event = match traced.recv().await? {
            Traced::Event(event) => Event::default().event("trace").json_data(event),
            Traced::Lost(count) => Event::default().event("lost").json_data(count),
        };
        Some((Ok(event.unwrap_or_default()), traced))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}
