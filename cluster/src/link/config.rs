//! What an endpoint is made from, and why it cannot be made.

use std::{io, net::SocketAddr};

use starling_proto::{
    NodeId,
    link::{VERSION_MAX, VERSION_MIN},
};

use super::{Congestion, LinkTls, TlsError};

/// What an endpoint is made from.
#[derive(Clone, Debug)]
pub struct LinkConfig {
    /// This node; a DNS name in its certificate.
    pub node: NodeId,
    /// Which life of it: as in its registry record.
    pub epoch: u64,
    /// Where to listen; port 0 for any. Links are dialled from here, too.
    pub listen: SocketAddr,
    /// Certificates.
    pub tls: LinkTls,
    /// Oldest and newest link protocol to speak; this release's unless an upgrade or a test says
    /// otherwise.
    pub versions: (u16, u16),
    /// Congestion controller.
    pub congestion: Congestion,
}

impl LinkConfig {
    /// With this release's versions and congestion controller.
    pub fn new(node: NodeId, epoch: u64, listen: SocketAddr, tls: LinkTls) -> Self {
        let versions = (VERSION_MIN, VERSION_MAX);
        Self { node, epoch, listen, tls, versions, congestion: Congestion::default() }
    }
}

/// Why an endpoint cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The address.
    #[error("link endpoint cannot listen on {addr}: {source}")]
    Bind {
        /// Where.
        addr: SocketAddr,
        /// Why.
        source: io::Error,
    },
}
