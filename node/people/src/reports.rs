//! Sender reports of cameras.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use starling_media::{rtcp::build, rtp::NtpTime};

use crate::{
    client::{Failure, Transport},
    encoder::Camera,
};

/// Between two, as libwebrtc's of video.
pub const EVERY: Duration = Duration::from_millis(500);

/// One of each of a camera's streams, now.
///
/// # Errors
/// A socket that is gone.
pub async fn send(up: &Transport, camera: Option<&Camera>) -> Result<(), Failure> {
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
