//! What an association is set up with.

use std::sync::Arc;

use sctp_proto::{Endpoint, EndpointConfig, ServerConfig, TransportConfig};
use starling_proto::sctp::{MAX_MESSAGE, RECEIVE_WINDOW, STREAMS};

/// Of a datagram before DTLS: libwebrtc's 1,191 in whole words, so that it fits every path.
pub(super) const MTU: u32 = 1_188;
/// Before the first round trip is known, in milliseconds (mediasoup's `initialRtoMs`).
const RTO_INITIAL: u64 = 500;
/// Above the delay of the other side's acknowledgements, in milliseconds (mediasoup's `minRtoMs`).
const RTO_MIN: u64 = 400;
/// In milliseconds: a client that comes back from a tunnel must not wait for a minute, and one that
/// does not is ended by ICE consent.
const RTO_MAX: u64 = 10_000;
/// SCTP's two headers in a datagram with one piece of a message.
const HEADERS: u32 = 12 + 16;

/// Waits for a client.
pub(super) fn endpoint() -> Endpoint {
    let transport = TransportConfig::default()
        .with_max_receive_buffer_size(RECEIVE_WINDOW as u32)
        .with_max_receive_message_size(MAX_MESSAGE as u32)
        .with_max_send_message_size(MAX_MESSAGE as u32)
        .with_max_num_inbound_streams(STREAMS)
        .with_max_num_outbound_streams(STREAMS)
        .with_rto_initial_ms(RTO_INITIAL)
        .with_rto_min_ms(RTO_MIN)
        .with_rto_max_ms(RTO_MAX);
    let mut server = ServerConfig::default();
    server.transport = Arc::new(transport);
    let mut endpoint = EndpointConfig::new();
    endpoint.max_payload_size(MTU - HEADERS);
    Endpoint::new(Arc::new(endpoint), Some(Arc::new(server)))
}
