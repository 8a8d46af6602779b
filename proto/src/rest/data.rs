//! Bodies about data channels of programs' peers.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{DataConsumerId, DataProducerId, TransportId, sctp::SctpStreamParameters};

/// Body of `POST …/transports/{transport}/data-producers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct CreateDataProducer {
    /// On which stream messages will come, and how they are delivered to others. A direct transport
    /// has no streams: its messages are ordered and reliable.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp_stream_parameters: Option<SctpStreamParameters>,
    /// As of a data channel.
    pub label: String,
    /// As of a data channel.
    pub protocol: String,
    /// Messages are dropped.
    pub paused: bool,
    /// Passed on to who consumes.
    pub app_data: Value,
}

/// Answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DataProducerCreated {
    /// Its id.
    pub data_producer_id: DataProducerId,
}

/// Body of `POST …/transports/{transport}/data-consumers`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateDataConsumer {
    /// Of what.
    pub data_producer_id: DataProducerId,
    /// Absent, with the other two: as the data producer delivers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    /// Milliseconds after which a message is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_packet_life_time: Option<u16>,
    /// Retransmissions after which a message is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retransmits: Option<u16>,
    /// What it is in; a message for none of them is not delivered.
    #[serde(default)]
    pub subchannels: Vec<u16>,
    /// It misses what comes.
    #[serde(default)]
    pub paused: bool,
}

/// Answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DataConsumerCreated {
    /// Its id.
    pub data_consumer_id: DataConsumerId,
    /// Of what.
    pub data_producer_id: DataProducerId,
    /// On which stream messages come; absent: on none, of a direct transport.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sctp_stream_parameters: Option<SctpStreamParameters>,
    /// The data producer's.
    pub label: String,
    /// The data producer's.
    pub protocol: String,
}

/// Body of `PATCH …/data-producers/{dataProducer}`; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ChangeDataProducer {
    /// Messages are dropped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// Body of `PATCH …/data-consumers/{dataConsumer}`; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ChangeDataConsumer {
    /// It misses what comes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// What it is in, instead of what it was in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subchannels: Option<Vec<u16>>,
    /// Its client is told when no more bytes than these wait to be sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buffered_amount_low_threshold: Option<u32>,
}

/// A data producer, as everybody in the room may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DataProducerInfo {
    /// Its id.
    pub id: DataProducerId,
    /// As of a data channel.
    pub label: String,
    /// As of a data channel.
    pub protocol: String,
    /// Paused.
    pub paused: bool,
}

/// A data producer of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DataProducerObject {
    /// Its id.
    pub id: DataProducerId,
    /// On which transport.
    pub transport_id: TransportId,
    /// As of a data channel.
    pub label: String,
}

/// A data consumer of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct DataConsumerObject {
    /// Its id.
    pub id: DataConsumerId,
    /// On which transport.
    pub transport_id: TransportId,
    /// Of what.
    pub data_producer_id: DataProducerId,
    /// As of a data channel.
    pub label: String,
}
