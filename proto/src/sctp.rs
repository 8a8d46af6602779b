//! What a client needs to know of a transport's SCTP association and of its streams, in
//! mediasoup-client's JSON. Never does: SCTP.

use serde::{Deserialize, Serialize};

/// Streams each way: Chromium gives out ids below 1,024, and mediasoup-client counts modulo it.
pub const STREAMS: u16 = 1_024;
/// Largest message in bytes, both ways: what libwebrtc announces in SDP (`kSctpSendBufferSize`) and
/// mediasoup's default.
pub const MAX_MESSAGE: usize = 262_144;
/// Bytes of messages that may wait to be sent on an association.
pub const SEND_BUFFER: usize = 1024 * 1024;
/// Bytes of messages that may wait to be read of an association: four of the largest, and 80 Mbit/s
/// at a round trip of 100 ms.
pub const RECEIVE_WINDOW: usize = 1024 * 1024;

/// A transport's association: `sctpParameters` of the answer to `createWebRtcTransport`. Newer
/// clients read `maxSendMessageSize` and `maxReceiveMessageSize`, older ones `OS`, `MIS` and
/// `maxMessageSize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SctpParameters {
    /// 5000, always.
    pub port: u16,
    /// Outgoing streams.
    #[serde(rename = "OS")]
    pub os: u16,
    /// Most incoming streams.
    #[serde(rename = "MIS")]
    pub mis: u16,
    /// Of a message, in bytes.
    pub max_message_size: usize,
    /// Of a message of ours, in bytes.
    pub max_send_message_size: usize,
    /// Of a message of theirs, in bytes.
    pub max_receive_message_size: usize,
    /// In bytes.
    pub send_buffer_size: usize,
    /// In bytes.
    pub per_stream_send_queue_limit: usize,
    /// In bytes.
    pub max_receiver_window_buffer_size: usize,
    /// WebRTC data channels: of WebRTC transports.
    pub is_data_channel: bool,
}

impl SctpParameters {
    /// Of a plain transport: its messages need not be of a browser's channels (mediasoup
    /// `PlainTransport`).
    pub fn plain() -> Self {
        Self { is_data_channel: false, ..Self::default() }
    }
}

impl Default for SctpParameters {
    fn default() -> Self {
        Self {
            port: 5_000,
            os: STREAMS,
            mis: STREAMS,
            max_message_size: MAX_MESSAGE,
            max_send_message_size: MAX_MESSAGE,
            max_receive_message_size: MAX_MESSAGE,
            send_buffer_size: SEND_BUFFER,
            per_stream_send_queue_limit: SEND_BUFFER,
            max_receiver_window_buffer_size: RECEIVE_WINDOW,
            is_data_channel: true,
        }
    }
}

/// Where an association is, in mediasoup's words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SctpState {
    /// Nothing has come.
    #[default]
    New,
    /// Its handshake is under way.
    Connecting,
    /// Messages can be sent.
    Connected,
    /// It is over.
    Closed,
}

/// A data channel's stream, as a client announces it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "camelCase")]
pub struct SctpStreamParameters {
    /// Which stream.
    pub stream_id: u16,
    /// Absent: ordered, unless one of the others is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ordered: Option<bool>,
    /// Milliseconds after which a message is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_packet_life_time: Option<u16>,
    /// Retransmissions after which a message is given up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retransmits: Option<u16>,
}

/// How messages of a stream are delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// In the order of sending.
    pub ordered: bool,
    /// Milliseconds after which a message is given up.
    #[serde(default)]
    pub max_packet_life_time: Option<u16>,
    /// Retransmissions after which a message is given up.
    #[serde(default)]
    pub max_retransmits: Option<u16>,
}

impl Delivery {
    /// Ordered, and nothing is given up.
    pub const RELIABLE: Self =
        Self { ordered: true, max_packet_life_time: None, max_retransmits: None };

    /// No message is given up.
    pub const fn is_reliable(&self) -> bool {
        self.max_packet_life_time.is_none() && self.max_retransmits.is_none()
    }

    /// On stream `stream_id`, as a client is told.
    pub const fn on(self, stream_id: u16) -> SctpStreamParameters {
        SctpStreamParameters {
            stream_id,
            ordered: Some(self.ordered),
            max_packet_life_time: self.max_packet_life_time,
            max_retransmits: self.max_retransmits,
        }
    }
}
