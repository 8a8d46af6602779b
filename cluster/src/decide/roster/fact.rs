//! What changed in a room's merged view. Never holds what only this node's media plane knows.

use starling_proto::{
    DataProducerId, NodeId, PeerId, ProducerId,
    json::Json,
    roster::{DataProducerEntry, ProducerEntry},
};

/// One change of the merged view.
#[derive(Clone, Debug, PartialEq)]
pub enum Fact {
    /// A peer is new. Its producers follow as `ProducerAdded`.
    PeerJoined {
        /// Who.
        peer: PeerId,
        /// Where.
        node: NodeId,
        /// For people.
        display_name: String,
        /// As the client described itself.
        device: Json<serde_json::Value>,
    },
    /// A peer resumed with a newer session, on another node or (`from == to`) on the same. Its
    /// producers follow as `ProducerReplaced` or `ProducerAdded`, now or when it produces again;
    /// what it does not produce again within [`SETTLE`](super::SETTLE) follows as `ProducerClosed`.
    PeerMoved {
        /// Who.
        peer: PeerId,
        /// From where.
        from: NodeId,
        /// To where.
        to: NodeId,
    },
    /// The peer's node is out of reach. It may move, be found, or leave when the window ends.
    PeerLost {
        /// Who.
        peer: PeerId,
        /// Where it was.
        node: NodeId,
    },
    /// The peer's node is in reach again, and the peer still on it.
    PeerFound {
        /// Who.
        peer: PeerId,
        /// Where.
        node: NodeId,
    },
    /// A peer is gone. All its producers were closed by the facts before this one.
    PeerLeft {
        /// Who.
        peer: PeerId,
        /// Where it was.
        node: NodeId,
    },
    /// A peer has another name.
    Renamed {
        /// Who.
        peer: PeerId,
        /// New.
        display_name: String,
    },
    /// A peer produces.
    ProducerAdded {
        /// Whose.
        peer: PeerId,
        /// The node to pull it from.
        node: NodeId,
        /// What.
        producer: ProducerEntry,
    },
    /// A resumed peer produces a source again (same source, kind and codec): whoever consumed `old`
    /// goes on with `producer`, which may have the same id. Both ids equal outside a resume means
    /// that the producer's parameters changed.
    ProducerReplaced {
        /// Whose.
        peer: PeerId,
        /// The node to pull it from.
        node: NodeId,
        /// What ended.
        old: ProducerId,
        /// What it is now.
        producer: ProducerEntry,
    },
    /// A producer ended.
    ProducerClosed {
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: ProducerId,
    },
    /// A producer is paused or not.
    ProducerPaused {
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: ProducerId,
        /// Now.
        paused: bool,
    },
    /// A peer produces data.
    DataProducerAdded {
        /// Whose.
        peer: PeerId,
        /// The node to pull it from.
        node: NodeId,
        /// What.
        producer: DataProducerEntry,
    },
    /// A resumed peer produces data again (same label, protocol and delivery): whoever consumed
    /// `old` goes on with `producer`, as with [`ProducerReplaced`](Self::ProducerReplaced).
    DataProducerReplaced {
        /// Whose.
        peer: PeerId,
        /// The node to pull it from.
        node: NodeId,
        /// What ended.
        old: DataProducerId,
        /// What it is now.
        producer: DataProducerEntry,
    },
    /// A data producer ended.
    DataProducerClosed {
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: DataProducerId,
    },
    /// A data producer is paused or not.
    DataProducerPaused {
        /// Whose.
        peer: PeerId,
        /// Which.
        producer: DataProducerId,
        /// Now.
        paused: bool,
    },
}
