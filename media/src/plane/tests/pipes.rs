//! Two planes and a pipe between them: only what somebody uses crosses it, and what is lost on it
//! is asked for again.

use std::time::Instant;

use serde_json::json;
use starling_proto::{
    MediaKind,
    rtp::{ConsumerLayers, RtpParameters, RtpType},
};

use super::{
    bench::*,
    camera::{Camera, assert_decodable},
};
use crate::{
    Command, ConsumerKey, Event, PipeKey, ProducerKey, TransportKey,
    command::ConsumerParams,
    rtp::{RtpHeader, is_rtcp},
};

fn pipe_parameters() -> RtpParameters {
    parameters(json!({
        "codecs": [
            {"mimeType": "video/VP8", "payloadType": 101, "clockRate": 90000, "rtcpFeedback": [
                {"type": "nack"}, {"type": "nack", "parameter": "pli"},
                {"type": "ccm", "parameter": "fir"}]},
            {"mimeType": "video/rtx", "payloadType": 102, "clockRate": 90000,
                "parameters": {"apt": 101}}],
        "headerExtensions": [{"uri": "urn:3gpp:video-orientation", "id": 8}],
        "encodings": [
            {"ssrc": 700, "rtx": {"ssrc": 800}},
            {"ssrc": 701, "rtx": {"ssrc": 801}},
            {"ssrc": 702, "rtx": {"ssrc": 802}}],
        "rtcp": {"cname": "publisher"}
    }))
}

/// A publisher on `near`, a viewer on `far`, a pipe between.
struct Pair {
    near: Bench,
    far: Bench,
    camera: Camera,
    /// Of ten packets on the pipe this one is lost.
    lose: Option<usize>,
    carried: usize,
    told: Vec<u32>,
    by_ssrc: Vec<u32>,
    /// The link has no room for other layers.
    takes: u32,
}

impl Pair {
    fn new() -> Self {
        Self::with(&pipe_parameters())
    }

    fn with(rtp: &RtpParameters) -> Self {
        let start = Instant::now();
        let (mut near, mut far) = (Bench::at(1, start), Bench::at(2, start));
        near.plain(1, address(5001));
        near.produce(1, 1, vp8_simulcast());
        near.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(90) });
        let params = ConsumerParams {
            kind: MediaKind::Video,
            rtp: rtp.clone(),
            rtp_type: RtpType::Pipe,
            paused: false,
            preferred: None,
            pipe_layers: 0,
            encrypted: false,
            ignore_dtx: false,
        };
        near.consume(9, 1, 1, params);
        far.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(91) });
        far.produce(9, 1, rtp.clone());
        far.plain(2, address(5002));
        let camera = Camera::new(start);
        let (told, by_ssrc) = (Vec::new(), Vec::new());
        Self { near, far, camera, lose: None, carried: 0, told, by_ssrc, takes: u32::MAX }
    }

    fn consume(&mut self) {
        self.far.consume(2, 1, 1, video_consumer(2222, RtpType::Simulcast));
        self.carry();
    }

    /// Moves packets over the pipe and wishes back, until nothing moves.
    fn carry(&mut self) {
        loop {
            let there = std::mem::take(&mut self.near.piped);
            let back = std::mem::take(&mut self.far.piped);
            let wishes: Vec<_> = self.far.take_events();
            let idle = there.is_empty() && back.is_empty() && wishes.is_empty();
            for (_, packet) in there {
                if !is_rtcp(&packet) {
                    self.carried += 1;
                    let ssrc = RtpHeader::parse(&packet).unwrap().ssrc;
                    self.by_ssrc.push(ssrc);
                    if self.lose == Some(self.carried % 10) && ssrc < 800 {
                        continue;
                    }
                }
                self.far.plane.handle_pipe(self.far.now, PipeKey(91), &packet);
                self.far.settle();
            }
            for (_, packet) in back {
                self.near.plane.handle_pipe(self.near.now, PipeKey(90), &packet);
                self.near.settle();
            }
            for wish in wishes {
                if let Event::LayersWanted { producer, layers } = wish {
                    assert_eq!(producer, ProducerKey(1));
                    self.told.push(layers);
                    let layers = match layers & self.takes {
                        0 if layers != 0 => 1 << self.takes.ilog2(),
                        some => some,
                    };
                    let consumer = ConsumerKey(1);
                    self.near.command(Command::SetPipeLayers { consumer, layers });
                }
            }
            if idle {
                return;
            }
        }
    }

    fn run(&mut self, ms: u64) {
        for n in 0..ms / 33 {
            if n % 30 == 3 {
                let reports = self.camera.reports(self.near.now);
                self.near.receive(11, address(5001), &reports);
            }
            for packet in self.camera.frame(self.near.now) {
                self.near.receive(11, address(5001), &packet);
            }
            self.camera.obey(&mut self.near);
            self.carry();
            for _ in 0..3 {
                self.near.advance(11);
                self.far.advance(11);
                self.carry();
                self.camera.obey(&mut self.near);
            }
        }
    }

    fn crossed(&mut self) -> Vec<u32> {
        let mut ssrcs = std::mem::take(&mut self.by_ssrc);
        ssrcs.sort_unstable();
        ssrcs.dedup();
        ssrcs
    }
}

#[test]
fn nothing_crosses_a_pipe_while_nobody_consumes() {
    let mut pair = Pair::new();
    pair.run(990);
    assert_eq!(pair.carried, 0);
    assert!(pair.told.is_empty());
}

#[test]
fn only_the_layer_in_use_crosses_after_a_while() {
    let mut pair = Pair::new();
    pair.run(990);
    pair.consume();
    // What the third layer takes is not known before the second one comes.
    assert_eq!(pair.told, [0b011]);
    pair.run(3_960);
    assert_eq!(pair.told.last(), Some(&0b100), "{:?}", pair.told);
    pair.crossed();
    pair.run(990);
    assert_eq!(pair.crossed(), [702]);
    let got = pair.far.take_rtp(2222);
    assert_decodable(&got);

    let consumer = ConsumerKey(1);
    let layers = ConsumerLayers { spatial_layer: 0, temporal_layer: None };
    pair.far.command(Command::SetPreferredLayers { consumer, layers });
    pair.carry();
    assert_eq!(pair.told.last(), Some(&0b101));
    pair.run(3_960);
    assert_eq!(pair.told.last(), Some(&0b001));
    let more = pair.far.take_rtp(2222);
    assert_decodable(&[&got[got.len() - 1..], &more].concat());

    pair.far.command(Command::PauseConsumer { consumer, paused: true });
    pair.run(1_980);
    assert_eq!(pair.told.last(), Some(&0));
    pair.crossed();
    pair.run(990);
    assert!(pair.crossed().is_empty());
}

#[test]
fn a_pipe_that_opens_late_begins_with_the_key_frames_that_are_kept_and_nobody_is_asked() {
    let mut pair = Pair::new();
    pair.run(330);
    let asked = |pair: &Pair| pair.near.plane.counters().key_frame_requests_sent;
    let before = asked(&pair);
    pair.consume();
    pair.run(66);
    let got = pair.far.take_rtp(2222);
    assert_decodable(&got);
    assert_eq!(got[0].payload()[6] & 1, 0, "not a key frame");
    // A picture of the past is a millisecond before the next one: it is not played.
    let times: Vec<u32> = got.iter().map(|packet| packet.header().timestamp).collect();
    let past = times.windows(2).filter(|pair| pair[1] - pair[0] == 90).count();
    assert!(past >= 9, "{times:?}");
    assert_eq!(asked(&pair), before);
    assert_eq!(pair.far.plane.counters().key_frame_requests_sent, 0);
    pair.run(3_960);
    assert_decodable(&[got, pair.far.take_rtp(2222)].concat());
}

#[test]
fn what_is_lost_of_the_past_is_repaired_or_another_key_frame_is_asked_for() {
    for lose in 0..10 {
        let mut pair = Pair::new();
        pair.run(330);
        pair.lose = Some(lose);
        pair.consume();
        pair.run(330);
        pair.lose = None;
        pair.run(990);
        pair.far.take_rtp(2222);
        pair.run(330);
        let mut got = pair.far.take_rtp(2222);
        let first = got[0].header().sequence;
        got.sort_by_key(|packet| packet.header().sequence.wrapping_sub(first));
        assert_decodable(&got);
    }
}

#[test]
fn what_a_pipe_loses_is_asked_for_again_from_the_near_plane() {
    lose_and_repair(Pair::new());
    let mut without_rtx = pipe_parameters();
    without_rtx.codecs.truncate(1);
    for encoding in &mut without_rtx.encodings {
        encoding.rtx = None;
    }
    lose_and_repair(Pair::with(&without_rtx));
}

fn lose_and_repair(mut pair: Pair) {
    pair.consume();
    pair.run(1_980);
    pair.far.take_rtp(2222);
    let asked = pair.far.plane.counters().nacks_sent;
    pair.lose = Some(3);
    pair.run(1_980);
    pair.lose = None;
    pair.run(330);
    let mut got = pair.far.take_rtp(2222);
    got.sort_by_key(|packet| packet.header().timestamp);
    let first = got[0].header().sequence;
    got.sort_by_key(|packet| packet.header().sequence.wrapping_sub(first));
    assert_decodable(&got);
    assert!(pair.far.plane.counters().nacks_sent > asked + 10);
    assert!(pair.near.plane.counters().rtp_retransmitted > 10);
    // The publisher was asked for none of them.
    assert_eq!(pair.near.plane.counters().nacks_sent, 0);
}

#[test]
fn a_layer_switched_off_at_its_source_is_replaced_across_the_pipe_before_a_freeze() {
    let mut pair = Pair::new();
    pair.consume();
    pair.run(3_960);
    assert_eq!(pair.told.last(), Some(&0b100));
    pair.far.take_rtp(2222);
    pair.camera.on[2] = false;
    pair.run(495);
    let got = pair.far.take_rtp(2222);
    assert!(!got.is_empty(), "half a second without a picture");
    assert_decodable(&got);
    assert!(pair.told.last().unwrap() & 0b011 != 0);
}

#[test]
fn a_layer_that_was_not_wanted_is_there_soon_after_it_is() {
    let mut pair = Pair::new();
    pair.consume();
    pair.run(4_950);
    pair.crossed();
    pair.run(990);
    assert_eq!(pair.crossed(), [702]);
    let layers = ConsumerLayers { spatial_layer: 0, temporal_layer: None };
    pair.far.command(Command::SetPreferredLayers { consumer: ConsumerKey(1), layers });
    pair.carry();
    pair.run(330);
    pair.far.take_rtp(2222);
    pair.run(330);
    // Frames of the lowest layer are one packet each, those of the highest three.
    let got = pair.far.take_rtp(2222);
    assert!(got.len() >= 8, "{} packets", got.len());
    assert!(got.iter().all(|packet| packet.header().marker));
}

#[test]
fn audio_crosses_while_somebody_listens() {
    let start = Instant::now();
    let (mut near, mut far) = (Bench::at(1, start), Bench::at(2, start));
    near.plain(1, address(5001));
    near.produce(1, 1, opus(1111));
    near.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(90) });
    let mut params = audio_consumer(600);
    params.rtp_type = RtpType::Pipe;
    params.rtp.header_extensions.remove(0);
    let there = params.rtp.clone();
    near.consume(9, 1, 1, params);
    far.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(91) });
    far.produce(9, 1, there);
    far.plain(2, address(5002));
    far.consume(2, 1, 1, audio_consumer(2222));
    let producer = ProducerKey(1);
    assert_eq!(far.take_events(), [Event::LayersWanted { producer, layers: 1 }]);
    let send = |near: &mut Bench, n: u16| {
        let packet =
            rtp(111, 1111, n, 960 * u32::from(n), false, &[(1, &[n as u8]), (4, b"0")], &[n as u8]);
        near.receive(11, address(5001), &packet);
        std::mem::take(&mut near.piped)
    };
    assert!(send(&mut near, 1).is_empty());
    near.command(Command::SetPipeLayers { consumer: ConsumerKey(1), layers: 1 });
    for n in 2..5 {
        for (_, packet) in send(&mut near, n) {
            far.plane.handle_pipe(far.now, PipeKey(91), &packet);
        }
        far.settle();
    }
    let got = far.take_rtp(2222);
    assert_eq!(got.iter().map(|packet| packet.payload()[0]).collect::<Vec<_>>(), [2, 3, 4]);
    assert_eq!(got[1].extension(6), Some(&[3][..]));
    assert_eq!(got[1].extension(1), Some(&b"6"[..]));
}

#[test]
fn what_a_link_has_no_room_for_is_replaced_by_the_layer_below_at_once() {
    let mut pair = Pair::new();
    pair.consume();
    pair.run(4_950);
    assert_eq!(pair.told.last(), Some(&0b100));
    let before = pair.far.take_rtp(2222);
    pair.crossed();
    pair.takes = 0b011;
    pair.near.command(Command::WithholdPipeLayers { consumer: ConsumerKey(1), layers: 0b010 });
    pair.carry();
    pair.run(495);
    assert!(!pair.crossed().contains(&702));
    let after = pair.far.take_rtp(2222);
    let mut pictures: Vec<_> = after.iter().map(|packet| packet.header().timestamp).collect();
    pictures.dedup();
    assert!(pictures.len() >= 12, "{} of 15 pictures", pictures.len());
    assert_decodable(&[&before[before.len() - 1..], &after].concat());
    // There is room again: what was wished for all the time comes.
    pair.takes = u32::MAX;
    pair.near.command(Command::SetPipeLayers { consumer: ConsumerKey(1), layers: 0b110 });
    pair.run(3_960);
    pair.crossed();
    pair.run(495);
    assert_eq!(pair.crossed(), [702]);
}

#[test]
fn a_viewers_picture_loss_reaches_the_publisher_over_the_pipe() {
    let mut pair = Pair::new();
    pair.consume();
    pair.run(4_950);
    let before = pair.near.plane.counters().key_frame_requests_sent;
    pair.far.command(Command::RequestKeyFrame { consumer: ConsumerKey(1) });
    pair.carry();
    let asked = pair.near.take_rtcp(address(5001));
    let pli: Vec<_> = asked
        .iter()
        .filter_map(|item| match item {
            crate::rtcp::RtcpItem::Pli { media, .. } => Some(*media),
            _ => None,
        })
        .collect();
    assert_eq!(pli, [300]);
    assert_eq!(pair.near.plane.counters().key_frame_requests_sent, before + 1);
}

#[test]
fn a_second_viewer_of_a_far_node_begins_with_what_that_node_keeps() {
    let mut pair = Pair::new();
    pair.consume();
    pair.run(4_950);
    pair.camera.key = [true; 3];
    pair.run(330);
    let asked = pair.near.plane.counters().key_frame_requests_sent;
    let replayed = pair.far.plane.counters().key_frames_replayed;
    pair.far.plain(3, address(5003));
    pair.far.open(3);
    pair.far.consume(3, 2, 1, video_consumer(3333, RtpType::Simulcast));
    pair.far.take_rtp(3333);
    pair.carry();
    pair.run(99);
    let got = pair.far.take_rtp(3333);
    assert!(got.len() > 10, "{} packets", got.len());
    assert_decodable(&got);
    assert_eq!(pair.far.plane.counters().key_frames_replayed, replayed + 1);
    assert_eq!(pair.near.plane.counters().key_frame_requests_sent, asked);
}

#[test]
fn a_replaced_publisher_goes_on_over_the_same_pipe() {
    let mut pair = Pair::new();
    pair.consume();
    pair.run(3_960);
    let before = pair.far.take_rtp(2222);
    pair.near.produce(1, 2, {
        let mut again = vp8_simulcast();
        again.mid = Some("2".into());
        again
    });
    let (old, new) = (ProducerKey(1), ProducerKey(2));
    pair.near.command(Command::RemoveProducer { producer: old });
    pair.near.command(Command::ReplaceProducer { old, new });
    pair.camera = Camera::new(pair.near.now);
    for layer in &mut pair.camera.layers {
        layer.ssrc += 90_000;
    }
    pair.near.take_rtcp(address(5001));
    pair.run_with_mid();
    let after = pair.far.take_rtp(2222);
    assert!(after.len() > 60, "{}", after.len());
    let last = before.len() - 1;
    for pair in [&before[last..], &after].concat().windows(2) {
        let (a, b) = (pair[0].header(), pair[1].header());
        assert_eq!(b.sequence, a.sequence.wrapping_add(1));
        assert!(b.timestamp.wrapping_sub(a.timestamp) < 270_000);
    }
}

impl Pair {
    /// As `run` for two seconds, with the MID of a second camera.
    fn run_with_mid(&mut self) {
        for layer in 0..3 {
            self.camera.key[layer] = true;
        }
        for n in 0..60 {
            if n % 30 == 3 {
                let reports = self.camera.reports(self.near.now);
                self.near.receive(11, address(5001), &reports);
            }
            for mut packet in self.camera.frame(self.near.now) {
                // Extension 4 is the MID, one byte.
                if let Some(at) = packet.windows(2).position(|pair| pair == [0x40, b'1']) {
                    packet[at + 1] = b'2';
                }
                self.near.receive(11, address(5001), &packet);
            }
            self.camera.obey(&mut self.near);
            self.carry();
            self.near.advance(33);
            self.far.advance(33);
            self.carry();
            self.camera.obey(&mut self.near);
        }
    }
}
