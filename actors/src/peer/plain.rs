//! Plain RTP transports of a program's peer, steered over REST: for ffmpeg, GStreamer and
//! recorders.

use std::{
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use rand::RngCore;
use serde_json::json;
use starling_media::{
    SocketId,
    command::{SrtpKey, SrtpKeys},
    negotiation::{
        ConsumerOptions, consumer_parameters, plain_capabilities, sdp_of, validate_rtp_capabilities,
    },
};
use starling_proto::{
    Code, ConsumerId, MediaKind, PeerId, Refusal, TransportId,
    observer::Happened,
    rest::{
        ConnectPlainTransport, ConsumerCreated, CreateConsumer, CreatePlainTransport,
        CreateProducer, PlainTransportInfo, ProducerCreated,
    },
    roster::ProducerEntry,
    sctp::SctpParameters,
    transport::{PlainAddress, SrtpParameters, SrtpProfile},
};

use super::{
    PeerState,
    consumers::{Start, app_data},
    too_many,
    transports::{NewProducer, Transport, Way, no_transport},
};
use crate::{
    data::{self, DataInbox, DataPort},
    direct::{DIRECT_QUEUE, Direct},
    fresh,
    limits::{CONSUMERS_PER_PEER, TRANSPORTS_PER_PEER},
    node::{Of, Reply},
    router::{PlainSockets, RouterMsg, Tap},
    worker::PlainSockets as Bound,
};

/// In the SDP of a consumer that no network carries (RFC 4566 has no word for it): the discard
/// port of no address.
const NOWHERE: PlainAddress =
    PlainAddress { ip: IpAddr::V4(Ipv4Addr::UNSPECIFIED), port: 9, rtcp_port: None };

/// A plain transport of this peer.
pub(super) struct Plain {
    address: PlainAddress,
    comedia: bool,
    srtp: Option<(SrtpProfile, SrtpKey)>,
    /// Where it sends, once it is connected.
    remote: Option<PlainAddress>,
    connected: bool,
    /// To its data channels, with `enableSctp`.
    pub(super) data: Option<DataPort>,
}

impl PeerState {
    pub(super) fn create_plain(
        &mut self,
        options: &CreatePlainTransport,
    ) -> Result<PlainTransportInfo, Refusal> {
        if self.transports.len() >= TRANSPORTS_PER_PEER {
            return Err(too_many("transports", TRANSPORTS_PER_PEER));
        }
        let bound = self.bind(options)?;
        let ip = self.args.shared.plain_ip(bound.rtp.1.ip());
        let announced =
            |(socket, local): (SocketId, SocketAddr)| (socket, SocketAddr::new(ip, local.port()));
        let (rtp, rtcp) = (announced(bound.rtp), bound.rtcp.map(announced));
        let address = PlainAddress {
            ip,
            port: bound.rtp.1.port(),
            rtcp_port: bound.rtcp.map(|(_, address)| address.port()),
        };
        let srtp = options.enable_srtp.then(|| {
            let profile = options.srtp_crypto_suite.unwrap_or(SrtpProfile::AesCm128HmacSha1_80);
            (profile, random_key(profile))
        });
        let id: TransportId = fresh::id();
        let (data, inbox) = options.enable_sctp.then(data::port).unzip();
        let comedia = options.comedia;
        let plain = Plain { address, comedia, srtp, remote: None, connected: false, data };
        self.observed(Happened::NewTransport, Of::Transport(&id), || json!({ "type": "plain" }));
        self.add_plain(&id, rtp, rtcp, &plain, inbox);
        let info = plain.info(id.clone());
        self.transports.insert(id, Transport::Plain(plain));
        Ok(info)
    }

    fn bind(&self, options: &CreatePlainTransport) -> Result<Bound, Refusal> {
        let worker = &self.args.worker;
        let bound = match (options.port, options.rtcp_port) {
            (None, None) => worker.bind_plain(!options.rtcp_mux),
            (Some(_), Some(_)) if options.rtcp_mux => {
                let message = "'rtcpPort' is of transports without 'rtcpMux'";
                return Err(Refusal::new(Code::BadRequest, message));
            }
            (Some(port), None) if options.rtcp_mux => worker.bind_plain_on(port, None),
            (Some(port), rtcp) => {
                worker.bind_plain_on(port, rtcp.or_else(|| port.checked_add(1)).or(Some(0)))
            }
            (None, Some(_)) => {
                return Err(Refusal::new(Code::BadRequest, "'rtcpPort' needs 'port'"));
            }
        };
        bound.map_err(|error| match error.kind() {
            ErrorKind::InvalidInput => {
                Refusal::new(Code::BadRequest, "this port is none that plain transports may use")
                    .hint("ask for one inside the node's range, or for none")
            }
            _ => Refusal::new(Code::NoCapacity, format!("no port for a plain transport: {error}"))
                .hint("ask for no port, widen the range, or end unused transports"),
        })
    }

    /// The router answers, for it knows the way into the worker.
    pub(super) fn create_direct(&mut self, reply: Reply<Direct>) {
        if self.transports.len() >= TRANSPORTS_PER_PEER {
            let _ = reply.send(Err(too_many("transports", TRANSPORTS_PER_PEER)));
            return;
        }
        let id: TransportId = fresh::id();
        self.observed(Happened::NewTransport, Of::Transport(&id), || json!({ "type": "direct" }));
        let (out, packets) = tokio::sync::mpsc::channel(DIRECT_QUEUE);
        let (port, data) = data::port();
        let (peer, tap) = (self.myself.clone(), Tap { out, packets, data, reply });
        self.to_router(RouterMsg::AddDirect { id: id.clone(), peer, tap });
        self.transports.insert(id, Transport::Direct(port));
    }

    fn add_plain(
        &self,
        id: &TransportId,
        rtp: (SocketId, SocketAddr),
        rtcp: Option<(SocketId, SocketAddr)>,
        plain: &Plain,
        data: Option<DataInbox>,
    ) {
        let peer = self.myself.clone();
        let (comedia, srtp) = (plain.comedia, plain.srtp.is_some());
        let worker = self.args.worker.clone();
        let plain = PlainSockets { worker, rtp, rtcp, comedia, srtp };
        self.to_router(RouterMsg::AddPlain { id: id.clone(), peer, plain, data });
    }

    pub(super) fn connect_plain(
        &mut self,
        id: &TransportId,
        options: ConnectPlainTransport,
    ) -> Result<PlainTransportInfo, Refusal> {
        let Some(Transport::Plain(plain)) = self.transports.get_mut(id) else {
            return Err(no_transport(id));
        };
        if plain.connected {
            return Err(Refusal::new(Code::WrongState, "the transport is connected already"));
        }
        let keys = plain.keys(options.srtp_parameters)?;
        match (options.address, plain.comedia) {
            (Some(_), true) => {
                let message = "a comedia transport learns its address from the first packet";
                return Err(Refusal::new(Code::BadRequest, message).hint("leave ip and port out"));
            }
            (None, false) => {
                return Err(Refusal::new(Code::BadRequest, "'ip' and 'port' are missing"));
            }
            (Some(remote), false) => {
                check_remote(&remote, plain.address.rtcp_port.is_some())?;
                plain.remote = Some(remote);
            }
            (None, true) => {}
        }
        plain.connected = true;
        let (remote, info) = (plain.remote.clone(), plain.info(id.clone()));
        if let Some(keys) = keys {
            self.to_router(RouterMsg::SetSrtp { id: id.clone(), keys: Box::new(keys) });
        }
        if let Some(PlainAddress { ip, port, rtcp_port }) = remote {
            self.to_router(RouterMsg::ConnectPlain {
                id: id.clone(),
                rtp: SocketAddr::new(ip, port),
                rtcp: rtcp_port.map(|port| SocketAddr::new(ip, port)),
            });
        }
        Ok(info)
    }

    pub(super) fn plain_produce(
        &mut self,
        transport: TransportId,
        producer: CreateProducer,
    ) -> Result<ProducerCreated, Refusal> {
        let Some(
            Transport::Plain(_) | Transport::Direct(_) | Transport::WebRtc { way: Way::Both, .. },
        ) = self.transports.get(&transport)
        else {
            return Err(no_transport(&transport));
        };
        let CreateProducer {
            kind,
            rtp_parameters: rtp,
            paused,
            key_frame_request_delay: key_frame_delay_ms,
            app_data,
        } = producer;
        let named = app_data.get("source").and_then(serde_json::Value::as_str);
        let source = named.unwrap_or(match kind {
            MediaKind::Audio => "audio",
            MediaKind::Video => "video",
        });
        let source = source.to_owned();
        let new = NewProducer { kind, rtp, source, paused, key_frame_delay_ms, app_data };
        let producer_id = self.start_producer(transport, new)?;
        Ok(ProducerCreated { producer_id })
    }

    pub(super) fn plain_consume(
        &mut self,
        transport: &TransportId,
        options: CreateConsumer,
        peer: PeerId,
        entry: &ProducerEntry,
    ) -> Result<ConsumerCreated, Refusal> {
        // Where packets go, for an SDP; a browser is not told by one.
        let remote = match self.transports.get(transport) {
            Some(Transport::Plain(plain)) => {
                Some(plain.remote.clone().unwrap_or_else(|| plain.address.clone()))
            }
            Some(Transport::Direct(_)) => Some(NOWHERE),
            Some(Transport::WebRtc { way: Way::Both, .. }) => None,
            Some(Transport::WebRtc { .. }) | None => return Err(no_transport(transport)),
        };
        if self.consumers.len() >= CONSUMERS_PER_PEER {
            return Err(too_many("consumers", CONSUMERS_PER_PEER));
        }
        let webrtc = remote.is_none();
        let capabilities = match options.rtp_capabilities {
            Some(capabilities) => {
                validate_rtp_capabilities(&capabilities)?;
                capabilities
            }
            None if webrtc => {
                return Err(Refusal::new(Code::BadRequest, "'rtpCapabilities' are missing")
                    .hint("give what mediasoup-client's Device has as recvRtpCapabilities"));
            }
            None => plain_capabilities(&self.args.shared.capabilities),
        };
        let negotiate = ConsumerOptions {
            enable_rtx: options.enable_rtx.unwrap_or(webrtc && entry.kind == MediaKind::Video),
            mid: if webrtc { Some(self.mid(options.mid)?) } else { None },
            cname: peer.to_string(),
            encrypted: entry.is_encrypted(),
        };
        let mut rng = rand::rng();
        let rtp = consumer_parameters(&entry.consumable.0, &capabilities, negotiate, &mut rng)?;
        let sdp = remote.map(|it| sdp_of(&rtp, it.ip, it.port, it.rtcp_port));
        let consumer_id: ConsumerId = fresh::id();
        let start = Start {
            paused: options.paused,
            ignore_dtx: options.ignore_dtx,
            preferred: options.preferred_layers,
        };
        self.start_consumer(&consumer_id, transport, entry, rtp.clone(), start);
        self.add_consumer(consumer_id.clone(), transport.clone(), entry.id.clone(), options.paused);
        Ok(ConsumerCreated {
            consumer_id,
            producer_id: entry.id.clone(),
            app_data: app_data(entry, &peer),
            peer_id: peer,
            kind: entry.kind,
            rtp_type: entry.rtp_type,
            rtp_parameters: rtp,
            producer_paused: entry.paused,
            sdp,
        })
    }
}

impl Plain {
    fn info(&self, transport_id: TransportId) -> PlainTransportInfo {
        let srtp_parameters = self.srtp.as_ref().map(|(profile, key)| SrtpParameters {
            crypto_suite: *profile,
            key_base64: STANDARD.encode([key.key.as_slice(), key.salt.as_slice()].concat()),
        });
        let sctp_parameters = self.data.as_ref().map(|_| SctpParameters::plain());
        let address = self.address.clone();
        PlainTransportInfo { transport_id, address, srtp_parameters, sctp_parameters }
    }

    /// Both directions' keys, if the transport encrypts. The suite follows the other side's, and
    /// then our key is cut to it (mediasoup `PlainTransport.connect`).
    fn keys(&mut self, theirs: Option<SrtpParameters>) -> Result<Option<SrtpKeys>, Refusal> {
        let bad = |message: &str| Err(Refusal::new(Code::BadRequest, message));
        let (srtp, theirs) = match (&mut self.srtp, theirs) {
            (None, None) => return Ok(None),
            (None, Some(_)) => return bad("the transport was made without 'enableSrtp'"),
            (Some(_), None) => return bad("'srtpParameters' are missing"),
            (Some(srtp), Some(theirs)) => (srtp, theirs),
        };
        let profile = theirs.crypto_suite;
        if srtp.0 != profile {
            *srtp = (profile, random_key(profile));
        }
        let Ok(bytes) = STANDARD.decode(&theirs.key_base64) else {
            return bad("'keyBase64' is not base64");
        };
        let (key, salt) = profile.lengths();
        if bytes.len() != key + salt {
            return bad(&format!("'keyBase64' must hold {} bytes for this suite", key + salt));
        }
        let recv = SrtpKey { key: bytes[..key].to_vec(), salt: bytes[key..].to_vec() };
        Ok(Some(SrtpKeys { profile, send: srtp.1.clone(), recv }))
    }
}

fn random_key(profile: SrtpProfile) -> SrtpKey {
    let (key, salt) = profile.lengths();
    let mut bytes = vec![0; key + salt];
    rand::rng().fill_bytes(&mut bytes);
    SrtpKey { key: bytes[..key].to_vec(), salt: bytes[key..].to_vec() }
}

fn check_remote(remote: &PlainAddress, own_rtcp: bool) -> Result<(), Refusal> {
    let nowhere = match remote.ip {
        IpAddr::V4(ip) => ip.is_unspecified() || ip.is_broadcast(),
        IpAddr::V6(ip) => ip.is_unspecified(),
    };
    if nowhere || remote.port == 0 || remote.rtcp_port == Some(0) {
        let message = "'ip' and 'port' must name a receiver";
        return Err(Refusal::new(Code::BadRequest, message));
    }
    if own_rtcp && remote.rtcp_port.is_none() {
        let message = "'rtcpPort' is missing: the transport was made without 'rtcpMux'";
        return Err(Refusal::new(Code::BadRequest, message));
    }
    Ok(())
}
