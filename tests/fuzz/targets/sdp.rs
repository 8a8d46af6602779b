//! Offers and fragments of WHIP and WHEP clients, and the answers to them.

use serde_json::json;
use starling_actors::negotiation::{Numbers, accepted_parameters};
use starling_media::negotiation::{
    default_media_codecs, normalize_rtp_parameters, producer_mapping, router_capabilities,
    validate_rtp_parameters,
};
use starling_node::sdp::{Answer, AnswerSection, Fragment, MAX_SECTIONS, Offer, Sent};
use starling_proto::{RtpCapabilities, sctp::SctpParameters, transport::WebRtcTransportInfo};

use super::{Kind, Target, behaviour, size};

pub(super) const KIND: Kind = Kind {
    name: "sdp",
    about: "Offer::parse to Answer::to_text through negotiation, Fragment::parse",
    cost: 10,
    max_len: 12_000,
    words: &[
        b"\r\nm=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n",
        b"\r\na=group:BUNDLE 0 1 ",
        b"\r\na=rtpmap:96 H264/90000\r\n",
        b"\r\na=fmtp:96 profile-level-id=4200;packetization-mode=1\r\n",
        b"\r\na=rid:q send max-width=1;max-height=99999999999\r\n",
        b"\r\na=simulcast:send ~q,h;f;;\r\n",
        b"\r\na=ssrc-group:SIM 1 2 3\r\n",
        b"\r\na=ssrc:4294967295 cname:x\r\n",
        b"\r\na=extmap:255/sendrecv urn:ietf:params:rtp-hdrext:sdes:mid\r\n",
        b"\r\na=rtcp-fb:* nack\r\n",
        b"\r\na=bundle-only\r\n",
        b"\r\na=ice-ufrag:aaaa\r\n",
        b"a=end-of-candidates\r\n",
        b"a=",
        b"\x00",
    ],
    seeds,
    make: || Box::new(Sdp::new()),
};

struct Sdp {
    router: RtpCapabilities,
    transport: WebRtcTransportInfo,
    rng: rand::rngs::SmallRng,
}

impl Sdp {
    fn new() -> Self {
        let transport = json!({
            "transportId": "t",
            "iceParameters": {"usernameFragment": "ours", "password": "p", "iceLite": true},
            "iceCandidates": [],
            "dtlsParameters": {"role": "auto", "fingerprints": []},
            "sctpParameters": SctpParameters::default(),
        });
        Self {
            router: router_capabilities(&default_media_codecs()).expect("our own codecs"),
            transport: serde_json::from_value(transport).expect("a transport"),
            rng: rand::SeedableRng::seed_from_u64(7),
        }
    }

    /// What is answered to each m-line; every producer that is taken must be one that starts.
    fn sections(&mut self, offer: &Offer) -> Vec<AnswerSection> {
        let mut sections = Vec::new();
        for section in &offer.sections {
            let Some(kind) = section.kind else {
                sections.push(AnswerSection::Refused);
                continue;
            };
            let (_, numbers) = Numbers::of(&section.capabilities(), &self.router);
            sections.push(match accepted_parameters(kind, &section.rtp, &self.router) {
                Some(mut rtp) if section.way.sends() => {
                    normalize_rtp_parameters(&mut rtp);
                    if validate_rtp_parameters(&rtp).is_ok() {
                        assert!(producer_mapping(&rtp, &self.router, &mut self.rng).is_ok());
                    }
                    AnswerSection::Receives(rtp)
                }
                Some(mut rtp) => {
                    numbers.apply(&mut rtp);
                    AnswerSection::Sends(Sent { rtp, stream: "s".into(), track: "t".into() })
                }
                None => AnswerSection::Refused,
            });
        }
        sections
    }
}

impl Target for Sdp {
    fn run(&mut self, input: &[u8]) -> u64 {
        let fragment = Fragment::parse(input).map(|f| (f.ice.is_some(), size(f.candidates)));
        let read = match Offer::parse(input) {
            Err(refusal) => {
                assert!(!refusal.message.is_empty() && !refusal.hint.is_empty());
                (0, 0, 0, refusal.code as usize)
            }
            Ok(offer) => {
                assert!(offer.sections.len() <= MAX_SECTIONS);
                let sections = self.sections(&offer);
                let transport = &self.transport;
                let sections_of = sections.as_slice();
                let answer = Answer { offer: &offer, transport, sections: sections_of, session: 1 };
                let text = answer.to_text();
                let lines = text.split("\r\n");
                assert!(lines.clone().all(|line| !line.contains(char::is_control)), "{text}");
                let media = lines.filter(|line| line.starts_with("m=")).count();
                assert_eq!(media, offer.sections.len(), "{text}");
                let taken = sections.iter().filter(|s| **s != AnswerSection::Refused).count();
                let codecs = offer.sections.iter().map(|section| section.rtp.codecs.len()).sum();
                (1 + taken, offer.sections.len(), size(codecs), 0)
            }
        };
        behaviour((fragment.ok(), read))
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../node/src/sdp/offers");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .expect("the offers of the tests")
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .collect();
    files.sort();
    let read = |path: &std::path::PathBuf| std::fs::read(path).expect("an offer");
    let mut seeds: Vec<_> = files.iter().map(read).collect();
    seeds.push(
        b"a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 RTP/AVP 0\r\n\
          a=mid:0\r\na=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\n\
          a=end-of-candidates\r\n"
            .to_vec(),
    );
    seeds
}
