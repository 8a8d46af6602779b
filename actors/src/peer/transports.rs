//! The peer's transports and producers: made, connected, ended.

use std::time::Duration;

use rand::SeedableRng;
use serde_json::{Value, json};
use starling_media::{
    command::{Bitrates, IceCredentials, ProducerParams},
    event::IceState,
    ice::candidates::credentials,
    negotiation::{
        consumable_parameters, is_red, normalize_rtp_parameters, producer_mapping, producer_type,
        validate_rtp_parameters,
    },
};
use starling_proto::{
    Code, MediaKind, ProducerId, Refusal, RtpParameters, TransportId,
    json::Json,
    mute::Muted,
    observer::Happened,
    rest::TransportBitrates,
    roster::ProducerEntry,
    sctp::SctpParameters,
    signal::ServerNotification,
    transport::{DtlsParameters, IceParameters, WebRtcTransportInfo},
};

use super::{Own, PeerState, plain::Plain, too_many};
use crate::{
    data::{self, DataPort},
    fresh,
    limits::{FREE_JSON, KEY_FRAME_DELAY_MS, PRODUCERS_PER_PEER, TRANSPORTS_PER_PEER},
    node::Of,
    room::RoomMsg,
    router::RouterMsg,
    session::{ToClient, TransportState},
};

/// A transport of this peer.
pub(super) enum Transport {
    /// WebRTC.
    WebRtc {
        /// Which way media goes on it.
        way: Way,
        /// `connectWebRtcTransport` was seen.
        connected: bool,
        /// To its data channels.
        data: DataPort,
    },
    /// Plain RTP.
    Plain(Plain),
    /// A program's tap, and the way to its data channels.
    Direct(DataPort),
}

/// Which way media goes on a WebRTC transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    /// Its client sends.
    FromClient,
    /// Its client receives, what is there and what comes.
    ToClient,
    /// A program says what, one by one.
    Both,
}

impl Way {
    /// As the demo's clients say it in `appData`.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::FromClient => "producer",
            Self::ToClient => "consumer",
            Self::Both => "both",
        }
    }
}

/// A producer to be.
pub(super) struct NewProducer {
    pub(super) kind: MediaKind,
    /// As it will be sent.
    pub(super) rtp: RtpParameters,
    pub(super) source: String,
    pub(super) paused: bool,
    pub(super) key_frame_delay_ms: u32,
    pub(super) app_data: Value,
}

impl PeerState {
    pub(super) fn create_webrtc(
        &mut self,
        way: Way,
        force_tcp: bool,
    ) -> Result<WebRtcTransportInfo, Refusal> {
        let ice_candidates = self.args.shared.candidates(&self.args.worker, force_tcp);
        if ice_candidates.is_empty() {
            return Err(Refusal::new(Code::BadRequest, "this node takes no media over TCP")
                .hint("leave 'forceTcp' out, or set rtc_tcp on the node"));
        }
        if self.transports.len() >= TRANSPORTS_PER_PEER {
            return Err(too_many("transports", TRANSPORTS_PER_PEER));
        }
        let id: TransportId = fresh::id();
        let mut rng = rand::rngs::StdRng::from_os_rng();
        let ice = credentials(&mut rng);
        let info = WebRtcTransportInfo {
            transport_id: id.clone(),
            ice_parameters: ice_parameters(&ice),
            ice_candidates,
            dtls_parameters: self.args.shared.dtls_parameters(),
            sctp_parameters: SctpParameters::default(),
        };
        let peer = self.myself.clone();
        let (port, data) = data::port();
        self.to_router(RouterMsg::AddWebRtc { id: id.clone(), peer, ice, data });
        self.observed(Happened::NewTransport, Of::Transport(&id), || json!({ "type": "webrtc" }));
        self.transports.insert(id, Transport::WebRtc { way, connected: false, data: port });
        self.consume_all();
        self.consume_all_data();
        Ok(info)
    }

    pub(super) fn connect_webrtc(
        &mut self,
        id: &TransportId,
        dtls: DtlsParameters,
    ) -> Result<(), Refusal> {
        match self.transports.get_mut(id) {
            Some(Transport::WebRtc { connected: true, .. }) => {
                Err(Refusal::new(Code::WrongState, "the transport is connected already"))
            }
            Some(Transport::WebRtc { connected, .. }) => {
                if dtls.fingerprints.is_empty() || dtls.fingerprints.len() > 16 {
                    let message = "dtlsParameters need 1 to 16 fingerprints";
                    return Err(Refusal::new(Code::BadRequest, message));
                }
                *connected = true;
                self.to_router(RouterMsg::Connect { id: id.clone(), dtls });
                Ok(())
            }
            Some(Transport::Plain(_) | Transport::Direct(_)) | None => Err(no_transport(id)),
        }
    }

    pub(super) fn restart_ice(&mut self, id: &TransportId) -> Result<IceParameters, Refusal> {
        let Some(Transport::WebRtc { .. }) = self.transports.get(id) else {
            return Err(no_transport(id));
        };
        let ice = credentials(&mut rand::rngs::StdRng::from_os_rng());
        let answer = ice_parameters(&ice);
        self.to_router(RouterMsg::RestartIce { id: id.clone(), ice });
        Ok(answer)
    }

    /// Starts a producer: negotiated here, forwarded by the router, told by the room.
    pub(super) fn start_producer(
        &mut self,
        transport: TransportId,
        new: NewProducer,
    ) -> Result<ProducerId, Refusal> {
        let NewProducer { kind, mut rtp, source, paused: wanted, key_frame_delay_ms, app_data } =
            new;
        let paused = wanted || self.args.muted.has(kind);
        if self.producers.len() >= PRODUCERS_PER_PEER {
            return Err(too_many("producers", PRODUCERS_PER_PEER));
        }
        check_free_json("appData", &app_data)?;
        if key_frame_delay_ms > KEY_FRAME_DELAY_MS {
            let message = format!("'keyFrameRequestDelay' is at most {KEY_FRAME_DELAY_MS} ms");
            return Err(Refusal::new(Code::BadRequest, message));
        }
        normalize_rtp_parameters(&mut rtp);
        validate_rtp_parameters(&rtp)?;
        self.check_new(&transport, &rtp)?;
        self.set_cname(&mut rtp);
        let capabilities = &self.args.shared.capabilities;
        let mut rng = rand::rngs::StdRng::from_os_rng();
        let mapping = producer_mapping(&rtp, capabilities, &mut rng)?;
        let consumable = consumable_parameters(kind, &rtp, capabilities, &mapping)?;
        let entry = ProducerEntry {
            id: fresh::id(),
            kind,
            rtp_type: producer_type(&rtp)?,
            source,
            paused,
            consumable: Json(consumable),
            app_data: Json(app_data),
        };
        if entry.is_encrypted() && rtp.codecs.iter().any(|codec| is_red(&codec.mime_type)) {
            let message = "audio/red that is encrypted cannot be taken apart for other receivers";
            return Err(Refusal::new(Code::UnsupportedMedia, message).hint("leave audio/red out"));
        }
        let id = entry.id.clone();
        self.observed(
            Happened::NewProducer,
            Of::Producer(&id),
            || json!({ "transportId": transport, "kind": kind, "type": entry.rtp_type }),
        );
        let (own_rtp, own_mapping) = (rtp.clone(), mapping.clone());
        let encrypted = entry.is_encrypted();
        let key_frame_delay = Duration::from_millis(key_frame_delay_ms.into());
        let params = ProducerParams { kind, rtp, mapping, paused, encrypted, key_frame_delay };
        let params = Box::new(params);
        self.to_room(RoomMsg::Produce {
            peer: self.args.id.clone(),
            incarnation: self.args.incarnation,
            transport: transport.clone(),
            entry: Box::new(entry.clone()),
            params,
        });
        let own = Own { transport, entry, paused: wanted, rtp: own_rtp, mapping: own_mapping };
        self.producers.insert(id.clone(), own);
        Ok(id)
    }

    /// What the plane tells producers of a transport apart by must be new there (mediasoup
    /// `Transport.cpp`).
    fn check_new(&self, transport: &TransportId, rtp: &RtpParameters) -> Result<(), Refusal> {
        let same = |own: &&Own| own.transport == *transport;
        for own in self.producers.values().filter(same) {
            let mid = rtp.mid.is_some() && rtp.mid == own.rtp.mid;
            let ssrc = ssrcs(rtp).any(|ssrc| ssrcs(&own.rtp).any(|taken| taken == ssrc));
            if mid || ssrc {
                let what = if mid { "MID" } else { "SSRC" };
                let message = format!("another producer of this transport has the same {what}");
                return Err(
                    Refusal::new(Code::BadRequest, message).hint("close that producer first")
                );
            }
        }
        Ok(())
    }

    /// One CNAME for all of a peer's producers, so that they are played in sync: the first that one
    /// of them names (Chrome names none with simulcast), else the peer's id.
    fn set_cname(&mut self, rtp: &mut RtpParameters) {
        let given = rtp.rtcp.cname.take().filter(|cname| !cname.is_empty());
        let first =
            self.cname.get_or_insert_with(|| given.unwrap_or_else(|| self.args.id.to_string()));
        rtp.rtcp.cname = Some(first.clone());
    }

    pub(super) fn close_producer(&mut self, id: &ProducerId) {
        if self.producers.remove(id).is_some() {
            self.observed(Happened::Close, Of::Producer(id), || Value::Null);
            let peer = self.args.id.clone();
            self.to_room(RoomMsg::CloseProducer { peer, producer: id.clone() });
        }
    }

    pub(super) fn pause_producer(&mut self, id: &ProducerId, paused: bool) {
        if let Some(own) = self.producers.get_mut(id) {
            own.paused = paused;
            self.settle_pause(id);
        }
    }

    /// An operator has silenced this peer, or no more: what it sends is paused, and goes on as its
    /// client wants it.
    pub(super) fn mute(&mut self, muted: Muted) {
        self.args.muted = muted;
        self.notify(ServerNotification::Muted(muted));
        let ids: Vec<_> = self.producers.keys().cloned().collect();
        ids.iter().for_each(|id| self.settle_pause(id));
    }

    fn settle_pause(&mut self, id: &ProducerId) {
        let Some(own) = self.producers.get_mut(id) else { return };
        let paused = own.paused || self.args.muted.has(own.entry.kind);
        if std::mem::replace(&mut own.entry.paused, paused) == paused {
            return;
        }
        let event = if paused { Happened::Pause } else { Happened::Resume };
        self.observed(event, Of::Producer(id), || Value::Null);
        let peer = self.args.id.clone();
        self.to_room(RoomMsg::PauseProducer { peer, producer: id.clone(), paused });
    }

    /// Limits of what is sent and received (WT10, WT11).
    pub(super) fn set_bitrates(
        &mut self,
        id: TransportId,
        limits: &TransportBitrates,
    ) -> Result<(), Refusal> {
        if !self.transports.contains_key(&id) {
            return Err(no_transport(&id));
        }
        let (min, max) = self.bounds.get(&id).copied().unwrap_or_default();
        let min = limits.min_outgoing_bitrate.unwrap_or(min);
        let max = limits.max_outgoing_bitrate.unwrap_or(max);
        if max > 0 && min > max {
            let message =
                format!("minOutgoingBitrate {min} is greater than maxOutgoingBitrate {max}");
            return Err(Refusal::new(Code::BadRequest, message)
                .hint("what is not in the request stays as it was set: give both"));
        }
        self.bounds.insert(id.clone(), (min, max));
        let bitrates = Bitrates {
            initial_outgoing: limits.initial_available_outgoing_bitrate,
            min_outgoing: limits.min_outgoing_bitrate,
            max_outgoing: limits.max_outgoing_bitrate,
            max_incoming: limits.max_incoming_bitrate,
        };
        self.to_router(RouterMsg::SetBitrates { id, bitrates });
        Ok(())
    }

    pub(super) fn remove_transport(&mut self, id: &TransportId) -> Result<(), Refusal> {
        if !self.transports.contains_key(id) {
            return Err(no_transport(id));
        }
        self.end_channels(id);
        self.transports.remove(id);
        self.observed(Happened::Close, Of::Transport(id), || Value::Null);
        self.bounds.remove(id);
        let producers = self.producers.iter().filter(|(_, own)| own.transport == *id);
        let producers: Vec<_> = producers.map(|(id, _)| id.clone()).collect();
        producers.iter().for_each(|id| self.close_producer(id));
        let consumers = self.consumers.iter().filter(|(_, c)| c.transport == *id);
        let consumers: Vec<_> = consumers.map(|(id, _)| id.clone()).collect();
        consumers.iter().for_each(|id| self.end_consumer(id));
        self.to_router(RouterMsg::RemoveTransport(id.clone()));
        Ok(())
    }

    /// DTLS failed or the client closed it: what was on the transport ends. The session stays, so
    /// the client may make another.
    pub(super) fn on_transport_failed(&mut self, id: &TransportId, reason: &str) {
        tracing::info!(peer = %self.args.id, transport = %id, reason, "a transport ended");
        self.observed_dtls(id, "closed");
        let _ = self.remove_transport(id);
        self.tell(ToClient::Transport { id: id.clone(), state: TransportState::Closed });
    }

    /// The client's checks arrive, or do no longer.
    pub(super) fn on_ice(&self, id: TransportId, state: IceState) {
        let info = || json!({ "iceState": state.name() });
        self.observed(Happened::IceStateChange, Of::Transport(&id), info);
        let state = match state {
            IceState::New => return,
            IceState::Connected | IceState::Completed => TransportState::Connected,
            IceState::Disconnected => TransportState::Disconnected,
        };
        self.tell(ToClient::Transport { id, state });
    }
}

fn ice_parameters(ice: &IceCredentials) -> IceParameters {
    let IceCredentials { ufrag, password } = ice.clone();
    IceParameters { username_fragment: ufrag, password, ice_lite: true }
}

/// All SSRCs that parameters name.
fn ssrcs(rtp: &RtpParameters) -> impl Iterator<Item = u32> {
    rtp.encodings.iter().flat_map(|e| e.ssrc.into_iter().chain(e.rtx.map(|rtx| rtx.ssrc)))
}

/// Free-form JSON that every other peer is sent must be small.
pub(crate) fn check_free_json(what: &str, value: &Value) -> Result<(), Refusal> {
    let len = value.to_string().len();
    if len > FREE_JSON {
        let message = format!("'{what}' has {len} bytes; at most {FREE_JSON} are passed on");
        return Err(Refusal::new(Code::TooLarge, message));
    }
    Ok(())
}

pub(super) fn no_transport(id: &TransportId) -> Refusal {
    Refusal::new(Code::TransportNotFound, format!("this peer has no such transport: {id}"))
        .hint("it may have ended; create another")
}
