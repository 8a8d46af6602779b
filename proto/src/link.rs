//! What two nodes say to each other on a link's control stream. Each message states a fact or a
//! wish; repeating one is harmless. Never carries media (`flow`).

use serde::{Deserialize, Serialize};

use crate::{
    DataProducerId, Moderation, NodeId, PeerId, ProducerId, RoomId,
    flow::FlowId,
    mute::Muted,
    registry::{NodeCost, NodeLoad, NodeState},
    roster::{Change, Known, Snapshot},
    span::SpanContext,
    voice::Voices,
};

/// Oldest link protocol this release speaks. Versions before it were never released, and
/// their rosters had no data producers.
pub const VERSION_MIN: u16 = 3;
/// Newest link protocol this release speaks. Two nodes use the newest both know, so that releases n
/// and n+1 share a room.
pub const VERSION_MAX: u16 = 4;

/// First message each way. A link is up after the other's Hello, not after the QUIC handshake.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// Who speaks; must be the certificate's SAN.
    pub node: NodeId,
    /// Which life of that node: as in its registry record.
    pub epoch: u64,
    /// Oldest version it speaks.
    pub version_min: u16,
    /// Newest version it speaks.
    pub version_max: u16,
}

/// Everything after [`Hello`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LinkMessage {
    /// How busy the sender is, every 500 ms.
    Load {
        /// Figures.
        load: NodeLoad,
        /// Up or draining.
        state: NodeState,
    },
    /// The sender has peers of these rooms: all of them, when a link comes up.
    Rooms(Vec<RoomId>),
    /// The sender has its first peer of a room.
    RoomOpened(RoomId),
    /// The sender's last peer of a room has left.
    RoomClosed(RoomId),
    /// The sender's peers of a room.
    Snapshot {
        /// Which.
        room: RoomId,
        /// All.
        snapshot: Snapshot,
    },
    /// The sender's peers of a room changed.
    Delta {
        /// Which.
        room: RoomId,
        /// Number of this change; one above the last.
        seq: u64,
        /// What.
        change: Change,
    },
    /// A delta is missing: send a snapshot.
    SnapshotWanted(RoomId),
    /// Send this producer's packets on this flow.
    PipeOpen {
        /// Chosen by the sender of this message.
        flow: FlowId,
        /// Where.
        room: RoomId,
        /// What.
        producer: ProducerId,
        /// Bit n: encoding n is wanted.
        layers: u32,
    },
    /// The sender has no such producer (any more).
    PipeRefused {
        /// Which.
        flow: FlowId,
    },
    /// Other encodings are wanted from now on.
    PipeLayers {
        /// Which.
        flow: FlowId,
        /// As in `PipeOpen`.
        layers: u32,
    },
    /// No packets are wanted, or there are no more.
    PipeClose {
        /// Which.
        flow: FlowId,
    },
    /// A room was deleted by an operator.
    RoomDeleted(RoomId),
    /// The sender is about to leave: use other nodes.
    Draining(NodeId),
    /// How the sender's microphones of a room sound, and who has the floor (version 2).
    Voices {
        /// Which.
        room: RoomId,
        /// What.
        voices: Voices,
    },
    /// Send this data producer's messages on this flow. It is refused and ended as a pipe is
    /// (version 3).
    DataOpen {
        /// Chosen by the sender of this message.
        flow: FlowId,
        /// Where.
        room: RoomId,
        /// What.
        producer: DataProducerId,
        /// Bytes that may be sent before more are granted.
        granted: u32,
    },
    /// What the sender's work costs it, with its load (version 4).
    Cost(NodeCost),
    /// Joins that the sender has just placed, wherever: so that others who answer joins at the
    /// same moment know of them before the nodes' loads tell it (version 4).
    Placed(Vec<PlacedJoins>),
    /// As `PipeOpen`, of a node that may have the producer from another: whoever does not have it
    /// yet pulls it (version 4).
    PipeOpenVia {
        /// Chosen by the sender of this message.
        flow: FlowId,
        /// Where.
        room: RoomId,
        /// What.
        producer: ProducerId,
        /// Bit n: encoding n is wanted.
        layers: u32,
        /// For whom it is asked, the sender last. Who finds itself there refuses.
        hops: Vec<NodeId>,
    },
    /// By which way what is sent on a flow comes to the sender, and that it comes (version 4).
    PipeServed {
        /// Which.
        flow: FlowId,
        /// The publisher's node first, the sender last; empty while nothing comes.
        path: Vec<NodeId>,
    },
    /// Say when you last had an answer of this node, whose link to the sender is silent or down
    /// (version 4).
    ReachWanted {
        /// Which.
        node: NodeId,
        /// In the life the sender knew.
        epoch: u64,
    },
    /// The sender reaches this node. Who does not reach it says nothing (version 4).
    Reach {
        /// Which.
        node: NodeId,
        /// In this life.
        epoch: u64,
        /// Milliseconds since it last answered.
        ago_ms: u32,
    },
    /// Say what the sender does not know of the peers that these nodes have in a room: it has no
    /// link with them, and hears that others have (version 4).
    RostersWanted {
        /// Which.
        room: RoomId,
        /// What the sender knows.
        known: Vec<Known>,
    },
    /// The sender has a link with this node, and knows this of its peers in a room. Who has none
    /// says nothing (version 4).
    Roster {
        /// Which.
        room: RoomId,
        /// Whose.
        node: NodeId,
        /// In which life.
        epoch: u64,
        /// All, as the node itself has told it; none if that is known already.
        snapshot: Option<Snapshot>,
    },
    /// An admin of a room does this to a peer that is on the receiver; the sender has checked the
    /// admin's token (version 4).
    Moderate {
        /// Which.
        room: RoomId,
        /// To whom.
        peer: PeerId,
        /// What.
        order: Moderation,
    },
    /// What an operator has silenced of a peer, wherever it is; nothing takes it back (version 4).
    Muted {
        /// In which room.
        room: RoomId,
        /// Whom.
        peer: PeerId,
        /// What.
        muted: Muted,
    },
    /// The sender is about to tell that this peer joins, which is part of a trace (version 4).
    Joining {
        /// Which room.
        room: RoomId,
        /// Who.
        peer: PeerId,
        /// What the receiver's part of it belongs to.
        context: SpanContext,
    },
}

/// Joins to a room that were placed on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlacedJoins {
    /// Which room.
    pub room: RoomId,
    /// Which node.
    pub node: NodeId,
    /// How many.
    pub joins: u16,
}

impl LinkMessage {
    /// The link protocol that brought this message: a link whose other side speaks an older one
    /// does not carry it.
    pub const fn since(&self) -> u16 {
        match self {
            Self::Voices { .. } => 2,
            Self::DataOpen { .. } => 3,
            Self::Cost(_)
            | Self::Placed(_)
            | Self::PipeOpenVia { .. }
            | Self::PipeServed { .. }
            | Self::ReachWanted { .. }
            | Self::Reach { .. }
            | Self::RostersWanted { .. }
            | Self::Roster { .. }
            | Self::Moderate { .. }
            | Self::Muted { .. }
            | Self::Joining { .. } => 4,
            _ => 1,
        }
    }
}

#[cfg(test)]
mod recorded;
