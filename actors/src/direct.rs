//! A program's tap in a room (mediasoup's DirectTransport): RTP, RTCP and messages as they are,
//! without a network. What it sends goes to its producers, by SSRC or by id, what its consumers get
//! comes out. A full queue drops packets, and holds messages back.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use ractor::ActorRef;
use starling_proto::TransportId;
use tokio::sync::mpsc;

pub use crate::data::{DirectData, DirectSender};
use crate::{peer::PeerMsg, worker::PipeSink};

/// Packets that wait for the program: a second of a 10 Mb/s stream. What waits longer is late.
pub const DIRECT_QUEUE: usize = 1_024;

/// What a program gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tapped {
    /// An RTP or RTCP packet (RFC 5761 tells them apart).
    Packet(Bytes),
    /// Of its data consumers.
    Data(DirectData),
}

/// A direct transport. Dropping it ends the transport.
pub struct Direct {
    id: TransportId,
    sink: Arc<PipeSink>,
    packets: mpsc::Receiver<Bytes>,
    sender: DirectSender,
    data: mpsc::Receiver<DirectData>,
    peer: ActorRef<PeerMsg>,
}

impl Direct {
    pub(crate) fn new(
        id: TransportId,
        sink: Arc<PipeSink>,
        packets: mpsc::Receiver<Bytes>,
        (sender, data): (DirectSender, mpsc::Receiver<DirectData>),
        peer: ActorRef<PeerMsg>,
    ) -> Self {
        Self { id, sink, packets, sender, data, peer }
    }

    /// Which: where to produce and consume.
    pub const fn id(&self) -> &TransportId {
        &self.id
    }

    /// Sends an RTP or RTCP packet. False if the worker has too many waiting.
    pub fn send(&self, packet: &[u8]) -> bool {
        self.sink.push(packet)
    }

    /// Sends messages of its data producers.
    pub fn sender(&self) -> DirectSender {
        self.sender.clone()
    }

    /// The next packet or message for the program; none once the transport has ended.
    pub async fn recv(&mut self) -> Option<Tapped> {
        tokio::select! {
            packet = self.packets.recv() => packet.map(Tapped::Packet),
            Some(data) = self.data.recv() => Some(Tapped::Data(data)),
        }
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct").field("id", &self.id).finish_non_exhaustive()
    }
}

impl Drop for Direct {
    fn drop(&mut self) {
        let _ = self.peer.cast(PeerMsg::DirectEnded(self.id.clone()));
    }
}
