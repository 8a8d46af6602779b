//! What a packet says about itself (key frame, layers, silence), and what a receiver's choice of
//! layers makes of it. Each codec alike: a descriptor in; key frame, layers, whether it may be left
//! out and what must be rewritten, out. Who gets which layers is the consumer's matter.

pub mod av1;
pub mod dependency;
pub mod h264;
pub mod h265;
pub mod opus;
pub mod red;
pub mod rewriter;
pub mod temporal;
pub mod vp8;
pub mod vp9;

pub use rewriter::{Edit, Layers, Rewriter, rewrite};
pub use vp8::{Vp8Descriptor, Vp8Rewriter};
pub use vp9::{Vp9Descriptor, Vp9Rewriter};

use dependency::FrameFacts;
use starling_proto::MediaKind;

/// Codecs we look into; all others are forwarded unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// `audio/opus`.
    Opus,
    /// `video/VP8`.
    Vp8,
    /// `video/VP9`.
    Vp9,
    /// `video/H264`.
    H264,
    /// `video/H265`.
    H265,
    /// `video/AV1`.
    Av1,
    /// Any other sound.
    OtherAudio,
    /// Any other pictures.
    OtherVideo,
    /// Pictures of any codec, encrypted by their sender for their receivers: all there is to read
    /// is a dependency descriptor.
    Encrypted,
}

impl Codec {
    /// From a mime type, in any case.
    pub fn from_mime_type(mime_type: &str, kind: MediaKind) -> Self {
        let named = [
            ("audio/opus", Self::Opus),
            ("audio/multiopus", Self::Opus),
            ("video/vp8", Self::Vp8),
            ("video/vp9", Self::Vp9),
            ("video/h264", Self::H264),
            ("video/h265", Self::H265),
            ("video/av1", Self::Av1),
        ];
        let found = named.iter().find(|(name, _)| name.eq_ignore_ascii_case(mime_type));
        match (found, kind) {
            (Some((_, codec)), _) => *codec,
            (None, MediaKind::Audio) => Self::OtherAudio,
            (None, MediaKind::Video) => Self::OtherVideo,
        }
    }

    /// What end-to-end encryption leaves of a codec: of sound nothing is read at all.
    pub const fn encrypted(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self::OtherAudio,
            MediaKind::Video => Self::Encrypted,
        }
    }

    /// Whether key frames can be told from other packets: only then does a consumer wait for one
    /// (CO11; AV1 beyond mediasoup, by its aggregation header).
    pub const fn can_be_key_frame(self) -> bool {
        matches!(
            self,
            Self::Vp8 | Self::Vp9 | Self::H264 | Self::H265 | Self::Av1 | Self::Encrypted
        )
    }

    /// Audio or video.
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Opus | Self::OtherAudio => MediaKind::Audio,
            Self::Vp8
            | Self::Vp9
            | Self::H264
            | Self::H265
            | Self::Av1
            | Self::OtherVideo
            | Self::Encrypted => MediaKind::Video,
        }
    }
}

/// What one packet is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketFacts {
    /// Belongs to a key frame and is the packet at which decoding can begin.
    pub key_frame: bool,
    /// Nothing says whether it is that: who waited for a key frame would wait for ever.
    pub unknown: bool,
    /// Spatial layer inside the stream (SVC); 0 where there are none, also in simulcast.
    pub spatial_layer: u8,
    /// Temporal layer; 0 where there are none.
    pub temporal_layer: u8,
    /// Opus saying that nobody speaks (CO10).
    pub dtx: bool,
    /// What layers are chosen by and numbers are rewritten from.
    pub descriptor: Descriptor,
}

/// What says which layer a packet is of, and what depends on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Descriptor {
    /// Nothing does.
    #[default]
    None,
    /// In front of the VP8 data.
    Vp8(Vp8Descriptor),
    /// In front of the VP9 data.
    Vp9(Vp9Descriptor),
    /// In a header extension.
    Frame(FrameFacts),
    /// Redundant audio, whose primary block begins here.
    Red(u16),
}

/// As [`describe`], of redundant audio: its primary block says what it is. `None` if it is broken.
pub fn describe_redundant(codec: Codec, payload: &[u8]) -> Option<PacketFacts> {
    let primary = red::primary(payload)?;
    let facts = describe(codec, &payload[primary..], None);
    Some(PacketFacts { descriptor: Descriptor::Red(primary as u16), ..facts })
}

/// Looks at a payload without RTP padding, and at what its dependency descriptor said if it has
/// one. An unreadable one has no facts: it is forwarded as it is.
///
/// Where there is a dependency descriptor it alone tells key frames, because payloads may be
/// encrypted by a sender that does not say so; VP8 and VP9 have descriptors of their own in front
/// of what is encrypted. Of a sender that says so ([`Codec::Encrypted`]) no payload is read.
pub fn describe(codec: Codec, payload: &[u8], frame: Option<FrameFacts>) -> PacketFacts {
    let mut facts = PacketFacts::default();
    match codec {
        Codec::Opus => facts.dtx = opus::is_dtx(payload),
        Codec::Vp8 => {
            if let Some(mut vp8) = Vp8Descriptor::parse(payload) {
                // The frame header is data, which may be encrypted.
                vp8.key_frame = frame.map_or(vp8.key_frame, |frame| frame.is_key_frame());
                facts.key_frame = vp8.key_frame;
                facts.temporal_layer = vp8.temporal_layer.unwrap_or(0);
                facts.descriptor = Descriptor::Vp8(vp8);
            }
        }
        Codec::Vp9 => {
            if let Some(vp9) = Vp9Descriptor::parse(payload) {
                facts.key_frame = vp9.is_key_frame();
                (facts.spatial_layer, facts.temporal_layer) =
                    (vp9.layers.spatial, vp9.layers.temporal);
                facts.descriptor = Descriptor::Vp9(vp9);
            }
        }
        Codec::H264 => facts.key_frame = h264::is_key_frame(payload),
        Codec::H265 => facts.key_frame = h265::is_key_frame(payload),
        Codec::Av1 => facts.key_frame = av1::is_key_frame(payload),
        Codec::Encrypted => facts.unknown = frame.is_none(),
        Codec::OtherAudio | Codec::OtherVideo => {}
    }
    if let (Some(frame), Descriptor::None) = (frame, facts.descriptor) {
        facts.key_frame = frame.is_key_frame();
        (facts.spatial_layer, facts.temporal_layer) = (frame.layers.spatial, frame.layers.temporal);
        facts.descriptor = Descriptor::Frame(frame);
    }
    facts
}

#[cfg(test)]
pub(crate) mod model;
#[cfg(test)]
pub(crate) mod tests;
