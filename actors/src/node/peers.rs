//! Peers of rooms as the program asks for them: whom there is, what programs' peers send and get,
//! and what operators look at. Never decides; every method is a question to the actor that owns the
//! answer.

use std::sync::Arc;

use serde_json::Value;
use starling_proto::{
    Code, ConsumerId, PeerId, ProducerId, Refusal, RoomId, TransportId,
    mute::Muted,
    observer::Observed,
    rest::{
        ChangeConsumer, ChangeProducer, ConnectPlainTransport, ConsumerCreated, CreateConsumer,
        CreatePeer, CreatePlainTransport, CreateProducer, CreateWebRtcTransport, Happening,
        IceRestarted, PeerInfo, PeerObjects, PlainTransportInfo, ProducerCreated,
        TransportBitrates, WebRtcConnected,
    },
    span::SpanContext,
    time::Timestamp,
    trace::{TraceType, Traced},
    transport::{DtlsParameters, WebRtcTransportInfo},
};
use tokio::sync::{broadcast, mpsc};

use super::{Follower, Node, NodeMsg, Reply, ask};
use crate::{
    direct::Direct,
    peer::{PeerMsg, ProgramMsg},
    room::RoomMsg,
    router::StatsWish,
};

/// Bytes of a reason that a WebSocket is closed with: those of a control frame without the code
/// (RFC 6455 §5.5).
const CLOSE_REASON: usize = 123;

/// What of a peer is looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Inspected {
    /// A transport.
    Transport(TransportId),
    /// A producer.
    Producer(ProducerId),
    /// A consumer.
    Consumer(ConsumerId),
}

/// What an operator does to a producer or consumer of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Steered {
    /// Changes a producer.
    Producer(ProducerId, ChangeProducer),
    /// Ends it.
    CloseProducer(ProducerId),
    /// Changes a consumer.
    Consumer(ConsumerId, ChangeConsumer),
    /// Asks for a key frame of what it gets.
    KeyFrame(ConsumerId),
    /// Ends it.
    CloseConsumer(ConsumerId),
}

impl From<Inspected> for StatsWish {
    fn from(of: Inspected) -> Self {
        match of {
            Inspected::Transport(id) => Self::Transport(id),
            Inspected::Producer(id) => Self::Producer(id),
            Inspected::Consumer(id) => Self::Consumer(id),
        }
    }
}

impl Node {
    /// Peers of a room on all nodes, as this node knows them.
    ///
    /// # Errors
    /// `room_not_found` if the room has no peers here.
    pub async fn peers(&self, room: &RoomId) -> Result<Vec<PeerInfo>, Refusal> {
        let room = self.room_ref(room).await?;
        ask(&room, RoomMsg::Peers).await
    }

    /// Sends a peer of this node away.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`.
    pub async fn remove_peer(&self, room: &RoomId, peer: &PeerId) -> Result<(), Refusal> {
        self.kick_peer(room, peer, "removed by an operator".to_owned()).await
    }

    /// Sends a peer of this node away; its client is told why.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`; `bad_request` if the reason does not fit a close frame.
    pub async fn kick_peer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        reason: String,
    ) -> Result<(), Refusal> {
        if reason.len() > CLOSE_REASON {
            let message = format!("a reason has at most {CLOSE_REASON} bytes");
            return Err(Refusal::new(Code::BadRequest, message));
        }
        let (room, peer) = (self.room_ref(room).await?, peer.clone());
        ask(&room, |reply| RoomMsg::RemovePeer { peer, reason, reply }).await
    }

    /// Silences a peer, wherever it is, or takes that back.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`, `limit_reached`.
    pub async fn mute_peer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        muted: Muted,
    ) -> Result<Muted, Refusal> {
        let (room, peer) = (self.room_ref(room).await?, peer.clone());
        ask(&room, |reply| RoomMsg::Mute { peer, muted, reply }).await
    }

    /// What is silenced of a peer.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`.
    pub async fn muted(&self, room: &RoomId, peer: &PeerId) -> Result<Muted, Refusal> {
        let (room, peer) = (self.room_ref(room).await?, peer.clone());
        ask(&room, |reply| RoomMsg::MutedOf { peer, reply }).await
    }

    /// Makes a peer without signalling, for programs.
    ///
    /// # Errors
    /// As [`Node::open_session`].
    pub async fn create_peer(&self, room: &RoomId, peer: CreatePeer) -> Result<PeerInfo, Refusal> {
        self.create_traced_peer(room, peer, None).await
    }

    /// The same as a part of a trace.
    ///
    /// # Errors
    /// As [`Node::open_session`].
    pub async fn create_traced_peer(
        &self,
        room: &RoomId,
        peer: CreatePeer,
        trace: Option<SpanContext>,
    ) -> Result<PeerInfo, Refusal> {
        let (room, peer) = (room.clone(), Box::new((peer, trace)));
        self.join(|reply| NodeMsg::CreatePeer { room: room.clone(), peer: peer.clone(), reply })
            .await
    }

    /// Gives such a peer a plain RTP transport.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`, `limit_reached`.
    pub async fn create_plain_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
        options: CreatePlainTransport,
    ) -> Result<PlainTransportInfo, Refusal> {
        self.ask_peer(room, peer, |reply| PeerMsg::CreatePlain { options, reply }).await
    }

    /// Gives a program's peer a direct transport: RTP in this process, without a network.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`, `limit_reached`.
    pub async fn create_direct_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
    ) -> Result<Direct, Refusal> {
        self.ask_peer(room, peer, PeerMsg::CreateDirect).await
    }

    /// Gives a program's peer a WebRTC transport.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`, `wrong_state` of a client's peer, `limit_reached`.
    pub async fn create_webrtc_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
        options: CreateWebRtcTransport,
    ) -> Result<WebRtcTransportInfo, Refusal> {
        self.ask_program(room, peer, |reply| ProgramMsg::CreateWebRtc { options, reply }).await
    }

    /// Tells a WebRTC transport who its client is.
    ///
    /// # Errors
    /// `transport_not_found`, `wrong_state`, `bad_request`.
    pub async fn connect_webrtc_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        dtls: DtlsParameters,
    ) -> Result<WebRtcConnected, Refusal> {
        let transport = transport.clone();
        self.ask_program(room, peer, |reply| ProgramMsg::ConnectWebRtc { transport, dtls, reply })
            .await
    }

    /// Gives a WebRTC transport new ICE credentials.
    ///
    /// # Errors
    /// `transport_not_found`.
    pub async fn restart_ice(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
    ) -> Result<IceRestarted, Refusal> {
        let transport = transport.clone();
        self.ask_program(room, peer, |reply| ProgramMsg::RestartIce { transport, reply }).await
    }

    /// Tells a plain transport where to send.
    ///
    /// # Errors
    /// `transport_not_found`, `wrong_state`, `bad_request`.
    pub async fn connect_plain_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        options: ConnectPlainTransport,
    ) -> Result<PlainTransportInfo, Refusal> {
        let transport = transport.clone();
        self.ask_peer(room, peer, |reply| PeerMsg::ConnectPlain { transport, options, reply }).await
    }

    /// Limits what a peer's transport sends and receives.
    ///
    /// # Errors
    /// `transport_not_found`, `bad_request`.
    pub async fn set_bitrates(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        limits: TransportBitrates,
    ) -> Result<(), Refusal> {
        let transport = transport.clone();
        self.ask_peer(room, peer, |reply| PeerMsg::SetBitrates { transport, limits, reply }).await
    }

    /// Ends a transport of such a peer.
    ///
    /// # Errors
    /// `transport_not_found`.
    pub async fn remove_transport(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
    ) -> Result<(), Refusal> {
        let transport = transport.clone();
        self.ask_peer(room, peer, |reply| PeerMsg::RemoveTransport { transport, reply }).await
    }

    /// Starts a producer on a plain transport.
    ///
    /// # Errors
    /// `transport_not_found`, `unsupported_media`, `limit_reached`.
    pub async fn plain_produce(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        producer: CreateProducer,
    ) -> Result<ProducerCreated, Refusal> {
        let transport = transport.clone();
        self.ask_peer(room, peer, |reply| PeerMsg::PlainProduce { transport, producer, reply })
            .await
    }

    /// Starts a consumer on a plain transport.
    ///
    /// # Errors
    /// `transport_not_found`, `producer_not_found`, `unsupported_media`.
    pub async fn plain_consume(
        &self,
        room: &RoomId,
        peer: &PeerId,
        transport: &TransportId,
        consumer: CreateConsumer,
    ) -> Result<ConsumerCreated, Refusal> {
        let (room, peer) = (self.room_ref(room).await?, peer.clone());
        let transport = transport.clone();
        ask(&room, |reply| RoomMsg::PlainConsume { peer, transport, consumer, reply }).await
    }

    /// Ids of a peer's transports, producers and consumers.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`.
    pub async fn objects(&self, room: &RoomId, peer: &PeerId) -> Result<PeerObjects, Refusal> {
        self.ask_peer(room, peer, PeerMsg::Objects).await
    }

    /// What the plane counts of one of them, in mediasoup's stats fields, or holds of it, in those
    /// of its dumps.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`, and the object's own `…_not_found`.
    pub async fn inspect(
        &self,
        room: &RoomId,
        peer: &PeerId,
        of: Inspected,
        dump: bool,
    ) -> Result<Value, Refusal> {
        let of = of.into();
        self.ask_peer(room, peer, |reply| PeerMsg::Inspect { of, dump, reply }).await
    }

    /// Tells what passes one of them until the receiver is dropped.
    ///
    /// # Errors
    /// As [`Node::inspect`]; `limit_reached`.
    pub async fn trace(
        &self,
        room: &RoomId,
        peer: &PeerId,
        of: Inspected,
        types: Vec<TraceType>,
    ) -> Result<mpsc::Receiver<Traced>, Refusal> {
        let of = of.into();
        self.ask_peer(room, peer, |reply| PeerMsg::Trace { of, types, reply }).await
    }

    pub(super) async fn ask_program<T: Send + 'static>(
        &self,
        room: &RoomId,
        peer: &PeerId,
        message: impl FnOnce(Reply<T>) -> ProgramMsg,
    ) -> Result<T, Refusal> {
        self.ask_peer(room, peer, |reply| PeerMsg::Program(message(reply))).await
    }

    /// Changes or ends a producer or consumer of a peer, its client's too.
    ///
    /// # Errors
    /// `room_not_found`, `peer_not_found`, the object's own `…_not_found`, `bad_request`.
    pub async fn steer(&self, room: &RoomId, peer: &PeerId, what: Steered) -> Result<(), Refusal> {
        self.ask_peer(room, peer, |reply| PeerMsg::Steer { what, reply }).await
    }

    /// What happens on this node from now on, until the receiver is dropped: mediasoup's observer
    /// events.
    ///
    /// # Errors
    /// `limit_reached`.
    pub fn observe(&self) -> Result<broadcast::Receiver<Arc<Observed>>, Refusal> {
        self.shared.feed.observe()
    }

    /// Tells something of this node, of which its actors do not know.
    pub fn tell(&self, what: Happening) {
        self.shared.journal.tell(what);
    }

    /// The cluster's events that this node tells: from now on, or from a moment on.
    pub fn follow(&self, since: Option<Timestamp>) -> Follower {
        self.shared.journal.follow(since)
    }

    /// Resumes a consumer that was made paused.
    ///
    /// # Errors
    /// `consumer_not_found`.
    pub async fn resume_consumer(
        &self,
        room: &RoomId,
        peer: &PeerId,
        consumer: &ConsumerId,
    ) -> Result<(), Refusal> {
        let consumer = consumer.clone();
        self.ask_peer(room, peer, |reply| PeerMsg::ResumeConsumer { consumer, reply }).await
    }

    async fn ask_peer<T: Send + 'static>(
        &self,
        room: &RoomId,
        peer: &PeerId,
        message: impl FnOnce(Reply<T>) -> PeerMsg,
    ) -> Result<T, Refusal> {
        let (room, peer) = (self.room_ref(room).await?, peer.clone());
        let peer = ask(&room, |reply| RoomMsg::PeerRef { peer, reply }).await?;
        ask(&peer, message).await
    }
}
