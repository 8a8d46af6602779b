//! Offers as clients send them, and what is answered.

use serde_json::{Value, json};
use starling_proto::{
    Code, MediaKind, RtpParameters,
    sctp::SctpParameters,
    transport::{DtlsRole, WebRtcTransportInfo},
};

use super::*;

/// Chromium, two m-lines; the video one in simulcast. Most codecs are left out.
const CHROMIUM: &str = include_str!("offers/chromium.sdp");
/// OBS (libdatachannel): H.264 and Opus, SSRCs, no extensions but those of its own.
const OBS: &str = include_str!("offers/obs.sdp");
/// ffmpeg's whip muxer: `setup:passive`.
const FFMPEG: &str = include_str!("offers/ffmpeg.sdp");
/// GStreamer's webrtcbin.
const GSTREAMER: &str = include_str!("offers/gstreamer.sdp");
/// aiortc, which lists fingerprints of three hashes in each m-line.
const AIORTC: &str = include_str!("offers/aiortc.sdp");
/// werift, which names streams by SSRC and by MID.
const WERIFT: &str = include_str!("offers/werift.sdp");

fn read(text: &str) -> Offer {
    // Files have bare line feeds; both are read.
    Offer::parse(text.replace('\n', "\r\n").as_bytes()).unwrap()
}

fn refused(text: &str) -> Code {
    let refusal = Offer::parse(text.as_bytes()).unwrap_err();
    assert!(!refusal.hint.is_empty(), "{}", refusal.message);
    refusal.code
}

fn codecs(rtp: &RtpParameters) -> Vec<(u8, &str)> {
    rtp.codecs.iter().map(|codec| (codec.payload_type, codec.mime_type.as_str())).collect()
}

fn transport() -> WebRtcTransportInfo {
    serde_json::from_value(json!({
        "transportId": "t",
        "iceParameters": {"usernameFragment": "ours", "password": "p".repeat(24), "iceLite": true},
        "iceCandidates": [
            {"foundation": "udpcandidate", "priority": 1_076_302_079, "address": "192.0.2.7",
             "ip": "192.0.2.7", "protocol": "udp", "port": 7000, "type": "host"},
            {"foundation": "tcpcandidate", "priority": 1_076_276_479, "address": "192.0.2.7",
             "ip": "192.0.2.7", "protocol": "tcp", "port": 7001, "type": "host",
             "tcpType": "passive"},
        ],
        "dtlsParameters": {"role": "auto", "fingerprints": [
            {"algorithm": "sha-256", "value": "AA:BB"}]},
        "sctpParameters": SctpParameters::default(),
    }))
    .unwrap()
}

#[test]
fn every_client_is_read_with_its_codecs_streams_and_role() {
    for (name, text, role, video, encodings) in [
        ("chromium", CHROMIUM, DtlsRole::Client, "video/VP8", 3),
        ("obs", OBS, DtlsRole::Client, "video/H264", 1),
        ("ffmpeg", FFMPEG, DtlsRole::Server, "video/H264", 1),
        ("gstreamer", GSTREAMER, DtlsRole::Client, "video/VP8", 1),
        ("aiortc", AIORTC, DtlsRole::Client, "video/VP8", 1),
        ("werift", WERIFT, DtlsRole::Client, "video/VP8", 1),
    ] {
        let offer = read(text);
        assert_eq!(offer.dtls.role, role, "{name}");
        assert!(offer.dtls.fingerprints.iter().any(|f| f.algorithm == "sha-256"), "{name}");
        let of = |kind| offer.sections.iter().find(|section| section.kind == Some(kind)).unwrap();
        let (audio, seen) = (of(MediaKind::Audio), of(MediaKind::Video));
        assert!(audio.way.sends() && seen.way.sends(), "{name}");
        let opus = audio
            .rtp
            .codecs
            .iter()
            .find(|codec| codec.mime_type.eq_ignore_ascii_case("audio/opus"));
        let opus = opus.unwrap_or_else(|| panic!("{name}: {:?}", audio.rtp));
        assert_eq!((opus.clock_rate, opus.channels), (48_000, Some(2)), "{name}");
        assert!(seen.rtp.codecs.iter().any(|codec| codec.mime_type == video), "{name}");
        assert_eq!(seen.rtp.encodings.len(), encodings, "{name}");
    }
}

#[test]
fn chromiums_simulcast_is_read_from_the_smallest_to_the_largest() {
    let offer = read(CHROMIUM);
    let video = &offer.sections[1].rtp;
    let rids: Vec<_> = video.encodings.iter().filter_map(|e| e.rid.as_deref()).collect();
    assert_eq!(rids, ["q", "h", "f"]);
    assert_eq!(video.mid.as_deref(), Some("1"));
    assert_eq!(
        codecs(video),
        [(96, "video/VP8"), (97, "video/rtx"), (109, "video/H264"), (114, "video/rtx")]
    );
    let h264 = &video.codecs[2];
    assert_eq!(h264.parameters["profile-level-id"], "42e01f");
    assert_eq!(h264.parameters["packetization-mode"], 1);
    let feedback: Vec<_> =
        h264.rtcp_feedback.iter().map(|f| (f.kind.as_str(), f.parameter.as_str())).collect();
    assert_eq!(
        feedback,
        [("goog-remb", ""), ("transport-cc", ""), ("ccm", "fir"), ("nack", ""), ("nack", "pli")]
    );
    assert!(offer.mixed_extensions);
}

#[test]
fn rids_that_are_numbered_or_named_from_the_largest_are_turned_around() {
    let order = |list: &str, rids: &[&str]| {
        let lines: String = rids.iter().map(|rid| format!("a=rid:{rid} send\n")).collect();
        let text = CHROMIUM
            .replace("a=rid:q send\na=rid:h send\na=rid:f send\n", &lines)
            .replace("a=simulcast:send q;h;f", &format!("a=simulcast:send {list}"));
        let offer = read(&text);
        let encodings = offer.sections[1].rtp.encodings.clone();
        encodings.into_iter().filter_map(|e| e.rid).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(order("0;1;2", &["0", "1", "2"]), "2 1 0");
    assert_eq!(order("h;m;l", &["h", "m", "l"]), "l m h");
    assert_eq!(order("r0;r1;r2", &["r0", "r1", "r2"]), "r0 r1 r2");
    assert_eq!(order("~a;b,c", &["a", "b", "c"]), "a b");
}

#[test]
fn sizes_of_rids_decide_where_they_are_given() {
    let lines = "a=rid:x send max-width=1280;max-height=720\n\
                 a=rid:y send max-width=320;max-height=180\n";
    let text = CHROMIUM
        .replace("a=rid:q send\na=rid:h send\na=rid:f send\n", lines)
        .replace("a=simulcast:send q;h;f", "a=simulcast:send x;y");
    let encodings = read(&text).sections[1].rtp.encodings.clone();
    assert_eq!(encodings[0].rid.as_deref(), Some("y"));
}

#[test]
fn streams_without_rids_are_known_by_ssrc_with_their_rtx() {
    let audio = &read(AIORTC).sections[0].rtp;
    assert!(audio.encodings[0].ssrc.is_some());
    let text = FFMPEG.replace("a=ssrc-group:FID", "a=nothing:");
    let video = read(&text).sections[1].rtp.encodings[0].clone();
    assert!(video.ssrc.is_some() && video.rtx.is_none());
    let text = OBS.to_owned() + "a=ssrc-group:SIM 5 6 7\na=ssrc-group:FID 5 15\na=ssrc:5 cname:x\n";
    let encodings = read(&text).sections[1].rtp.encodings.clone();
    let ssrcs: Vec<_> =
        encodings.iter().map(|e| (e.ssrc.unwrap(), e.rtx.map(|rtx| rtx.ssrc))).collect();
    assert_eq!(ssrcs, [(5, Some(15)), (6, None), (7, None)]);
}

#[test]
fn an_answer_mirrors_the_offers_m_lines() {
    let offer = read(CHROMIUM);
    let video = RtpParameters {
        codecs: offer.sections[1].rtp.codecs[..2].to_vec(),
        ..offer.sections[1].rtp.clone()
    };
    let sections = [AnswerSection::Refused, AnswerSection::Receives(video)];
    let transport = transport();
    let answer =
        Answer { offer: &offer, transport: &transport, sections: &sections, session: 42 }.to_text();
    assert!(answer.ends_with("\r\n") && !answer.contains("\r\n\r\n"), "{answer}");
    let lines: Vec<&str> = answer.lines().collect();
    let at = |line: &str| {
        lines.iter().position(|l| *l == line).unwrap_or_else(|| panic!("{line}\n\n{answer}"))
    };
    for line in [
        "v=0",
        "o=- 42 1 IN IP4 0.0.0.0",
        "a=group:BUNDLE 1",
        "a=ice-lite",
        "a=extmap-allow-mixed",
        "m=audio 0 UDP/TLS/RTP/SAVPF 111 63",
        "m=video 9 UDP/TLS/RTP/SAVPF 96 97",
        "a=mid:1",
        "a=rtcp-mux",
        "a=ice-ufrag:ours",
        "a=fingerprint:sha-256 AA:BB",
        "a=setup:passive",
        "a=candidate:udpcandidate 1 udp 1076302079 192.0.2.7 7000 typ host",
        "a=candidate:tcpcandidate 1 tcp 1076276479 192.0.2.7 7001 typ host tcptype passive",
        "a=end-of-candidates",
        "a=recvonly",
        "a=rtpmap:96 VP8/90000",
        "a=rtcp-fb:96 nack pli",
        "a=fmtp:97 apt=96",
        "a=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "a=rid:q recv",
        "a=simulcast:recv q;h;f",
    ] {
        at(line);
    }
    assert!(at("m=audio 0 UDP/TLS/RTP/SAVPF 111 63") < at("m=video 9 UDP/TLS/RTP/SAVPF 96 97"));
    // What we write, others read; so do we.
    assert!(sdp_types::Session::parse(answer.as_bytes()).is_ok());
}

#[test]
fn what_is_sent_names_its_stream_and_a_line_break_in_it_changes_nothing() {
    let offer = read(&CHROMIUM.replace("a=sendonly", "a=recvonly"));
    assert!(offer.sections.iter().all(|section| section.way == Way::Receives));
    let mut rtp = offer.sections[0].rtp.clone();
    rtp.codecs.truncate(1);
    rtp.encodings = serde_json::from_value(json!([{"ssrc": 7, "rtx": {"ssrc": 8}}])).unwrap();
    rtp.rtcp.cname = Some("ann\r\na=candidate:evil".into());
    rtp.codecs[0].parameters.insert("x\r\ny".into(), Value::from("1\n2"));
    let sent = Sent { rtp, stream: "ann".into(), track: "audio-0".into() };
    let sections = [AnswerSection::Sends(sent), AnswerSection::Refused];
    let transport = transport();
    let answer =
        Answer { offer: &offer, transport: &transport, sections: &sections, session: 1 }.to_text();
    for line in [
        "a=sendonly",
        "a=msid:ann audio-0",
        "a=ssrc-group:FID 7 8",
        "a=ssrc:7 cname:anna=candidate:evil",
        "a=fmtp:111 minptime=10;useinbandfec=1;xy=12",
    ] {
        assert!(answer.lines().any(|l| l == line), "{line}\n\n{answer}");
    }
    assert!(!answer.lines().any(|line| line.starts_with("a=candidate:evil")));
}

#[test]
fn who_offers_to_wait_for_dtls_is_called_and_stereo_is_welcome() {
    let offer = read(FFMPEG);
    let mut rtp = offer.sections[0].rtp.clone();
    rtp.codecs[0].parameters.insert("sprop-stereo".into(), 1.into());
    let sections = [AnswerSection::Receives(rtp), AnswerSection::Refused];
    let transport = transport();
    let answer =
        Answer { offer: &offer, transport: &transport, sections: &sections, session: 1 }.to_text();
    assert!(answer.contains("\r\na=setup:active\r\n"), "{answer}");
    assert!(answer.contains("stereo=1"), "{answer}");
}

#[test]
fn an_offer_that_cannot_be_used_is_refused_with_what_is_wrong() {
    assert_eq!(refused("hello"), Code::BadRequest);
    assert_eq!(refused(""), Code::BadRequest);
    assert_eq!(refused(&CHROMIUM.replace("a=ice-pwd", "a=nothing")), Code::BadRequest);
    assert_eq!(refused(&CHROMIUM.replace("a=fingerprint", "a=nothing")), Code::BadRequest);
    assert_eq!(refused(&CHROMIUM.replace("a=group:BUNDLE 0 1", "a=x:y")), Code::NotAcceptable);
    assert_eq!(refused(&CHROMIUM.replace("a=rtcp-mux\n", "")), Code::NotAcceptable);
}

#[test]
fn what_an_offer_may_be_is_bounded() {
    assert_eq!(refused(&"a".repeat(MAX_BYTES + 1)), Code::TooLarge);
    let many = CHROMIUM.to_owned() + &"m=audio 9 RTP/AVP 0\n".repeat(MAX_SECTIONS);
    assert_eq!(refused(&many), Code::TooLarge);
    let many = CHROMIUM.to_owned() + &"a=x\n".repeat(MAX_ATTRIBUTES);
    assert_eq!(refused(&many), Code::TooLarge);
    let ssrcs: String = (1..=60).map(|n| format!(" {n}")).collect();
    let many = OBS.to_owned() + &format!("a=ssrc-group:SIM{ssrcs}\n");
    assert_eq!(refused(&many), Code::TooLarge);
}

#[test]
fn a_section_that_we_do_not_speak_is_read_and_not_understood() {
    let text = CHROMIUM.to_owned()
        + "m=application 9 UDP/DTLS/SCTP webrtc-datachannel\na=mid:2\na=sctp-port:5000\n";
    let offer = read(&text);
    let data = &offer.sections[2];
    assert_eq!((data.kind, data.media.as_str()), (None, "application"));
    assert_eq!(data.formats, "webrtc-datachannel");
}

#[test]
fn fragments_name_credentials_and_candidates() {
    let text = "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
                m=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
                a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host\r\n\
                a=end-of-candidates\r\n";
    let fragment = Fragment::parse(text.as_bytes()).unwrap();
    assert_eq!(fragment.ice.unwrap().ufrag, "EsAw");
    assert_eq!((fragment.candidates, fragment.complete), (1, true));
    let code = |text: &str| Fragment::parse(text.as_bytes()).unwrap_err().code;
    assert_eq!(code("a=ice-ufrag:EsAw\r\n"), Code::BadRequest);
    assert_eq!(code("{}"), Code::BadRequest);
    assert_eq!(code(&"a=x\n".repeat(8192)), Code::TooLarge);
    assert_eq!(Fragment::parse(b"").unwrap(), Fragment::default());
    let ours = Fragment::restarted(Some("0"), "uuuu", &"p".repeat(24), &[]);
    assert_eq!(Fragment::parse(ours.as_bytes()).unwrap().ice.unwrap().ufrag, "uuuu");
}
