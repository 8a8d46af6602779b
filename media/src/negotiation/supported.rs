//! The codecs a router can be given, with the feedback we answer (mediasoup
//! `supportedRtpCapabilities`). Never does: choose payload types.

use serde_json::{Value, json};
use starling_proto::{
    MediaKind,
    rtp::{Parameters, RtcpFeedback, RtpCodecCapability},
};

use super::codec::{Fit, kind_of, same};

/// Which RTCP feedback a codec is offered with.
#[derive(Clone, Copy)]
enum Feedback {
    None,
    TransportCc,
    NackTransportCc,
    Video,
}

struct Row {
    mime_type: &'static str,
    clock_rate: u32,
    channels: u8,
    /// Static (RFC 3551 table 4).
    payload_type: Option<u8>,
    feedback: Feedback,
}

const fn audio(
    mime_type: &'static str,
    clock_rate: u32,
    channels: u8,
    payload_type: Option<u8>,
    feedback: Feedback,
) -> Row {
    Row { mime_type, clock_rate, channels, payload_type, feedback }
}

const fn video(mime_type: &'static str) -> Row {
    Row {
        mime_type,
        clock_rate: 90_000,
        channels: 0,
        payload_type: None,
        feedback: Feedback::Video,
    }
}

const CODECS: [Row; 27] = [
    audio("audio/opus", 48_000, 2, None, Feedback::NackTransportCc),
    audio("audio/multiopus", 48_000, 4, None, Feedback::NackTransportCc),
    audio("audio/multiopus", 48_000, 6, None, Feedback::NackTransportCc),
    audio("audio/multiopus", 48_000, 8, None, Feedback::NackTransportCc),
    audio("audio/PCMU", 8_000, 1, Some(0), Feedback::TransportCc),
    audio("audio/PCMA", 8_000, 1, Some(8), Feedback::TransportCc),
    audio("audio/ISAC", 32_000, 1, None, Feedback::TransportCc),
    audio("audio/ISAC", 16_000, 1, None, Feedback::TransportCc),
    audio("audio/G722", 8_000, 1, Some(9), Feedback::TransportCc),
    audio("audio/iLBC", 8_000, 1, None, Feedback::TransportCc),
    audio("audio/SILK", 24_000, 1, None, Feedback::TransportCc),
    audio("audio/SILK", 16_000, 1, None, Feedback::TransportCc),
    audio("audio/SILK", 12_000, 1, None, Feedback::TransportCc),
    audio("audio/SILK", 8_000, 1, None, Feedback::TransportCc),
    audio("audio/CN", 32_000, 1, Some(13), Feedback::None),
    audio("audio/CN", 16_000, 1, Some(13), Feedback::None),
    audio("audio/CN", 8_000, 1, Some(13), Feedback::None),
    audio("audio/telephone-event", 48_000, 1, None, Feedback::None),
    audio("audio/telephone-event", 32_000, 1, None, Feedback::None),
    audio("audio/telephone-event", 16_000, 1, None, Feedback::None),
    audio("audio/telephone-event", 8_000, 1, None, Feedback::None),
    video("video/VP8"),
    video("video/VP9"),
    video("video/H264"),
    video("video/AV1"),
    // Beyond mediasoup.
    video("video/H265"),
    audio("audio/red", 48_000, 2, None, Feedback::NackTransportCc),
];

/// The supported codec that `wanted` names, with its feedback and mandatory parameters, without the
/// parameters of `wanted`.
pub(super) fn supported(wanted: &RtpCodecCapability) -> Option<RtpCodecCapability> {
    CODECS.iter().map(capability).find(|codec| same(wanted, codec, Fit::Loose))
}

/// What a router offers unless told otherwise: Opus, VP8, H.264 Main and Constrained Baseline, VP9,
/// AV1, H.265, what telephones speak, and Opus with redundancy.
///
/// VP8 comes first because every browser encodes it in simulcast. Payload types follow the order,
/// and nodes of two releases share rooms: a codec to come goes to the end.
pub fn default_media_codecs() -> Vec<RtpCodecCapability> {
    let h264 = |profile_level_id: &str| {
        media_codec(
            "video/H264",
            90_000,
            None,
            json!({
                "packetization-mode": 1,
                "profile-level-id": profile_level_id,
                "level-asymmetry-allowed": 1,
                "x-google-start-bitrate": 1000,
            }),
        )
    };
    let vp9 = |profile: u8| {
        let parameters = json!({ "profile-id": profile, "x-google-start-bitrate": 1000 });
        media_codec("video/VP9", 90_000, None, parameters)
    };
    let h265 = json!({ "profile-id": 1, "tier-flag": 0, "level-id": 156, "tx-mode": "SRST" });
    let telephone = |mime_type, clock_rate| media_codec(mime_type, clock_rate, Some(1), json!({}));
    vec![
        media_codec("audio/opus", 48_000, Some(2), json!({})),
        media_codec("video/VP8", 90_000, None, json!({ "x-google-start-bitrate": 1000 })),
        h264("4d0032"),
        h264("42e01f"),
        vp9(0),
        vp9(2),
        media_codec("video/AV1", 90_000, None, json!({})),
        media_codec("video/H265", 90_000, None, h265),
        telephone("audio/PCMU", 8_000),
        telephone("audio/PCMA", 8_000),
        telephone("audio/G722", 8_000),
        telephone("audio/telephone-event", 48_000),
        telephone("audio/telephone-event", 8_000),
        media_codec("audio/red", 48_000, Some(2), json!({})),
    ]
}

fn media_codec(
    mime_type: &str,
    clock_rate: u32,
    channels: Option<u8>,
    parameters: Value,
) -> RtpCodecCapability {
    RtpCodecCapability {
        kind: kind_of(mime_type).expect("our own MIME types are audio or video"),
        mime_type: mime_type.to_owned(),
        preferred_payload_type: None,
        clock_rate,
        channels,
        parameters: object(parameters),
        rtcp_feedback: Vec::new(),
    }
}

fn capability(row: &Row) -> RtpCodecCapability {
    let kind = kind_of(row.mime_type).expect("our own MIME types are audio or video");
    RtpCodecCapability {
        kind,
        mime_type: row.mime_type.to_owned(),
        preferred_payload_type: row.payload_type,
        clock_rate: row.clock_rate,
        channels: (kind == MediaKind::Audio).then_some(row.channels),
        parameters: mandatory(row),
        rtcp_feedback: feedback(row.feedback),
    }
}

/// Channel mappings are libwebrtc's (`modules/audio_coding`, multiopus).
fn mandatory(row: &Row) -> Parameters {
    let multiopus = |mapping: &str, streams: u8, coupled: u8| {
        let streams = json!({ "num_streams": streams, "coupled_streams": coupled });
        let mut parameters = object(streams);
        parameters.insert("channel_mapping".to_owned(), mapping.into());
        Value::Object(parameters)
    };
    object(match (row.mime_type, row.channels) {
        ("audio/multiopus", 4) => multiopus("0,1,2,3", 2, 2),
        ("audio/multiopus", 6) => multiopus("0,4,1,2,3,5", 4, 2),
        ("audio/multiopus", 8) => multiopus("0,6,1,2,3,4,5,7", 5, 3),
        ("video/H264", _) => json!({ "level-asymmetry-allowed": 1 }),
        _ => json!({}),
    })
}

fn feedback(which: Feedback) -> Vec<RtcpFeedback> {
    let pairs: &[(&str, &str)] = match which {
        Feedback::None => &[],
        Feedback::TransportCc => &[("transport-cc", "")],
        Feedback::NackTransportCc => &[("nack", ""), ("transport-cc", "")],
        Feedback::Video => &[
            ("nack", ""),
            ("nack", "pli"),
            ("ccm", "fir"),
            ("goog-remb", ""),
            ("transport-cc", ""),
        ],
    };
    pairs
        .iter()
        .map(|(kind, parameter)| RtcpFeedback {
            kind: (*kind).to_owned(),
            parameter: (*parameter).to_owned(),
        })
        .collect()
}

fn object(value: Value) -> Parameters {
    match value {
        Value::Object(map) => map,
        _ => Parameters::new(),
    }
}
