//! From a QUIC connection to two nodes that know each other: certificate, Hello both ways, version.
//! Never keeps a link.

use std::sync::Mutex;

use quinn::{Connection, ConnectionError, RecvStream, SendStream, VarInt};
use starling_proto::{NodeId, link::Hello};

use super::{
    control::{self, MAX_HELLO},
    lock,
    peers::{Opened, Peers, Refused},
    tls,
};
use crate::decide::liveness::End;

/// A connection whose both ends have said Hello.
pub(super) struct Established {
    pub(super) node: NodeId,
    pub(super) epoch: u64,
    /// The life in which this node has introduced itself.
    pub(super) ours: u64,
    /// The link protocol both speak.
    pub(super) version: u16,
    pub(super) connection: Connection,
    pub(super) send: SendStream,
    pub(super) recv: RecvStream,
}

/// The codes that the other side acts on.
const SHUTDOWN: u64 = 0;
const STALE: u64 = 4;

/// Why a connection did not become a link, or ceased to be one; the numbers are QUIC application
/// error codes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Ended {
    #[error("the node shuts down")]
    Shutdown,
    #[error("the node is not wanted here")]
    Unwanted,
    #[error("certificate is not that of node {0}")]
    Identity(NodeId),
    #[error("link protocol {theirs:?} and {ours:?} have no version in common")]
    Version { ours: (u16, u16), theirs: (u16, u16) },
    #[error("epoch {epoch} is over, {wanted} is known")]
    Stale { epoch: u64, wanted: u64 },
    #[error("the node with the smaller id dials")]
    WrongDirection,
    #[error("{0}")]
    Malformed(String),
    #[error("control messages pile up")]
    Backlog,
    #[error("a newer connection replaces this one")]
    Replaced,
    #[error("no answer in time")]
    Timeout,
    #[error("silent for too long")]
    Silent,
    /// The other side's word; its code is one of [`Ended::close`]'s.
    #[error("the other side says: {reason}")]
    Told { code: u64, reason: String },
    #[error("the other side's process has gone")]
    Gone,
    #[error("{0}")]
    Lost(String),
}

impl Ended {
    /// What a refusal of this life means for its connection.
    pub(super) fn refused(why: Refused, epoch: u64) -> Self {
        match why {
            Refused::Unwanted => Self::Unwanted,
            Refused::Stale { wanted } => Self::Stale { epoch, wanted },
            Refused::WrongDirection => Self::WrongDirection,
        }
    }

    /// What it says about the other node.
    pub(super) fn end(&self) -> End {
        match self {
            Self::Silent | Self::Timeout => End::Silent,
            Self::Shutdown | Self::Unwanted | Self::Gone | Self::Told { code: SHUTDOWN, .. } => {
                End::Left
            }
            Self::Told { .. } | Self::Lost(_) => End::Theirs,
            Self::Identity(_)
            | Self::Version { .. }
            | Self::Stale { .. }
            | Self::WrongDirection
            | Self::Malformed(_)
            | Self::Backlog
            | Self::Replaced => End::Ours,
        }
    }

    /// Whether the other side said that this node's life is over.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Told { code: STALE, .. })
    }

    /// Whether the other side said that it ends.
    pub(super) fn has_left(&self) -> bool {
        matches!(self, Self::Told { code: SHUTDOWN, .. })
    }

    /// Tells the other side and ends the connection.
    pub(super) fn close(&self, connection: &Connection) {
        let code: u32 = match self {
            Self::Shutdown => SHUTDOWN as u32,
            Self::Unwanted => 1,
            Self::Identity(_) => 2,
            Self::Version { .. } => 3,
            Self::Stale { .. } => STALE as u32,
            Self::WrongDirection => 5,
            Self::Malformed(_) => 6,
            Self::Backlog => 7,
            Self::Replaced => 8,
            Self::Timeout => 9,
            Self::Lost(_) | Self::Told { .. } | Self::Gone => 10,
            Self::Silent => 11,
        };
        connection.close(VarInt::from_u32(code), self.to_string().as_bytes());
    }
}

impl From<ConnectionError> for Ended {
    fn from(e: ConnectionError) -> Self {
        match e {
            ConnectionError::TimedOut => Self::Silent,
            ConnectionError::Reset => Self::Gone,
            ConnectionError::ApplicationClosed(close) => Self::Told {
                code: close.error_code.into_inner(),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            other => Self::Lost(other.to_string()),
        }
    }
}

/// The part of both sides' handshakes that is the same.
pub(super) struct Introduction<'a> {
    pub(super) hello: Hello,
    pub(super) peers: &'a Mutex<Peers>,
}

impl Introduction<'_> {
    /// As the dialling side, to `node`.
    pub(super) async fn dialled(
        &self,
        node: &NodeId,
        connection: &Connection,
    ) -> Result<Established, Ended> {
        let (mut send, mut recv) = connection.open_bi().await?;
        let said = control::write(&mut send, &self.hello).await;
        said.map_err(|e| why(connection, &e))?;
        let theirs: Hello =
            control::read(&mut recv, MAX_HELLO).await.map_err(|e| why(connection, &e))?;
        if theirs.node != *node {
            return Err(Ended::Identity(node.clone()));
        }
        let version = self.judge(connection, &theirs, Opened::ByUs)?;
        Ok(self.established(theirs, version, connection, (send, recv)))
    }

    /// As the side that was dialled.
    pub(super) async fn accepted(&self, connection: &Connection) -> Result<Established, Ended> {
        let (mut send, mut recv) = connection.accept_bi().await?;
        let theirs: Hello =
            control::read(&mut recv, MAX_HELLO).await.map_err(|e| why(connection, &e))?;
        let version = self.judge(connection, &theirs, Opened::ByThem)?;
        let said = control::write(&mut send, &self.hello).await;
        said.map_err(|e| why(connection, &e))?;
        Ok(self.established(theirs, version, connection, (send, recv)))
    }

    /// The version that both speak from now on.
    fn judge(&self, connection: &Connection, theirs: &Hello, by: Opened) -> Result<u16, Ended> {
        if !tls::is_identity_of(connection.peer_identity(), &theirs.node) {
            return Err(Ended::Identity(theirs.node.clone()));
        }
        let ours = (self.hello.version_min, self.hello.version_max);
        let range = (theirs.version_min, theirs.version_max);
        let version = negotiate(ours, range).ok_or(Ended::Version { ours, theirs: range })?;
        let epoch = theirs.epoch;
        let admitted = lock(self.peers).admit(&theirs.node, epoch, by);
        admitted.map(|()| version).map_err(|why| Ended::refused(why, epoch))
    }

    fn established(
        &self,
        theirs: Hello,
        version: u16,
        connection: &Connection,
        (send, recv): (SendStream, RecvStream),
    ) -> Established {
        let (connection, ours) = (connection.clone(), self.hello.epoch);
        let Hello { node, epoch, .. } = theirs;
        Established { node, epoch, ours, version, connection, send, recv }
    }
}

/// The newest version both know.
pub(super) fn negotiate(ours: (u16, u16), theirs: (u16, u16)) -> Option<u16> {
    let newest = ours.1.min(theirs.1);
    (newest >= ours.0.max(theirs.0)).then_some(newest)
}

/// What ended a control stream: the connection's own reason, if it has one.
pub(super) fn why(connection: &Connection, e: &control::ControlError) -> Ended {
    if e.is_breach() {
        return Ended::Malformed(e.to_string());
    }
    connection.close_reason().map_or_else(|| Ended::Lost(e.to_string()), Ended::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_both_know_is_spoken() {
        assert_eq!(negotiate((1, 3), (2, 5)), Some(3));
        assert_eq!(negotiate((2, 5), (1, 2)), Some(2));
        assert_eq!(negotiate((1, 1), (2, 5)), None);
        assert_eq!(negotiate((3, 5), (1, 2)), None);
    }
}
