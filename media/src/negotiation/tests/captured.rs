//! Every captured payload: what we make of the client's is what mediasoup made of it.

use std::path::PathBuf;

use rand::{SeedableRng, rngs::StdRng};
use serde::{Deserialize, de::DeserializeOwned};
use starling_proto::{
    MediaKind, RtpCapabilities, RtpParameters,
    rtp::{RtpCodecCapability, RtpMapping, RtpType},
};

use crate::negotiation::{
    ConsumerOptions, can_consume, consumable_parameters, consumer_parameters, extension_id, is_rtx,
    normalize_rtp_parameters, pipe_consumable, pipe_mapping, pipe_parameters, producer_mapping,
    producer_type, router_capabilities, validate_rtp_capabilities, validate_rtp_parameters,
};

/// Name, type, and the MID its consumer was captured with.
const PRODUCERS: [(&str, RtpType, &str); 5] = [
    ("audio.mic", RtpType::Simple, "0"),
    ("video.webcam-vp8-simulcast", RtpType::Simulcast, "1"),
    ("video.webcam-vp9-ksvc", RtpType::Svc, "2"),
    ("video.webcam-av1-svc", RtpType::Svc, "3"),
    ("video.webcam-h264-simulcast", RtpType::Simulcast, "4"),
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Produce {
    kind: MediaKind,
    rtp_parameters: RtpParameters,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Consume {
    rtp_parameters: RtpParameters,
}

fn fixture<T: DeserializeOwned>(name: &str) -> T {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("fixtures/mediasoup-client");
    let text = std::fs::read_to_string(folder.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn rng() -> StdRng {
    StdRng::seed_from_u64(1)
}

fn router() -> RtpCapabilities {
    fixture("router.rtpCapabilities")
}

/// `webcam-vp8-simulcast` of `video.webcam-vp8-simulcast`.
fn short(name: &str) -> &str {
    name.split_once('.').unwrap().1
}

fn produce(name: &str) -> Produce {
    let mut produce: Produce = fixture(&format!("send.produce.{name}"));
    normalize_rtp_parameters(&mut produce.rtp_parameters);
    validate_rtp_parameters(&produce.rtp_parameters).unwrap();
    produce
}

fn consumable(name: &str) -> RtpParameters {
    fixture(&format!("server.consumableRtpParameters.{}", short(name)))
}

#[test]
fn router_offers_what_mediasoup_offers() {
    let media_codecs: Vec<RtpCodecCapability> = fixture("router.mediaCodecs");
    let ours = router_capabilities(&media_codecs).unwrap();
    let mut theirs: serde_json::Value = fixture("router.rtpCapabilities");
    for extension in theirs["headerExtensions"].as_array_mut().unwrap() {
        if extension["uri"].as_str().unwrap().contains("dependency-descriptor") {
            extension["direction"] = "sendrecv".into();
        }
    }
    assert_eq!(serde_json::to_value(&ours).unwrap(), theirs);
}

#[test]
fn descriptors_go_to_those_who_list_them_where_layers_are_told_by_them() {
    let mut device: RtpCapabilities = fixture("device.recvRtpCapabilities");
    let listed = router_capabilities(&fixture::<Vec<RtpCodecCapability>>("router.mediaCodecs"));
    let descriptor = listed.unwrap().header_extensions.into_iter();
    device.header_extensions.extend(descriptor.filter(|extension| extension.preferred_id == 7));
    for (name, ..) in PRODUCERS {
        let gets = |encrypted| {
            let options = ConsumerOptions { encrypted, ..ConsumerOptions::default() };
            let ours = consumer_parameters(&consumable(name), &device, options, &mut rng());
            ours.unwrap().header_extensions.iter().any(|extension| extension.id == 7)
        };
        assert_eq!(gets(false), name.contains("av1") || name.contains("h264"), "{name}");
        assert_eq!(gets(true), name.starts_with("video"), "{name}");
    }
}

#[test]
fn captured_capabilities_are_valid_and_use_the_routers_ids() {
    for name in ["device.recvRtpCapabilities", "device.sendRtpCapabilities"] {
        validate_rtp_capabilities(&fixture(name)).unwrap();
    }
    validate_rtp_capabilities(&router()).unwrap();
    let device: RtpCapabilities = fixture("device.recvRtpCapabilities");
    for extension in device.header_extensions {
        assert_eq!(extension_id(&extension.uri), Some(extension.preferred_id));
    }
}

#[test]
fn normalizing_changes_nothing_a_browser_says() {
    for (name, ..) in PRODUCERS {
        let json: serde_json::Value = fixture(&format!("send.produce.{name}"));
        let ours = serde_json::to_value(produce(name).rtp_parameters).unwrap();
        assert_eq!(ours, json["rtpParameters"], "{name}");
    }
}

#[test]
fn producers_are_mapped_as_mediasoup_maps_them() {
    for (name, rtp_type, _) in PRODUCERS {
        let produce = produce(name);
        let theirs: RtpMapping = fixture(&format!("server.rtpMapping.{}", short(name)));
        let ours = producer_mapping(&produce.rtp_parameters, &router(), &mut rng()).unwrap();
        assert_eq!(ours.codecs, theirs.codecs, "{name}");
        assert_eq!(ours.encodings.len(), theirs.encodings.len(), "{name}");
        let base = ours.encodings[0].mapped_ssrc;
        let encodings = produce.rtp_parameters.encodings.iter();
        for (index, ((our, their), sent)) in
            ours.encodings.iter().zip(&theirs.encodings).zip(encodings).enumerate()
        {
            assert_eq!((our.ssrc, &our.rid), (their.ssrc, &their.rid), "{name}");
            assert_eq!(our.scalability_mode, sent.scalability_mode, "{name}");
            assert_eq!(our.mapped_ssrc, base + index as u32, "{name}");
        }
        assert_eq!(producer_type(&produce.rtp_parameters).unwrap(), rtp_type, "{name}");
    }
}

#[test]
fn consumables_are_mediasoups() {
    for (name, ..) in PRODUCERS {
        let produce = produce(name);
        let mapping: RtpMapping = fixture(&format!("server.rtpMapping.{}", short(name)));
        let ours =
            consumable_parameters(produce.kind, &produce.rtp_parameters, &router(), &mapping)
                .unwrap();
        assert_eq!(ours, consumable(name), "{name}");
    }
}

#[test]
fn consumers_are_mediasoups() {
    let device: RtpCapabilities = fixture("device.recvRtpCapabilities");
    for (name, _, mid) in PRODUCERS {
        let consumable = consumable(name);
        let theirs: Consume = fixture(&format!("consumer.{}", short(name)));
        let mut theirs = theirs.rtp_parameters;
        let options = ConsumerOptions {
            enable_rtx: name.starts_with("video"),
            mid: Some(mid.to_owned()),
            cname: "transport".to_owned(),
            encrypted: false,
        };
        assert!(can_consume(&consumable, &device), "{name}");
        let ours = consumer_parameters(&consumable, &device, options, &mut rng()).unwrap();

        let (ssrc, rtx) = (ours.encodings[0].ssrc.unwrap(), ours.encodings[0].rtx);
        assert_eq!(rtx.is_some(), theirs.encodings[0].rtx.is_some(), "{name}");
        assert!(rtx.is_none_or(|rtx| rtx.ssrc == ssrc + 1), "{name}");
        theirs.encodings[0].ssrc = Some(ssrc);
        theirs.encodings[0].rtx = rtx;
        if theirs.rtcp.cname.as_deref() == Some("") {
            theirs.rtcp.cname = Some("transport".to_owned());
        }
        assert_eq!(ours, theirs, "{name}");
    }
}

/// mediasoup's own pipes renumber SSRCs, carry RTX and `packet-id`, and put the dependency
/// descriptor on audio too.
#[test]
fn pipes_are_mediasoups_but_for_numbers_and_rtx() {
    for (name, ..) in PRODUCERS {
        let consumable = consumable(name);
        let mut theirs: RtpParameters =
            fixture(&format!("server.pipeConsumerRtpParameters.{}", short(name)));
        theirs.codecs.retain(|codec| !is_rtx(&codec.mime_type));
        let audio = name.starts_with("audio");
        let left_out = |uri: &str| {
            uri.contains("packet-id") || (audio && uri.contains("dependency-descriptor"))
        };
        theirs.header_extensions.retain(|extension| !left_out(&extension.uri));
        for (their, our) in theirs.encodings.iter_mut().zip(&consumable.encodings) {
            their.rtx = None;
            their.ssrc = our.ssrc;
        }
        assert_eq!(pipe_parameters(&consumable), theirs, "{name}");
    }
}

#[test]
fn a_pipe_of_a_pipe_is_the_same_pipe() {
    let device: RtpCapabilities = fixture("device.recvRtpCapabilities");
    for (name, ..) in PRODUCERS {
        let consumable = consumable(name);
        let far = pipe_consumable(&consumable);
        assert_eq!(pipe_parameters(&far), pipe_parameters(&consumable), "{name}");
        assert_eq!(pipe_consumable(&far), far, "{name}");
        let options = ConsumerOptions { enable_rtx: true, ..ConsumerOptions::default() };
        let near = consumer_parameters(&consumable, &device, options.clone(), &mut rng());
        let far = consumer_parameters(&far, &device, options, &mut rng());
        assert_eq!(near, far, "{name}");

        let pipe = pipe_parameters(&consumable);
        validate_rtp_parameters(&pipe).unwrap();
        let mapping = pipe_mapping(&pipe);
        assert!(
            mapping.codecs.iter().all(|entry| { entry.payload_type == entry.mapped_payload_type })
        );
        assert!(mapping.encodings.iter().all(|entry| entry.ssrc == Some(entry.mapped_ssrc)));
        assert_eq!(mapping.encodings.len(), consumable.encodings.len());
    }
}
