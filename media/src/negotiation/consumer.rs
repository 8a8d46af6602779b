//! What one client gets of a producer (mediasoup `canConsume`, `getConsumerRtpParameters`). Never
//! does: choose layers.

use rand::Rng;
use starling_proto::{
    MediaKind, Refusal, RtpCapabilities, RtpParameters,
    rtp::{
        RtcpFeedback, RtcpParameters, RtpCodecCapability, RtpCodecParameters,
        RtpEncodingParameters, RtpHeaderExtensionParameters, RtxParameters,
    },
};

use super::{
    codec::{Fit, apt, is_red, is_rtx, kind_of, prefers_red, same},
    extension::{ABS_SEND_TIME, DEPENDENCY_DESCRIPTOR, TRANSPORT_WIDE_CC, extension_id},
    refuse::unsupported,
    scalability::ScalabilityMode,
};

/// How a consumer is made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConsumerOptions {
    /// Answer NACKs: RTX where the client has it. mediasoup's default is true for video, false for
    /// audio.
    pub enable_rtx: bool,
    /// `a=mid` of the consumer, at most 8 bytes.
    pub mid: Option<String>,
    /// For a producer that names none, as Chromium in simulcast: one per publishing transport, so
    /// that its tracks are played in sync.
    pub cname: String,
    /// The producer is encrypted end to end: its layers are told by dependency descriptors alone.
    pub encrypted: bool,
}

/// First and last SSRC we choose (mediasoup's range): clear of the 1234 of mediasoup-client's
/// `probator`, and of the top, where the encodings after it would wrap.
const SSRCS: std::ops::RangeInclusive<u32> = 100_000_000..=900_000_000;

/// A random SSRC with room after it.
pub(super) fn random_ssrc(rng: &mut impl Rng) -> u32 {
    rng.random_range(SSRCS)
}

/// The device can receive a media codec of the producer.
pub fn can_consume(consumable: &RtpParameters, device: &RtpCapabilities) -> bool {
    consumable.codecs.iter().any(|codec| is_media(codec) && received(codec, device).is_some())
}

/// Neither retransmission nor redundancy of another codec.
fn is_media(codec: &RtpCodecParameters) -> bool {
    !is_rtx(&codec.mime_type) && !is_red(&codec.mime_type)
}

/// What is sent to a client: one encoding, and of codecs, feedback and extensions what the producer
/// has and the device lists. SSRCs are random; whoever keeps the transport checks that they are new
/// there, and asks again if not.
///
/// # Errors
/// `unsupported_media` if the device can receive none of the codecs.
pub fn consumer_parameters(
    consumable: &RtpParameters,
    device: &RtpCapabilities,
    options: ConsumerOptions,
    rng: &mut impl Rng,
) -> Result<RtpParameters, Refusal> {
    let header_extensions = header_extensions(consumable, device, options.encrypted);
    let codecs = codecs(consumable, device, options.enable_rtx, &header_extensions);
    if !codecs.iter().any(is_media) {
        let names: Vec<&str> = consumable
            .codecs
            .iter()
            .filter(|codec| is_media(codec))
            .map(|codec| codec.mime_type.as_str())
            .collect();
        return Err(unsupported(
            format!("the client cannot receive {}", names.join(", ")),
            "its rtpCapabilities list the codec with the router's payload type; \
             mediasoup-client's recvRtpCapabilities do",
        ));
    }
    let has_rtx = codecs.iter().any(|codec| is_rtx(&codec.mime_type));
    let cname = match &consumable.rtcp.cname {
        Some(cname) if !cname.is_empty() => cname.clone(),
        _ => options.cname,
    };
    Ok(RtpParameters {
        mid: options.mid,
        codecs,
        header_extensions,
        encodings: vec![encoding(&consumable.encodings, has_rtx, rng)],
        rtcp: RtcpParameters { cname: Some(cname), reduced_size: true },
        msid: consumable.msid.clone(),
    })
}

/// Codecs whose layers are told by dependency descriptors alone; others have descriptors of their
/// own, and numbers only there that go on through a switch.
const DESCRIBED: [&str; 3] = ["video/av1", "video/h264", "video/h265"];

/// What the producer has and the device lists, and the dependency descriptor where layers are told
/// by it: who has to find the frames of a picture among its packets needs it.
fn header_extensions(
    consumable: &RtpParameters,
    device: &RtpCapabilities,
    encrypted: bool,
) -> Vec<RtpHeaderExtensionParameters> {
    let described = consumable.codecs.iter().any(|codec| {
        let is_video = kind_of(&codec.mime_type) == Some(MediaKind::Video);
        (encrypted && is_video)
            || DESCRIBED.iter().any(|described| described.eq_ignore_ascii_case(&codec.mime_type))
    });
    let descriptor = extension_id(DEPENDENCY_DESCRIPTOR).filter(|_| described).map(|id| {
        RtpHeaderExtensionParameters {
            uri: DEPENDENCY_DESCRIPTOR.to_owned(),
            id,
            encrypt: false,
            parameters: Default::default(),
        }
    });
    let listed = |extension: &RtpHeaderExtensionParameters| {
        device
            .header_extensions
            .iter()
            .any(|theirs| theirs.preferred_id == extension.id && theirs.uri == extension.uri)
    };
    let known = consumable.header_extensions.iter().chain(&descriptor);
    known.filter(|extension| listed(extension)).cloned().collect()
}

fn codecs(
    consumable: &RtpParameters,
    device: &RtpCapabilities,
    enable_rtx: bool,
    extensions: &[RtpHeaderExtensionParameters],
) -> Vec<RtpCodecParameters> {
    let estimation = Estimation::of(extensions);
    let mut codecs: Vec<RtpCodecParameters> = Vec::with_capacity(consumable.codecs.len());
    for codec in &consumable.codecs {
        let Some(theirs) = received(codec, device) else { continue };
        if is_red(&codec.mime_type) && !prefers_red(device) {
            continue;
        }
        if is_rtx(&codec.mime_type) {
            let apt = apt(&codec.parameters);
            let useful = codecs.iter().any(|media| Some(media.payload_type) == apt);
            if !enable_rtx || !useful {
                continue;
            }
        }
        let wanted = |feedback: &&RtcpFeedback| {
            let answered = enable_rtx || feedback.kind != "nack" || !feedback.parameter.is_empty();
            answered && estimation.takes(feedback) && codec.rtcp_feedback.contains(feedback)
        };
        codecs.push(RtpCodecParameters {
            rtcp_feedback: theirs.rtcp_feedback.iter().filter(wanted).cloned().collect(),
            ..codec.clone()
        });
    }
    codecs
}

/// The device's codec that a consumable codec arrives as. The payload type is the router's, so a
/// device that expects another one would play nothing.
fn received<'a>(
    codec: &RtpCodecParameters,
    device: &'a RtpCapabilities,
) -> Option<&'a RtpCodecCapability> {
    device.codecs.iter().find(|theirs| {
        let numbered = theirs.preferred_payload_type.is_none_or(|pt| pt == codec.payload_type);
        let retransmits =
            !is_rtx(&codec.mime_type) || apt(&theirs.parameters) == apt(&codec.parameters);
        numbered && retransmits && same(*theirs, codec, Fit::Strict)
    })
}

/// Whose bandwidth estimate counts: transport-cc where its extension is there, else REMB where
/// `abs-send-time` is, else none.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Estimation {
    TransportCc,
    Remb,
    None,
}

impl Estimation {
    fn of(extensions: &[RtpHeaderExtensionParameters]) -> Self {
        let has = |uri: &str| extensions.iter().any(|extension| extension.uri == uri);
        if has(TRANSPORT_WIDE_CC) {
            Self::TransportCc
        } else if has(ABS_SEND_TIME) {
            Self::Remb
        } else {
            Self::None
        }
    }

    fn takes(self, feedback: &RtcpFeedback) -> bool {
        match feedback.kind.as_str() {
            "transport-cc" => self == Self::TransportCc,
            "goog-remb" => self == Self::Remb,
            _ => true,
        }
    }
}

/// One for all: its scalability mode says how many layers the client can choose from.
fn encoding(
    encodings: &[RtpEncodingParameters],
    has_rtx: bool,
    rng: &mut impl Rng,
) -> RtpEncodingParameters {
    let ssrc = random_ssrc(rng);
    let mode = encodings.iter().find_map(|encoding| encoding.scalability_mode.clone());
    let scalability_mode = match encodings.len() {
        0 | 1 => mode,
        several => {
            let temporal_layers = ScalabilityMode::parse(mode.as_deref()).temporal_layers;
            Some(format!("L{several}T{temporal_layers}"))
        }
    };
    RtpEncodingParameters {
        ssrc: Some(ssrc),
        rtx: has_rtx.then_some(RtxParameters { ssrc: ssrc + 1 }),
        scalability_mode,
        max_bitrate: encodings
            .iter()
            .filter_map(|encoding| encoding.max_bitrate)
            .max()
            .filter(|bitrate| *bitrate > 0),
        ..RtpEncodingParameters::default()
    }
}
