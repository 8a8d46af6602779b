//! What a plane tells: facts for the control plane, and packets for the wire.

use std::{net::SocketAddr, ops::Range};

use serde_json::Value;
use starling_proto::{rtp::ConsumerLayers, signal::VideoOrientation, trace::TraceEvent};

use crate::{
    command::{ConsumerKey, PipeKey, ProducerKey, SocketId, TransportKey},
    observer::Reading,
    trace::TraceOf,
};

/// A fact for the control plane. Bounded by the plane: at most one of a kind per object and tick.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// ICE is somewhere else.
    IceState {
        /// Whose.
        transport: TransportKey,
        /// Now.
        state: IceState,
        /// The selected tuple's remote address.
        remote: Option<SocketAddr>,
    },
    /// A DTLS datagram from a tuple that passed an authenticated check.
    Dtls {
        /// For whom.
        transport: TransportKey,
        /// One datagram.
        datagram: Vec<u8>,
    },
    /// An SCTP packet from where a plain transport takes packets.
    Sctp {
        /// For whom.
        transport: TransportKey,
        /// One packet, its checksum unchecked.
        datagram: Vec<u8>,
    },
    /// A plain transport learnt an address (comedia).
    PlainTuple {
        /// Whose.
        transport: TransportKey,
        /// RTP.
        rtp: Option<SocketAddr>,
        /// RTCP.
        rtcp: Option<SocketAddr>,
    },
    /// Scores of a producer's streams changed.
    ProducerScore {
        /// Whose.
        producer: ProducerKey,
        /// In order of encoding; those that have not come yet are not there.
        scores: Vec<StreamScore>,
    },
    /// Score of a consumer changed.
    ConsumerScore {
        /// Whose.
        consumer: ConsumerKey,
        /// Its own, 0 to 10.
        score: u8,
        /// Its producer's current stream's.
        producer_score: u8,
        /// All of its producer's streams'.
        producer_scores: Vec<u8>,
    },
    /// A consumer's first packet is on its way. Once.
    ConsumerStarted {
        /// Whose.
        consumer: ConsumerKey,
    },
    /// A consumer forwards other layers.
    ConsumerLayers {
        /// Whose.
        consumer: ConsumerKey,
        /// None: nothing.
        layers: Option<ConsumerLayers>,
    },
    /// The encodings of a pipe's producer that some consumer here can use now: added at once,
    /// dropped after a while. 0: nobody.
    LayersWanted {
        /// Whose.
        producer: ProducerKey,
        /// Bit n: encoding n, or spatial layer n of an SVC stream.
        layers: u32,
    },
    /// How a microphone of this plane sounds, each [`crate::observer::INTERVAL`] while it is heard.
    Voice {
        /// Whose.
        producer: ProducerKey,
        /// None: it has fallen silent, or its producer was paused. Once.
        reading: Option<Reading>,
    },
    /// A camera is held otherwise (PD7).
    VideoOrientation {
        /// Whose.
        producer: ProducerKey,
        /// Now.
        orientation: VideoOrientation,
    },
    /// What a transport's receiver can take is another now (BW4, WT12): at most once a second, and
    /// at once when it is much less or much more.
    Bandwidth {
        /// Whose.
        transport: TransportKey,
        /// What is known.
        outlook: BandwidthOutlook,
    },
    /// Something passed that is traced.
    Trace {
        /// What is traced.
        of: TraceOf,
        /// What passed.
        event: Box<TraceEvent>,
    },
    /// Answer to `CollectStats` and `Dump`, in mediasoup's field names; `Null` if it is gone.
    Stats {
        /// Of the command.
        token: u64,
        /// An array; of a dump, one object.
        stats: Value,
    },
}

/// How good a stream of a producer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamScore {
    /// Which encoding.
    pub encoding: usize,
    /// As its sender numbers it.
    pub ssrc: u32,
    /// 0 to 10.
    pub score: u8,
}

/// mediasoup's `bwe` trace, in bits per second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BandwidthOutlook {
    /// What can be sent.
    pub available: u64,
    /// What there would be to send.
    pub desired: u64,
    /// Of that, what may be sent: between the limits.
    pub effective_desired: u64,
    /// Limits of its owner.
    pub min: u64,
    /// See `min`.
    pub max: u64,
    /// What it began with.
    pub start: u64,
}

/// mediasoup's ICE states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IceState {
    /// No valid check yet.
    New,
    /// A valid pair, not nominated.
    Connected,
    /// Nominated.
    Completed,
    /// Consent ended.
    Disconnected,
}

impl IceState {
    /// mediasoup's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Connected => "connected",
            Self::Completed => "completed",
            Self::Disconnected => "disconnected",
        }
    }
}

/// Datagrams for one receiver that the kernel may take in one call: all are `segment` long, but the
/// last may be shorter (UDP GSO). Never more than 64.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// From which socket.
    pub socket: SocketId,
    /// To whom.
    pub to: SocketAddr,
    /// In the flight's bytes, contiguous.
    pub bytes: Range<usize>,
    /// Length of each datagram but the last.
    pub segment: usize,
}

/// What a driver sends in one batch.
#[derive(Debug)]
pub struct Flight<'a> {
    /// The datagrams.
    pub bytes: &'a [u8],
    /// Over UDP.
    pub runs: &'a [Run],
    /// Over pipes: packets in `bytes`.
    pub piped: &'a [(PipeKey, Range<usize>)],
}
