//! One client's signalling session, as `node` sees it.

use std::net::IpAddr;

use serde_json::Value;
pub use starling_proto::Grants;
use starling_proto::{
    ConsumerId, DataConsumerId, PeerId, Refusal, RoomId, TransportId,
    rest::CreatePeer,
    signal::{ClientNotification, ClientRequest, ServerNotification, ServerRequest},
    span::SpanContext,
};
use tokio::sync::mpsc;

/// Frames waiting for a client's WebSocket. A join to a 100-peer room makes 300 at once; a client
/// that lets 1,024 wait does not read.
pub const OUTBOX: usize = 1024;
/// Messages of a client waiting for its peer. A page start makes about 10; a client 256 ahead of
/// its node floods.
pub const INBOX: usize = 256;

/// Who wants a session. The token is verified already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionRequest {
    /// Where.
    pub room: RoomId,
    /// Who.
    pub peer: PeerId,
    /// From a join answer of this peer, on this or another node.
    pub resume_ticket: Option<String>,
    /// From where.
    pub remote: IpAddr,
    /// What the token grants, or what is left of that.
    pub grants: Grants,
    /// Less is left: a resume ticket of this session is good for no more, either.
    pub narrowed: bool,
    /// What its join is a part of, if that is traced.
    pub trace: Option<SpanContext>,
}

/// A program's peer to be, and what its join is a part of, if that is traced.
pub(crate) type Program = (CreatePeer, Option<SpanContext>);

/// An open session. Dropping both halves ends it, and with it the peer's place on this node.
#[derive(Debug)]
pub struct Session {
    /// To the peer.
    pub inbox: mpsc::Sender<FromClient>,
    /// From the peer. After [`ToClient::Close`] nothing follows.
    pub outbox: mpsc::Receiver<ToClient>,
}

/// What a client says.
#[derive(Clone, Debug, PartialEq)]
pub enum FromClient {
    /// Answered by exactly one [`ToClient::Response`] with the same id.
    Request {
        /// The client's.
        id: u32,
        /// What.
        request: ClientRequest,
    },
    /// Not answered.
    Notification(ClientNotification),
    /// The client accepted (or refused) a `newConsumer`.
    ConsumerAnswered {
        /// Which.
        consumer: ConsumerId,
        /// Accepted.
        accepted: bool,
    },
    /// The client accepted (or refused) a `newDataConsumer`.
    DataConsumerAnswered {
        /// Which.
        consumer: DataConsumerId,
        /// Accepted.
        accepted: bool,
    },
}

/// How a transport stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransportState {
    /// The client's checks arrive.
    Connected,
    /// They do no longer; they may again, also after an ICE restart.
    Disconnected,
    /// It is gone, with what was on it.
    Closed,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq)]
pub enum ToClient {
    /// To a request.
    Response {
        /// The request's.
        id: u32,
        /// `data`, or why not.
        result: Result<Value, Refusal>,
    },
    /// The client must answer.
    Request(ServerRequest),
    /// It need not.
    Notification(ServerNotification),
    /// How one of its transports stands, for a client that does not see it by itself.
    Transport {
        /// Which.
        id: TransportId,
        /// Now.
        state: TransportState,
    },
    /// The session is over.
    Close {
        /// WebSocket close code: 4000 means "do not retry" to protoo-client; 4001 "go to another
        /// node".
        code: u16,
        /// For the log and the person.
        reason: String,
    },
}
