//! What a producer is on this plane: its streams, who consumes them, and what is wanted of it.

pub mod key_frame;
pub mod rates;
pub mod setup;
pub mod stream;
pub mod wanted;

use std::time::{Duration, Instant};

use starling_proto::MediaKind;

pub use rates::LayerRates;
pub use setup::{Feedback, MAX_ENCODINGS, Part, ProducerSetup, ReceivedIds};
pub use stream::{Intake, MAX_SPATIAL, RecvStream, StreamSetup, StreamUid};
pub use wanted::Wanted;

use crate::{
    command::{ProducerKey, TransportKey},
    ingress::{KeyFrameRequests, SlotRef},
    negotiation::extension::DEPENDENCY_DESCRIPTOR,
    observer::Meter,
    trace::TraceTypes,
};

/// Packets that may wait for the fan-out of a flush; more are fanned out at once. A batch of
/// received datagrams is no larger, and the ring holds several.
pub const MAX_PENDING: usize = 64;

/// Silence of one layer while another sends on that makes it silent at once: nine frames of 30 per
/// second. Layers of a camera send their frames together, so one that misses so many is switched
/// off, long before [ST8](crate::ingress::ReceiveStats::is_inactive) says so of a lone stream.
const STALLED: Duration = Duration::from_millis(300);
/// Silence of all layers together that is the sender's or the path's, and no layer's: after it each
/// has [`STALLED`] anew, or the first packet to come back would switch the others off. More than
/// between two pictures of five per second, and less than what switches a layer off.
const PAUSED: Duration = Duration::from_millis(250);

/// A packet that waits for its fan-out.
#[derive(Clone, Copy, Debug)]
pub struct Pending {
    /// Of the producer.
    pub encoding: u8,
    /// In its stream's ring.
    pub slot: SlotRef,
}

/// See the module.
#[derive(Debug)]
pub struct Producer {
    /// Its name.
    pub key: ProducerKey,
    /// Its transport's place.
    pub transport: usize,
    /// Its transport's name.
    pub transport_key: TransportKey,
    /// What it is.
    pub setup: ProducerSetup,
    /// One per encoding, once it sends.
    pub streams: Vec<Option<Box<RecvStream>>>,
    /// Nothing is forwarded.
    pub paused: bool,
    /// It comes over a pipe.
    pub piped: bool,
    /// Its newest packet at the last look, and the first one seen after a pause of all layers.
    newest: Option<Instant>,
    resumed: Option<Instant>,
    /// Places of its consumers.
    pub consumers: Vec<u32>,
    /// Places of consumers of others that go over to it once they can begin with it.
    pub expected: Vec<u32>,
    /// Waits for the next fan-out.
    pub pending: Vec<Pending>,
    /// When its sender is asked for key frames.
    pub key_frames: KeyFrameRequests,
    /// Told to whoever pipes it here.
    pub wanted: Wanted,
    /// Last scores told.
    pub scores: Vec<u8>,
    /// It is among those the plane looks after each tenth of a second.
    pub watched: bool,
    /// It is among those with something to do at a moment of its own.
    pub reminded: bool,
    /// It is among those with packets pending.
    pub queued: bool,
    /// FIR sequence number (RFC 5104 §4.3.1.1).
    pub fir_sequence: u8,
    /// What its streams can be used for, as of the last choice of layers.
    pub usability: u32,
    /// Its levels, if it is a microphone of this plane that tells them.
    pub meter: Option<Box<Meter>>,
    /// It is among those the plane tells of.
    pub heard: bool,
    /// How its camera is held, as last said: the extension's byte.
    pub orientation: Option<u8>,
    /// What is told of its packets.
    pub trace: TraceTypes,
}

impl Producer {
    /// Sends nothing yet.
    pub fn new(
        key: ProducerKey,
        transport: (usize, TransportKey),
        setup: ProducerSetup,
        (paused, key_frame_delay): (bool, Duration),
        piped: bool,
    ) -> Self {
        let encodings = setup.encodings.len();
        // What comes over a pipe is measured where it comes from.
        let metered = setup.kind == MediaKind::Audio && setup.ids.audio_level != 0 && !piped;
        Self {
            key,
            transport: transport.0,
            transport_key: transport.1,
            setup,
            streams: (0..encodings).map(|_| None).collect(),
            paused,
            piped,
            newest: None,
            resumed: None,
            consumers: Vec::new(),
            expected: Vec::new(),
            pending: Vec::new(),
            key_frames: KeyFrameRequests::new(key_frame_delay, piped),
            wanted: Wanted::default(),
            scores: vec![0; encodings],
            watched: false,
            reminded: false,
            queued: false,
            fir_sequence: 0,
            usability: 0,
            meter: metered.then(Box::default),
            heard: false,
            orientation: None,
            trace: TraceTypes::default(),
        }
    }

    /// The stream of an encoding, if it is still the one meant.
    pub fn stream(&self, encoding: usize, uid: StreamUid) -> Option<&RecvStream> {
        self.streams.get(encoding)?.as_deref().filter(|stream| stream.uid == uid)
    }

    /// How a stream of `encoding` begins.
    pub fn stream_setup(&self, encoding: usize, uid: StreamUid, ssrc: u32) -> StreamSetup {
        let setup = &self.setup;
        StreamSetup {
            uid,
            ssrc,
            rtx_ssrc: setup.encodings[encoding].rtx_ssrc,
            codec: setup.codec,
            clock_rate: setup.clock_rate,
            kind: setup.kind,
            nack: setup.feedback.nack,
            dtx: setup.encodings[encoding].dtx,
            dependency_id: setup.extension(DEPENDENCY_DESCRIPTOR),
            red: setup.red_payload_type,
        }
    }

    /// The SSRC to ask for a key frame of `encoding`.
    pub fn key_frame_ssrc(&self, encoding: usize) -> Option<u32> {
        let stream = self.streams.get(encoding)?.as_ref().map(|stream| stream.ssrc);
        stream.or_else(|| self.setup.encodings.get(encoding)?.ssrc)
    }

    /// It has spatial layers between which its consumers may choose.
    pub fn is_layered(&self) -> bool {
        self.is_simulcast() || self.is_svc()
    }

    /// Its spatial layers are streams.
    pub fn is_simulcast(&self) -> bool {
        self.streams.len() > 1
    }

    /// Its spatial layers are in one stream.
    pub fn is_svc(&self) -> bool {
        self.setup.layering.spatial_layers > 1
    }

    /// How many spatial layers it has: encodings, or layers of its stream.
    pub fn spatial_layers(&self) -> usize {
        let inside = usize::from(self.setup.layering.spatial_layers).min(MAX_SPATIAL);
        self.streams.len().max(inside)
    }

    /// Whether layer `spatial` of its stream is of use. In K-SVC whoever waits for one that is not
    /// sent gets nothing; otherwise those below are the same pictures.
    pub fn sends_spatial(&self, spatial: usize) -> bool {
        let Some(Some(stream)) = self.streams.first() else { return true };
        !self.setup.layering.ksvc || stream.spatial_layers(STALLED) >> spatial & 1 == 1
    }

    /// One per encoding; 0 for those that do not send. Those of a silent single stream do not fall:
    /// silence of a microphone is no fault.
    pub fn current_scores(&self) -> impl Iterator<Item = u8> + '_ {
        self.streams.iter().map(|stream| stream.as_ref().map_or(0, |stream| stream.score.score()))
    }

    /// What its streams can be used for, three bits each: sends; can be aligned; may be chosen. And
    /// a bit for each spatial layer inside its stream.
    pub fn usability(&self, now: Instant) -> u32 {
        let inside =
            (0..MAX_SPATIAL).filter(|spatial| self.is_svc() && self.sends_spatial(*spatial));
        let inside = inside.fold(0, |mask, spatial| mask | 1 << (3 * MAX_ENCODINGS + spatial));
        self.streams.iter().enumerate().fold(inside, |mask, (index, stream)| {
            let Some(stream) = stream else { return mask };
            let alignable = stream.clock.is_known() || stream.has_no_reports(now);
            let bits = u32::from(stream.active)
                | u32::from(alignable) << 1
                | u32::from(stream.is_settled(now)) << 2;
            mask | bits << (3 * index)
        })
    }

    /// Marks layers that send no more; those that did until now, as a mask.
    pub fn check_silence(&mut self, now: Instant) -> u32 {
        let newest = self
            .streams
            .iter()
            .flatten()
            .filter(|stream| stream.active)
            .filter_map(|stream| stream.stats.last_packet())
            .max();
        if let (Some(before), Some(newest)) = (self.newest, newest)
            && newest.saturating_duration_since(before) >= PAUSED
        {
            self.resumed = Some(newest);
        }
        self.newest = newest.or(self.newest);
        let resumed = self.resumed;
        let mut mask = 0;
        for (index, stream) in self.streams.iter_mut().enumerate() {
            let Some(stream) = stream else { continue };
            let behind = newest.zip(stream.stats.last_packet()).map(|(newest, last)| {
                let since = resumed.map_or(last, |resumed| last.max(resumed));
                newest.saturating_duration_since(since)
            });
            let stalled = stream.active && behind.is_some_and(|behind| behind >= STALLED);
            if !stalled && !stream.is_overdue(now) {
                continue;
            }
            // Over a pipe comes what is wanted here, and the other end says when a layer is off.
            let fell = if self.piped { stream.pause() } else { stream.fall_silent() };
            if fell {
                mask |= 1 << index;
            }
        }
        mask
    }

    /// When a key frame is to be asked for, or a layer to be let go.
    pub fn next_deadline(&self) -> Option<Instant> {
        self.key_frames.next_deadline().into_iter().chain(self.wanted.next_deadline()).min()
    }

    /// Video has key frames to ask for.
    pub fn has_key_frames(&self) -> bool {
        self.setup.kind == MediaKind::Video
    }
}
