//! What the control plane tells a plane. A command states a wish; repeating one is harmless, and
//! one that names something gone is counted and dropped.

use std::{net::SocketAddr, time::Duration};

use bytes::Bytes;
use starling_proto::{
    MediaKind, RtpParameters,
    rtp::{ConsumerLayers, RtpMapping, RtpType},
    transport::SrtpProfile,
};

use crate::trace::{TraceOf, TraceTypes};

macro_rules! keys {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);
    )*};
}

keys! {
    /// A transport of this plane; chosen by the control plane and never used twice.
    TransportKey;
    /// A producer of this plane.
    ProducerKey;
    /// A consumer of this plane.
    ConsumerKey;
    /// Where a pipe transport's packets go and come from: a flow of a link, or another worker.
    PipeKey;
}

/// A socket of the plane's driver. 0 and 1 are the shared ones (IPv4, IPv6); from
/// [`Self::FIRST_TCP`] on they are TCP connections; others belong to one plain transport each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(pub u32);

impl SocketId {
    /// The first number of a TCP connection.
    pub const FIRST_TCP: u32 = 1 << 31;

    /// Whether it is a TCP connection: a stream of RFC 4571 frames with one remote end.
    pub const fn is_tcp(self) -> bool {
        self.0 >= Self::FIRST_TCP
    }
}

/// ICE credentials of our side (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// 4 to 256 characters.
    pub ufrag: String,
    /// 22 to 256 characters.
    pub password: String,
}

impl std::fmt::Debug for IceCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceCredentials").field("ufrag", &self.ufrag).finish_non_exhaustive()
    }
}

/// Master key and salt of one direction.
#[derive(Clone, PartialEq, Eq)]
pub struct SrtpKey {
    /// 16 or 32 bytes.
    pub key: Vec<u8>,
    /// 12 or 14 bytes.
    pub salt: Vec<u8>,
}

impl std::fmt::Debug for SrtpKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SrtpKey")
    }
}

/// Both directions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// How.
    pub profile: SrtpProfile,
    /// What we protect with.
    pub send: SrtpKey,
    /// What they protect with.
    pub recv: SrtpKey,
}

/// A new producer.
#[derive(Clone, Debug, PartialEq)]
pub struct ProducerParams {
    /// Audio or video.
    pub kind: MediaKind,
    /// As the sender sends.
    pub rtp: RtpParameters,
    /// To the router's numbers. Header extension ids go to the router's fixed ones by uri
    /// (`negotiation::extension_id`).
    pub mapping: RtpMapping,
    /// Does not forward yet.
    pub paused: bool,
    /// End to end, by its sender: no byte of a payload is read, and none is changed.
    pub encrypted: bool,
    /// Its sender is asked for a key frame once in so long (KF2); zero for as often as KF1 has it.
    pub key_frame_delay: Duration,
}

/// A new consumer.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerParams {
    /// Audio or video.
    pub kind: MediaKind,
    /// As we send.
    pub rtp: RtpParameters,
    /// What it does with the producer's streams.
    pub rtp_type: RtpType,
    /// Does not forward yet.
    pub paused: bool,
    /// Highest layers wanted; all if absent.
    pub preferred: Option<ConsumerLayers>,
    /// For `RtpType::Pipe`: bit n forwards encoding n, or spatial layer n of an SVC stream.
    pub pipe_layers: u32,
    /// As its producer.
    pub encrypted: bool,
    /// Packets in which Opus says that nobody speaks are left out (CO10).
    pub ignore_dtx: bool,
}

/// Limits of a transport's bitrates in bits per second (WT10, WT11); what is absent stays as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bitrates {
    /// Assumed to reach its receiver until anything is known.
    pub initial_outgoing: Option<u64>,
    /// Its estimate is never less.
    pub min_outgoing: Option<u64>,
    /// Its estimate is never more; 0 for no limit.
    pub max_outgoing: Option<u64>,
    /// What its sender is told not to exceed; 0 for no limit.
    pub max_incoming: Option<u64>,
}

/// A wish.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// A WebRTC transport exists: ICE-lite, waiting for its first check.
    AddWebRtc {
        /// New.
        transport: TransportKey,
        /// Ours.
        ice: IceCredentials,
        /// Longest silence of authenticated checks before it is disconnected (RFC 7675).
        consent: Duration,
    },
    /// New credentials; the old ones work until the new ones are seen.
    RestartIce {
        /// Which.
        transport: TransportKey,
        /// New.
        ice: IceCredentials,
    },
    /// A DTLS datagram for the client; of a plain transport, an SCTP packet.
    SendDtls {
        /// Which.
        transport: TransportKey,
        /// One datagram.
        datagram: Bytes,
    },
    /// DTLS is done, or SDES keys are known: protect and unprotect from now on.
    SetSrtp {
        /// Which.
        transport: TransportKey,
        /// Both directions.
        keys: Box<SrtpKeys>,
    },
    /// A plain RTP transport on sockets of its own.
    AddPlain {
        /// New.
        transport: TransportKey,
        /// RTP, and RTCP too unless `rtcp` is there.
        rtp: SocketId,
        /// RTCP.
        rtcp: Option<SocketId>,
        /// Learn the other side from its first (with SRTP: authenticated) packet.
        comedia: bool,
        /// Drop everything until `SetSrtp`.
        srtp: bool,
    },
    /// A plain transport takes SCTP packets, too (PL4): on its RTP socket, as they are.
    EnableSctp {
        /// Which.
        transport: TransportKey,
    },
    /// Where a plain transport sends, and the only source it accepts.
    ConnectPlain {
        /// Which.
        transport: TransportKey,
        /// RTP.
        rtp: SocketAddr,
        /// RTCP; as RTP if absent.
        rtcp: Option<SocketAddr>,
    },
    /// A pipe transport: trusted packets in both directions, no address.
    AddPipe {
        /// New.
        transport: TransportKey,
        /// Its packets.
        pipe: PipeKey,
    },
    /// A program's tap (mediasoup's DirectTransport): plaintext packets of producers and consumers
    /// like those of a client, through the same queues as a pipe's.
    AddDirect {
        /// New.
        transport: TransportKey,
        /// Its packets.
        pipe: PipeKey,
    },
    /// The transport, its producers and its consumers end.
    RemoveTransport {
        /// Which.
        transport: TransportKey,
    },
    /// A producer exists.
    Produce {
        /// On which.
        transport: TransportKey,
        /// New.
        producer: ProducerKey,
        /// What.
        params: Box<ProducerParams>,
    },
    /// Stops or goes on forwarding.
    PauseProducer {
        /// Which.
        producer: ProducerKey,
        /// Now.
        paused: bool,
    },
    /// Its consumers stay without a source until `ReplaceProducer` or `RemoveConsumer`.
    RemoveProducer {
        /// Which.
        producer: ProducerKey,
    },
    /// All consumers of `old` go on with `new`: same SSRC, continued sequence numbers and
    /// timestamps, from its next key frame. `old` may be gone already.
    ReplaceProducer {
        /// Until now.
        old: ProducerKey,
        /// From now on.
        new: ProducerKey,
    },
    /// Clients' consumers of `old` go over to `new`, as by `ReplaceProducer`, each as soon as `new`
    /// has something that it can begin with; until then, and as long as `old` is there, they get
    /// that. Pipes stay with `old`.
    SucceedProducer {
        /// Until then.
        old: ProducerKey,
        /// From then on; it may be yet to come.
        new: ProducerKey,
    },
    /// A consumer exists.
    Consume {
        /// On which.
        transport: TransportKey,
        /// New.
        consumer: ConsumerKey,
        /// Of what.
        producer: ProducerKey,
        /// How.
        params: Box<ConsumerParams>,
    },
    /// Stops or goes on forwarding, from a key frame.
    PauseConsumer {
        /// Which.
        consumer: ConsumerKey,
        /// Now.
        paused: bool,
    },
    /// Highest layers wanted.
    SetPreferredLayers {
        /// Which.
        consumer: ConsumerKey,
        /// Wish.
        layers: ConsumerLayers,
    },
    /// Encodings a pipe consumer forwards.
    SetPipeLayers {
        /// Which.
        consumer: ConsumerKey,
        /// Bit n: encoding n, or spatial layer n of an SVC stream.
        layers: u32,
    },
    /// The same while the other end wants others: it is told BYE of what it no longer gets, and so
    /// takes another layer at once.
    WithholdPipeLayers {
        /// Which.
        consumer: ConsumerKey,
        /// Bit n: encoding n, or spatial layer n of an SVC stream.
        layers: u32,
    },
    /// Ask the producer for a key frame (throttled).
    RequestKeyFrame {
        /// Which.
        consumer: ConsumerKey,
    },
    /// How much may be sent and received.
    SetBitrates {
        /// Which.
        transport: TransportKey,
        /// Limits.
        bitrates: Bitrates,
    },
    /// Weight of a video among those of its transport (CO5).
    SetPriority {
        /// Which.
        consumer: ConsumerKey,
        /// 1 to 255; 1 unless set.
        priority: u8,
    },
    /// A consumer ends.
    RemoveConsumer {
        /// Which.
        consumer: ConsumerKey,
    },
    /// Tell what passes from now on; no types: no more.
    Trace {
        /// What.
        of: TraceOf,
        /// Of these kinds.
        types: TraceTypes,
    },
    /// Answer with [`crate::Event::Stats`]: one object in mediasoup's dump fields.
    Dump {
        /// Goes into the answer.
        token: u64,
        /// Of what.
        of: StatsOf,
    },
    /// Answer with [`crate::Event::Stats`].
    CollectStats {
        /// Goes into the answer.
        token: u64,
        /// Of what.
        of: StatsOf,
    },
}

/// Whose statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatsOf {
    /// A transport.
    Transport(TransportKey),
    /// A producer: one entry per stream.
    Producer(ProducerKey),
    /// A consumer: its stream, then its producer's current one.
    Consumer(ConsumerKey),
}
