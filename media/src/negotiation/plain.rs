//! What a plain RTP endpoint (ffmpeg, GStreamer) receives when it says nothing itself. Never does:
//! open a port.

use starling_proto::RtpCapabilities;

use super::extension::{ABS_SEND_TIME, DEPENDENCY_DESCRIPTOR, MID, TRANSPORT_WIDE_CC};

/// All codecs of the router, without the extensions of bandwidth estimation, which such endpoints
/// do not answer (so that consumers get none of its feedback either), and without MID and
/// dependency descriptors, which they do not need on a port of their own.
pub fn plain_capabilities(router: &RtpCapabilities) -> RtpCapabilities {
    let header_extensions = router
        .header_extensions
        .iter()
        .filter(|extension| {
            let left_out = [ABS_SEND_TIME, TRANSPORT_WIDE_CC, MID, DEPENDENCY_DESCRIPTOR];
            !left_out.contains(&extension.uri.as_str())
        })
        .cloned()
        .collect();
    RtpCapabilities { codecs: router.codecs.clone(), header_extensions }
}
