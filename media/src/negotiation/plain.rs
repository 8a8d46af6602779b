//! What a plain RTP endpoint (ffmpeg, GStreamer) receives when it says nothing itself. Never does:
//! open a port.

use starling_proto::{RtpCapabilities, rtp::RtpCodecCapability};

use super::extension::{ABS_SEND_TIME, MID, TRANSPORT_WIDE_CC};

/// All codecs of the router, without bandwidth estimation, which such endpoints do not answer, and
/// without MID, which they do not need on a port of their own.
pub fn plain_capabilities(router: &RtpCapabilities) -> RtpCapabilities {
    let codecs = router
        .codecs
        .iter()
        .map(|codec| RtpCodecCapability {
            rtcp_feedback: codec
                .rtcp_feedback
                .iter()
                .filter(|feedback| !matches!(feedback.kind.as_str(), "transport-cc" | "goog-remb"))
                .cloned()
                .collect(),
            ..codec.clone()
        })
        .collect();
    let header_extensions = router
        .header_extensions
        .iter()
        .filter(|extension| {
            ![ABS_SEND_TIME, TRANSPORT_WIDE_CC, MID].contains(&extension.uri.as_str())
        })
        .cloned()
        .collect();
    RtpCapabilities { codecs, header_extensions }
}
