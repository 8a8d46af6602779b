//! A program's tap in a room (mediasoup's DirectTransport): RTP and RTCP as they are, without a
//! network. What it sends goes to its producers by SSRC, what its consumers get comes out. Never
//! blocks; a full queue drops.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use ractor::ActorRef;
use starling_proto::TransportId;
use tokio::sync::mpsc;

use crate::{peer::PeerMsg, worker::PipeSink};

/// Packets that wait for the program: a second of a 10 Mb/s stream. What waits longer is late.
pub const DIRECT_QUEUE: usize = 1_024;

/// A direct transport. Dropping it ends the transport.
pub struct Direct {
    id: TransportId,
    sink: Arc<PipeSink>,
    packets: mpsc::Receiver<Bytes>,
    peer: ActorRef<PeerMsg>,
}

impl Direct {
    pub(crate) const fn new(
        id: TransportId,
        sink: Arc<PipeSink>,
        packets: mpsc::Receiver<Bytes>,
        peer: ActorRef<PeerMsg>,
    ) -> Self {
        Self { id, sink, packets, peer }
    }

    /// Which: where to produce and consume.
    pub const fn id(&self) -> &TransportId {
        &self.id
    }

    /// Sends an RTP or RTCP packet. False if the worker has too many waiting.
    pub fn send(&self, packet: &[u8]) -> bool {
        self.sink.push(packet)
    }

    /// The next RTP or RTCP packet for the program (RFC 5761 tells them apart); none once the
    /// transport has ended.
    pub async fn recv(&mut self) -> Option<Bytes> {
        self.packets.recv().await
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
