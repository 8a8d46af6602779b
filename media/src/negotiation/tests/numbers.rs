//! Offers cut to what a router takes, and receivers with numbers of their own.

use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};

use super::*;
use crate::negotiation::{
    ConsumerOptions, can_consume, consumable_parameters, consumer_parameters, default_media_codecs,
    producer_mapping, producer_type, router_capabilities,
};

fn router() -> RtpCapabilities {
    router_capabilities(&default_media_codecs()).unwrap()
}

fn parameters(value: Value) -> RtpParameters {
    serde_json::from_value(value).unwrap()
}

/// As a browser offers: more codecs than the router has, the router's not first.
fn offered() -> RtpParameters {
    parameters(json!({
        "mid": "1",
        "codecs": [
            {"mimeType": "video/VC1", "payloadType": 45, "clockRate": 90000},
            {"mimeType": "video/rtx", "payloadType": 46, "clockRate": 90000,
             "parameters": {"apt": 45}},
            {"mimeType": "video/H264", "payloadType": 39, "clockRate": 90000,
             "parameters": {"packetization-mode": 1, "profile-level-id": "42e01f"},
             "rtcpFeedback": [{"type": "nack"}, {"type": "nack", "parameter": "pli"},
                              {"type": "rrtr"}]},
            {"mimeType": "video/rtx", "payloadType": 40, "clockRate": 90000,
             "parameters": {"apt": 39}},
            {"mimeType": "video/VP8", "payloadType": 96, "clockRate": 90000},
        ],
        "headerExtensions": [
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "id": 9},
            {"uri": "urn:ietf:params:rtp-hdrext:ssrc-audio-level", "id": 1},
            {"uri": "urn:example:unknown", "id": 3},
        ],
        "encodings": [{"ssrc": 7, "rtx": {"ssrc": 8}}],
    }))
}

fn device() -> RtpCapabilities {
    let codec = |mime_type: &str, payload_type: u8, parameters: Value| {
        serde_json::from_value::<RtpCodecCapability>(json!({
            "kind": "video", "mimeType": mime_type, "clockRate": 90000,
            "preferredPayloadType": payload_type, "parameters": parameters,
            "rtcpFeedback": [{"type": "nack"}, {"type": "nack", "parameter": "pli"}],
        }))
        .unwrap()
    };
    let h264 = |profile: &str| json!({"packetization-mode": 1, "profile-level-id": profile});
    RtpCapabilities {
        codecs: vec![
            codec("video/H264", 102, h264("640032")),
            codec("video/H264", 108, h264("42e01f")),
            codec("video/rtx", 109, json!({"apt": 108})),
            codec("video/rtx", 103, json!({"apt": 102})),
        ],
        header_extensions: serde_json::from_value(json!([
            {"uri": "urn:ietf:params:rtp-hdrext:sdes:mid", "preferredId": 14},
        ]))
        .unwrap(),
    }
}

#[test]
fn of_an_offer_the_first_codec_that_the_router_has_is_taken_with_its_rtx() {
    let taken = accepted_parameters(MediaKind::Video, &offered(), &router()).unwrap();
    let numbers: Vec<_> = taken.codecs.iter().map(|codec| codec.payload_type).collect();
    assert_eq!(numbers, [39, 40]);
    let feedback: Vec<_> =
        taken.codecs[0].rtcp_feedback.iter().map(|f| (f.kind.as_str(), &*f.parameter)).collect();
    assert_eq!(feedback, [("nack", ""), ("nack", "pli")]);
    let extensions: Vec<_> = taken.header_extensions.iter().map(|e| e.id).collect();
    assert_eq!(extensions, [9]);
    assert_eq!(taken.encodings[0].rtx.unwrap().ssrc, 8);
}

#[test]
fn an_offer_without_rtx_promises_no_rtx_stream() {
    let mut offer = offered();
    offer.codecs.retain(|codec| codec.payload_type != 40);
    let taken = accepted_parameters(MediaKind::Video, &offer, &router()).unwrap();
    assert_eq!((taken.codecs.len(), taken.encodings[0].rtx), (1, None));
    offer.codecs.truncate(1);
    assert_eq!(accepted_parameters(MediaKind::Video, &offer, &router()), None);
}

#[test]
fn an_encoder_that_says_baseline_is_believed_to_mean_constrained_baseline() {
    let mut offer = offered();
    offer.codecs.retain(|codec| codec.payload_type == 39);
    offer.codecs[0].parameters.insert("profile-level-id".into(), json!("42000c"));
    let taken = accepted_parameters(MediaKind::Video, &offer, &router()).unwrap();
    assert_eq!(taken.codecs[0].parameters["profile-level-id"], "42e00c");
    offer.codecs[0].parameters.insert("profile-level-id".into(), json!("640032"));
    assert_eq!(accepted_parameters(MediaKind::Video, &offer, &router()), None);
}

#[test]
fn a_receiver_gets_a_stream_in_its_own_numbers() {
    let mut rng = StdRng::seed_from_u64(7);
    let sent = accepted_parameters(MediaKind::Video, &offered(), &router()).unwrap();
    let mapping = producer_mapping(&sent, &router(), &mut rng).unwrap();
    let consumable = consumable_parameters(MediaKind::Video, &sent, &router(), &mapping).unwrap();
    let (named, numbers) = Numbers::of(&device(), &router());
    assert!(can_consume(&consumable, &named));
    let options = ConsumerOptions { enable_rtx: true, ..ConsumerOptions::default() };
    let mut rtp = consumer_parameters(&consumable, &named, options, &mut rng).unwrap();
    numbers.apply(&mut rtp);
    let codecs: Vec<_> = rtp
        .codecs
        .iter()
        .map(|codec| (codec.payload_type, codec.parameters.get("apt").cloned()))
        .collect();
    assert_eq!(codecs, [(108, None), (109, Some(json!(108)))]);
    let extensions: Vec<_> = rtp.header_extensions.iter().map(|e| e.id).collect();
    assert_eq!(extensions, [14]);
}

#[test]
fn a_receiver_of_other_profiles_takes_nothing() {
    let mut other = device();
    other.codecs.retain(|codec| codec.preferred_payload_type != Some(108));
    let (named, _) = Numbers::of(&other, &router());
    assert!(named.codecs.is_empty());
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

/// A browser's microphone, with the order of its codecs as wanted.
fn microphone(first: &str) -> RtpParameters {
    let mut offer = parameters(json!({
        "mid": "0",
        "codecs": [
            {"mimeType": "audio/opus", "payloadType": 111, "clockRate": 48000, "channels": 2,
             "parameters": {"minptime": 10, "useinbandfec": 1}},
            {"mimeType": "audio/red", "payloadType": 63, "clockRate": 48000, "channels": 2,
             "parameters": {"111/111": ""}},
            {"mimeType": "audio/PCMU", "payloadType": 0, "clockRate": 8000},
        ],
        "encodings": [{"ssrc": 7}],
    }));
    offer.codecs.sort_by_key(|codec| codec.mime_type != first);
    offer
}

fn names(codecs: &[RtpCodecParameters]) -> Vec<(&str, u8)> {
    codecs.iter().map(|codec| (codec.mime_type.as_str(), codec.payload_type)).collect()
}

fn red_parameters(codecs: &[RtpCodecParameters]) -> String {
    let red = codecs.iter().find(|codec| is_red(&codec.mime_type)).unwrap();
    red.parameters.keys().cloned().collect()
}

#[test]
fn redundancy_is_taken_of_who_offers_it_first_and_given_to_who_wants_it_first() {
    let router = router();
    let take =
        |first| accepted_parameters(MediaKind::Audio, &microphone(first), &router).unwrap().codecs;
    assert_eq!(names(&take("audio/opus")), [("audio/opus", 111)]);
    assert_eq!(names(&take("audio/red")), [("audio/red", 63), ("audio/opus", 111)]);

    let mut sent = microphone("audio/red");
    sent.codecs.truncate(2);
    let mapping = producer_mapping(&sent, &router, &mut rng()).unwrap();
    let consumable = consumable_parameters(MediaKind::Audio, &sent, &router, &mapping).unwrap();
    assert_eq!(names(&consumable.codecs), [("audio/opus", 100), ("audio/red", 117)]);
    assert_eq!(red_parameters(&consumable.codecs), "100/100");

    let receive = |first: &str| {
        let of = |codec: &RtpCodecParameters| {
            serde_json::from_value::<RtpCodecCapability>(json!({
                "kind": "audio", "mimeType": codec.mime_type, "clockRate": codec.clock_rate,
                "channels": codec.channels, "preferredPayloadType": codec.payload_type,
                "parameters": codec.parameters,
            }))
            .unwrap()
        };
        let codecs = microphone(first).codecs.iter().map(of).collect();
        let device = RtpCapabilities { codecs, header_extensions: Vec::new() };
        let (named, numbers) = Numbers::of(&device, &router);
        let options = ConsumerOptions::default();
        let mut made = consumer_parameters(&consumable, &named, options, &mut rng()).unwrap();
        numbers.apply(&mut made);
        made.codecs
    };
    assert_eq!(names(&receive("audio/opus")), [("audio/opus", 111)]);
    let wants = receive("audio/red");
    assert_eq!(names(&wants), [("audio/opus", 111), ("audio/red", 63)]);
    assert_eq!(red_parameters(&wants), "111/111");
    // mediasoup-client lists what the router has in the router's order.
    let made = consumer_parameters(&consumable, &router, ConsumerOptions::default(), &mut rng());
    assert_eq!(names(&made.unwrap().codecs), [("audio/opus", 100)]);
}

#[test]
fn redundancy_without_its_codec_is_refused() {
    let router = router();
    let mut sent = microphone("audio/red");
    sent.codecs.truncate(1);
    assert!(accepted_parameters(MediaKind::Audio, &sent, &router).is_none());
    assert!(producer_type(&sent).is_err());
    assert!(producer_type(&microphone("audio/red")).is_ok());
    let opus = default_media_codecs().swap_remove(0);
    let red = default_media_codecs().pop().unwrap();
    assert!(router_capabilities(&[red.clone(), opus.clone()]).is_err());
    assert!(router_capabilities(&[opus, red]).is_ok());
}
