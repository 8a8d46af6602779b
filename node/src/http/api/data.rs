//! `…/data-producers` and `…/data-consumers`: data channels of programs' peers on plain transports
//! with SCTP and on direct ones, and what operators see of anybody's.

use axum::{Json, extract::State, http::StatusCode};
use serde_json::Value;
use starling_proto::{
    DataConsumerId, DataProducerId, PeerId, RoomId, TransportId,
    rest::{
        ChangeDataConsumer, ChangeDataProducer, CreateDataConsumer, CreateDataProducer,
        DataConsumerCreated, DataProducerCreated, Problem as ProblemBody,
    },
};

use crate::http::{
    App, Problem,
    guard::Operator,
    problem::{Body, Path},
};

type Of<Id> = (RoomId, PeerId, Id);

/// Starts a data producer: messages that come on the transport go into the room.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/transports/{transport}/data-producers",
    tag = "transports", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("transport" = TransportId, Path, description = "Plain with 'enableSctp', or direct.")
    ),
    request_body = CreateDataProducer,
    responses((status = 201, body = DataProducerCreated), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn produce(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<Of<TransportId>>,
    Body(producer): Body<CreateDataProducer>,
) -> Result<(StatusCode, Json<DataProducerCreated>), Problem> {
    let made = app.node.produce_data(&room, &peer, &transport, producer).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

/// Starts a data consumer: messages of a data producer of the room, on any node, go out on the
/// transport.
#[utoipa::path(
    post, path = "/v1/rooms/{room}/peers/{peer}/transports/{transport}/data-consumers",
    tag = "transports", security(("admin" = [])),
    params(
        ("room" = RoomId, Path, description = "The room."),
        ("peer" = PeerId, Path, description = "Its peer."),
        ("transport" = TransportId, Path, description = "Plain with 'enableSctp', or direct.")
    ),
    request_body = CreateDataConsumer,
    responses((status = 201, body = DataConsumerCreated), (status = "4XX", body = ProblemBody))
)]
pub(crate) async fn consume(
    _: Operator,
    State(app): State<App>,
    Path((room, peer, transport)): Path<Of<TransportId>>,
    Body(consumer): Body<CreateDataConsumer>,
) -> Result<(StatusCode, Json<DataConsumerCreated>), Problem> {
    let made = app.node.consume_data(&room, &peer, &transport, consumer).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

macro_rules! channels {
    ($($id:ty, $path:literal, $name:literal, $title:literal,
        $inspect:ident, $close:ident, $dump:ident, $stats:ident, $remove:ident,
        $change:ident($body:ty);)*) => {$(
        #[doc = concat!("What there is of a ", $title, ", in the fields of mediasoup's dump.")]
        #[utoipa::path(
            summary = concat!("What there is of a ", $title, ", in the fields of mediasoup's dump."),
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
            Ok(Json(app.node.$inspect(&room, &peer, id, true).await?))
        }

        #[doc = concat!("What is counted of a ", $title, ", in mediasoup's stats fields.")]
        #[utoipa::path(
            summary = concat!("What is counted of a ", $title, ", in mediasoup's stats fields."),
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
            Ok(Json(app.node.$inspect(&room, &peer, id, false).await?))
        }

        #[doc = concat!("Changes a ", $title, "; what is absent stays.")]
        #[utoipa::path(
            summary = concat!("Changes a ", $title, "; what is absent stays."),
            patch, path = $path, tag = "transports", security(("admin" = [])),
            params(
                ("room" = RoomId, Path, description = "The room."),
                ("peer" = PeerId, Path, description = "Its peer."),
                ($name = $id, Path, description = "Which.")
            ),
            request_body = $body,
            responses((status = 204), (status = "4XX", body = ProblemBody))
        )]
        pub(crate) async fn $change(
            _: Operator,
            State(app): State<App>,
            Path((room, peer, id)): Path<Of<$id>>,
            Body(change): Body<$body>,
        ) -> Result<StatusCode, Problem> {
            app.node.$change(&room, &peer, id, change).await?;
            Ok(StatusCode::NO_CONTENT)
        }

        #[doc = concat!("Ends a ", $title, ".")]
        #[utoipa::path(
            summary = concat!("Ends a ", $title, "."),
            delete, path = $path, tag = "transports", security(("admin" = [])),
            params(
                ("room" = RoomId, Path, description = "The room."),
                ("peer" = PeerId, Path, description = "Its peer."),
                ($name = $id, Path, description = "Which.")
            ),
            responses((status = 204), (status = "4XX", body = ProblemBody))
        )]
        pub(crate) async fn $remove(
            _: Operator,
            State(app): State<App>,
            Path((room, peer, id)): Path<Of<$id>>,
        ) -> Result<StatusCode, Problem> {
            app.node.$close(&room, &peer, id).await?;
            Ok(StatusCode::NO_CONTENT)
        }
    )*};
}

channels! {
    DataProducerId, "/v1/rooms/{room}/peers/{peer}/data-producers/{dataProducer}", "dataProducer",
        "data producer", inspect_data_producer, close_data_producer,
        producer, producer_stats, remove_producer, change_data_producer(ChangeDataProducer);
    DataConsumerId, "/v1/rooms/{room}/peers/{peer}/data-consumers/{dataConsumer}", "dataConsumer",
        "data consumer", inspect_data_consumer, close_data_consumer,
        consumer, consumer_stats, remove_consumer, change_data_consumer(ChangeDataConsumer);
}
