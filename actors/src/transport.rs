//! TransportActor: the DTLS session of one WebRTC transport. It starts the session when signalling
//! has said who the client is, hands it datagrams, and gives the plane the keys. Never sees a media
//! packet.

use std::sync::Arc;

use bytes::Bytes;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use starling_media::{Command, TransportKey, event::IceState};
use starling_proto::{
    TransportId,
    transport::{DtlsParameters, DtlsRole},
};

use crate::{
    data::{DataEvent, DataInbox},
    dtls::{Certificate, DtlsConfig, DtlsEvent, DtlsHandle, DtlsSession, Role},
    limits::DTLS_BACKLOG,
    peer::PeerMsg,
    worker::WorkerHandle,
};

/// What a transport is told.
pub(crate) enum TransportMsg {
    /// The client's role and fingerprints; only the first counts.
    Connect(DtlsParameters),
    /// A DTLS datagram from an admitted tuple.
    Datagram(Vec<u8>),
    /// ICE is somewhere else.
    Ice(IceState),
    /// From the session.
    Dtls(DtlsEvent),
    /// A handler that panics, for the test of exit policies.
    #[cfg(test)]
    Panic,
}

/// What a transport is made of.
pub(crate) struct TransportArgs {
    pub(crate) id: TransportId,
    pub(crate) key: TransportKey,
    pub(crate) worker: WorkerHandle,
    pub(crate) certificate: Certificate,
    pub(crate) peer: ActorRef<PeerMsg>,
    /// What the peer and the room say to its data channels.
    pub(crate) data: DataInbox,
}

enum Session {
    /// Datagrams wait for `Connect`.
    Waiting {
        backlog: Vec<Vec<u8>>,
        reachable: bool,
    },
    /// We are to send the ClientHello, and wait for an address to send it to.
    Unreachable(DtlsParameters),
    Running(DtlsHandle),
    Over,
}

pub(crate) struct TransportState {
    args: TransportArgs,
    session: Session,
}

/// The actor; see [`TransportMsg`].
pub(crate) struct TransportActor;

impl Actor for TransportActor {
    type Msg = TransportMsg;
    type State = TransportState;
    type Arguments = TransportArgs;

    async fn pre_start(
        &self,
        _myself: ActorRef<TransportMsg>,
        args: TransportArgs,
    ) -> Result<TransportState, ActorProcessingErr> {
        let session = Session::Waiting { backlog: Vec::new(), reachable: false };
        Ok(TransportState { args, session })
    }

    async fn handle(
        &self,
        myself: ActorRef<TransportMsg>,
        message: TransportMsg,
        state: &mut TransportState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            TransportMsg::Connect(remote) => state.connect(&myself, remote),
            TransportMsg::Datagram(datagram) => state.on_datagram(datagram),
            TransportMsg::Ice(ice) => state.on_ice(&myself, ice),
            TransportMsg::Dtls(event) => state.on_dtls(event),
            #[cfg(test)]
            TransportMsg::Panic => panic!("asked to"),
        }
        Ok(())
    }
}

impl TransportState {
    fn connect(&mut self, myself: &ActorRef<TransportMsg>, remote: DtlsParameters) {
        let Session::Waiting { backlog, reachable } = &mut self.session else { return };
        let (backlog, reachable) = (std::mem::take(backlog), *reachable);
        let role = role_against(remote.role);
        if role == Role::Client && !reachable {
            self.session = Session::Unreachable(remote);
            return;
        }
        let handle = self.start(myself, role, remote);
        for datagram in backlog {
            handle.input(datagram);
        }
        self.session = Session::Running(handle);
    }

    fn on_datagram(&mut self, datagram: Vec<u8>) {
        match &mut self.session {
            Session::Running(handle) => {
                handle.input(datagram);
            }
            Session::Waiting { backlog, .. } if backlog.len() < DTLS_BACKLOG => {
                backlog.push(datagram);
            }
            Session::Waiting { .. } | Session::Unreachable(_) | Session::Over => {}
        }
    }

    fn on_ice(&mut self, myself: &ActorRef<TransportMsg>, ice: IceState) {
        if !matches!(ice, IceState::Connected | IceState::Completed) {
            return;
        }
        match &mut self.session {
            Session::Waiting { reachable, .. } => *reachable = true,
            Session::Unreachable(remote) => {
                let remote = remote.clone();
                self.session = Session::Running(self.start(myself, Role::Client, remote));
            }
            Session::Running(_) | Session::Over => {}
        }
    }

    fn on_dtls(&mut self, event: DtlsEvent) {
        let (cause, reason) = match event {
            DtlsEvent::Connected(keys) => {
                let transport = self.args.key;
                self.args.worker.command(Command::SetSrtp { transport, keys: Box::new(keys) });
                let _ = self.args.peer.cast(PeerMsg::Secured(self.args.id.clone()));
                return;
            }
            DtlsEvent::Failed(cause, reason) => (Some(cause), format!("DTLS failed: {reason}")),
            DtlsEvent::Closed => (None, "the client closed the transport".to_owned()),
            DtlsEvent::Data(event) => return self.on_data(event),
        };
        self.session = Session::Over;
        let id = self.args.id.clone();
        let _ = self.args.peer.cast(PeerMsg::TransportFailed { id, cause, reason });
    }

    fn on_data(&self, event: DataEvent) {
        let _ = self.args.peer.cast(PeerMsg::Data(event));
    }

    fn start(
        &mut self,
        myself: &ActorRef<TransportMsg>,
        role: Role,
        remote: DtlsParameters,
    ) -> DtlsHandle {
        let (worker, transport, myself) = (self.args.worker.clone(), self.args.key, myself.clone());
        // It starts once, and the session is the only one to hear what is said.
        let (_, nobody) = crate::data::port();
        let data = std::mem::replace(&mut self.args.data, nobody);
        let config = DtlsConfig {
            role,
            certificate: self.args.certificate.clone(),
            remote_fingerprints: remote.fingerprints,
            out: Arc::new(move |datagram: Bytes| {
                worker.command(Command::SendDtls { transport, datagram });
            }),
            events: Arc::new(move |event| {
                let _ = myself.cast(TransportMsg::Dtls(event));
            }),
        };
        DtlsSession::spawn_with_data(config, data)
    }
}

/// Our role against the client's (mediasoup `WebRtcTransport.connect`): a client that leaves it
/// open finds us sending the ClientHello.
pub(crate) fn role_against(remote: DtlsRole) -> Role {
    match remote {
        DtlsRole::Client => Role::Server,
        DtlsRole::Server | DtlsRole::Auto => Role::Client,
    }
}
