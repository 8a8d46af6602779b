//! What a client asks and tells.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    Code, ConsumerId, DataConsumerId, DataProducerId, MediaKind, Moderation, PeerId, ProducerId,
    Refusal, RtpCapabilities, RtpParameters, TransportId, rtp::ConsumerLayers,
    sctp::SctpStreamParameters, transport::DtlsParameters,
};

/// A request of a client.
#[derive(Clone, Debug, PartialEq)]
pub enum ClientRequest {
    /// `getRtcStatsUrl`.
    RtcStatsUrl,
    /// `getRouterRtpCapabilities`.
    RouterRtpCapabilities,
    /// `join`.
    Join(Box<Join>),
    /// `createWebRtcTransport`.
    CreateWebRtcTransport {
        /// True for the transport it sends on.
        producing: bool,
        /// UDP does not reach the client.
        force_tcp: bool,
    },
    /// `connectWebRtcTransport`.
    ConnectWebRtcTransport {
        /// Which.
        transport: TransportId,
        /// The client's.
        dtls: DtlsParameters,
    },
    /// `restartIce`.
    RestartIce {
        /// Which.
        transport: TransportId,
    },
    /// `produce`.
    Produce(Box<Produce>),
    /// `consume` (ours).
    Consume(Box<Consume>),
    /// `produceData`.
    ProduceData(Box<ProduceData>),
    /// `getTransportStats`.
    TransportStats(TransportId),
    /// `getProducerStats`.
    ProducerStats(ProducerId),
    /// `getConsumerStats`.
    ConsumerStats(ConsumerId),
    /// `getDataProducerStats`.
    DataProducerStats(DataProducerId),
    /// `getDataConsumerStats`.
    DataConsumerStats(DataConsumerId),
    /// `kickPeer` and `mutePeer` (ours), for admins of the room.
    Moderate {
        /// To whom.
        peer: PeerId,
        /// What.
        order: Moderation,
    },
}

/// Data of `join`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Join {
    /// For people.
    #[serde(default)]
    pub display_name: String,
    /// As the client describes itself.
    #[serde(default)]
    pub device: Value,
    /// Absent if it does not consume.
    #[serde(default)]
    pub rtp_capabilities: Option<RtpCapabilities>,
    /// False (ours): nothing is consumed but what the client asks for with `consume`.
    #[serde(default = "yes")]
    pub auto_consume: bool,
    /// What is consumed unasked is so without packets of silence (ours; mediasoup's `ignoreDtx`).
    #[serde(default)]
    pub ignore_dtx: bool,
}

fn yes() -> bool {
    true
}

/// Data of `consume` (ours): for a client that joined with `autoConsume: false`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Consume {
    /// Of what.
    pub producer_id: ProducerId,
    /// On which transport; the one for receiving if absent.
    #[serde(default)]
    pub transport_id: Option<TransportId>,
    /// What the receiver of this one consumer takes, in numbers of its own: payload types and
    /// extension ids need not be the router's. Those of `join` if absent.
    #[serde(default)]
    pub rtp_capabilities: Option<RtpCapabilities>,
    /// `a=mid`, at most 8 bytes; chosen by the node if absent.
    #[serde(default)]
    pub mid: Option<String>,
    /// Starts paused.
    #[serde(default)]
    pub paused: bool,
    /// Without the packets in which Opus says that nobody speaks.
    #[serde(default)]
    pub ignore_dtx: bool,
    /// Highest layers wanted; all if absent.
    #[serde(default)]
    pub preferred_layers: Option<ConsumerLayers>,
    /// Lost packets are sent again, and as RTX where the receiver takes it; videos'
    /// are, and sounds' are not, if absent.
    #[serde(default)]
    pub enable_rtx: Option<bool>,
}

/// Data of `produce`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Produce {
    /// On which transport.
    pub transport_id: TransportId,
    /// Audio or video.
    pub kind: MediaKind,
    /// What is sent.
    pub rtp_parameters: RtpParameters,
    /// Starts paused (ours).
    #[serde(default)]
    pub paused: bool,
    /// Its sender is asked for a key frame once in so many milliseconds (ours).
    #[serde(default)]
    pub key_frame_request_delay: u32,
    /// The client's; `source` in it names the source.
    #[serde(default)]
    pub app_data: Value,
}

/// Data of `produceData`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProduceData {
    /// On which transport.
    pub transport_id: TransportId,
    /// On which stream of it, and how messages are delivered.
    pub sctp_stream_parameters: SctpStreamParameters,
    /// The channel's; with the peer's id, how the data producer is recognised when it comes back.
    #[serde(default)]
    pub label: String,
    /// The channel's.
    #[serde(default)]
    pub protocol: String,
    /// Starts paused (ours).
    #[serde(default)]
    pub paused: bool,
    /// The client's.
    #[serde(default)]
    pub app_data: Value,
}

/// What a producer of a peer shows: with the peer's id, how it is recognised when it comes back.
pub type Source = String;

impl Produce {
    /// `appData.source`, or the kind if the client names none.
    pub fn source(&self) -> Source {
        let named = self.app_data.get("source").and_then(Value::as_str);
        named
            .unwrap_or(match self.kind {
                MediaKind::Audio => "audio",
                MediaKind::Video => "video",
            })
            .to_owned()
    }
}

/// A notification of a client. (Generation A sends these as requests: an empty answer does.)
#[derive(Clone, Debug, PartialEq)]
pub enum ClientNotification {
    /// `closeProducer`.
    CloseProducer(ProducerId),
    /// `pauseProducer`.
    PauseProducer(ProducerId),
    /// `resumeProducer`.
    ResumeProducer(ProducerId),
    /// `pauseConsumer`.
    PauseConsumer(ConsumerId),
    /// `resumeConsumer`.
    ResumeConsumer(ConsumerId),
    /// `requestConsumerKeyFrame`.
    RequestConsumerKeyFrame(ConsumerId),
    /// `setConsumerPreferredLayers`.
    SetConsumerPreferredLayers(ConsumerId, ConsumerLayers),
    /// `setConsumerPriority`, 1 to 255.
    SetConsumerPriority(ConsumerId, u8),
    /// `changeDisplayName`.
    ChangeDisplayName(String),
    /// `setLastN` (ours).
    SetLastN {
        /// So many last speakers; absent: as the room has it; 0: everybody.
        last_n: Option<u32>,
        /// These peers in any case.
        pins: Vec<PeerId>,
    },
    /// `closeDataProducer` (ours; closing the channel does the same).
    CloseDataProducer(DataProducerId),
    /// `pauseDataProducer` (ours).
    PauseDataProducer(DataProducerId),
    /// `resumeDataProducer` (ours).
    ResumeDataProducer(DataProducerId),
    /// `closeDataConsumer` (ours; closing the channel does the same).
    CloseDataConsumer(DataConsumerId),
    /// `pauseDataConsumer` (ours).
    PauseDataConsumer(DataConsumerId),
    /// `resumeDataConsumer` (ours).
    ResumeDataConsumer(DataConsumerId),
    /// `setDataConsumerSubchannels` (ours): all it is in from now on.
    SetDataConsumerSubchannels(DataConsumerId, Vec<u16>),
    /// `setDataConsumerBufferedAmountLowThreshold` (ours), in bytes.
    SetDataConsumerBufferedAmountLowThreshold(DataConsumerId, u32),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnDataProducer {
    data_producer_id: DataProducerId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnDataConsumer {
    data_consumer_id: DataConsumerId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Subchannels {
    data_consumer_id: DataConsumerId,
    subchannels: Vec<u16>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Threshold {
    data_consumer_id: DataConsumerId,
    threshold: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnTransport {
    transport_id: TransportId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnProducer {
    producer_id: ProducerId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnPeer {
    peer_id: PeerId,
    #[serde(default)]
    producer_id: Option<ProducerId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OnConsumer {
    consumer_id: ConsumerId,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Layers {
    consumer_id: ConsumerId,
    #[serde(flatten)]
    layers: ConsumerLayers,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Priority {
    consumer_id: ConsumerId,
    priority: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rename {
    display_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ShownWish {
    #[serde(default)]
    last_n: Option<u32>,
    #[serde(default)]
    pins: Vec<PeerId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Create {
    #[serde(default)]
    app_data: CreateAppData,
    #[serde(default)]
    producing: bool,
    #[serde(default)]
    force_tcp: bool,
}

#[derive(Default, Deserialize)]
struct CreateAppData {
    #[serde(default)]
    direction: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Connect {
    transport_id: TransportId,
    dtls_parameters: DtlsParameters,
}

fn read<T: DeserializeOwned>(method: &str, data: Value) -> Result<T, Refusal> {
    serde_json::from_value(data).map_err(|error| {
        Refusal::new(Code::BadRequest, format!("the data of '{method}' cannot be read: {error}"))
            .hint("compare it with the method's row in docs/signalling.md")
    })
}

fn unknown(method: &str) -> Refusal {
    let method: String = method.chars().take(64).collect();
    Refusal::new(Code::MethodNotFound, format!("there is no method '{method}'"))
        .hint("the methods are listed in docs/signalling.md")
}

impl ClientRequest {
    /// Reads a request.
    ///
    /// # Errors
    /// `bad_request` if the data does not fit the method, `method_not_found` if there is none.
    pub fn parse(method: &str, data: Value) -> Result<Self, Refusal> {
        let on_transport = |data| read::<OnTransport>(method, data).map(|on| on.transport_id);
        Ok(match method {
            "getRtcStatsUrl" => Self::RtcStatsUrl,
            "getRouterRtpCapabilities" => Self::RouterRtpCapabilities,
            "join" => Self::Join(read(method, data)?),
            "createWebRtcTransport" => {
                let create: Create = read(method, data)?;
                let sends = create.app_data.direction.as_deref() == Some("producer");
                Self::CreateWebRtcTransport {
                    producing: create.producing || sends,
                    force_tcp: create.force_tcp,
                }
            }
            "connectWebRtcTransport" => {
                let connect: Connect = read(method, data)?;
                Self::ConnectWebRtcTransport {
                    transport: connect.transport_id,
                    dtls: connect.dtls_parameters,
                }
            }
            "restartIce" => Self::RestartIce { transport: on_transport(data)? },
            "produce" => Self::Produce(read(method, data)?),
            "consume" => Self::Consume(read(method, data)?),
            "produceData" => Self::ProduceData(read(method, data)?),
            "getTransportStats" => Self::TransportStats(on_transport(data)?),
            "getProducerStats" => {
                Self::ProducerStats(read::<OnProducer>(method, data)?.producer_id)
            }
            "getConsumerStats" => {
                Self::ConsumerStats(read::<OnConsumer>(method, data)?.consumer_id)
            }
            "getDataProducerStats" => {
                Self::DataProducerStats(read::<OnDataProducer>(method, data)?.data_producer_id)
            }
            "getDataConsumerStats" => {
                Self::DataConsumerStats(read::<OnDataConsumer>(method, data)?.data_consumer_id)
            }
            "kickPeer" => {
                let OnPeer { peer_id: peer, .. } = read(method, data)?;
                Self::Moderate { peer, order: Moderation::Kick }
            }
            "mutePeer" => {
                let OnPeer { peer_id: peer, producer_id } = read(method, data)?;
                Self::Moderate { peer, order: Moderation::Mute(producer_id) }
            }
            _ => return Err(unknown(method)),
        })
    }
}

impl ClientNotification {
    /// Reads a notification.
    ///
    /// # Errors
    /// As [`ClientRequest::parse`].
    pub fn parse(method: &str, data: Value) -> Result<Self, Refusal> {
        let producer = |data| read::<OnProducer>(method, data).map(|on| on.producer_id);
        let consumer = |data| read::<OnConsumer>(method, data).map(|on| on.consumer_id);
        Ok(match method {
            "closeProducer" => Self::CloseProducer(producer(data)?),
            "pauseProducer" => Self::PauseProducer(producer(data)?),
            "resumeProducer" => Self::ResumeProducer(producer(data)?),
            "pauseConsumer" => Self::PauseConsumer(consumer(data)?),
            "resumeConsumer" => Self::ResumeConsumer(consumer(data)?),
            "requestConsumerKeyFrame" => Self::RequestConsumerKeyFrame(consumer(data)?),
            "setConsumerPreferredLayers" => {
                let wish: Layers = read(method, data)?;
                Self::SetConsumerPreferredLayers(wish.consumer_id, wish.layers)
            }
            "setConsumerPriority" => {
                let wish: Priority = read(method, data)?;
                Self::SetConsumerPriority(wish.consumer_id, wish.priority)
            }
            "changeDisplayName" => {
                Self::ChangeDisplayName(read::<Rename>(method, data)?.display_name)
            }
            "setLastN" => {
                let ShownWish { last_n, pins } = read(method, data)?;
                Self::SetLastN { last_n, pins }
            }
            _ => return Self::parse_data(method, data),
        })
    }

    /// About data channels.
    fn parse_data(method: &str, data: Value) -> Result<Self, Refusal> {
        let producer = |data| read::<OnDataProducer>(method, data).map(|on| on.data_producer_id);
        let consumer = |data| read::<OnDataConsumer>(method, data).map(|on| on.data_consumer_id);
        Ok(match method {
            "closeDataProducer" => Self::CloseDataProducer(producer(data)?),
            "pauseDataProducer" => Self::PauseDataProducer(producer(data)?),
            "resumeDataProducer" => Self::ResumeDataProducer(producer(data)?),
            "closeDataConsumer" => Self::CloseDataConsumer(consumer(data)?),
            "pauseDataConsumer" => Self::PauseDataConsumer(consumer(data)?),
            "resumeDataConsumer" => Self::ResumeDataConsumer(consumer(data)?),
            "setDataConsumerSubchannels" => {
                let set: Subchannels = read(method, data)?;
                Self::SetDataConsumerSubchannels(set.data_consumer_id, set.subchannels)
            }
            "setDataConsumerBufferedAmountLowThreshold" => {
                let set: Threshold = read(method, data)?;
                let (consumer, threshold) = (set.data_consumer_id, set.threshold);
                Self::SetDataConsumerBufferedAmountLowThreshold(consumer, threshold)
            }
            _ => return Err(unknown(method)),
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn methods_of_the_newest_demo_are_read() {
        let request = ClientRequest::parse(
            "createWebRtcTransport",
            json!({"forceTcp": false, "appData": {"direction": "producer"}}),
        );
        let expected = ClientRequest::CreateWebRtcTransport { producing: true, force_tcp: false };
        assert_eq!(request, Ok(expected));
        let wish = ClientNotification::parse(
            "setConsumerPreferredLayers",
            json!({"consumerId": "c", "spatialLayer": 1}),
        );
        let layers = ConsumerLayers { spatial_layer: 1, temporal_layer: None };
        let consumer = "c".parse().unwrap();
        assert_eq!(wish, Ok(ClientNotification::SetConsumerPreferredLayers(consumer, layers)));
    }

    #[test]
    fn a_bad_request_names_the_method() {
        let refusal = ClientRequest::parse("produce", json!({})).unwrap_err();
        assert_eq!(refusal.code, Code::BadRequest);
        assert!(refusal.message.contains("produce"));
        assert_eq!(ClientRequest::parse("nope", json!({})).unwrap_err().code, Code::MethodNotFound);
    }
}
