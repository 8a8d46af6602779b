//! What a router offers: its codecs with payload types, and its header extensions (mediasoup
//! `generateRouterRtpCapabilities`). Never does: look at a client.

use serde_json::Value;
use starling_proto::{
    MediaKind, Refusal, RtpCapabilities,
    rtp::{Parameters, RtpCodecCapability},
};

use super::{
    codec::{is_red, red_of},
    extension,
    refuse::{bad, unsupported},
    supported::supported,
    validate::{is_payload_type, validate_media_codec},
};

/// Dynamic payload types in order of assignment. 127 is missing: mediasoup-client inserts a
/// `probator` section that uses it.
const DYNAMIC: [std::ops::RangeInclusive<u8>; 2] = [100..=126, 96..=99];

/// The capabilities of a router with these media codecs, each video codec followed by its RTX.
///
/// A codec keeps its `preferred_payload_type` if it states one; PCMU, PCMA, G722 and CN have static
/// ones. The same codecs in the same order give the same payload types on every node.
///
/// # Errors
/// `unsupported_media` for a codec we cannot route, `bad_request` for malformed codecs, payload
/// types used twice, or more codecs than payload types.
pub fn router_capabilities(
    media_codecs: &[RtpCodecCapability],
) -> Result<RtpCapabilities, Refusal> {
    let mut dynamic: Vec<u8> = DYNAMIC.into_iter().flatten().rev().collect();
    let mut codecs: Vec<RtpCodecCapability> = Vec::with_capacity(2 * media_codecs.len());
    for wanted in media_codecs {
        validate_media_codec(wanted)?;
        let Some(mut codec) = supported(wanted) else {
            return Err(unsupported(
                format!("media codec {} is not supported", wanted.mime_type),
                "use Opus, VP8, VP9, H264, H265 or AV1, with their usual clock rate and channels",
            ));
        };
        if let Some(payload_type) = wanted.preferred_payload_type.or(codec.preferred_payload_type) {
            dynamic.retain(|free| *free != payload_type);
            codec.preferred_payload_type = Some(payload_type);
        } else {
            codec.preferred_payload_type = Some(next(&mut dynamic)?);
        }
        codec.parameters.extend(wanted.parameters.clone());
        if is_red(&codec.mime_type) {
            codec.parameters = repeats_opus(&codecs)?;
        }
        let rtx = (codec.kind == MediaKind::Video).then(|| rtx_of(&codec, &mut dynamic));
        codecs.push(codec);
        codecs.extend(rtx.transpose()?);
    }
    check_payload_types(&codecs)?;
    Ok(RtpCapabilities { codecs, header_extensions: extension::capabilities() })
}

/// What RED of these codecs repeats.
fn repeats_opus(codecs: &[RtpCodecCapability]) -> Result<Parameters, Refusal> {
    let opus = codecs.iter().find(|codec| codec.mime_type.eq_ignore_ascii_case("audio/opus"));
    let payload_type = opus.and_then(|codec| codec.preferred_payload_type);
    payload_type.map(red_of).ok_or_else(|| {
        bad("audio/red has no Opus to repeat", "put audio/opus before it among the media codecs")
    })
}

fn rtx_of(
    media: &RtpCodecCapability,
    dynamic: &mut Vec<u8>,
) -> Result<RtpCodecCapability, Refusal> {
    let apt = media.preferred_payload_type.map_or(Value::Null, Value::from);
    Ok(RtpCodecCapability {
        kind: media.kind,
        mime_type: "video/rtx".to_owned(),
        preferred_payload_type: Some(next(dynamic)?),
        clock_rate: media.clock_rate,
        channels: None,
        parameters: Parameters::from_iter([("apt".to_owned(), apt)]),
        rtcp_feedback: Vec::new(),
    })
}

fn next(dynamic: &mut Vec<u8>) -> Result<u8, Refusal> {
    dynamic
        .pop()
        .ok_or_else(|| bad("no dynamic payload type is left", "give the router fewer media codecs"))
}

fn check_payload_types(codecs: &[RtpCodecCapability]) -> Result<(), Refusal> {
    let mut used = [false; 128];
    for payload_type in codecs.iter().filter_map(|codec| codec.preferred_payload_type) {
        let free = is_payload_type(payload_type)
            && !std::mem::replace(&mut used[usize::from(payload_type)], true);
        if !free {
            return Err(bad(
                format!("payload type {payload_type} is used twice or cannot be used"),
                "leave preferredPayloadType out, and the router chooses",
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use starling_proto::Code;

    use super::*;
    use crate::negotiation::default_media_codecs;

    fn codecs(value: Value) -> Vec<RtpCodecCapability> {
        serde_json::from_value(value).unwrap()
    }

    fn payload_types(caps: &RtpCapabilities) -> Vec<(String, u8)> {
        caps.codecs
            .iter()
            .map(|codec| (codec.mime_type.clone(), codec.preferred_payload_type.unwrap()))
            .collect()
    }

    #[test]
    fn default_codecs_get_payload_types_in_order_with_rtx_after_video() {
        let caps = router_capabilities(&default_media_codecs()).unwrap();
        let expected = [
            ("audio/opus", 100),
            ("video/VP8", 101),
            ("video/rtx", 102),
            ("video/H264", 103),
            ("video/rtx", 104),
            ("video/H264", 105),
            ("video/rtx", 106),
            ("video/VP9", 107),
            ("video/rtx", 108),
            ("video/VP9", 109),
            ("video/rtx", 110),
            ("video/AV1", 111),
            ("video/rtx", 112),
            ("video/H265", 113),
            ("video/rtx", 114),
            ("audio/PCMU", 0),
            ("audio/PCMA", 8),
            ("audio/G722", 9),
            ("audio/telephone-event", 115),
            ("audio/telephone-event", 116),
            ("audio/red", 117),
        ];
        assert_eq!(payload_types(&caps), expected.map(|(mime, pt)| (mime.to_owned(), pt)));
    }

    /// CD1.
    #[test]
    fn every_sound_that_mediasoup_routes_is_routed_under_its_numbers() {
        let rows = [
            ("audio/opus", 48_000, 2, 100),
            ("audio/multiopus", 48_000, 4, 100),
            ("audio/multiopus", 48_000, 6, 100),
            ("audio/multiopus", 48_000, 8, 100),
            ("audio/PCMU", 8_000, 1, 0),
            ("audio/PCMA", 8_000, 1, 8),
            ("audio/ISAC", 32_000, 1, 100),
            ("audio/ISAC", 16_000, 1, 100),
            ("audio/G722", 8_000, 1, 9),
            ("audio/iLBC", 8_000, 1, 100),
            ("audio/SILK", 24_000, 1, 100),
            ("audio/SILK", 16_000, 1, 100),
            ("audio/SILK", 12_000, 1, 100),
            ("audio/SILK", 8_000, 1, 100),
            ("audio/CN", 32_000, 1, 13),
            ("audio/CN", 16_000, 1, 13),
            ("audio/CN", 8_000, 1, 13),
            ("audio/telephone-event", 48_000, 1, 100),
            ("audio/telephone-event", 32_000, 1, 100),
            ("audio/telephone-event", 16_000, 1, 100),
            ("audio/telephone-event", 8_000, 1, 100),
        ];
        let surround =
            [(4, "0,1,2,3", 2, 2), (6, "0,4,1,2,3,5", 4, 2), (8, "0,6,1,2,3,4,5,7", 5, 3)];
        for (mime_type, clock_rate, channels, payload_type) in rows {
            let of =
                surround.iter().find(|row| row.0 == channels && mime_type.ends_with("multiopus"));
            let parameters = of.map_or(json!({}), |(_, mapping, streams, coupled)| {
                json!({"channel_mapping": mapping, "num_streams": streams,
                    "coupled_streams": coupled})
            });
            let wanted = codecs(json!([{"kind": "audio", "mimeType": mime_type,
                "clockRate": clock_rate, "channels": channels, "parameters": parameters}]));
            let made = router_capabilities(&wanted).unwrap();
            assert_eq!(payload_types(&made), [(mime_type.to_owned(), payload_type)]);
            assert_eq!(serde_json::to_value(&made.codecs[0].parameters).unwrap(), parameters);
        }
    }

    #[test]
    fn static_and_stated_payload_types_are_kept_and_not_given_out_again() {
        let caps = router_capabilities(&codecs(json!([
            {"kind": "audio", "mimeType": "audio/PCMU", "clockRate": 8000},
            {"kind": "audio", "mimeType": "audio/opus", "clockRate": 48000, "channels": 2,
             "preferredPayloadType": 100},
            {"kind": "video", "mimeType": "video/VP8", "clockRate": 90000},
        ])))
        .unwrap();
        let numbers: Vec<u8> = payload_types(&caps).into_iter().map(|(_, pt)| pt).collect();
        assert_eq!(numbers, [0, 100, 101, 102]);
    }

    #[test]
    fn payload_type_used_twice_is_refused() {
        let refusal = router_capabilities(&codecs(json!([
            {"kind": "video", "mimeType": "video/VP8", "clockRate": 90000},
            {"kind": "video", "mimeType": "video/H264", "clockRate": 90000,
             "preferredPayloadType": 101},
        ])))
        .unwrap_err();
        assert_eq!(refusal.code, Code::BadRequest);
    }

    #[test]
    fn unknown_codec_is_unsupported_media() {
        let refusal = router_capabilities(&codecs(json!([
            {"kind": "audio", "mimeType": "audio/opus", "clockRate": 48000, "channels": 1},
        ])))
        .unwrap_err();
        assert_eq!(refusal.code, Code::UnsupportedMedia);
        assert!(!refusal.hint.is_empty());
    }

    #[test]
    fn payload_types_run_out_without_a_panic_and_never_reach_the_probators() {
        let many = |n: usize| {
            let codec = json!({"kind": "video", "mimeType": "video/VP8", "clockRate": 90000});
            router_capabilities(&codecs(Value::Array(vec![codec; n])))
        };
        let caps = many(15).unwrap();
        assert!(caps.codecs.iter().all(|codec| codec.preferred_payload_type != Some(127)));
        assert_eq!(many(16).unwrap_err().code, Code::BadRequest);
    }
}
