//! What a node is started with. Checked by whoever fills it; never read from the environment here.

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    sync::Arc,
    time::Duration,
};

use starling_cluster::{link::LinkTls, registry::Registry};
use starling_proto::{NodeId, transport::Protocol};

use crate::Traces;

/// A node's settings.
#[derive(Clone)]
pub struct NodeConfig {
    /// Its id.
    pub id: NodeId,
    /// Where it is; empty if nobody cares.
    pub region: String,
    /// What of its region may fail as a whole; empty if nobody cares.
    pub zone: String,
    /// Addresses the media sockets listen on, at most one IPv4 and one IPv6.
    pub rtc_listen: Vec<IpAddr>,
    /// Media port of the first worker; each further worker has the next. 0 lets the system choose.
    pub rtc_port: u16,
    /// Addresses or host names that clients are told; the listening addresses if empty.
    pub announced: Vec<String>,
    /// Internal addresses that clients are told, too (mediasoup's `exposeInternalIp`).
    pub internal: Vec<IpAddr>,
    /// Ports of plain transports; absent: ephemeral ones.
    pub rtc_plain_ports: Option<RangeInclusive<u16>>,
    /// Listen for ICE over TCP at the media ports.
    pub rtc_tcp: bool,
    /// Which protocol clients are to try first; none: UDP, for it is told first.
    pub rtc_prefer: Option<Protocol>,
    /// Worker threads; one per core is right.
    pub workers: usize,
    /// Peers of a room on one worker before the room takes another; see
    /// `starling_cluster::decide::cores`.
    pub room_peers_per_core: usize,
    /// Where the QUIC endpoint for links listens.
    pub link_listen: SocketAddr,
    /// Where other nodes reach it; the bound address if absent.
    pub link_announced: Option<SocketAddr>,
    /// Newest link protocol it speaks: [`starling_proto::link::VERSION_MAX`], or an older one while
    /// nodes of an older release are about to be replaced.
    pub link_protocol_max: u16,
    /// Certificates of links.
    pub link_tls: LinkTls,
    /// Where clients reach its HTTP and WebSocket server: `http://host:port`.
    pub api_url: String,
    /// The cluster's memory.
    pub registry: Arc<dyn Registry>,
    /// Signs resume tickets; the same on all nodes.
    pub cluster_secret: Vec<u8>,
    /// Most peers; 0 means no limit.
    pub max_peers: u32,
    /// Bits a second that its network carries each way; 0 means not counted.
    pub network: u64,
    /// Release, for people.
    pub version: String,
    /// How long a room keeps the place of a peer whose node died.
    pub resume_within: Duration,
    /// Where spans of joins go.
    pub traces: Traces,
}

/// Default of [`NodeConfig::resume_within`]: a page needs about a second to rejoin, a browser tab
/// in the background up to ten before its timers run.
pub const RESUME_WITHIN: Duration = Duration::from_secs(15);

/// Why a node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A media socket.
    #[error("media port {port} cannot be bound: {error}")]
    Media {
        /// Which.
        port: u16,
        /// Why.
        error: std::io::Error,
    },
    /// A media socket's TCP counterpart.
    #[error("media port {port} cannot be bound in TCP: {error}")]
    MediaTcp {
        /// Which.
        port: u16,
        /// Why.
        error: std::io::Error,
    },
    /// The link endpoint.
    #[error("link endpoint {addr} cannot be bound: {error}")]
    Link {
        /// Which.
        addr: SocketAddr,
        /// Why.
        error: String,
    },
    /// The actor tree.
    #[error("the actor tree did not start: {0}")]
    Tree(String),
}
