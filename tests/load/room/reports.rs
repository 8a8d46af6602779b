//! Sender reports of cameras.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use starling_media::{rtcp::build, rtp::NtpTime};

use super::encoder::Camera;
use crate::client::{Failure, Transport};

/// Between two, as libwebrtc's of video.
pub(super) const EVERY: Duration = Duration::from_millis(500);

/// One of each of a camera's streams, now.
pub(super) async fn send(up: &Transport, camera: Option<&Camera>) -> Result<(), Failure> {
    let Some(camera) = camera else { return Ok(()) };
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?;
    for info in camera.reports(NtpTime::from_unix(now)) {
        let mut bytes = Vec::new();
        build::sender_report(&mut bytes, &info, &[]);
        build::sdes_cname(&mut bytes, info.ssrc, "load");
        up.send_rtcp(&bytes).await?;
    }
    Ok(())
}
