//! A producer's parameters as the packet path needs them: numbers instead of strings, looked up
//! once. Never negotiates.

use starling_proto::{MediaKind, RtpParameters, rtp::RtpCodecParameters};

use crate::{
    codec::Codec,
    command::ProducerParams,
    negotiation::{ScalabilityMode, extension as uri, is_red, is_rtx},
};

/// Most encodings of a producer: libwebrtc sends at most 3 simulcast layers; masks have 32 bits.
pub const MAX_ENCODINGS: usize = 8;

/// Ids of the extensions a plane reads from a sender; 0 where there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReceivedIds {
    /// MID.
    pub mid: u8,
    /// RID.
    pub rid: u8,
    /// Repaired RID.
    pub repaired_rid: u8,
    /// Transport-wide sequence number.
    pub twcc: u8,
    /// How loud it is.
    pub audio_level: u8,
    /// How its camera is held.
    pub orientation: u8,
}

impl ReceivedIds {
    /// As `rtp` says.
    pub fn new(rtp: &RtpParameters) -> Self {
        let id = |uri: &str| {
            rtp.header_extensions.iter().find(|ext| ext.uri == uri).map_or(0, |ext| ext.id)
        };
        Self {
            mid: id(uri::MID),
            rid: id(uri::RID),
            repaired_rid: id(uri::REPAIRED_RID),
            twcc: id(uri::TRANSPORT_WIDE_CC),
            audio_level: id(uri::AUDIO_LEVEL),
            orientation: id(uri::VIDEO_ORIENTATION),
        }
    }

    /// Adds what `other` knows. Bundled producers share one id space (RFC 8843 §14).
    pub fn merge(&mut self, other: Self) {
        for (mine, theirs) in [
            (&mut self.mid, other.mid),
            (&mut self.rid, other.rid),
            (&mut self.repaired_rid, other.repaired_rid),
            (&mut self.twcc, other.twcc),
            (&mut self.audio_level, other.audio_level),
            (&mut self.orientation, other.orientation),
        ] {
            if theirs != 0 {
                *mine = theirs;
            }
        }
    }
}

/// RTCP feedback negotiated for a codec.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Feedback {
    /// `nack`.
    pub nack: bool,
    /// `nack pli`.
    pub pli: bool,
    /// `ccm fir`.
    pub fir: bool,
    /// `goog-remb`.
    pub remb: bool,
    /// `transport-cc`.
    pub twcc: bool,
}

impl Feedback {
    /// As `codec` says.
    pub fn new(codec: &RtpCodecParameters) -> Self {
        let mut all = Self::default();
        for feedback in &codec.rtcp_feedback {
            match (feedback.kind.as_str(), feedback.parameter.as_str()) {
                ("nack", "") => all.nack = true,
                ("nack", "pli") => all.pli = true,
                ("ccm", "fir") => all.fir = true,
                ("goog-remb", _) => all.remb = true,
                ("transport-cc", _) => all.twcc = true,
                _ => {}
            }
        }
        all
    }
}

/// One encoding as declared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncodingSetup {
    /// If declared.
    pub ssrc: Option<u32>,
    /// If declared.
    pub rtx_ssrc: Option<u32>,
    /// If declared.
    pub rid: Option<String>,
    /// The sender may fall silent.
    pub dtx: bool,
}

/// The media codec of a set of parameters and its retransmission payload type.
pub struct MediaCodec<'a> {
    /// Its parameters.
    pub media: &'a RtpCodecParameters,
    /// Of its RTX.
    pub rtx_payload_type: Option<u8>,
    /// Of its redundant form (RFC 2198).
    pub red_payload_type: Option<u8>,
}

/// The codec the encodings use: the one the first of them names, else the first that is neither RTX
/// nor RED.
pub fn media_codec(rtp: &RtpParameters) -> Option<MediaCodec<'_>> {
    let named = rtp.encodings.first().and_then(|encoding| encoding.codec_payload_type);
    let is_media =
        |codec: &&RtpCodecParameters| !is_rtx(&codec.mime_type) && !is_red(&codec.mime_type);
    let media = rtp
        .codecs
        .iter()
        .filter(is_media)
        .find(|codec| named == Some(codec.payload_type))
        .or_else(|| rtp.codecs.iter().find(is_media))?;
    let rtx = rtp.codecs.iter().find(|codec| {
        let apt = codec.parameters.get("apt").and_then(serde_json::Value::as_u64);
        is_rtx(&codec.mime_type) && apt == Some(u64::from(media.payload_type))
    });
    let red = rtp.codecs.iter().find(|codec| is_red(&codec.mime_type));
    Some(MediaCodec {
        media,
        rtx_payload_type: rtx.map(|codec| codec.payload_type),
        red_payload_type: red.map(|codec| codec.payload_type),
    })
}

fn has_in_band_fec(codec: &RtpCodecParameters) -> bool {
    let flag = codec.parameters.get("useinbandfec");
    flag.is_some_and(|flag| flag.as_u64() == Some(1) || flag.as_str() == Some("1"))
}

/// What a producer is.
#[derive(Clone, Debug)]
pub struct ProducerSetup {
    /// Audio or video.
    pub kind: MediaKind,
    /// What its payloads are.
    pub codec: Codec,
    /// For statistics.
    pub mime_type: String,
    /// In Hz.
    pub clock_rate: u32,
    /// Of media packets.
    pub payload_type: u8,
    /// Of retransmissions.
    pub rtx_payload_type: Option<u8>,
    /// Of media packets with redundancy.
    pub red_payload_type: Option<u8>,
    /// Of its media codec.
    pub feedback: Feedback,
    /// Its sender adds redundancy by the loss it is told of (`useinbandfec` of Opus, RFC 7587).
    pub in_band_fec: bool,
    /// MID, if it has one.
    pub mid: Option<String>,
    /// Where its sender writes what.
    pub ids: ReceivedIds,
    /// All extensions: uri and the sender's id.
    pub extensions: Vec<(String, u8)>,
    /// In order.
    pub encodings: Vec<EncodingSetup>,
    /// Layers inside its stream, if it has one stream.
    pub layering: ScalabilityMode,
    /// CNAME, for the reports of its consumers.
    pub cname: String,
}

impl ProducerSetup {
    /// `None` without a media codec.
    pub fn new(params: &ProducerParams) -> Option<Self> {
        let rtp = &params.rtp;
        let codec = media_codec(rtp)?;
        let mut encodings: Vec<_> = rtp
            .encodings
            .iter()
            .take(MAX_ENCODINGS)
            .map(|encoding| EncodingSetup {
                ssrc: encoding.ssrc,
                rtx_ssrc: encoding.rtx.map(|rtx| rtx.ssrc),
                rid: encoding.rid.clone(),
                dtx: encoding.dtx.unwrap_or(false),
            })
            .collect();
        if encodings.is_empty() {
            encodings.push(EncodingSetup { ssrc: None, rtx_ssrc: None, rid: None, dtx: false });
        }
        Some(Self {
            kind: params.kind,
            codec: if params.encrypted {
                Codec::encrypted(params.kind)
            } else {
                Codec::from_mime_type(&codec.media.mime_type, params.kind)
            },
            mime_type: codec.media.mime_type.clone(),
            clock_rate: codec.media.clock_rate,
            payload_type: codec.media.payload_type,
            rtx_payload_type: codec.rtx_payload_type,
            red_payload_type: codec.red_payload_type,
            feedback: Feedback::new(codec.media),
            in_band_fec: has_in_band_fec(codec.media),
            mid: rtp.mid.clone(),
            ids: ReceivedIds::new(rtp),
            extensions: rtp
                .header_extensions
                .iter()
                .map(|extension| (extension.uri.clone(), extension.id))
                .collect(),
            layering: match rtp.encodings.as_slice() {
                [only] => ScalabilityMode::parse(only.scalability_mode.as_deref()),
                _ => ScalabilityMode::NONE,
            },
            encodings,
            cname: rtp.rtcp.cname.clone().unwrap_or_default(),
        })
    }

    /// The sender's id of an extension; 0 if it has none.
    pub fn extension(&self, uri: &str) -> u8 {
        self.extensions.iter().find(|(known, _)| known == uri).map_or(0, |(_, id)| *id)
    }

    /// Whether packets with this payload type belong to this producer; RTX or media.
    pub fn takes(&self, payload_type: u8) -> Option<Part> {
        if payload_type == self.payload_type || self.red_payload_type == Some(payload_type) {
            Some(Part::Media)
        } else if self.rtx_payload_type == Some(payload_type) {
            Some(Part::Rtx)
        } else {
            None
        }
    }

    /// The encoding a packet of an unknown SSRC belongs to (mediasoup PD3): by RID, by repaired RID
    /// for retransmissions, or the only one there is if it declared neither SSRC nor RID.
    pub fn find(&self, part: Part, rid: Option<&[u8]>, repaired: Option<&[u8]>) -> Option<usize> {
        let name = match part {
            Part::Media => rid,
            Part::Rtx => repaired.or(rid),
        };
        if let Some(name) = name {
            let named = |encoding: &EncodingSetup| {
                encoding.rid.as_ref().is_some_and(|rid| rid.as_bytes() == name)
            };
            if let Some(index) = self.encodings.iter().position(named) {
                return Some(index);
            }
        }
        let [only] = self.encodings.as_slice() else { return None };
        let declared = match part {
            Part::Media => only.ssrc.is_some(),
            Part::Rtx => only.rtx_ssrc.is_some(),
        };
        (!declared && only.rid.is_none()).then_some(0)
    }
}

/// Media or its retransmission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// Media.
    Media,
    /// Retransmissions (RFC 4588).
    Rtx,
}
