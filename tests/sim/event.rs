//! What can happen in a simulated cluster. Never how.

use serde::Serialize;
use starling_cluster::decide::rejoin::{Closed, Offer};
use starling_proto::{
    NodeId, ProducerId, RoomId,
    flow::FlowId,
    link::LinkMessage,
    registry::{NodeRecord, PresenceRecord, RoomRecord},
    roster::ProducerEntry,
};

use super::network::Way;

/// A client's seat: which client, and which of its tries to be in the room.
pub(super) type Seat = (usize, u32);

/// What producers of videos have in their names, in place of what their parameters would say.
pub(super) const VIDEO: &str = "-v-";

/// A picture or a word, without its bytes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Packet {
    pub(super) room: RoomId,
    /// Who said it.
    pub(super) client: usize,
    /// The session it was said in, as its node stamps it, and that node.
    pub(super) incarnation: u64,
    pub(super) home: usize,
    pub(super) producer: ProducerId,
    /// Of the client's sources.
    pub(super) source: u8,
    pub(super) layer: u8,
    pub(super) seq: u64,
    pub(super) size: u32,
    /// The nodes it has been on, its publisher's first; not where it is.
    pub(super) via: Vec<usize>,
}

/// What travels on a connection of two nodes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) enum Frame {
    Hello {
        epoch: u64,
    },
    Welcome {
        epoch: u64,
    },
    /// The other side is not wanted, or the life that it has introduced itself in is over.
    Refused {
        over: Option<u64>,
    },
    Control(LinkMessage),
    /// The rest are datagrams. Who gets a ping must acknowledge it.
    Ping,
    Ack,
    Close,
    Packet {
        flow: FlowId,
        packet: Packet,
    },
}

impl Frame {
    /// It is repeated until it arrives, and arrives in order.
    pub(super) fn is_reliable(&self) -> bool {
        !matches!(self, Self::Ping | Self::Ack | Self::Close | Self::Packet { .. })
    }
}

/// What a node asks etcd.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) enum Call {
    Grant,
    KeepAlive {
        lease: u64,
    },
    Node {
        lease: u64,
        record: Box<NodeRecord>,
    },
    Presence {
        lease: u64,
        room: RoomId,
        presence: Option<PresenceRecord>,
    },
    Ensure {
        room: RoomId,
        record: RoomRecord,
    },
    Forget {
        room: RoomId,
        revision: i64,
    },
    Revoke {
        lease: u64,
    },
    /// The whole view.
    Sync,
}

/// What etcd answers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) enum Answer {
    Granted {
        lease: u64,
    },
    /// There is no such lease.
    Gone {
        lease: u64,
    },
    Kept,
    Claimed,
    /// A later life has the name.
    Superseded,
    Wrote {
        room: RoomId,
        presence: Option<PresenceRecord>,
    },
    Record {
        room: RoomId,
        record: Option<RoomRecord>,
    },
    Synced,
    /// Nothing came in time.
    Nothing,
}

/// What a client says to a node.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) enum ToNode {
    Open {
        room: RoomId,
        peer: String,
        resumes: Option<u64>,
    },
    Join,
    Produce(Box<ProducerEntry>),
    Close(ProducerId),
    /// It watches this layer of videos from now on.
    Layer(u8),
    Ask,
    Bye,
    Media {
        producer: ProducerId,
        source: u8,
        layer: u8,
        seq: u64,
        size: u32,
    },
}

/// What a node says to a client.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) enum ToClient {
    Opened,
    Joined(Offer),
    Offered(Offer),
    MoveTo { nodes: Vec<String>, within_ms: u32 },
    Answer,
    Closed(Closed),
}

/// Something that happens at a moment.
#[derive(Clone, Debug, Serialize)]
pub(super) enum Event {
    /// The plan's action of this number.
    Act(usize),
    Heal,
    Check,
    Leave,
    End,
    Tick {
        node: usize,
        life: u32,
    },
    /// A node looks at its links.
    Poll {
        node: usize,
        life: u32,
    },
    Frame {
        from: usize,
        to: usize,
        conn: u64,
        frame: Frame,
    },
    /// A stream that was stuck tries again.
    Retry {
        way: Way,
    },
    DialTimeout {
        node: usize,
        life: u32,
        conn: u64,
        to: NodeId,
    },
    Call {
        node: usize,
        life: u32,
        call: Call,
    },
    Answer {
        node: usize,
        life: u32,
        answer: Answer,
    },
    /// A change of etcd's log.
    Watch {
        node: usize,
        life: u32,
        generation: u32,
        index: usize,
    },
    /// etcd looks for leases that have ended.
    Leases,
    ToNode {
        node: usize,
        life: u32,
        seat: Seat,
        word: ToNode,
    },
    ToClient {
        node: usize,
        seat: Seat,
        word: ToClient,
    },
    ClientTick {
        client: usize,
        at: u64,
    },
    Publish {
        client: usize,
    },
    /// A packet that a planted bug held back.
    Late {
        node: usize,
        packet: Packet,
    },
}

impl Event {
    /// The node whose process would have to run for it, and which life of it.
    pub(super) fn runs_on(&self) -> Option<(usize, Option<u32>)> {
        match self {
            Self::Tick { node, life }
            | Self::Poll { node, life }
            | Self::DialTimeout { node, life, .. }
            | Self::Answer { node, life, .. }
            | Self::Watch { node, life, .. }
            | Self::ToNode { node, life, .. } => Some((*node, Some(*life))),
            Self::Frame { to: node, .. } | Self::Late { node, .. } => Some((*node, None)),
            _ => None,
        }
    }

    /// The stream that it comes on, if it is to come for sure.
    pub(super) fn way(&self) -> Option<Way> {
        match self {
            Self::Frame { from, conn, frame, .. } if frame.is_reliable() => {
                Some(Way::Link(*conn, *from))
            }
            Self::ToNode { word: ToNode::Media { .. }, .. } => None,
            Self::ToNode { seat, .. } => Some(Way::Up(*seat)),
            Self::ToClient { seat, .. } => Some(Way::Down(*seat)),
            _ => None,
        }
    }
}
