//! What a payload says about itself: key frame, temporal layer, silence. Facts out, no decision:
//! who forwards what is the consumer's matter.

pub mod h264;
pub mod opus;
pub mod vp8;

pub use vp8::{Vp8Deltas, Vp8Descriptor, Vp8Rewriter};

use starling_proto::MediaKind;

/// Codecs we look into; all others are forwarded unseen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    /// `audio/opus`.
    Opus,
    /// `video/VP8`.
    Vp8,
    /// `video/H264`.
    H264,
    /// Any other sound.
    OtherAudio,
    /// Any other pictures.
    OtherVideo,
}

impl Codec {
    /// From a mime type, in any case.
    pub fn from_mime_type(mime_type: &str, kind: MediaKind) -> Self {
        let named = [
            ("audio/opus", Self::Opus),
            ("audio/multiopus", Self::Opus),
            ("video/vp8", Self::Vp8),
            ("video/h264", Self::H264),
        ];
        let found = named.iter().find(|(name, _)| name.eq_ignore_ascii_case(mime_type));
        match (found, kind) {
            (Some((_, codec)), _) => *codec,
            (None, MediaKind::Audio) => Self::OtherAudio,
            (None, MediaKind::Video) => Self::OtherVideo,
        }
    }

    /// Whether key frames can be told from other packets: only then does a consumer wait for one
    /// (CO11).
    pub const fn can_be_key_frame(self) -> bool {
        matches!(self, Self::Vp8 | Self::H264)
    }

    /// Audio or video.
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Opus | Self::OtherAudio => MediaKind::Audio,
            Self::Vp8 | Self::H264 | Self::OtherVideo => MediaKind::Video,
        }
    }
}

/// What one packet is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketFacts {
    /// Belongs to a key frame and is the packet at which decoding can begin.
    pub key_frame: bool,
    /// Spatial layer inside the stream (SVC); 0 where there are none, also in simulcast.
    pub spatial_layer: u8,
    /// Temporal layer; 0 where there are none.
    pub temporal_layer: u8,
    /// Depends on temporal layer 0 only: a receiver of lower layers may go up here.
    pub layer_sync: bool,
    /// Opus saying that nobody speaks (CO10).
    pub dtx: bool,
    /// VP8's own numbers, which must be rewritten where frames are left out.
    pub vp8: Option<Vp8Descriptor>,
}

/// Looks at a payload without RTP padding. An unreadable one has no facts: it is forwarded as it
/// is.
pub fn describe(codec: Codec, payload: &[u8]) -> PacketFacts {
    match codec {
        Codec::Opus => PacketFacts { dtx: opus::is_dtx(payload), ..PacketFacts::default() },
        Codec::H264 => {
            PacketFacts { key_frame: h264::is_key_frame(payload), ..PacketFacts::default() }
        }
        Codec::Vp8 => {
            Vp8Descriptor::parse(payload).map_or_else(PacketFacts::default, |vp8| PacketFacts {
                key_frame: vp8.key_frame,
                spatial_layer: 0,
                temporal_layer: vp8.temporal_layer.unwrap_or(0),
                layer_sync: vp8.layer_sync,
                dtx: false,
                vp8: Some(vp8),
            })
        }
        Codec::OtherAudio | Codec::OtherVideo => PacketFacts::default(),
    }
}

#[cfg(test)]
mod tests;
