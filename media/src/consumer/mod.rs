//! What a consumer is on this plane: its wish, its output streams, and what it was told.

pub mod choose;
pub mod latency;
pub mod output;
pub mod replay;
pub mod send_stats;
pub mod sent;
pub mod setup;
pub mod switch;
pub mod timeline;

use std::cmp::Ordering;

use starling_proto::rtp::{ConsumerLayers, RtpType};

pub use choose::{Candidate, Grant};
pub use latency::{Latency, LatencyTotals, Span};
pub use output::{FirstNumbers, Offer, Output, Place, Replayed, Source};
pub use setup::{ConsumerSetup, OutputSetup};
pub use switch::Switch;

use crate::{
    bandwidth::Memory,
    codec::Layers,
    command::{ConsumerKey, ProducerKey},
    rtp::ExtensionPlan,
    trace::TraceTypes,
};

/// Scores as told: its own, its current stream's, all of its producer's.
pub type Scores = (u8, u8, Vec<u8>);

/// See the module.
#[derive(Debug)]
pub struct Consumer {
    /// Its name.
    pub key: ConsumerKey,
    /// Its transport's place.
    pub transport: usize,
    /// What it consumes, be it there or not.
    pub producer_key: ProducerKey,
    /// Its producer's place.
    pub producer: Option<usize>,
    /// What it goes over to once that can be begun with.
    pub heir: Option<ProducerKey>,
    /// What it is.
    pub setup: ConsumerSetup,
    /// Its header extensions with this producer.
    pub plan: ExtensionPlan,
    /// Paused by its owner.
    pub paused: bool,
    /// Not paused, and its transport can send.
    pub active: bool,
    /// Highest layers its owner wants; all if absent.
    pub wish: Option<ConsumerLayers>,
    /// Highest layers the receiver's bandwidth allows.
    pub granted: Grant,
    /// What it lost for want of bandwidth.
    pub memory: Memory,
    /// Its weight among the videos of its transport (CO5).
    pub priority: u8,
    /// For a pipe: encodings to forward.
    pub pipe_layers: u32,
    /// One, or one per encoding for a pipe.
    pub outputs: Vec<Output>,
    /// For streams with spatial layers: the highest to forward.
    pub spatial: u8,
    /// Its first packet was told of.
    pub started: bool,
    /// Layers told.
    pub layers: Option<ConsumerLayers>,
    /// Scores told.
    pub scores: Option<Scores>,
    /// What is told of its packets.
    pub trace: TraceTypes,
}

impl Consumer {
    /// Whether it forwards whole encodings to another plane.
    pub fn is_pipe(&self) -> bool {
        self.setup.rtp_type == RtpType::Pipe
    }

    /// The most it may get: the lower of wish and grant.
    pub fn ceiling(&self) -> Grant {
        self.granted.cap(self.wish())
    }

    /// What its owner wants, as far as its receiver can decode it.
    pub fn wish(&self) -> Option<ConsumerLayers> {
        if !self.setup.lowest_only {
            return self.wish;
        }
        let temporal_layer = self.wish.and_then(|wish| wish.temporal_layer);
        Some(ConsumerLayers { spatial_layer: 0, temporal_layer })
    }

    /// The highest temporal layer to forward now. A layer that is to be left for a lower one is
    /// thinned at once: the key frame of the other one may take its time, and the path has none.
    pub fn temporal_ceiling(&self) -> u8 {
        let flows = self.outputs.first().and_then(|output| output.switch.current());
        match (self.granted, flows) {
            (Grant::UpTo(granted), Some(flows)) if self.setup.rtp_type == RtpType::Simulcast => {
                let granted = usize::from(granted.spatial_layer);
                match flows.cmp(&granted) {
                    Ordering::Less => Grant::Everything.cap(self.wish).temporal(),
                    Ordering::Equal => self.ceiling().temporal(),
                    // Unless it is its owner who wants less.
                    Ordering::Greater if self.wishes(flows) => 0,
                    Ordering::Greater => self.ceiling().temporal(),
                }
            }
            _ => self.ceiling().temporal(),
        }
    }

    fn wishes(&self, spatial: usize) -> bool {
        self.wish.is_none_or(|wish| usize::from(wish.spatial_layer) >= spatial)
    }

    /// Which layers inside a stream it gets.
    pub fn target(&self) -> Layers {
        Layers { spatial: self.spatial, temporal: self.temporal_ceiling() }
    }

    /// Encodings whose key frame it waits for, as a mask.
    pub fn awaited(&self) -> u32 {
        let target = self.target();
        self.outputs.iter().fold(0, |mask, output| {
            let inside = output.switch.current().filter(|_| output.needs_key(target));
            mask | output.switch.awaited().or(inside).map_or(0, |encoding| 1 << encoding)
        })
    }

    /// Which of its outputs takes packets of `encoding`.
    pub fn output_of(&self, encoding: u8) -> usize {
        if self.is_pipe() { usize::from(encoding) } else { 0 }
    }

    /// What flows stops; the next key frame starts it again.
    pub fn stop(&mut self) {
        for output in &mut self.outputs {
            output.switch.stop();
        }
    }

    /// A packet was sent, and its owner was not told yet.
    pub fn has_untold_start(&self) -> bool {
        !self.started && self.outputs.iter().any(|output| output.stats.packets > 0)
    }

    /// It has layers, and others flow than its owner was told of.
    pub fn has_untold_layers(&self) -> bool {
        matches!(self.setup.rtp_type, RtpType::Simulcast | RtpType::Svc)
            && self.current_layers() != self.layers
    }

    /// The layers that flow now.
    pub fn current_layers(&self) -> Option<ConsumerLayers> {
        let output = self.outputs.first()?;
        let encoding = output.switch.current()? as u8;
        let inside = output.layers();
        let svc = self.setup.rtp_type == RtpType::Svc;
        Some(ConsumerLayers {
            spatial_layer: if svc { inside.spatial } else { encoding },
            temporal_layer: Some(inside.temporal),
        })
    }
}
