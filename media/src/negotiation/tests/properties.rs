//! Whatever is said, nothing panics, and consumers get no more than their device lists.

use proptest::{collection::vec, option, prelude::*, sample::select};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::{Value, json};
use starling_proto::{MediaKind, RtpCapabilities, RtpParameters, rtp::RtpCodecCapability};

use crate::negotiation::{
    ConsumerOptions, EXTENSIONS, ScalabilityMode, can_consume, consumable_parameters,
    consumer_parameters, default_media_codecs, is_rtx, normalize_rtp_parameters, pipe_consumable,
    pipe_mapping, pipe_parameters, plain_capabilities, producer_mapping, producer_type,
    router_capabilities, sdp_of, validate_rtp_capabilities, validate_rtp_parameters,
};

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        (0u8..=127).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(Value::Null),
        "\\PC{0,8}".prop_map(Value::from),
        select(vec!["1", "42e01f", "4d0032", "640032", "é2e01f"]).prop_map(Value::from),
    ]
}

fn fmtp() -> impl Strategy<Value = Value> {
    let keys = vec![
        "apt",
        "profile-level-id",
        "packetization-mode",
        "level-asymmetry-allowed",
        "profile-id",
        "num_streams",
        "",
    ];
    prop::collection::btree_map(select(keys), scalar(), 0..4)
        .prop_map(|map| map.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
        .prop_map(Value::Object)
}

fn mime_type() -> impl Strategy<Value = String> {
    let known = [
        "audio/opus",
        "audio/multiopus",
        "audio/PCMU",
        "video/VP8",
        "video/vp9",
        "video/H264",
        "video/AV1",
        "video/rtx",
        "audio/rtx",
        "video/",
        "/",
        "",
    ];
    prop_oneof![9 => select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,8}"]
}

fn feedback() -> impl Strategy<Value = Value> {
    let kinds = vec!["nack", "ccm", "goog-remb", "transport-cc", "x"];
    vec((select(kinds), select(vec!["", "pli", "fir"])), 0..4).prop_map(|list| {
        list.iter().map(|(kind, of)| json!({"type": kind, "parameter": of})).collect()
    })
}

fn codec() -> impl Strategy<Value = Value> {
    let rates = select(vec![90_000u32, 48_000, 8_000, 0, u32::MAX]);
    let fields = (mime_type(), any::<u8>(), rates, option::of(0u8..=8), fmtp(), feedback());
    fields.prop_map(|(mime_type, payload_type, clock_rate, channels, fmtp, feedback)| {
        let kind = if mime_type.starts_with("audio") { "audio" } else { "video" };
        json!({
            "kind": kind, "mimeType": mime_type, "payloadType": payload_type,
            "preferredPayloadType": payload_type, "clockRate": clock_rate, "channels": channels,
            "parameters": fmtp, "rtcpFeedback": feedback,
        })
    })
}

fn extension() -> impl Strategy<Value = Value> {
    let uris: Vec<&str> = EXTENSIONS.iter().map(|extension| extension.uri).collect();
    (select(uris), any::<u8>())
        .prop_map(|(uri, id)| json!({"kind": "video", "uri": uri, "id": id, "preferredId": id}))
}

fn encoding() -> impl Strategy<Value = Value> {
    let modes = vec!["L1T3", "L3T3_KEY", "S2T1", "L99T99", "", "LT"];
    let fields = (
        option::of(any::<u32>()),
        option::of("[a-z]{0,3}"),
        option::of(any::<u32>()),
        option::of(select(modes)),
        option::of(any::<u64>()),
        option::of(any::<u8>()),
        scalar(),
    );
    fields.prop_map(|(ssrc, rid, rtx, mode, max_bitrate, payload_type, other)| {
        json!({
            "ssrc": ssrc, "rid": rid, "rtx": rtx.map(|ssrc| json!({"ssrc": ssrc})),
            "scalabilityMode": mode, "maxBitrate": max_bitrate,
            "codecPayloadType": payload_type, "active": other,
        })
    })
}

fn parameters() -> impl Strategy<Value = RtpParameters> {
    let fields = (
        option::of("\\PC{0,4}"),
        vec(codec(), 0..5),
        vec(extension(), 0..8),
        vec(encoding(), 0..5),
        option::of("\\PC{0,4}"),
    );
    fields.prop_map(|(mid, codecs, extensions, encodings, cname)| {
        serde_json::from_value(json!({
            "mid": mid, "codecs": codecs, "headerExtensions": extensions,
            "encodings": encodings, "rtcp": {"cname": cname},
        }))
        .unwrap()
    })
}

fn capabilities() -> impl Strategy<Value = RtpCapabilities> {
    (vec(codec(), 0..8), vec(extension(), 0..16)).prop_map(|(codecs, extensions)| {
        serde_json::from_value(json!({"codecs": codecs, "headerExtensions": extensions})).unwrap()
    })
}

/// The default router's, with parts left out and numbers changed.
fn device() -> impl Strategy<Value = RtpCapabilities> {
    (any::<u32>(), any::<u32>(), option::of((0usize..7, any::<u8>()))).prop_map(
        |(codecs, extensions, renumbered)| {
            let mut caps = router();
            if let Some((index, payload_type)) = renumbered {
                caps.codecs[index].preferred_payload_type = Some(payload_type);
            }
            let mut bits = 0..;
            caps.codecs.retain(|_| codecs >> (bits.next().unwrap_or(0) % 32) & 1 == 1);
            let mut bits = 0..;
            caps.header_extensions
                .retain(|_| extensions >> (bits.next().unwrap_or(0) % 32) & 1 == 1);
            caps
        },
    )
}

/// Parameters the default router takes.
fn producer() -> impl Strategy<Value = (MediaKind, RtpParameters)> {
    let kinds = vec![("audio/opus", 48_000), ("video/VP8", 90_000), ("video/H264", 90_000)];
    let fields = (select(kinds), any::<bool>(), vec(extension(), 0..4), vec(encoding(), 0..4));
    fields.prop_map(|((mime_type, clock_rate), rtx, extensions, encodings)| {
        let audio = mime_type.starts_with("audio");
        let mut codecs = vec![json!({
            "mimeType": mime_type, "payloadType": 96, "clockRate": clock_rate,
            "channels": audio.then_some(2),
            "parameters": {"packetization-mode": 1, "profile-level-id": "42e01f"},
        })];
        if rtx && !audio {
            codecs.push(json!({
                "mimeType": "video/rtx", "payloadType": 97, "clockRate": clock_rate,
                "parameters": {"apt": 96},
            }));
        }
        let parameters = json!({
            "mid": "0", "codecs": codecs, "headerExtensions": extensions, "encodings": encodings,
        });
        let kind = if audio { MediaKind::Audio } else { MediaKind::Video };
        (kind, serde_json::from_value(parameters).unwrap())
    })
}

fn router() -> RtpCapabilities {
    router_capabilities(&default_media_codecs()).unwrap()
}

fn device_codec<'a>(
    device: &'a RtpCapabilities,
    mime_type: &str,
    payload_type: u8,
) -> Option<&'a RtpCodecCapability> {
    device.codecs.iter().find(|codec| {
        codec.mime_type.eq_ignore_ascii_case(mime_type)
            && codec.preferred_payload_type.is_none_or(|pt| pt == payload_type)
    })
}

fn check_subset(consumer: &RtpParameters, device: &RtpCapabilities) {
    assert!(!is_rtx(&consumer.codecs[0].mime_type));
    for codec in &consumer.codecs {
        let theirs = device_codec(device, &codec.mime_type, codec.payload_type).unwrap();
        assert!(codec.rtcp_feedback.iter().all(|entry| theirs.rtcp_feedback.contains(entry)));
        if is_rtx(&codec.mime_type) {
            let apt = codec.parameters["apt"].as_u64();
            assert!(consumer.codecs.iter().any(|media| Some(media.payload_type.into()) == apt));
        }
    }
    for extension in &consumer.header_extensions {
        assert!(
            device.header_extensions.iter().any(|theirs| {
                theirs.uri == extension.uri && theirs.preferred_id == extension.id
            })
        );
    }
    assert_eq!(consumer.encodings.len(), 1);
    assert!(consumer.encodings[0].ssrc.is_some());
    assert!(consumer.rtcp.cname.is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn nothing_panics(
        mut parameters in parameters(),
        device in capabilities(),
        router in prop_oneof![capabilities(), Just(router())],
        seed: u64,
    ) {
        let mut rng = StdRng::seed_from_u64(seed);
        _ = validate_rtp_parameters(&parameters);
        normalize_rtp_parameters(&mut parameters);
        _ = validate_rtp_parameters(&parameters);
        _ = validate_rtp_capabilities(&device);
        _ = producer_type(&parameters);
        _ = router_capabilities(&device.codecs);
        if let Ok(mapping) = producer_mapping(&parameters, &router, &mut rng) {
            for kind in [MediaKind::Audio, MediaKind::Video] {
                _ = consumable_parameters(kind, &parameters, &router, &mapping);
            }
        }
        _ = can_consume(&parameters, &device);
        _ = consumer_parameters(&parameters, &device, ConsumerOptions::default(), &mut rng);
        let pipe = pipe_parameters(&pipe_consumable(&parameters));
        _ = pipe_mapping(&pipe);
        _ = plain_capabilities(&device);
        _ = sdp_of(&parameters, [127, 0, 0, 1].into(), 1, None);
    }

    #[test]
    fn consumers_get_no_more_than_the_device_lists(
        (kind, mut parameters) in producer(),
        device in device(),
        enable_rtx: bool,
        seed: u64,
    ) {
        normalize_rtp_parameters(&mut parameters);
        let mut rng = StdRng::seed_from_u64(seed);
        let mapping = producer_mapping(&parameters, &router(), &mut rng).unwrap();
        let consumable = consumable_parameters(kind, &parameters, &router(), &mapping).unwrap();
        let options = ConsumerOptions { enable_rtx, ..ConsumerOptions::default() };
        let made = consumer_parameters(&consumable, &device, options, &mut rng);
        prop_assert_eq!(made.is_ok(), can_consume(&consumable, &device));
        if let Ok(made) = made {
            check_subset(&made, &device);
        }
    }

    #[test]
    fn any_json_becomes_parameters_or_an_error(text in "[\\[\\]{}:,\"a-z0-9]{0,64}") {
        if let Ok(parameters) = serde_json::from_str::<RtpParameters>(&text) {
            _ = validate_rtp_parameters(&parameters);
        }
    }

    #[test]
    fn any_scalability_mode_has_layers(text in "\\PC{0,12}") {
        let mode = ScalabilityMode::parse(Some(&text));
        prop_assert!((1..=99).contains(&mode.spatial_layers));
        prop_assert!((1..=99).contains(&mode.temporal_layers));
    }
}
