//! The one QUIC connection per pair of nodes: mutual TLS, version range, control stream, datagrams
//! with flow ids. Never looks inside a packet.

mod ca;
mod capacity;
mod config;
mod congestion;
mod control;
mod counters;
mod data;
mod endpoint;
mod handshake;
mod inbox;
mod meter;
mod outbox;
pub mod peers;
mod queue;
mod reassembly;
mod session;
#[cfg(test)]
mod tests;
pub mod tls;
mod transport;
mod watch;

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use starling_proto::{NodeId, flow::FlowId, link::LinkMessage};

use crate::decide::budget::Top;

pub use ca::{DevCa, Issued, issue};
pub use config::{LinkConfig, LinkError};
pub use congestion::Congestion;
pub use counters::LinkCounters;
pub use data::{DataLane, DataSink};
pub use endpoint::LinkEndpoint;
pub use tls::{LinkTls, TlsError};

use crate::decide::liveness::Verdict;

/// Largest packet a link carries, in bytes: two parts of 1,150, which is what is left of the 1,200
/// every QUIC path carries. libwebrtc's packets have at most 1,200.
pub const MAX_PACKET: usize = 2_300;

/// Takes the packets of a flow. Called on the endpoint's tasks: must neither block nor fail; a full
/// queue drops and counts.
pub trait PacketSink: Send + Sync + 'static {
    /// One RTP or RTCP packet. Its bytes are a view of a receive buffer of up to 64 KiB: copy what
    /// is kept for longer than a turn.
    fn deliver(&self, packet: Bytes);
}

/// What to drop first when a link is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PacketClass {
    /// First.
    Video,
    /// Last.
    Audio,
    /// Never before audio: RTCP.
    Control,
}

/// What links tell their owner.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// Both Hellos are exchanged.
    Up(Arc<dyn Link>),
    /// A message came.
    Message {
        /// From whom.
        node: NodeId,
        /// Which life of it.
        epoch: u64,
        /// What.
        message: Box<LinkMessage>,
    },
    /// It takes less than is wanted, or more than before: the best layer that these flows may carry
    /// from now on (`decide::budget::layers`).
    Budget {
        /// To whom.
        node: NodeId,
        /// Which life of it.
        epoch: u64,
        /// Of which flow what.
        tops: Vec<(FlowId, Top)>,
    },
    /// It ended, or was silent for a second. It is dialled again while the node is wanted.
    Down {
        /// To whom.
        node: NodeId,
        /// Which life of it.
        epoch: u64,
        /// For the log.
        reason: String,
        /// Whether only the way to the node is broken.
        verdict: Verdict,
        /// The node said that it ends.
        left: bool,
    },
    /// What is believed of a wanted node whose link is down has changed.
    Verdict {
        /// Which.
        node: NodeId,
        /// Which life of it.
        epoch: u64,
        /// Now.
        verdict: Verdict,
    },
    /// Another node says that this one's life is over: it was given up, and its lease had ended, or
    /// a newer life of its id is known.
    Over {
        /// Who says so.
        by: NodeId,
        /// Of which life: the one in which this node had introduced itself.
        epoch: u64,
        /// In its words.
        reason: String,
    },
}

/// A link that is up.
pub trait Link: Send + Sync + std::fmt::Debug + 'static {
    /// The other node.
    fn node(&self) -> &NodeId;
    /// Which life of it.
    fn epoch(&self) -> u64;
    /// The link protocol both sides speak; what is [newer](LinkMessage::since) is not sent.
    fn version(&self) -> u16;
    /// Bit 0 of the flows this side opens: 0 if our id is the smaller one.
    fn flow_parity(&self) -> u64;
    /// Queues a control message; reliable and in order while the link is up. False if the link is
    /// down or 4,096 messages wait (the link is then closed: its state is not to be trusted). One
    /// that the other side's release does not know is dropped.
    fn send(&self, message: LinkMessage) -> bool;
    /// Where packets of a flow go from now on.
    fn open_flow(&self, flow: FlowId, sink: Arc<dyn PacketSink>);
    /// They are dropped from now on.
    fn close_flow(&self, flow: FlowId);
    /// Queues one packet; callable from any thread, never blocks. False if it was shed.
    /// `layer` is the place of its encoding among the flow's, the smallest first.
    fn send_packet(&self, flow: FlowId, class: PacketClass, layer: u8, packet: &[u8]) -> bool;
    /// Messages of data channels, both ways.
    fn data(&self) -> &Arc<DataLane>;
    /// Smoothed round trip.
    fn rtt(&self) -> std::time::Duration;
    /// What it has counted since it came up.
    fn counters(&self) -> LinkCounters {
        LinkCounters::default()
    }
}

/// The nodes to have links with: all that the registry lists and are not this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Which node.
    pub node: NodeId,
    /// Which life of it.
    pub epoch: u64,
    /// Where.
    pub addr: SocketAddr,
}

/// Whoever panicked while holding one of this module's locks held values that are whole between any
/// two statements.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
