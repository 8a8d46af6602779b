//! RTP capabilities and parameters in mediasoup-client's JSON (mediasoup
//! `rtpParametersTypes`): the names, shapes and optional fields are a contract with clients that
//! exist. Never does: negotiate (`media::negotiation`).

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Codec parameters (`fmtp`), free-form.
pub type Parameters = Map<String, Value>;

/// Audio or video.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum MediaKind {
    /// Sound.
    Audio,
    /// Pictures, screens too.
    Video,
}

/// What an endpoint can receive or a router can route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RtpCapabilities {
    /// Media and RTX codecs.
    #[serde(default)]
    pub codecs: Vec<RtpCodecCapability>,
    /// RTP header extensions.
    #[serde(default)]
    pub header_extensions: Vec<RtpHeaderExtension>,
}

/// One codec an endpoint supports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RtpCodecCapability {
    /// Audio or video.
    pub kind: MediaKind,
    /// `audio/opus`, `video/VP8`, `video/rtx`, …; compared without regard to case.
    pub mime_type: String,
    /// Payload type 0..=127. Routers choose it; mandatory from clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_payload_type: Option<u8>,
    /// In Hz.
    pub clock_rate: u32,
    /// Audio channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// `fmtp` parameters.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub parameters: Parameters,
    /// Accepted RTCP feedback.
    #[serde(default)]
    pub rtcp_feedback: Vec<RtcpFeedback>,
}

/// RTCP feedback: `nack`, `nack pli`, `ccm fir`, `goog-remb`, `transport-cc`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RtcpFeedback {
    /// First word.
    #[serde(rename = "type")]
    pub kind: String,
    /// Second word, or empty.
    #[serde(default)]
    pub parameter: String,
}

/// From the router's point of view.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Both ways.
    #[default]
    Sendrecv,
    /// Only to clients.
    Sendonly,
    /// Only from clients.
    Recvonly,
    /// Neither.
    Inactive,
}

/// A header extension an endpoint supports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RtpHeaderExtension {
    /// Audio or video. Clients collapse shared extensions to one kind: match by uri and id only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<MediaKind>,
    /// Extension URI.
    pub uri: String,
    /// Preferred id, 1..=255.
    pub preferred_id: u8,
    /// RFC 6904 encryption; never used.
    #[serde(default)]
    pub preferred_encrypt: bool,
    /// Router's point of view; clients leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
}

/// What is sent: codecs, extensions and encodings of one producer or consumer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RtpParameters {
    /// `a=mid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<String>,
    /// Media codec first, its RTX after it.
    pub codecs: Vec<RtpCodecParameters>,
    /// Negotiated header extensions.
    #[serde(default)]
    pub header_extensions: Vec<RtpHeaderExtensionParameters>,
    /// One per stream.
    #[serde(default)]
    pub encodings: Vec<RtpEncodingParameters>,
    /// CNAME and reduced size.
    #[serde(default)]
    pub rtcp: RtcpParameters,
    /// `a=msid`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub msid: Option<String>,
}

/// One negotiated codec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RtpCodecParameters {
    /// As in [`RtpCodecCapability::mime_type`].
    pub mime_type: String,
    /// 0..=127.
    pub payload_type: u8,
    /// In Hz.
    pub clock_rate: u32,
    /// Audio channels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channels: Option<u8>,
    /// `fmtp` parameters.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub parameters: Parameters,
    /// Negotiated RTCP feedback.
    #[serde(default)]
    pub rtcp_feedback: Vec<RtcpFeedback>,
}

/// One negotiated header extension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RtpHeaderExtensionParameters {
    /// Extension URI.
    pub uri: String,
    /// 1..=14 in one-byte form, 1..=255 in two-byte form (RFC 8285).
    pub id: u8,
    /// RFC 6904; never used.
    #[serde(default)]
    pub encrypt: bool,
    /// Free-form.
    #[serde(default)]
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub parameters: Parameters,
}

/// One stream. Unknown fields of clients (`active`, `scaleResolutionDownBy`, …) travel along.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RtpEncodingParameters {
    /// Media SSRC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssrc: Option<u32>,
    /// RTP stream id (RFC 8851).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// Payload type of its codec; the first media codec if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub codec_payload_type: Option<u8>,
    /// Retransmission stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtx: Option<RtxParameters>,
    /// Discontinuous transmission.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtx: Option<bool>,
    /// `L1T3`, `L3T3_KEY`, …
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scalability_mode: Option<String>,
    /// In bits per second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_bitrate: Option<u64>,
    /// What clients add.
    #[serde(flatten)]
    #[cfg_attr(feature = "schema", schema(value_type = Object))]
    pub other: Parameters,
}

/// RTX of an encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct RtxParameters {
    /// RTX SSRC.
    pub ssrc: u32,
}

/// RTCP of a producer or consumer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct RtcpParameters {
    /// Canonical name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cname: Option<String>,
    /// RFC 5506.
    #[serde(default = "yes")]
    pub reduced_size: bool,
}

impl Default for RtcpParameters {
    fn default() -> Self {
        Self { cname: None, reduced_size: true }
    }
}

fn yes() -> bool {
    true
}

/// How many streams and layers a producer has, or what a consumer does with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum RtpType {
    /// One stream, no layers.
    Simple,
    /// Several streams.
    Simulcast,
    /// One stream with layers inside.
    Svc,
    /// Everything, to another node.
    Pipe,
}

/// Payload types and SSRCs of a producer as the router numbers them (mediasoup `RtpMapping`).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RtpMapping {
    /// One per codec, RTX too.
    pub codecs: Vec<CodecMapping>,
    /// One per encoding, in order.
    pub encodings: Vec<EncodingMapping>,
}

/// A payload type's new number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodecMapping {
    /// The producer's.
    pub payload_type: u8,
    /// The router's.
    pub mapped_payload_type: u8,
}

/// An encoding's new SSRC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncodingMapping {
    /// The producer's, if it said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ssrc: Option<u32>,
    /// The producer's, if it said one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rid: Option<String>,
    /// The producer's scalability mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scalability_mode: Option<String>,
    /// The router's.
    pub mapped_ssrc: u32,
}

/// Layers a consumer wants or gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct ConsumerLayers {
    /// 0 is the smallest picture.
    pub spatial_layer: u8,
    /// 0 is the lowest frame rate; absent means the highest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub temporal_layer: Option<u8>,
}
