//! What a client needs to reach a transport, in mediasoup-client's JSON. Never does: ICE or DTLS.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// One side's ICE credentials.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct IceParameters {
    /// `ice-ufrag`.
    pub username_fragment: String,
    /// `ice-pwd`.
    pub password: String,
    /// Always true from us.
    #[serde(default)]
    pub ice_lite: bool,
}

/// UDP or TCP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
}

/// A host candidate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct IceCandidate {
    /// `udpcandidate`.
    pub foundation: String,
    /// RFC 8445 §5.1.2.
    pub priority: u32,
    /// Address or host name.
    pub address: String,
    /// The same, under its old name.
    pub ip: String,
    /// UDP or TCP.
    pub protocol: Protocol,
    /// Port.
    pub port: u16,
    /// Always `host`.
    #[serde(rename = "type")]
    pub kind: String,
    /// `passive` on TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp_type: Option<String>,
}

/// Who sends the ClientHello.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum DtlsRole {
    /// Either.
    #[default]
    Auto,
    /// Sends it.
    Client,
    /// Waits for it.
    Server,
}

/// A certificate's hash.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DtlsFingerprint {
    /// `sha-256`, …
    pub algorithm: String,
    /// Upper-case hex pairs with colons.
    pub value: String,
}

/// Role and fingerprints of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub struct DtlsParameters {
    /// Who starts.
    #[serde(default)]
    pub role: DtlsRole,
    /// Of the certificate.
    pub fingerprints: Vec<DtlsFingerprint>,
}

/// SRTP protection profiles (RFC 5764 §4.1.2, RFC 7714 §14.2), by mediasoup's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
pub enum SrtpProfile {
    /// 16-byte key, 12-byte salt, 16-byte tag.
    #[serde(rename = "AEAD_AES_128_GCM")]
    AeadAes128Gcm,
    /// 32-byte key, 12-byte salt, 16-byte tag.
    #[serde(rename = "AEAD_AES_256_GCM")]
    AeadAes256Gcm,
    /// 16-byte key, 14-byte salt, 10-byte tag.
    #[serde(rename = "AES_CM_128_HMAC_SHA1_80")]
    AesCm128HmacSha1_80,
    /// As the one before, with a 4-byte tag on RTP.
    #[serde(rename = "AES_CM_128_HMAC_SHA1_32")]
    AesCm128HmacSha1_32,
}

impl SrtpProfile {
    /// Key and salt lengths in bytes.
    pub const fn lengths(self) -> (usize, usize) {
        match self {
            Self::AeadAes128Gcm => (16, 12),
            Self::AeadAes256Gcm => (32, 12),
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => (16, 14),
        }
    }
}

/// SRTP key of a plain transport (SDES style).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SrtpParameters {
    /// Profile.
    pub crypto_suite: SrtpProfile,
    /// Key then salt, base64.
    pub key_base64: String,
}

/// Answer to `createWebRtcTransport`: the argument of mediasoup-client's `createSendTransport`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct WebRtcTransportInfo {
    /// Its id.
    pub transport_id: crate::TransportId,
    /// Ours.
    pub ice_parameters: IceParameters,
    /// Ours.
    pub ice_candidates: Vec<IceCandidate>,
    /// Ours.
    pub dtls_parameters: DtlsParameters,
    /// Of its association, which begins when the client does.
    pub sctp_parameters: crate::sctp::SctpParameters,
}

/// Address of a plain transport.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct PlainAddress {
    /// IP address.
    #[cfg_attr(feature = "schema", schema(value_type = String))]
    pub ip: IpAddr,
    /// RTP port.
    pub port: u16,
    /// RTCP port, if RTP and RTCP do not share one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rtcp_port: Option<u16>,
}
