//! The programs that write files, and their arguments. Pure. Nothing is encoded anew.

use clap::ValueEnum;
use starling_proto::{MediaKind, RtpParameters};

/// Which.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    /// ffmpeg.
    #[default]
    Ffmpeg,
    /// gst-launch-1.0.
    Gstreamer,
}

impl Program {
    /// What is started.
    pub(crate) const fn binary(self) -> &'static str {
        match self {
            Self::Ffmpeg => "ffmpeg",
            Self::Gstreamer => "gst-launch-1.0",
        }
    }

    /// What it is told: to read the SDP file, or listen on `port`, and write `file`.
    ///
    /// # Errors
    /// A sentence if it cannot take the codec.
    pub(crate) fn arguments(
        self,
        kind: MediaKind,
        rtp: &RtpParameters,
        port: u16,
        sdp: &str,
        file: &str,
    ) -> Result<Vec<String>, String> {
        match self {
            Self::Ffmpeg => Ok(ffmpeg(sdp, file)),
            Self::Gstreamer => gstreamer(kind, rtp, port, file),
        }
    }
}

fn ffmpeg(sdp: &str, file: &str) -> Vec<String> {
    let words = "-hide_banner -nostdin -loglevel warning -y -protocol_whitelist file,udp,rtp \
                 -fflags +genpts -analyzeduration 10M -probesize 5M -i";
    let mut words: Vec<String> = words.split_whitespace().map(String::from).collect();
    words.push(sdp.to_owned());
    // Of an SDP with one stream, all of it, as it comes.
    words.extend(["-map", "0", "-c", "copy"].map(String::from));
    // Written each second: ffmpeg would else keep a quarter of a megabyte, a minute of a voice, and
    // lose it where the machine dies.
    words.extend(["-cluster_time_limit", "1000", "-flush_packets", "1"].map(String::from));
    words.push(file.to_owned());
    words
}

fn gstreamer(
    kind: MediaKind,
    rtp: &RtpParameters,
    port: u16,
    file: &str,
) -> Result<Vec<String>, String> {
    let codec = rtp.codecs.first().ok_or("the consumer has no codec")?;
    let name = codec.mime_type.rsplit('/').next().unwrap_or_default().to_ascii_uppercase();
    let depay: &[&str] = match name.as_str() {
        "VP8" => &["rtpvp8depay"],
        "VP9" => &["rtpvp9depay"],
        "AV1" => &["rtpav1depay", "!", "av1parse"],
        "H264" => &["rtph264depay", "!", "h264parse"],
        "H265" => &["rtph265depay", "!", "h265parse"],
        "OPUS" => &["rtpopusdepay", "!", "opusparse"],
        "PCMU" => &["rtppcmudepay"],
        "PCMA" => &["rtppcmadepay"],
        _ => return Err(format!("GStreamer is not told how to take {}", codec.mime_type)),
    };
    let media = match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    };
    let caps = format!(
        "caps=application/x-rtp,media={media},clock-rate={},encoding-name={name},payload={}",
        codec.clock_rate, codec.payload_type
    );
    let mut words = vec!["-e".to_owned(), "-q".to_owned(), "udpsrc".to_owned()];
    words.extend([format!("port={port}"), caps]);
    words.extend(["!", "rtpjitterbuffer", "latency=200", "!"].map(String::from));
    words.extend(depay.iter().map(|word| (*word).to_owned()));
    words.extend(["!", "matroskamux", "!", "filesink"].map(String::from));
    words.push(format!("location={file}"));
    Ok(words)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn rtp(mime: &str) -> RtpParameters {
        serde_json::from_value(json!({
            "codecs": [{"mimeType": mime, "payloadType": 101, "clockRate": 90000}],
            "encodings": [{"ssrc": 1}]
        }))
        .unwrap()
    }

    #[test]
    fn nothing_is_encoded_anew() {
        let words = Program::Ffmpeg
            .arguments(MediaKind::Video, &rtp("video/VP8"), 5_000, "a.sdp", "a.webm")
            .unwrap();
        let words = words.join(" ");
        let end = "-i a.sdp -map 0 -c copy -cluster_time_limit 1000 -flush_packets 1 a.webm";
        assert!(words.ends_with(end), "{words}");
        let words = Program::Gstreamer
            .arguments(MediaKind::Video, &rtp("video/H264"), 5_000, "a.sdp", "a.mkv")
            .unwrap();
        assert_eq!(
            words.join(" "),
            "-e -q udpsrc port=5000 caps=application/x-rtp,media=video,clock-rate=90000,\
             encoding-name=H264,payload=101 ! rtpjitterbuffer latency=200 ! rtph264depay ! \
             h264parse ! matroskamux ! filesink location=a.mkv"
        );
    }

    #[test]
    fn a_codec_that_a_program_cannot_take_is_named() {
        let refused = Program::Gstreamer.arguments(
            MediaKind::Audio,
            &rtp("audio/telephone-event"),
            1,
            "a",
            "b",
        );
        assert!(refused.unwrap_err().contains("audio/telephone-event"));
    }
}
