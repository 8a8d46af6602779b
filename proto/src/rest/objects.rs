//! Bodies about a program's transports, what it produces and consumes on them, and what operators
//! change of anybody's.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    ConsumerId, MediaKind, PeerId, ProducerId, RtpCapabilities, RtpParameters, TransportId,
    rtp::{ConsumerLayers, RtpType},
    transport::{PlainAddress, SrtpParameters, SrtpProfile},
};

/// Body of `POST …/peers/{peer}/transports`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default)]
pub struct CreatePlainTransport {
    /// RTP and RTCP share a port.
    pub rtcp_mux: bool,
    /// Where to listen; chosen by the node if absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Where to listen for RTCP, without `rtcpMux` and with `port`; if absent the port behind it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rtcp_port: Option<u16>,
    /// Learn the other side's address from its first packet.
    pub comedia: bool,
    /// Encrypt; the key comes with `connect` and ours with the answer.
    pub enable_srtp: bool,
    /// With `enable_srtp`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub srtp_crypto_suite: Option<SrtpProfile>,
    /// Carry data channels: SCTP on the RTP port, without DTLS; the other side begins.
    pub enable_sctp: bool,
}

impl Default for CreatePlainTransport {
    fn default() -> Self {
        Self {
            rtcp_mux: true,
            port: None,
            rtcp_port: None,
            comedia: false,
            enable_srtp: false,
            srtp_crypto_suite: None,
            enable_sctp: false,
        }
    }
}

/// Answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlainTransportInfo {
    /// Its id.
    pub transport_id: TransportId,
    /// Where to send.
    #[serde(flatten)]
    pub address: PlainAddress,
    /// Our key, with SRTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srtp_parameters: Option<SrtpParameters>,
    /// With `enableSctp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sctp_parameters: Option<crate::sctp::SctpParameters>,
}

/// Body of `POST …/transports/{transport}/connect`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConnectPlainTransport {
    /// Where to send; absent with comedia.
    #[serde(flatten, default, skip_serializing_if = "Option::is_none")]
    pub address: Option<PlainAddress>,
    /// Their key, with SRTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srtp_parameters: Option<SrtpParameters>,
}

/// Body of `PUT …/transports/{transport}/bitrates`, in bits per second; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TransportBitrates {
    /// Assumed to reach the receiver until anything is known; mediasoup's default is 600,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initial_available_outgoing_bitrate: Option<u64>,
    /// The estimate is never less; at least 30,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_outgoing_bitrate: Option<u64>,
    /// The estimate is never more; 0 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_outgoing_bitrate: Option<u64>,
    /// What the sender is told not to exceed, by REMB; 0 for no limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_incoming_bitrate: Option<u64>,
}

/// Body of `POST …/transports/{transport}/producers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateProducer {
    /// Audio or video.
    pub kind: MediaKind,
    /// What will be sent.
    pub rtp_parameters: RtpParameters,
    /// Starts paused, until `resume`.
    #[serde(default)]
    pub paused: bool,
    /// Its sender is asked for a key frame once in so many milliseconds, at most 60,000; 0 for as
    /// often as it has answered the last time, once a second at least.
    #[serde(default)]
    pub key_frame_request_delay: u32,
    /// `source` in it names the source.
    #[serde(default)]
    pub app_data: Value,
}

/// Answer to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ProducerCreated {
    /// Its id.
    pub producer_id: ProducerId,
}

/// Body of `PATCH …/producers/{producer}`; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ChangeProducer {
    /// Nothing of it is forwarded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
}

/// Body of `PATCH …/consumers/{consumer}`; what is absent stays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct ChangeConsumer {
    /// Nothing is sent on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,
    /// Highest layers wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preferred_layers: Option<ConsumerLayers>,
    /// Weight among the videos of its transport, 1 to 255.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<u8>,
}

/// Body of `POST …/transports/{transport}/consumers`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct CreateConsumer {
    /// Of what.
    pub producer_id: ProducerId,
    /// Of the receiver: mediasoup-client's `Device.recvRtpCapabilities`. Needed on a WebRTC
    /// transport; default on others: what the router can send of the producer's codec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtp_capabilities: Option<RtpCapabilities>,
    /// Starts paused, until `resume`.
    #[serde(default)]
    pub paused: bool,
    /// Without the packets in which Opus says that nobody speaks.
    #[serde(default)]
    pub ignore_dtx: bool,
    /// Highest layers wanted; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_layers: Option<ConsumerLayers>,
    /// Lost packets are sent again, and as RTX where the receiver takes it; if absent, video on a
    /// WebRTC transport.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enable_rtx: Option<bool>,
    /// MID of its packets, of 1 to 8 bytes and of no other consumer on its transport; chosen by the
    /// node if absent. On a WebRTC transport alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
}

/// Answer to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConsumerCreated {
    /// Its id.
    pub consumer_id: ConsumerId,
    /// Of what.
    pub producer_id: ProducerId,
    /// Whose that is.
    pub peer_id: PeerId,
    /// Audio or video.
    pub kind: MediaKind,
    /// Simple, simulcast or svc.
    #[serde(rename = "type")]
    pub rtp_type: RtpType,
    /// What will be sent.
    pub rtp_parameters: RtpParameters,
    /// Its producer is paused.
    pub producer_paused: bool,
    /// The producer's.
    pub app_data: Value,
    /// On a plain or direct transport: what will be sent as an SDP file for `ffmpeg -i`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdp: Option<String>,
}
