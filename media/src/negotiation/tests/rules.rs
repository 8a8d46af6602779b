//! Rules that the captured payloads do not show.

use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use starling_proto::{Code, MediaKind, RtpCapabilities, RtpParameters, rtp::RtpType};

use crate::negotiation::{
    ConsumerOptions, can_consume, consumable_parameters, consumer_parameters, default_media_codecs,
    normalize_rtp_parameters, pipe_parameters, plain_capabilities, producer_mapping, producer_type,
    router_capabilities, sdp_of, validate_rtp_capabilities, validate_rtp_parameters,
};

fn rng() -> StdRng {
    StdRng::seed_from_u64(7)
}

fn router() -> RtpCapabilities {
    router_capabilities(&default_media_codecs()).unwrap()
}

fn parameters(value: Value) -> RtpParameters {
    serde_json::from_value(value).unwrap()
}

fn vp8(encodings: Value) -> RtpParameters {
    parameters(json!({
        "mid": "1",
        "codecs": [
            {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000},
            {"mimeType": "video/rtx", "payloadType": 97, "clockRate": 90000,
             "parameters": {"apt": 96}},
        ],
        "encodings": encodings,
    }))
}

fn h264(profile_level_id: &str, mode: u8) -> RtpParameters {
    parameters(json!({
        "mid": "1",
        "codecs": [{"mimeType": "video/h264", "payloadType": 96, "clockRate": 90000, "parameters":
            {"packetization-mode": mode, "profile-level-id": profile_level_id}}],
        "encodings": [{"ssrc": 5}],
    }))
}

fn consumable(kind: MediaKind, parameters: &RtpParameters) -> RtpParameters {
    let mapping = producer_mapping(parameters, &router(), &mut rng()).unwrap();
    consumable_parameters(kind, parameters, &router(), &mapping).unwrap()
}

fn refused(change: impl FnOnce(&mut Value)) -> Code {
    let mut value = serde_json::to_value(vp8(json!([{"ssrc": 5}]))).unwrap();
    validate_rtp_parameters(&parameters(value.clone())).unwrap();
    change(&mut value);
    let refusal = validate_rtp_parameters(&parameters(value)).unwrap_err();
    assert!(!refusal.hint.is_empty(), "{}", refusal.message);
    refusal.code
}

#[test]
fn ambiguous_parameters_are_refused() {
    let bad = [
        refused(|p| p["codecs"] = json!([])),
        refused(|p| p["codecs"][1]["payloadType"] = json!(96)),
        refused(|p| p["codecs"][1]["parameters"]["apt"] = json!(98)),
        refused(|p| p["codecs"][1]["parameters"]["apt"] = json!(97)),
        refused(|p| p["codecs"][1]["payloadType"] = json!(64)),
        refused(|p| p["codecs"][1]["payloadType"] = json!(95)),
        refused(|p| p["codecs"][1]["payloadType"] = json!(128)),
        refused(|p| p["codecs"][0]["mimeType"] = json!("audio/opus")),
        refused(|p| p["codecs"][0]["mimeType"] = json!("VP8")),
        refused(|p| p["codecs"][0]["clockRate"] = json!(0)),
        refused(|p| p["codecs"][0]["parameters"]["x"] = json!({"deep": []})),
        refused(|p| p["encodings"] = json!([{"ssrc": 5}, {"ssrc": 5}])),
        refused(|p| p["encodings"] = json!([{"ssrc": 5, "rtx": {"ssrc": 5}}])),
        refused(|p| p["encodings"] = json!([{"ssrc": 0}])),
        refused(|p| p["encodings"] = json!([{"rid": "a"}, {"rid": "a"}])),
        refused(|p| p["encodings"] = json!([{"rid": "a"}, {}])),
        refused(|p| p["encodings"] = json!([{"ssrc": 5, "codecPayloadType": 97}])),
        refused(|p| p["headerExtensions"] = json!([{"uri": "a", "id": 0}])),
        refused(|p| p["headerExtensions"] = json!([{"uri": "a", "id": 1}, {"uri": "b", "id": 1}])),
        refused(|p| p["headerExtensions"] = json!([{"uri": "a", "id": 1}, {"uri": "a", "id": 2}])),
    ];
    assert_eq!(bad, [Code::BadRequest; 20]);
    let encrypted = json!([{"uri": "a", "id": 1, "encrypt": true}]);
    assert_eq!(refused(|p| p["headerExtensions"] = encrypted), Code::UnsupportedMedia);
    let deep = json!([{"ssrc": 5, "scalabilityMode": "L9T1"}]);
    assert_eq!(refused(|p| p["encodings"] = deep), Code::UnsupportedMedia);
}

#[test]
fn stream_without_any_name_is_refused() {
    let nameless = |mid: Value, encodings: Value| {
        let mut value = serde_json::to_value(vp8(encodings)).unwrap();
        value["mid"] = mid;
        validate_rtp_parameters(&parameters(value)).map_err(|refusal| refusal.code)
    };
    assert_eq!(nameless(json!("1"), json!([{}])), Ok(()));
    assert_eq!(nameless(json!("1"), json!([])), Ok(()));
    assert_eq!(nameless(json!(null), json!([{"ssrc": 5}])), Ok(()));
    assert_eq!(nameless(json!(null), json!([{"rid": "q"}])), Ok(()));
    assert_eq!(nameless(json!(null), json!([{}])), Err(Code::BadRequest));
    assert_eq!(nameless(json!(null), json!([])), Err(Code::BadRequest));
}

/// Names of a producer end in the SDP of other clients.
#[test]
fn text_cannot_start_a_new_line_of_sdp() {
    let evil = "x\r\na=candidate:1";
    let bad = [
        refused(|p| p["rtcp"] = json!({"cname": evil})),
        refused(|p| p["msid"] = json!(evil)),
        refused(|p| p["mid"] = json!(evil)),
        refused(|p| p["mid"] = json!("")),
        refused(|p| p["encodings"][0]["rid"] = json!(evil)),
        refused(|p| p["encodings"][0]["scalabilityMode"] = json!(evil)),
        refused(|p| p["codecs"][0]["mimeType"] = json!(format!("video/{evil}"))),
        refused(|p| p["codecs"][0]["parameters"]["k"] = json!(evil)),
        refused(|p| p["codecs"][0]["parameters"][evil] = json!(1)),
        refused(|p| p["codecs"][0]["rtcpFeedback"] = json!([{"type": evil}])),
        refused(|p| p["codecs"][0]["rtcpFeedback"] = json!([{"type": "a", "parameter": evil}])),
        refused(|p| p["headerExtensions"] = json!([{"uri": evil, "id": 1}])),
    ];
    assert_eq!(bad, [Code::BadRequest; 12]);
}

#[test]
fn lists_and_texts_have_bounds() {
    let list = |entry: Value, n: usize| Value::Array(vec![entry; n]);
    let bad = [
        refused(|p| p["codecs"] = list(p["codecs"][0].clone(), 65)),
        refused(|p| p["headerExtensions"] = list(json!({"uri": "a", "id": 1}), 33)),
        refused(|p| p["encodings"] = (1..=9).map(|ssrc| json!({"ssrc": ssrc})).collect()),
        refused(|p| p["rtcp"] = json!({"cname": "c".repeat(256)})),
        refused(|p| p["encodings"][0]["rid"] = json!("r".repeat(17))),
        refused(|p| p["encodings"][0]["x"] = json!("y".repeat(2000))),
        refused(|p| p["codecs"][0]["rtcpFeedback"] = list(json!({"type": "nack"}), 17)),
        refused(|p| {
            let many = (0..33).map(|n| (n.to_string(), json!(n))).collect();
            p["codecs"][0]["parameters"] = Value::Object(many);
        }),
    ];
    assert_eq!(bad, [Code::BadRequest; 8]);
}

#[test]
fn ambiguous_capabilities_are_refused() {
    let check = |change: fn(&mut RtpCapabilities)| {
        let mut caps = router();
        validate_rtp_capabilities(&caps).unwrap();
        change(&mut caps);
        validate_rtp_capabilities(&caps).unwrap_err().code
    };
    let bad = [
        check(|caps| caps.codecs[1].preferred_payload_type = Some(100)),
        check(|caps| caps.codecs[1].preferred_payload_type = Some(200)),
        check(|caps| caps.codecs[1].kind = MediaKind::Audio),
        check(|caps| caps.codecs[2].parameters.clear()),
        check(|caps| caps.header_extensions[0].preferred_id = 0),
        check(|caps| caps.header_extensions[1].preferred_id = 2),
        check(|caps| caps.header_extensions.extend(caps.header_extensions.clone())),
        check(|caps| caps.codecs = vec![caps.codecs[0].clone(); 65]),
    ];
    assert_eq!(bad, [Code::BadRequest; 8]);
}

#[test]
fn normalizing_fills_in_what_mediasoup_fills_in() {
    let mut opus = parameters(json!({
        "codecs": [{"mimeType": "audio/PCMU", "payloadType": 0, "clockRate": 8000}],
        "rtcp": {"reducedSize": false},
    }));
    normalize_rtp_parameters(&mut opus);
    assert_eq!(opus.encodings.len(), 1);
    assert_eq!(opus.encodings[0].dtx, Some(false));
    assert_eq!(opus.codecs[0].channels, Some(1));
    assert!(opus.rtcp.reduced_size);
}

#[test]
fn codec_the_router_does_not_have_is_unsupported_media() {
    let theora = parameters(json!({
        "mid": "0",
        "codecs": [{"mimeType": "video/theora", "payloadType": 98, "clockRate": 90000}],
    }));
    let refusal = producer_mapping(&theora, &router(), &mut rng()).unwrap_err();
    assert_eq!(refusal.code, Code::UnsupportedMedia);
    let offered = "the router takes audio/opus, video/VP8, video/H264, video/VP9, video/AV1, \
                   video/H265, audio/PCMU, audio/PCMA, audio/G722, audio/telephone-event, \
                   audio/red";
    assert_eq!(refusal.hint, offered);
    for (profile, mode) in [("64001f", 1), ("42e01f", 0), ("xyz", 1)] {
        let refused = producer_mapping(&h264(profile, mode), &router(), &mut rng());
        assert_eq!(refused.unwrap_err().code, Code::UnsupportedMedia, "{profile} {mode}");
    }
}

#[test]
fn h264_profile_decides_the_payload_type_and_the_level_is_answered() {
    let main = consumable(MediaKind::Video, &h264("4d001f", 1));
    assert_eq!((main.codecs[0].payload_type, main.codecs[1].payload_type), (103, 104));
    let baseline = consumable(MediaKind::Video, &h264("42c034", 1));
    assert_eq!(baseline.codecs[0].payload_type, 105);
    // Without level-asymmetry-allowed from the producer, the router's level 3.1 caps its 5.2.
    assert_eq!(baseline.codecs[0].parameters["profile-level-id"], json!("42e01f"));
}

#[test]
fn capture_time_is_consumable_only_if_the_producer_sends_it() {
    let uri = "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time";
    let mut producer = vp8(json!([{"ssrc": 5}]));
    let has = |parameters: &RtpParameters| {
        parameters.header_extensions.iter().any(|extension| extension.uri == uri)
    };
    assert!(!has(&consumable(MediaKind::Video, &producer)));
    producer.header_extensions = serde_json::from_value(json!([{"uri": uri, "id": 9}])).unwrap();
    let consumable = consumable(MediaKind::Video, &producer);
    assert!(has(&consumable));
    assert!(has(&pipe_parameters(&consumable)));
}

#[test]
fn consumable_of_the_wrong_kind_or_mapping_is_refused() {
    let vp8 = vp8(json!([{"ssrc": 5}]));
    let mapping = producer_mapping(&vp8, &router(), &mut rng()).unwrap();
    let code =
        |kind, mapping| consumable_parameters(kind, &vp8, &router(), mapping).unwrap_err().code;
    assert_eq!(code(MediaKind::Audio, &mapping), Code::BadRequest);
    assert_eq!(code(MediaKind::Video, &Default::default()), Code::UnsupportedMedia);
}

#[test]
fn type_follows_encodings_and_layers() {
    let of = |encodings: Value| producer_type(&vp8(encodings)).map_err(|refusal| refusal.code);
    assert_eq!(of(json!([])), Ok(RtpType::Simple));
    assert_eq!(of(json!([{"ssrc": 5, "scalabilityMode": "L1T1"}])), Ok(RtpType::Simple));
    assert_eq!(of(json!([{"ssrc": 5, "scalabilityMode": "L1T3"}])), Ok(RtpType::Svc));
    assert_eq!(of(json!([{"rid": "a"}, {"rid": "b"}])), Ok(RtpType::Simulcast));
    let other = |mime_type: &str, encodings: Value| {
        let mut parameters = vp8(encodings);
        parameters.codecs[0].mime_type = mime_type.to_owned();
        producer_type(&parameters).map_err(|refusal| refusal.code)
    };
    let several = json!([{"rid": "a"}, {"rid": "b"}]);
    for mime_type in ["video/VP9", "video/AV1", "video/H265"] {
        assert_eq!(other(mime_type, several.clone()), Ok(RtpType::Simulcast), "{mime_type}");
    }
    assert_eq!(other("video/theora", several), Err(Code::UnsupportedMedia));
    assert_eq!(other("video/av1", json!([{"scalabilityMode": "L3T3"}])), Ok(RtpType::Svc));
    let opus = json!([{"scalabilityMode": "L1T2"}]);
    assert_eq!(other("audio/opus", opus), Err(Code::UnsupportedMedia));
}

#[test]
fn consumer_without_rtx_gets_no_rtx_and_no_nack() {
    let consumable = consumable(MediaKind::Video, &vp8(json!([{"ssrc": 5}])));
    let make = |enable_rtx| {
        let options = ConsumerOptions { enable_rtx, ..ConsumerOptions::default() };
        consumer_parameters(&consumable, &router(), options, &mut rng()).unwrap()
    };
    let nacks = |parameters: &RtpParameters| {
        let feedback = &parameters.codecs[0].rtcp_feedback;
        feedback.iter().filter(|feedback| feedback.kind == "nack").count()
    };
    assert_eq!((make(true).codecs.len(), nacks(&make(true))), (2, 2));
    assert_eq!((make(false).codecs.len(), nacks(&make(false))), (1, 1));
    assert!(make(false).encodings[0].rtx.is_none());
}

#[test]
fn device_without_rtx_still_gets_nacks_answered() {
    let consumable = consumable(MediaKind::Video, &vp8(json!([{"ssrc": 5}])));
    let mut device = router();
    device.codecs.retain(|codec| codec.mime_type != "video/rtx");
    let options = ConsumerOptions { enable_rtx: true, ..ConsumerOptions::default() };
    let ours = consumer_parameters(&consumable, &device, options, &mut rng()).unwrap();
    assert_eq!(ours.codecs.len(), 1);
    assert!(ours.encodings[0].rtx.is_none());
    assert!(
        ours.codecs[0]
            .rtcp_feedback
            .iter()
            .any(|feedback| { feedback.kind == "nack" && feedback.parameter.is_empty() })
    );
}

#[test]
fn estimation_is_transport_cc_else_remb_else_none() {
    let consumable = consumable(MediaKind::Video, &vp8(json!([{"ssrc": 5}])));
    let estimators = |gone: &[u8]| {
        let mut device = router();
        device.header_extensions.retain(|extension| !gone.contains(&extension.preferred_id));
        let options = ConsumerOptions::default();
        let made = consumer_parameters(&consumable, &device, options, &mut rng()).unwrap();
        let mut kinds: Vec<String> =
            made.codecs[0].rtcp_feedback.iter().map(|feedback| feedback.kind.clone()).collect();
        kinds.retain(|kind| kind == "transport-cc" || kind == "goog-remb");
        kinds
    };
    assert_eq!(estimators(&[]), ["transport-cc"]);
    assert_eq!(estimators(&[5]), ["goog-remb"]);
    assert!(estimators(&[4, 5]).is_empty());
}

#[test]
fn device_with_another_payload_type_or_profile_cannot_consume() {
    let consumable = consumable(MediaKind::Video, &h264("42e01f", 1));
    assert!(can_consume(&consumable, &router()));
    let mut device = router();
    device.codecs[5].preferred_payload_type = Some(96);
    assert!(!can_consume(&consumable, &device));
    device.codecs[5].preferred_payload_type = None;
    assert!(can_consume(&consumable, &device));
    device.codecs.remove(5);
    assert!(!can_consume(&consumable, &device));
    let options = ConsumerOptions::default();
    let refusal = consumer_parameters(&consumable, &device, options, &mut rng()).unwrap_err();
    assert_eq!(refusal.code, Code::UnsupportedMedia);
    assert!(refusal.message.contains("video/H264"));
}

#[test]
fn extension_the_device_numbers_otherwise_is_left_out() {
    let consumable = consumable(MediaKind::Video, &vp8(json!([{"ssrc": 5}])));
    let mut device = router();
    device.header_extensions.iter_mut().for_each(|extension| extension.preferred_id += 20);
    device.header_extensions[0].preferred_id = 1;
    let options = ConsumerOptions::default();
    let made = consumer_parameters(&consumable, &device, options, &mut rng()).unwrap();
    let ids: Vec<u8> = made.header_extensions.iter().map(|extension| extension.id).collect();
    assert_eq!(ids, [1]);
}

#[test]
fn plain_receivers_get_media_without_estimation() {
    let device = plain_capabilities(&router());
    validate_rtp_capabilities(&device).unwrap();
    let consumable = consumable(MediaKind::Video, &vp8(json!([{"ssrc": 5}])));
    let options = ConsumerOptions { cname: "c".to_owned(), ..ConsumerOptions::default() };
    let made = consumer_parameters(&consumable, &device, options, &mut rng()).unwrap();
    let feedback: Vec<_> = made.codecs[0]
        .rtcp_feedback
        .iter()
        .map(|feedback| (feedback.kind.as_str(), feedback.parameter.as_str()))
        .collect();
    assert_eq!(feedback, [("nack", "pli"), ("ccm", "fir")]);
    let ids: Vec<u8> = made.header_extensions.iter().map(|extension| extension.id).collect();
    assert_eq!(ids, [8, 9, 11, 12]);
    assert_eq!(made.rtcp.cname.as_deref(), Some("c"));
}

#[test]
fn sdp_says_what_ffmpeg_needs() {
    let opus = parameters(json!({
        "codecs": [{"mimeType": "audio/opus", "payloadType": 100, "clockRate": 48000,
            "channels": 2, "parameters": {"useinbandfec": 1, "minptime": 10}}],
        "encodings": [{"ssrc": 7}], "rtcp": {"cname": "c"},
    }));
    let sdp = sdp_of(&opus, "127.0.0.1".parse().unwrap(), 5004, Some(5005));
    let expected = [
        "v=0",
        "o=- 0 0 IN IP4 127.0.0.1",
        "s=-",
        "c=IN IP4 127.0.0.1",
        "t=0 0",
        "m=audio 5004 RTP/AVP 100",
        "a=rtcp:5005",
        "a=rtpmap:100 opus/48000/2",
        "a=fmtp:100 minptime=10;useinbandfec=1",
        "a=ssrc:7 cname:c",
        "",
    ];
    assert_eq!(sdp, expected.join("\r\n"));
}

#[test]
fn sdp_of_h264_keeps_parameter_sets_and_leaves_rtx_out() {
    let h264 = parameters(json!({
        "codecs": [
            {"mimeType": "video/H264", "payloadType": 105, "clockRate": 90000, "parameters":
                {"packetization-mode": 1, "sprop-parameter-sets": "Z0IAH5WoFAFuQA==,aM48gA==",
                 "x-google-start-bitrate": 1000}},
            {"mimeType": "video/rtx", "payloadType": 106, "clockRate": 90000,
             "parameters": {"apt": 105}},
        ],
    }));
    let sdp = sdp_of(&h264, "::1".parse().unwrap(), 5004, None);
    assert!(sdp.contains("c=IN IP6 ::1\r\n"));
    assert!(sdp.contains("m=video 5004 RTP/AVP 105\r\na=rtcp-mux\r\n"));
    assert!(sdp.contains(
        "a=fmtp:105 packetization-mode=1;sprop-parameter-sets=Z0IAH5WoFAFuQA==,aM48gA==\r\n"
    ));
    assert!(!sdp.contains("rtx") && !sdp.contains("x-google"));
}
