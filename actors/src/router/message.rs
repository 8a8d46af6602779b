//! What a router is told. Never says what it does with it.

use std::{net::SocketAddr, sync::Arc};

use bytes::Bytes;
use ractor::ActorRef;
use starling_cluster::{
    decide::{budget::Top, traced::Stream},
    link::Link,
};
use starling_media::{
    Event, PipeKey, SocketId,
    command::{Bitrates, ConsumerParams, IceCredentials, ProducerParams, SrtpKeys},
    trace::TraceOf,
};
use starling_proto::{
    ConsumerId, NodeId, ProducerId, TransportId,
    flow::FlowId,
    roster::ProducerEntry,
    rtp::ConsumerLayers,
    trace::{TraceType, Traced},
    transport::DtlsParameters,
};
use tokio::sync::mpsc;

#[cfg(test)]
use crate::transport::TransportMsg;
use crate::{
    data::DataInbox,
    direct::Direct,
    node::Reply,
    peer::PeerMsg,
    worker::{PipeOut, WorkerHandle},
};

/// What a router is told.
pub(crate) enum RouterMsg {
    /// A WebRTC transport of a peer.
    AddWebRtc { id: TransportId, peer: ActorRef<PeerMsg>, ice: IceCredentials, data: DataInbox },
    /// The client's DTLS side.
    Connect { id: TransportId, dtls: DtlsParameters },
    /// New ICE credentials.
    RestartIce { id: TransportId, ice: IceCredentials },
    /// A plain transport of a peer, its sockets bound.
    AddPlain {
        id: TransportId,
        peer: ActorRef<PeerMsg>,
        plain: PlainSockets,
        /// With `enableSctp`.
        data: Option<DataInbox>,
    },
    /// A direct transport of a peer: packets for the program go to `out`.
    AddDirect { id: TransportId, peer: ActorRef<PeerMsg>, tap: Tap },
    /// Where a plain transport sends.
    ConnectPlain { id: TransportId, rtp: SocketAddr, rtcp: Option<SocketAddr> },
    /// Keys of a plain transport.
    SetSrtp { id: TransportId, keys: Box<SrtpKeys> },
    /// A transport ends, with what is on it.
    RemoveTransport(TransportId),
    /// A producer of a local peer.
    Produce {
        transport: TransportId,
        producer: ProducerId,
        params: Box<ProducerParams>,
        peer: ActorRef<PeerMsg>,
    },
    /// Stops or goes on.
    PauseProducer { producer: ProducerId, paused: bool },
    /// Gone for good.
    RemoveProducer(ProducerId),
    /// Its source goes on under another id, here or on another node: who consumes the one goes over
    /// to the other, make before break.
    SucceedProducer { old: ProducerId, new: ProducerId },
    /// A consumer of a local peer.
    Consume {
        transport: TransportId,
        consumer: ConsumerId,
        producer: ProducerId,
        params: Box<ConsumerParams>,
        peer: ActorRef<PeerMsg>,
    },
    /// Stops or goes on.
    PauseConsumer { consumer: ConsumerId, paused: bool },
    /// Highest layers.
    PreferLayers { consumer: ConsumerId, layers: ConsumerLayers },
    /// Weight among the videos of its transport.
    SetPriority { consumer: ConsumerId, priority: u8 },
    /// Limits of a transport's bitrates.
    SetBitrates { id: TransportId, bitrates: Bitrates },
    /// Wanted by the client.
    KeyFrame(ConsumerId),
    /// Gone.
    RemoveConsumer(ConsumerId),
    /// A producer of another node or core is to be had there.
    Pull { entry: Box<ProducerEntry>, from: Source },
    /// Its packets stop; its consumers wait.
    Unpull(ProducerId),
    /// Another node wants a producer on this flow.
    Serve { entry: Box<ProducerEntry>, flow: FlowId, link: Arc<dyn Link>, layers: u32 },
    /// Another core of this node wants a producer, on a pipe of this key and with that way out.
    ServeCore { entry: Box<ProducerEntry>, pipe: PipeKey, out: PipeOut },
    /// It wants other layers.
    ServeLayers { taker: Taker, layers: u32 },
    /// The best layer that the link to it takes.
    ServeTop { taker: Taker, top: Top },
    /// It wants no more.
    Unserve(Taker),
    /// The link to a node is down.
    UnserveNode(NodeId),
    /// An operator or a client looks.
    Look(Look),
    /// Facts of the worker about keys of this router.
    Events(Vec<Event>),
    /// Everything ends.
    Close,
    /// For the test of exit policies.
    #[cfg(test)]
    ToTransport(TransportId, TransportMsg),
    /// A handler that panics, for the same.
    #[cfg(test)]
    Panic,
}

/// A program's end of a direct transport, on its way to the program.
pub(crate) struct Tap {
    pub(crate) out: mpsc::Sender<Bytes>,
    pub(crate) packets: mpsc::Receiver<Bytes>,
    pub(crate) data: DataInbox,
    pub(crate) reply: Reply<Direct>,
}

/// Where a producer is that is not here.
#[derive(Clone)]
pub(crate) enum Source {
    /// On another node: a flow of the link to it.
    Flow(FlowId, Arc<dyn Link>),
    /// On another core of this node: its router of the same room.
    Core { router: ActorRef<RouterMsg>, worker: WorkerHandle },
}

/// Who is served a producer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Taker {
    /// A node, on a flow of the link to it.
    Node(NodeId, FlowId),
    /// Another core, on a pipe whose key its router has chosen.
    Core(PipeKey),
}

/// Who looks at what a router and its plane hold.
pub(crate) enum Look {
    /// Statistics.
    Stats { of: StatsWish, reply: Reply<serde_json::Value> },
    /// What the plane holds of it.
    Dump { of: StatsWish, reply: Reply<serde_json::Value> },
    /// The layers that are wanted of a pulled producer.
    Layers(ProducerId, Reply<u32>),
    /// What the router holds.
    DumpSelf(Reply<serde_json::Value>),
    /// Tell what passes.
    Trace { of: StatsWish, types: Vec<TraceType>, reply: Reply<mpsc::Receiver<Traced>> },
    /// A tracer listens no more.
    Untrace(TraceOf),
    /// Tell the room when the first packet of this leaves, which it asks for next.
    Await(Stream),
}

/// Sockets of a plain transport: closed when this is dropped, wherever it got to.
#[derive(Debug)]
pub(crate) struct PlainSockets {
    pub(crate) worker: WorkerHandle,
    /// With the address that the other side sends to.
    pub(crate) rtp: (SocketId, SocketAddr),
    pub(crate) rtcp: Option<(SocketId, SocketAddr)>,
    pub(crate) comedia: bool,
    pub(crate) srtp: bool,
}

impl Drop for PlainSockets {
    fn drop(&mut self) {
        std::iter::once(self.rtp).chain(self.rtcp).for_each(|(socket, _)| {
            self.worker.release_plain(socket);
        });
    }
}

/// Statistics of what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StatsWish {
    Transport(TransportId),
    Producer(ProducerId),
    Consumer(ConsumerId),
}
