//! The header extensions a router knows: fixed ids, the same on every node, so that consumers and
//! pipes never renumber. Never does: read or write an extension.

use starling_proto::{
    MediaKind,
    rtp::{Direction, RtpHeaderExtension},
};

/// RFC 8843.
pub(crate) const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// RFC 8852.
pub(crate) const RID: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";
/// RFC 8852.
pub(crate) const REPAIRED_RID: &str = "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id";
/// libwebrtc `docs/native-code/rtp-hdrext/abs-send-time`.
pub(crate) const ABS_SEND_TIME: &str = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time";
/// draft-holmer-rmcat-transport-wide-cc-extensions-01.
pub(crate) const TRANSPORT_WIDE_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// RFC 6464.
pub(crate) const AUDIO_LEVEL: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
/// AV1 RTP specification, appendix A.
pub(crate) const DEPENDENCY_DESCRIPTOR: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
/// 3GPP TS 26.114 §7.4.5.
pub(crate) const VIDEO_ORIENTATION: &str = "urn:3gpp:video-orientation";
/// RFC 5450.
pub(crate) const TOFFSET: &str = "urn:ietf:params:rtp-hdrext:toffset";
/// libwebrtc `docs/native-code/rtp-hdrext/abs-capture-time`.
pub(crate) const ABS_CAPTURE_TIME: &str =
    "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
/// libwebrtc `docs/native-code/rtp-hdrext/playout-delay`.
pub(crate) const PLAYOUT_DELAY: &str = "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay";
/// mediasoup's; no client asks for it, routers list it all the same.
const PACKET_ID: &str = "urn:mediasoup:params:rtp-hdrext:packet-id";

/// A header extension of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extension {
    /// What it is.
    pub uri: &'static str,
    /// The router's id: 1 to 14, so that the one-byte form of RFC 8285 always fits.
    pub id: u8,
    /// On audio, from the router's point of view.
    pub audio: Option<Direction>,
    /// On video, from the router's point of view.
    pub video: Option<Direction>,
}

const BOTH: Option<Direction> = Some(Direction::Sendrecv);
const FROM_CLIENTS: Option<Direction> = Some(Direction::Recvonly);

const fn row(
    id: u8,
    uri: &'static str,
    audio: Option<Direction>,
    video: Option<Direction>,
) -> Extension {
    Extension { uri, id, audio, video }
}

/// All of them, in order of id (mediasoup `supportedRtpCapabilities`, which however offers to take
/// dependency descriptors only: Chromium decodes no spatial layers of AV1 without them).
pub const EXTENSIONS: [Extension; 12] = [
    row(1, MID, BOTH, BOTH),
    row(2, RID, None, FROM_CLIENTS),
    row(3, REPAIRED_RID, None, FROM_CLIENTS),
    row(4, ABS_SEND_TIME, BOTH, BOTH),
    row(5, TRANSPORT_WIDE_CC, FROM_CLIENTS, BOTH),
    row(6, AUDIO_LEVEL, BOTH, None),
    row(7, DEPENDENCY_DESCRIPTOR, None, BOTH),
    row(8, VIDEO_ORIENTATION, None, BOTH),
    row(9, TOFFSET, None, BOTH),
    row(10, ABS_CAPTURE_TIME, BOTH, BOTH),
    row(11, PLAYOUT_DELAY, BOTH, BOTH),
    row(12, PACKET_ID, BOTH, BOTH),
];

/// The router's id of an extension; `None` if the router does not know it.
pub fn extension_id(uri: &str) -> Option<u8> {
    EXTENSIONS.iter().find(|extension| extension.uri == uri).map(|extension| extension.id)
}

/// As a router lists them: audio before video where both have it.
pub(super) fn capabilities() -> Vec<RtpHeaderExtension> {
    let mut list = Vec::with_capacity(2 * EXTENSIONS.len());
    for extension in &EXTENSIONS {
        let kinds = [(MediaKind::Audio, extension.audio), (MediaKind::Video, extension.video)];
        for (kind, direction) in kinds {
            let Some(direction) = direction else { continue };
            list.push(RtpHeaderExtension {
                kind: Some(kind),
                uri: extension.uri.to_owned(),
                preferred_id: extension.id,
                preferred_encrypt: false,
                direction: Some(direction),
            });
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_those_mediasoup_clients_were_captured_with() {
        assert_eq!(extension_id("urn:ietf:params:rtp-hdrext:sdes:mid"), Some(1));
        assert_eq!(extension_id(TRANSPORT_WIDE_CC), Some(5));
        assert_eq!(extension_id(PACKET_ID), Some(12));
        assert_eq!(extension_id("urn:ietf:params:rtp-hdrext:encrypt"), None);
    }

    #[test]
    fn ids_are_distinct_and_fit_the_one_byte_form() {
        for (index, extension) in EXTENSIONS.iter().enumerate() {
            assert_eq!(usize::from(extension.id), index + 1);
            assert!(extension.id <= 14);
        }
    }
}
