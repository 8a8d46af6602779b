//! One receiver's view of a stream, whatever its codec: which packets it gets of the layers it
//! wants, and what must be changed in them. Composes the codecs; never touches bytes but by them.

use super::{
    Codec, Descriptor, PacketFacts, Vp8Rewriter, Vp9Rewriter, dependency::DependencyRewriter, vp9,
};

/// A place among the layers of a stream, or the highest wanted of each kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Layers {
    /// 0 is the smallest picture.
    pub spatial: u8,
    /// 0 is the lowest frame rate.
    pub temporal: u8,
}

impl Layers {
    /// All there are.
    pub const ALL: Self = Self { spatial: u8::MAX, temporal: u8::MAX };
}

/// What is changed in a packet for one receiver; kept, so that a retransmission gets the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Edit {
    /// Added to the picture id or frame number.
    pub number: u16,
    /// Added to TL0PICIDX; with a dependency descriptor 1 + the cell where layers are cut, if they
    /// are, and [`TELL`](super::dependency::TELL).
    pub extra: u8,
    /// The packet ends the picture as the receiver gets it.
    pub marker: bool,
}

/// See the module.
#[derive(Debug)]
pub enum Rewriter {
    /// Nothing to choose from or to rewrite: audio, and whole encodings on pipes.
    Plain,
    /// VP8.
    Vp8(Vp8Rewriter),
    /// VP9.
    Vp9(Vp9Rewriter),
    /// What has its layers in dependency descriptors, if it has any.
    Dependency(DependencyRewriter),
}

impl Rewriter {
    /// For a receiver whose first numbers are `first`.
    pub fn new(codec: Codec, first: (u16, u8)) -> Self {
        match codec {
            Codec::Opus | Codec::OtherAudio | Codec::OtherVideo => Self::Plain,
            Codec::Vp8 => Self::Vp8(Vp8Rewriter::new(first.0, first.1)),
            Codec::Vp9 => Self::Vp9(Vp9Rewriter::new(first.0, first.1)),
            Codec::H264 | Codec::H265 | Codec::Av1 | Codec::Encrypted => {
                Self::Dependency(DependencyRewriter::new(first.0))
            }
        }
    }

    /// The next packet is a key frame of another stream, or after a pause.
    pub const fn sync(&mut self) {
        match self {
            Self::Plain => {}
            Self::Vp8(vp8) => vp8.sync(),
            Self::Vp9(vp9) => vp9.sync(),
            Self::Dependency(dependency) => dependency.sync(),
        }
    }

    /// Whether a packet goes to the receiver, who wants layers up to `target`, and what is changed
    /// in it. `None`: leave it out.
    pub fn process(&mut self, facts: &PacketFacts, timestamp: u32, target: Layers) -> Option<Edit> {
        match (self, &facts.descriptor) {
            (Self::Plain, _) => (facts.spatial_layer <= target.spatial).then(Edit::default),
            (Self::Vp8(vp8), Descriptor::Vp8(descriptor)) => {
                vp8.process(descriptor, target.temporal)
            }
            (Self::Vp9(vp9), Descriptor::Vp9(descriptor)) => vp9.process(descriptor, target),
            (Self::Dependency(dependency), Descriptor::Frame(frame)) => {
                dependency.process(frame, timestamp, target)
            }
            _ => Some(Edit::default()),
        }
    }

    /// The layers inside the stream that flow.
    pub const fn layers(&self) -> Layers {
        match self {
            Self::Plain => Layers { spatial: 0, temporal: 0 },
            Self::Vp8(vp8) => Layers { spatial: 0, temporal: vp8.temporal_layer() },
            Self::Vp9(vp9) => vp9.layers(),
            Self::Dependency(dependency) => dependency.layers(),
        }
    }

    /// Whether `target` cannot be reached without a key frame.
    pub fn needs_key(&self, target: Layers) -> bool {
        match self {
            Self::Plain | Self::Vp8(_) => false,
            Self::Vp9(vp9) => vp9.needs_key(target),
            Self::Dependency(dependency) => dependency.needs_key(target),
        }
    }
}

/// Changes a payload, or a copy of it, that `facts` were read from. Dependency descriptors are
/// header extensions: [`dependency::write`](super::dependency::write()).
pub fn rewrite(payload: &mut [u8], facts: &PacketFacts, edit: Edit) {
    match &facts.descriptor {
        Descriptor::Vp8(descriptor) => Vp8Rewriter::rewrite_at(payload, descriptor, edit),
        Descriptor::Vp9(descriptor) => vp9::rewrite_at(payload, descriptor, edit),
        Descriptor::None | Descriptor::Frame(_) | Descriptor::Red(_) => {}
    }
}
