//! A path to one client.

use std::net::SocketAddr;

use crate::command::SocketId;

/// Our socket and the client's address: all that a datagram says about its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tuple {
    /// Ours.
    pub socket: SocketId,
    /// Theirs.
    pub remote: SocketAddr,
}
