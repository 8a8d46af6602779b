//! A producer's numbers and the router's (mediasoup `getProducerRtpParametersMapping`), and what
//! kind of producer it is. Never does: read a packet.

use rand::Rng;
use starling_proto::{
    Refusal, RtpCapabilities, RtpParameters,
    rtp::{
        CodecMapping, EncodingMapping, RtpCodecCapability, RtpCodecParameters, RtpMapping, RtpType,
    },
};

use super::{
    codec::{Fit, apt, is_red, is_rtx, same},
    consumer::random_ssrc,
    refuse::{bad, unsupported},
    scalability::ScalabilityMode,
};

/// Payload types and SSRCs of a producer as the router numbers them: media codecs, then their RTX;
/// one SSRC per encoding, consecutive from a random one.
///
/// # Errors
/// `unsupported_media` if the router has no such codec; `bad_request` for RTX of no codec.
pub fn producer_mapping(
    parameters: &RtpParameters,
    router: &RtpCapabilities,
    rng: &mut impl Rng,
) -> Result<RtpMapping, Refusal> {
    let (rtx, media): (Vec<_>, Vec<_>) =
        parameters.codecs.iter().partition(|codec| is_rtx(&codec.mime_type));
    let mut codecs = Vec::with_capacity(parameters.codecs.len());
    for codec in media {
        codecs.push(mapped(codec, media_of(codec, router)?)?);
    }
    for codec in rtx {
        let apt = apt(&codec.parameters);
        let Some(media) = codecs.iter().find(|entry| Some(entry.payload_type) == apt) else {
            return Err(bad(
                format!("RTX payload type {} has no media codec", codec.payload_type),
                "apt names the payload type of the media codec it retransmits",
            ));
        };
        let Some(ours) = rtx_of(media.mapped_payload_type, router) else {
            return Err(unsupported(
                format!("the router has no RTX for payload type {}", media.mapped_payload_type),
                "leave the RTX codec out",
            ));
        };
        codecs.push(mapped(codec, ours)?);
    }
    let first = random_ssrc(rng);
    let mapping = |(ssrc, rid, scalability_mode), mapped_ssrc| EncodingMapping {
        ssrc,
        rid,
        scalability_mode,
        mapped_ssrc,
    };
    let mut encodings: Vec<EncodingMapping> = parameters
        .encodings
        .iter()
        .zip(first..)
        .map(|(encoding, mapped_ssrc)| {
            let names = (encoding.ssrc, encoding.rid.clone(), encoding.scalability_mode.clone());
            mapping(names, mapped_ssrc)
        })
        .collect();
    if encodings.is_empty() {
        encodings.push(mapping((None, None, None), first));
    }
    Ok(RtpMapping { codecs, encodings })
}

/// Codecs that can have layers.
const LAYERED: [&str; 5] = ["video/VP8", "video/VP9", "video/H264", "video/H265", "video/AV1"];

/// Simple, simulcast or svc, by encodings and scalability mode.
///
/// # Errors
/// `unsupported_media` where the codec cannot be that: simulcast and layers inside a stream are for
/// video codecs whose key frames we know (mediasoup has simulcast for VP8 and H264 only).
pub fn producer_type(parameters: &RtpParameters) -> Result<RtpType, Refusal> {
    let rtp_type = match parameters.encodings.as_slice() {
        [] => RtpType::Simple,
        [only] if ScalabilityMode::parse(only.scalability_mode.as_deref()).is_layered() => {
            RtpType::Svc
        }
        [_] => RtpType::Simple,
        _ => RtpType::Simulcast,
    };
    let media = || parameters.codecs.iter().filter(|codec| !is_rtx(&codec.mime_type));
    let is_red = |codec: &RtpCodecParameters| is_red(&codec.mime_type);
    if media().next().is_some() && media().all(is_red) {
        return Err(bad("audio/red is alone", "name the codec that it repeats in codecs, too"));
    }
    if rtp_type == RtpType::Simple {
        return Ok(rtp_type);
    }
    for encoding in &parameters.encodings {
        let codec = match encoding.codec_payload_type {
            Some(payload_type) => media().find(|codec| codec.payload_type == payload_type),
            None => media().next(),
        };
        let Some(codec) = codec else {
            return Err(bad("an encoding has no media codec", "name its codec in codecs"));
        };
        if !LAYERED.iter().any(|mime_type| codec.mime_type.eq_ignore_ascii_case(mime_type)) {
            let what = match rtp_type {
                RtpType::Simulcast => "several encodings",
                RtpType::Simple | RtpType::Svc | RtpType::Pipe => "layers",
            };
            return Err(unsupported(
                format!("{} with {what} is not supported", codec.mime_type),
                "send one encoding without layers, or another codec",
            ));
        }
    }
    Ok(rtp_type)
}

/// The router's codec that a producer's media codec is.
pub(super) fn media_of<'a>(
    codec: &RtpCodecParameters,
    router: &'a RtpCapabilities,
) -> Result<&'a RtpCodecCapability, Refusal> {
    router.codecs.iter().find(|ours| same(codec, *ours, Fit::Strict)).ok_or_else(|| {
        unsupported(
            format!(
                "codec {} (payload type {}) fits none of the router's",
                codec.mime_type, codec.payload_type
            ),
            format!("the router takes {}", offered(router)),
        )
    })
}

/// The router's RTX of its media codec.
pub(super) fn rtx_of(payload_type: u8, router: &RtpCapabilities) -> Option<&RtpCodecCapability> {
    router
        .codecs
        .iter()
        .find(|codec| is_rtx(&codec.mime_type) && apt(&codec.parameters) == Some(payload_type))
}

fn mapped(codec: &RtpCodecParameters, ours: &RtpCodecCapability) -> Result<CodecMapping, Refusal> {
    let Some(mapped_payload_type) = ours.preferred_payload_type else {
        return Err(unsupported(
            format!("the router has no payload type for {}", ours.mime_type),
            "make its capabilities from its media codecs",
        ));
    };
    Ok(CodecMapping { payload_type: codec.payload_type, mapped_payload_type })
}

fn offered(router: &RtpCapabilities) -> String {
    let mut names: Vec<&str> = Vec::new();
    for codec in router.codecs.iter().filter(|codec| !is_rtx(&codec.mime_type)) {
        if !names.contains(&codec.mime_type.as_str()) {
            names.push(&codec.mime_type);
        }
    }
    names.join(", ")
}
