//! QUIC's own settings for a link. Never opens a socket but its own.
#![expect(clippy::disallowed_types, reason = "the one socket of links is made here")]

use std::{
    io,
    net::{SocketAddr, UdpSocket},
    sync::Arc,
    time::Duration,
};

use quinn::{
    AckFrequencyConfig, ClientConfig, IdleTimeout, MtuDiscoveryConfig, ServerConfig,
    TransportConfig, VarInt,
};
use socket2::{Domain, Protocol, Socket, Type};

use super::{Congestion, LinkTls};

/// A silent link is down after this: what makes a dead node noticed within a second.
pub(super) const IDLE: Duration = Duration::from_secs(1);
/// A quiet link says something this often: three may be lost before it counts as silent.
pub(super) const KEEP_ALIVE: Duration = Duration::from_millis(250);
/// What every QUIC path carries (RFC 9000 §14) is also where datagrams start: a larger first size
/// vanishes without a word on a path that does not carry it, until quinn has seen three bursts
/// lost. Discovery begins with the first round trip and its first probe is enough for Chrome's
/// 1,200-byte RTP packets; until then they travel in two parts.
const FIRST_MTU: u16 = 1_200;
/// The most: IPv6 and UDP in Ethernet's 1,500.
const MOST_MTU: u16 = 1_452;
/// quinn takes 5 % random loss for a path that has shrunk, now and then. Probing again costs a lost
/// datagram; not probing splits every video packet, which doubles its loss.
const SHRUNK_PATH_PROBED_AFTER: Duration = Duration::from_secs(1);
/// Datagrams quinn holds for the pacer: what it sends in one turn (20). The rest waits in our own
/// queue, where audio overtakes it and it is shed by age; on a path of 4 Mbit/s this much is 56 ms.
const SEND_BUFFER: usize = 28 * 1024;
/// Datagrams received and not read yet: 10 ms of 400 Mbit/s.
const RECEIVE_BUFFER: usize = 512 * 1024;
/// Bytes of control messages in flight each way, and as many of data channels: 80 Mbit/s at 100 ms
/// round trip. There are two streams, so neither can use up the connection's window.
const STREAM_WINDOW: u32 = 1024 * 1024;
/// Most connections not answered yet: nodes of a large cluster all dialling a restarted one.
const MAX_INCOMING: usize = 64;
/// Bytes kept for one connection not answered yet: a ClientHello is one or two datagrams.
const INCOMING_BUFFER: u64 = 64 * 1024;
/// Bytes kept for all of them.
const INCOMING_BUFFER_TOTAL: u64 = 4 * 1024 * 1024;
const _: () = assert!(INCOMING_BUFFER_TOTAL >= INCOMING_BUFFER * MAX_INCOMING as u64);
/// First guess of the round trip, for the handshake's retransmissions: between regions it is
/// 30 to 200 ms; RFC 9002's 333 ms makes a lost packet cost a second.
const FIRST_RTT: Duration = Duration::from_millis(100);
/// The kernel's receive buffer, as far as it allows: 40 ms of 800 Mbit/s.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// The other side acknowledges every eighth packet, or after `ACK_DELAY`: an acknowledgement costs
/// both ends as much as a datagram.
const ACK_EVERY: u32 = 8;
const ACK_DELAY: Duration = Duration::from_millis(10);

pub(super) fn client(tls: &LinkTls, congestion: Congestion) -> ClientConfig {
    let mut config = ClientConfig::new(tls.client.clone());
    config.transport_config(Arc::new(transport(congestion)));
    config
}

pub(super) fn server(tls: &LinkTls, congestion: Congestion) -> ServerConfig {
    let mut config = ServerConfig::with_crypto(tls.server.clone());
    config
        .transport_config(Arc::new(transport(congestion)))
        .max_incoming(MAX_INCOMING)
        .incoming_buffer_size(INCOMING_BUFFER)
        .incoming_buffer_size_total(INCOMING_BUFFER_TOTAL)
        // A node's address is in its record; a packet from elsewhere is not it.
        .migration(false);
    config
}

fn transport(congestion: Congestion) -> TransportConfig {
    let mut acks = AckFrequencyConfig::default();
    acks.ack_eliciting_threshold(VarInt::from_u32(ACK_EVERY)).max_ack_delay(Some(ACK_DELAY));
    let idle = IdleTimeout::try_from(IDLE).expect("a second fits a varint of milliseconds");
    let mut discovery = MtuDiscoveryConfig::default();
    discovery.upper_bound(MOST_MTU).black_hole_cooldown(SHRUNK_PATH_PROBED_AFTER);
    let mut config = TransportConfig::default();
    config
        .max_concurrent_bidi_streams(VarInt::from_u32(1))
        .max_concurrent_uni_streams(VarInt::from_u32(1))
        .max_idle_timeout(Some(idle))
        .keep_alive_interval(Some(KEEP_ALIVE))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(2 * STREAM_WINDOW))
        .send_window(2 * u64::from(STREAM_WINDOW))
        .initial_rtt(FIRST_RTT)
        .initial_mtu(FIRST_MTU)
        .min_mtu(FIRST_MTU)
        .mtu_discovery_config(Some(discovery))
        .ack_frequency_config(Some(acks))
        .allow_spin(false)
        .datagram_receive_buffer_size(Some(RECEIVE_BUFFER))
        .datagram_send_buffer_size(SEND_BUFFER)
        .congestion_controller_factory(congestion.factory());
    config
}

/// The endpoint's socket, with room for bursts.
pub(super) fn socket(listen: SocketAddr) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(listen), Type::DGRAM, Some(Protocol::UDP))?;
    // The kernel grants what its limits allow; less than asked for is no error.
    socket.set_recv_buffer_size(SOCKET_BUFFER)?;
    socket.set_send_buffer_size(SOCKET_BUFFER)?;
    if listen.is_ipv6() {
        socket.set_only_v6(false)?;
    }
    socket.bind(&listen.into())?;
    Ok(socket.into())
}
