//! One transport of a plane: where its packets come from and go to, its keys, its streams by SSRC,
//! and what waits to be sent to it. Forwards nothing itself.

use std::{net::SocketAddr, time::Instant};

use crate::{
    bandwidth::Bounds,
    command::{PipeKey, SocketId, TransportKey},
    consumer::Place,
    ice::Agent,
    ingress::{RateCalculator, TwccRecorder, rate},
    producer::{Part, ReceivedIds, StreamUid},
    rtcp::DlrrBlock,
    srtp,
    trace::TraceTypes,
};

use super::{
    bandwidth::Bandwidth,
    hash::{Seeded, SeededMap},
    outbox::Destination,
};

/// Packets that may wait for one transport until the next flush: a key frame for each of a hundred
/// consumers fits; more is a driver that does not flush.
pub(super) const MAX_QUEUE: usize = 8192;
/// Streams a transport may receive: 100 simulcast videos with retransmissions on a pipe are 600.
pub(super) const MAX_ROUTES: usize = 4096;

/// How packets come and go.
#[derive(Debug)]
pub(super) enum Kind {
    /// ICE and DTLS-SRTP on the shared sockets.
    WebRtc(Box<Agent>),
    /// Sockets of its own.
    Plain(Plain),
    /// Trusted packets of another plane.
    Pipe(PipeKey),
    /// Trusted packets of a program, which is a client like others.
    Direct(PipeKey),
}

/// Addresses of a plain transport.
#[derive(Debug)]
pub(super) struct Plain {
    pub rtp: SocketId,
    pub rtcp: Option<SocketId>,
    pub comedia: bool,
    pub srtp: bool,
    pub sctp: bool,
    pub rtp_remote: Option<SocketAddr>,
    pub rtcp_remote: Option<SocketAddr>,
}

/// Keys of both directions.
pub(super) struct Srtp {
    pub sender: srtp::Sender,
    pub receiver: srtp::Receiver,
}

impl std::fmt::Debug for Srtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Srtp")
    }
}

/// Whose packets an incoming SSRC carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub producer: u32,
    pub encoding: u8,
    pub part: Part,
}

/// Which consumer's an outgoing SSRC is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct OutRoute {
    pub consumer: u32,
    pub output: u8,
}

/// A packet to be written, by reference.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item {
    pub consumer: u32,
    pub order: u32,
    pub producer: u32,
    pub uid: StreamUid,
    pub encoding: u8,
    pub output: u8,
    /// It was sent before.
    pub again: bool,
    /// As RTX.
    pub rtx: bool,
    /// For nothing but its bytes.
    pub probe: bool,
    /// It comes from the buffer, where it lay.
    pub past: bool,
    /// The plane at the other end of a pipe is to keep it, and to hand on what follows.
    pub kept: bool,
    pub place: Place,
}

/// What passed, for statistics (TR4).
#[derive(Debug)]
pub(super) struct Traffic {
    pub bytes: u64,
    pub rate: RateCalculator,
}

impl Traffic {
    pub(super) fn new() -> Self {
        Self { bytes: 0, rate: RateCalculator::new(rate::DEFAULT_WINDOW) }
    }

    pub(super) fn add(&mut self, now: Instant, bytes: usize) {
        self.bytes += bytes as u64;
        self.rate.add(now, bytes);
    }
}

/// One direction.
#[derive(Debug)]
pub(super) struct Direction {
    pub all: Traffic,
    pub rtp: Traffic,
    pub rtx: Traffic,
}

impl Direction {
    fn new() -> Self {
        Self { all: Traffic::new(), rtp: Traffic::new(), rtx: Traffic::new() }
    }
}

#[derive(Debug)]
pub(super) struct Transport {
    pub key: TransportKey,
    pub kind: Kind,
    pub srtp: Option<Box<Srtp>>,
    pub producers: Vec<u32>,
    pub consumers: Vec<u32>,
    pub routes: SeededMap<u32, Route>,
    pub out_routes: SeededMap<u32, OutRoute>,
    pub ids: ReceivedIds,
    /// Waiting for the next flush.
    pub queue: Vec<Item>,
    /// Most that waited at once since it was last looked after.
    pub queue_peak: usize,
    /// It is among those with a queue.
    pub queued: bool,
    /// It can send RTP.
    pub ready: bool,
    /// What its owner allows to be sent.
    pub bounds: Bounds,
    /// What its sender is told not to exceed; 0 for no limit.
    pub max_incoming: u64,
    /// How often it is still told that there is none.
    pub limits_due: u8,
    /// What its receiver can take, where it tells.
    pub bandwidth: Option<Box<Bandwidth>>,
    /// It is among those with something to be sent bit by bit.
    pub paced: bool,
    pub twcc_in: Option<Box<TwccRecorder>>,
    /// It is among those with feedback to send.
    pub twcc_armed: bool,
    /// SSRC of our reports about what it sends.
    pub rtcp_ssrc: u32,
    /// Its receiver reference times, to be answered.
    pub reference_times: Vec<(DlrrBlock, Instant)>,
    /// As its last REMB said.
    pub remb: Option<u64>,
    /// What its sender was told last that it may send, where that is our estimate.
    pub told_incoming: Option<u64>,
    /// What is told of it.
    pub trace: TraceTypes,
    pub received: Box<Direction>,
    pub sent: Box<Direction>,
}

impl Transport {
    pub(super) fn new(key: TransportKey, kind: Kind, seed: Seeded, rtcp_ssrc: u32) -> Self {
        Self {
            key,
            kind,
            srtp: None,
            producers: Vec::new(),
            consumers: Vec::new(),
            routes: SeededMap::with_hasher(seed),
            out_routes: SeededMap::with_hasher(seed),
            ids: ReceivedIds::default(),
            queue: Vec::new(),
            queue_peak: 0,
            queued: false,
            ready: false,
            bounds: Bounds::default(),
            max_incoming: 0,
            limits_due: 0,
            bandwidth: None,
            paced: false,
            twcc_in: None,
            twcc_armed: false,
            rtcp_ssrc,
            reference_times: Vec::new(),
            remb: None,
            told_incoming: None,
            trace: TraceTypes::default(),
            received: Box::new(Direction::new()),
            sent: Box::new(Direction::new()),
        }
    }

    /// Where RTP goes.
    pub(super) fn rtp_destination(&self) -> Option<Destination> {
        match &self.kind {
            Kind::WebRtc(agent) => {
                agent.selected().map(|tuple| Destination::Udp(tuple.socket, tuple.remote))
            }
            Kind::Plain(plain) => Some(Destination::Udp(plain.rtp, plain.rtp_remote?)),
            Kind::Pipe(pipe) | Kind::Direct(pipe) => Some(Destination::Pipe(*pipe)),
        }
    }

    /// Where RTCP goes.
    pub(super) fn rtcp_destination(&self) -> Option<Destination> {
        match &self.kind {
            Kind::Plain(Plain { rtcp: Some(socket), rtcp_remote, .. }) => {
                Some(Destination::Udp(*socket, (*rtcp_remote)?))
            }
            Kind::Plain(Plain { rtp, rtcp_remote: Some(remote), .. }) => {
                Some(Destination::Udp(*rtp, *remote))
            }
            Kind::WebRtc(_) | Kind::Plain(_) | Kind::Pipe(_) | Kind::Direct(_) => {
                self.rtp_destination()
            }
        }
    }

    /// Whether it must not send or take anything unprotected.
    pub(super) fn needs_keys(&self) -> bool {
        match &self.kind {
            Kind::WebRtc(_) => true,
            Kind::Plain(plain) => plain.srtp,
            Kind::Pipe(_) | Kind::Direct(_) => false,
        }
    }

    /// Whether RTP can be sent now.
    pub(super) fn can_send(&self) -> bool {
        self.rtp_destination().is_some() && (self.srtp.is_some() || !self.needs_keys())
    }

    pub(super) fn is_pipe(&self) -> bool {
        matches!(self.kind, Kind::Pipe(_))
    }

    /// Gives back what only an unusual burst took. Hysteresis: key frames come seconds apart, and
    /// the next one should find its room.
    pub(super) fn trim_queue(&mut self) {
        /// Room for a key frame between two flushes.
        const KEPT: usize = 64;
        let peak = std::mem::take(&mut self.queue_peak).max(KEPT);
        if self.queue.capacity() > 4 * peak {
            self.queue.shrink_to(2 * peak);
        }
    }

    /// A receiver reference time came.
    pub(super) fn on_reference_time(&mut self, now: Instant, ssrc: u32, middle: u32) {
        /// Endpoints on one transport that ask for their round trip; a pipe has one per plane.
        const MAX: usize = 8;
        let block = DlrrBlock { ssrc, last_rr: middle, delay: 0 };
        let known = self.reference_times.iter().position(|(known, _)| known.ssrc == ssrc);
        match known {
            Some(place) => self.reference_times[place] = (block, now),
            None if self.reference_times.len() < MAX => self.reference_times.push((block, now)),
            None => {}
        }
    }
}
