//! A producer in the router's numbers: what all its consumers are made from (mediasoup
//! `getConsumableRtpParameters`). Never does: know a consumer.

use starling_proto::{
    MediaKind, Refusal, RtpCapabilities, RtpParameters,
    rtp::{
        Direction, RtcpParameters, RtpCodecParameters, RtpEncodingParameters,
        RtpHeaderExtensionParameters, RtpMapping,
    },
};

use super::{
    codec::{is_red, is_rtx, kind_of},
    extension::{ABS_CAPTURE_TIME, DEPENDENCY_DESCRIPTOR},
    h264,
    producer::rtx_of,
    refuse::{bad, unsupported},
};

/// The router's payload types, SSRCs, extension ids and feedback, with the producer's own codec
/// parameters. RTX is there whether or not the producer sends it, because the router retransmits to
/// consumers itself. `abs-capture-time` is there only if the producer sends it.
///
/// # Errors
/// `bad_request` if the codecs are not of `kind`; `unsupported_media` if `mapping` is not of these
/// parameters and this router.
pub fn consumable_parameters(
    kind: MediaKind,
    parameters: &RtpParameters,
    router: &RtpCapabilities,
    mapping: &RtpMapping,
) -> Result<RtpParameters, Refusal> {
    let mut codecs = Vec::with_capacity(2 * parameters.codecs.len());
    // RED behind what it repeats, which is the codec as far as most are concerned.
    let media = parameters.codecs.iter().filter(|codec| !is_rtx(&codec.mime_type));
    let (red, media): (Vec<_>, Vec<_>) = media.partition(|codec| is_red(&codec.mime_type));
    for codec in media.into_iter().chain(red) {
        if kind_of(&codec.mime_type) != Some(kind) {
            return Err(bad(
                format!("{} is not of the producer's kind", codec.mime_type),
                "kind and the first word of mimeType are the same",
            ));
        }
        codecs.extend(consumable_codec(codec, router, mapping)?);
    }
    Ok(RtpParameters {
        mid: None,
        codecs,
        header_extensions: header_extensions(kind, parameters, router),
        encodings: encodings(parameters, mapping)?,
        rtcp: RtcpParameters { cname: parameters.rtcp.cname.clone(), reduced_size: true },
        msid: parameters.msid.clone(),
    })
}

/// The media codec and, if the router has it, its RTX.
fn consumable_codec(
    codec: &RtpCodecParameters,
    router: &RtpCapabilities,
    mapping: &RtpMapping,
) -> Result<Vec<RtpCodecParameters>, Refusal> {
    let payload_type = mapping
        .codecs
        .iter()
        .find(|entry| entry.payload_type == codec.payload_type)
        .map(|entry| entry.mapped_payload_type);
    let ours = router
        .codecs
        .iter()
        .find(|ours| payload_type.is_some() && ours.preferred_payload_type == payload_type);
    let (Some(payload_type), Some(ours)) = (payload_type, ours) else {
        return Err(foreign());
    };
    let mut parameters = match is_red(&ours.mime_type) {
        true => ours.parameters.clone(),
        false => codec.parameters.clone(),
    };
    if ours.mime_type.eq_ignore_ascii_case("video/H264") {
        match h264::answer(&codec.parameters, &ours.parameters) {
            Some(level) => parameters.insert("profile-level-id".to_owned(), level.into()),
            None => parameters.remove("profile-level-id"),
        };
    }
    let mut codecs = vec![RtpCodecParameters {
        mime_type: ours.mime_type.clone(),
        payload_type,
        clock_rate: ours.clock_rate,
        channels: ours.channels,
        parameters,
        rtcp_feedback: ours.rtcp_feedback.clone(),
    }];
    if let Some(rtx) = rtx_of(payload_type, router)
        && let Some(rtx_payload_type) = rtx.preferred_payload_type
    {
        codecs.push(RtpCodecParameters {
            mime_type: rtx.mime_type.clone(),
            payload_type: rtx_payload_type,
            clock_rate: rtx.clock_rate,
            channels: None,
            parameters: rtx.parameters.clone(),
            rtcp_feedback: rtx.rtcp_feedback.clone(),
        });
    }
    Ok(codecs)
}

fn header_extensions(
    kind: MediaKind,
    parameters: &RtpParameters,
    router: &RtpCapabilities,
) -> Vec<RtpHeaderExtensionParameters> {
    let sent = |uri: &str| parameters.header_extensions.iter().any(|sent| sent.uri == uri);
    router
        .header_extensions
        .iter()
        .filter(|ours| ours.kind == Some(kind))
        .filter(|ours| match ours.direction.unwrap_or_default() {
            Direction::Sendrecv | Direction::Sendonly => true,
            Direction::Recvonly | Direction::Inactive => false,
        })
        .filter(|ours| ours.uri != ABS_CAPTURE_TIME || sent(ABS_CAPTURE_TIME))
        // Consumers and pipes see for themselves who gets it.
        .filter(|ours| ours.uri != DEPENDENCY_DESCRIPTOR)
        .map(|ours| RtpHeaderExtensionParameters {
            uri: ours.uri.clone(),
            id: ours.preferred_id,
            encrypt: ours.preferred_encrypt,
            parameters: Default::default(),
        })
        .collect()
}

fn encodings(
    parameters: &RtpParameters,
    mapping: &RtpMapping,
) -> Result<Vec<RtpEncodingParameters>, Refusal> {
    let one = [RtpEncodingParameters::default()];
    let encodings = match parameters.encodings.as_slice() {
        [] => &one,
        encodings => encodings,
    };
    if encodings.len() != mapping.encodings.len() {
        return Err(foreign());
    }
    Ok(encodings
        .iter()
        .zip(&mapping.encodings)
        .map(|(encoding, mapped)| RtpEncodingParameters {
            ssrc: Some(mapped.mapped_ssrc),
            rid: None,
            rtx: None,
            codec_payload_type: None,
            ..encoding.clone()
        })
        .collect())
}

fn foreign() -> Refusal {
    unsupported(
        "the mapping is not of these parameters and this router",
        "make it from the same parameters and capabilities",
    )
}
