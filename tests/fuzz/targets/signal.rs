//! What a client says: protoo frames, RTP parameters and capabilities, tokens.

use std::{fs, net::IpAddr, path::Path};

use rand::{SeedableRng, rngs::SmallRng};
use serde::Deserialize;
use serde_json::{Value, json};
use starling_media::negotiation::{
    ConsumerOptions, can_consume, consumable_parameters, consumer_parameters, default_media_codecs,
    normalize_rtp_parameters, pipe_consumable, pipe_parameters, producer_mapping, producer_type,
    router_capabilities, sdp_of, validate_rtp_capabilities, validate_rtp_parameters,
};
use starling_node::{
    auth::{Passes, Tokens, bearer},
    config::Secret,
};
use starling_proto::{
    MediaKind, RtpCapabilities, RtpParameters,
    rest::CreateToken,
    signal::{ClientNotification, ClientRequest, Frame, MAX_FRAME},
};

use super::{Kind, Target, behaviour, size};

pub(super) const SIGNAL: Kind = Kind {
    name: "signal",
    about: "Frame::parse, ClientRequest::parse, ClientNotification::parse",
    cost: 2,
    max_len: 8_192,
    words: &[
        b"\"request\":true",
        b"\"notification\":true",
        b"\"response\":true,\"ok\":true",
        b"\"id\":4294967296",
        b"\"method\":\"produce\"",
        b"\"join\"",
        b"\"restartIce\"",
        b"\"resumeConsumer\"",
        b"\"consumerId\":",
        b"null",
        b"-1",
        b"1e999",
        b"[[[[[[[[[[[[[[[[",
        b"\\ud800",
    ],
    seeds: frames,
    make: || Box::new(Signal),
};

pub(super) const NEGOTIATION: Kind = Kind {
    name: "negotiation",
    about: "validation and mapping of RTP parameters and capabilities",
    cost: 10,
    max_len: 32_768,
    words: &[
        b"\"rid\":\"r0\"",
        b"\"ssrc\":0",
        b"\"ssrc\":4294967295",
        b"\"payloadType\":127",
        b"\"payloadType\":255",
        b"\"clockRate\":0",
        b"\"apt\":96",
        b"\"profile-level-id\":\"42e01f\"",
        b"\"scalabilityMode\":\"L3T3_KEY\"",
        b"\"scalabilityMode\":\"S3T3\"",
        b"\\r\\na=",
        b"null",
        b"-1",
        b"\"video/H264\"",
        b"\"video/VP8\"",
        b"\"video/rtx\"",
    ],
    seeds: offers,
    make: || Box::new(Negotiation::new()),
};

pub(super) const TOKEN: Kind = Kind {
    name: "token",
    about: "Tokens::verify, Passes::verify, bearer",
    cost: 4,
    max_len: 4_096,
    words: &[b"eyJhbGciOiJub25lIn0", b"eyJhbGciOiJIUzI1NiJ9", b".", b"..", b"=", b"Bearer "],
    seeds: tokens,
    make: || Box::new(Token { tokens: Tokens::new(&secret()), passes: Passes::new(&secret()) }),
};

struct Signal;

impl Target for Signal {
    fn run(&mut self, input: &[u8]) -> u64 {
        let text = String::from_utf8_lossy(input);
        let Ok(frame) = Frame::parse(&text) else { return behaviour(text.starts_with('{')) };
        let written = frame.to_text();
        assert_eq!(Frame::parse(&written), Ok(frame.clone()), "{written}");
        match frame {
            Frame::Request { id, method, data } => {
                let read = ClientRequest::parse(&method, data);
                if let Err(refusal) = &read {
                    assert!(Frame::refusal(id, refusal).to_text().len() <= MAX_FRAME);
                }
                let shape = read.map(|request| std::mem::discriminant(&request));
                behaviour((0, method.len(), shape.map_err(|refusal| refusal.message.len().min(90))))
            }
            Frame::Notification { method, data } => {
                let read = ClientNotification::parse(&method, data);
                let shape = read.map(|told| std::mem::discriminant(&told));
                behaviour((1, method.len(), shape.map_err(|refusal| refusal.message.len().min(90))))
            }
            Frame::Response { .. } => behaviour(2),
            Frame::Failure { code, .. } => behaviour((3, code)),
        }
    }
}

#[derive(Deserialize)]
struct Offer {
    rtp: RtpParameters,
    device: RtpCapabilities,
}

struct Negotiation {
    router: RtpCapabilities,
}

impl Negotiation {
    fn new() -> Self {
        let router = router_capabilities(&default_media_codecs()).expect("our own codecs");
        Self { router }
    }

    /// All that happens between `produce` on one side and `newConsumer` on the other; how far it
    /// came.
    fn negotiate(&self, offer: Offer) -> u32 {
        let Offer { mut rtp, device } = offer;
        let mut rng = SmallRng::seed_from_u64(1);
        normalize_rtp_parameters(&mut rtp);
        if validate_rtp_parameters(&rtp).is_err() {
            return 1;
        }
        let Ok(mapping) = producer_mapping(&rtp, &self.router, &mut rng) else { return 2 };
        let Ok(_) = producer_type(&rtp) else { return 3 };
        let video =
            rtp.codecs.iter().any(|codec| codec.mime_type.to_lowercase().starts_with("video/"));
        let kind = if video { MediaKind::Video } else { MediaKind::Audio };
        let Ok(consumable) = consumable_parameters(kind, &rtp, &self.router, &mapping) else {
            return 4;
        };
        let piped = pipe_parameters(&pipe_consumable(&consumable));
        validate_rtp_parameters(&piped).expect("what goes over a pipe is well formed");
        let ip = IpAddr::from([192, 0, 2, 1]);
        let sdp = sdp_of(&consumable, ip, 5_000, None);
        for line in sdp.split("\r\n").filter(|line| !line.is_empty()) {
            assert_eq!(
                line.as_bytes().get(1),
                Some(&b'='),
                "a text broke out of its line: {line:?}"
            );
        }
        if validate_rtp_capabilities(&device).is_err() {
            return 5;
        }
        if !can_consume(&consumable, &device) {
            return 6;
        }
        let options = ConsumerOptions {
            enable_rtx: true,
            mid: Some("0".into()),
            cname: "c".into(),
            encrypted: true,
        };
        let made = consumer_parameters(&consumable, &device, options, &mut rng);
        let made = made.expect("what can be consumed has parameters");
        validate_rtp_parameters(&made).expect("what a client gets is well formed");
        7
    }
}

impl Target for Negotiation {
    fn run(&mut self, input: &[u8]) -> u64 {
        match serde_json::from_slice::<Offer>(input) {
            Ok(offer) => {
                let shape =
                    (offer.rtp.codecs.len(), offer.rtp.encodings.len(), offer.device.codecs.len());
                behaviour((self.negotiate(offer), shape))
            }
            Err(error) => behaviour((error.classify() as u8, size(error.column()))),
        }
    }
}

struct Token {
    tokens: Tokens,
    passes: Passes,
}

impl Target for Token {
    fn run(&mut self, input: &[u8]) -> u64 {
        let text = String::from_utf8_lossy(input);
        let token = bearer(&text).unwrap_or(&text);
        let verdict = self.tokens.verify(token).map(|seat| seat.grants.publish);
        let pass = self.passes.verify(token, "GET", "/v1/nodes");
        let shape = (token.matches('.').count().min(5), size(token.len()));
        behaviour((verdict.map_err(|refusal| refusal.message), pass.is_some(), shape))
    }
}

fn secret() -> Secret {
    Secret::new("an example of at least 32 characters")
}

fn frames() -> Vec<Vec<u8>> {
    let request = |method: &str, data: Value| {
        Frame::Request { id: 7, method: method.into(), data }.to_text().into_bytes()
    };
    let told = |method: &str, data: Value| {
        Frame::Notification { method: method.into(), data }.to_text().into_bytes()
    };
    let produce = fixture("send.produce.audio.mic.json").unwrap_or(json!({}));
    vec![
        request("getRouterRtpCapabilities", json!({})),
        request(
            "join",
            json!({"displayName": "A", "device": {"name": "x"}, "rtpCapabilities": {"codecs": [], "headerExtensions": []}}),
        ),
        request(
            "createWebRtcTransport",
            json!({"forceTcp": false, "appData": {"direction": "producer"}}),
        ),
        request(
            "connectWebRtcTransport",
            json!({"transportId": "t", "dtlsParameters": {"role": "client", "fingerprints": [{"algorithm": "sha-256", "value": "AB:CD"}]}}),
        ),
        request(
            "produce",
            json!({"transportId": "t", "kind": "audio", "rtpParameters": produce.get("rtpParameters").unwrap_or(&produce), "appData": {"source": "mic"}}),
        ),
        request("getConsumerStats", json!({"consumerId": "c"})),
        told(
            "setConsumerPreferredLayers",
            json!({"consumerId": "c", "spatialLayer": 1, "temporalLayer": 2}),
        ),
        told("changeDisplayName", json!({"displayName": "B"})),
        told("closeProducer", json!({"producerId": "p"})),
        Frame::Response { id: 7, data: json!({}) }.to_text().into_bytes(),
        Frame::Failure { id: 7, code: 404, reason: "no".into() }.to_text().into_bytes(),
    ]
}

/// What mediasoup-client really sent, as captured for the tests of `media`.
fn fixture(name: &str) -> Option<Value> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../media/fixtures/mediasoup-client");
    serde_json::from_str(&fs::read_to_string(Path::new(path).join(name)).ok()?).ok()
}

fn offers() -> Vec<Vec<u8>> {
    let device = fixture("device.recvRtpCapabilities.json").expect("a fixture");
    let sent = [
        "audio.mic",
        "video.webcam-vp8-simulcast",
        "video.webcam-h264-simulcast",
        "video.webcam-vp9-ksvc",
    ];
    sent.iter()
        .map(|name| {
            let produce = fixture(&format!("send.produce.{name}.json")).expect("a fixture");
            let rtp = produce.get("rtpParameters").unwrap_or(&produce);
            json!({"rtp": rtp, "device": device}).to_string().into_bytes()
        })
        .collect()
}

fn tokens() -> Vec<Vec<u8>> {
    let wish = json!({"room": "demo", "peer": "alice", "publish": true, "subscribe": true, "ttlSeconds": 2_000_000});
    let wish: CreateToken = serde_json::from_value(wish).expect("a wish");
    let token = Tokens::new(&secret()).issue(&wish).expect("a token").token;
    let (head, rest) = token.split_once('.').expect("three parts");
    let (claims, _) = rest.split_once('.').expect("three parts");
    vec![
        token.clone().into_bytes(),
        format!("Bearer {token}").into_bytes(),
        format!("eyJhbGciOiJub25lIn0.{claims}.").into_bytes(),
        format!("{head}.{claims}").into_bytes(),
    ]
}
