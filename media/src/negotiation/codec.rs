//! When two codecs are the same: one question, asked of capabilities and of parameters alike. Never
//! does: change either.

use serde_json::Value;
use starling_proto::{
    MediaKind, RtpCapabilities,
    rtp::{Parameters, RtpCodecCapability, RtpCodecParameters},
};

use super::h264;

/// What [`same`] looks at.
#[derive(Clone, Copy, Debug)]
pub(super) struct Codec<'a> {
    mime_type: &'a str,
    clock_rate: u32,
    channels: Option<u8>,
    parameters: &'a Parameters,
}

impl<'a> From<&'a RtpCodecCapability> for Codec<'a> {
    fn from(codec: &'a RtpCodecCapability) -> Self {
        Self {
            mime_type: &codec.mime_type,
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            parameters: &codec.parameters,
        }
    }
}

impl<'a> From<&'a RtpCodecParameters> for Codec<'a> {
    fn from(codec: &'a RtpCodecParameters) -> Self {
        Self {
            mime_type: &codec.mime_type,
            clock_rate: codec.clock_rate,
            channels: codec.channels,
            parameters: &codec.parameters,
        }
    }
}

/// How closely `fmtp` must fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// The same codec, whatever its profile: does the router know it at all.
    Loose,
    /// The same profile too: what one encodes the other decodes.
    Strict,
}

/// mediasoup `matchCodecs`: MIME type, clock rate and channels; for multiopus its streams; and when
/// strict, H.264 packetization mode and profile, and VP9 profile. Beyond it H.265 profile, tier and
/// transmission mode (RFC 7798 §7.1; levels are what a stream needs, and every decoder says its
/// own).
pub(super) fn same<'a, 'b>(a: impl Into<Codec<'a>>, b: impl Into<Codec<'b>>, fit: Fit) -> bool {
    let (a, b) = (a.into(), b.into());
    if !a.mime_type.eq_ignore_ascii_case(b.mime_type)
        || a.clock_rate != b.clock_rate
        || a.channels() != b.channels()
    {
        return false;
    }
    let equal = |key: &str| integer_or_0(a.parameters, key) == integer_or_0(b.parameters, key);
    match (a.mime_type.to_ascii_lowercase().as_str(), fit) {
        ("audio/multiopus", _) => equal("num_streams") && equal("coupled_streams"),
        ("video/h264", Fit::Strict) => {
            equal("packetization-mode") && h264::same_profile(a.parameters, b.parameters)
        }
        ("video/vp9", Fit::Strict) => equal("profile-id"),
        ("video/h265", Fit::Strict) => {
            let main = |codec: Codec<'_>| integer(codec.parameters, "profile-id").unwrap_or(1);
            main(a) == main(b) && equal("tier-flag") && tx_mode(a) == tx_mode(b)
        }
        _ => true,
    }
}

/// A single stream on a single transport, unless it is said (RFC 7798 §7.1).
fn tx_mode(codec: Codec<'_>) -> &str {
    codec.parameters.get("tx-mode").and_then(Value::as_str).unwrap_or("SRST")
}

impl Codec<'_> {
    /// Audio without a number has one channel; video has none.
    fn channels(self) -> u8 {
        match kind_of(self.mime_type) {
            Some(MediaKind::Audio) => self.channels.unwrap_or(1),
            Some(MediaKind::Video) | None => 0,
        }
    }
}

/// Audio or video, by MIME type; `None` for another, or one without a subtype.
pub(super) fn kind_of(mime_type: &str) -> Option<MediaKind> {
    let (kind, subtype) = mime_type.split_once('/')?;
    if subtype.is_empty() {
        return None;
    }
    if kind.eq_ignore_ascii_case("audio") {
        Some(MediaKind::Audio)
    } else if kind.eq_ignore_ascii_case("video") {
        Some(MediaKind::Video)
    } else {
        None
    }
}

/// Retransmission (RFC 4588), not media.
pub fn is_rtx(mime_type: &str) -> bool {
    mime_type.split_once('/').is_some_and(|(_, subtype)| subtype.eq_ignore_ascii_case("rtx"))
}

/// Copies of what was sent before beside what is sent now (RFC 2198), of another codec.
pub fn is_red(mime_type: &str) -> bool {
    mime_type.eq_ignore_ascii_case("audio/red")
}

/// Which codec RED repeats: RFC 2198 §5 names a payload type for each block, and browsers send two.
pub(super) fn red_of(payload_type: u8) -> Parameters {
    Parameters::from_iter([(format!("{payload_type}/{payload_type}"), Value::from(""))])
}

/// A receiver wants redundancy if it names RED before the codec that is repeated. Those of browsers
/// know it and list it last: to them it would be bytes for nothing.
pub(super) fn prefers_red(device: &RtpCapabilities) -> bool {
    let place =
        |is: &dyn Fn(&str) -> bool| device.codecs.iter().position(|codec| is(&codec.mime_type));
    let opus = place(&|mime_type| mime_type.eq_ignore_ascii_case("audio/opus"));
    place(&is_red).zip(opus).is_some_and(|(red, opus)| red < opus)
}

/// The payload type that an RTX codec retransmits.
pub(super) fn apt(parameters: &Parameters) -> Option<u8> {
    integer(parameters, "apt").and_then(|value| u8::try_from(value).ok())
}

/// A whole number, also one written as text: SDP knows no types.
pub(super) fn integer(parameters: &Parameters, key: &str) -> Option<i64> {
    match parameters.get(key)? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

fn integer_or_0(parameters: &Parameters, key: &str) -> i64 {
    integer(parameters, key).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn codec(value: Value) -> RtpCodecCapability {
        serde_json::from_value(value).unwrap()
    }

    fn video(mime_type: &str, parameters: Value) -> RtpCodecCapability {
        codec(json!({
            "kind": "video", "mimeType": mime_type, "clockRate": 90000, "parameters": parameters
        }))
    }

    #[test]
    fn mime_types_compare_without_case() {
        let (a, b) = (video("video/VP8", json!({})), video("VIDEO/vp8", json!({})));
        assert!(same(&a, &b, Fit::Strict));
        assert!(!same(&a, &video("video/VP9", json!({})), Fit::Loose));
    }

    #[test]
    fn missing_channels_are_one_on_audio_and_ignored_on_video() {
        let pcmu = |channels: Value| {
            codec(json!({
                "kind": "audio", "mimeType": "audio/PCMU", "clockRate": 8000, "channels": channels
            }))
        };
        assert!(same(&pcmu(json!(null)), &pcmu(json!(1)), Fit::Strict));
        assert!(!same(&pcmu(json!(2)), &pcmu(json!(1)), Fit::Loose));
        let mut vp8 = video("video/VP8", json!({}));
        vp8.channels = Some(1);
        assert!(same(&vp8, &video("video/VP8", json!({})), Fit::Strict));
    }

    #[test]
    fn profiles_count_when_strict_only() {
        let vp9 = |profile: Value| video("video/VP9", json!({ "profile-id": profile }));
        assert!(same(&vp9(json!(0)), &vp9(json!(2)), Fit::Loose));
        assert!(!same(&vp9(json!(0)), &vp9(json!(2)), Fit::Strict));
        assert!(same(&vp9(json!("2")), &vp9(json!(2)), Fit::Strict));
        assert!(same(&vp9(json!(0)), &video("video/VP9", json!({})), Fit::Strict));
        let h264 = |mode: u8| {
            video("video/H264", json!({"packetization-mode": mode, "profile-level-id": "42e01f"}))
        };
        let h265 = |parameters: Value| video("video/H265", parameters);
        let main = h265(json!({"profile-id": 1, "tier-flag": 0, "level-id": 93}));
        assert!(same(&main, &h265(json!({"level-id": 156, "tx-mode": "SRST"})), Fit::Strict));
        assert!(!same(&main, &h265(json!({"profile-id": 2})), Fit::Strict));
        assert!(!same(&main, &h265(json!({"tier-flag": 1})), Fit::Strict));
        assert!(!same(&main, &h265(json!({"tx-mode": "MRST"})), Fit::Strict));
        assert!(same(&h264(0), &h264(1), Fit::Loose));
        assert!(!same(&h264(0), &h264(1), Fit::Strict));
    }
}
