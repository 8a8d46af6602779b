//! Planes in a row: what one gets over a pipe it pipes on. What is wanted, lost or late at the end
//! reaches the publisher's plane only as far as no plane on the way can help.

use std::{collections::BTreeMap, time::Instant};

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
    Command, ConsumerKey, Event, PipeKey, TransportKey,
    command::ConsumerParams,
    rtcp::{self, RtcpItem, build},
    rtp::{NtpTime, RtpHeader, is_rtcp},
};

fn piped() -> RtpParameters {
    parameters(json!({
        "codecs": [{"mimeType": "video/VP8", "payloadType": 101, "clockRate": 90000,
            "rtcpFeedback": [{"type": "nack"}, {"type": "nack", "parameter": "pli"}]}],
        "headerExtensions": [],
        "encodings": [{"ssrc": 700}, {"ssrc": 701}, {"ssrc": 702}],
        "rtcp": {"cname": "publisher"}
    }))
}

/// A way from one plane down to another.
struct Pipe {
    from: usize,
    to: usize,
    /// The consumer on the upper plane and the keys of both ends.
    consumer: u64,
    up: u64,
    down: u64,
    carried: usize,
    bytes: usize,
    lost: u64,
}

/// The publisher on plane 0, a relay without consumers on plane 1, viewers on those below it.
struct Tree {
    planes: Vec<Bench>,
    pipes: Vec<Pipe>,
    camera: Camera,
    /// One of so many packets of media is lost on each pipe.
    lose: Option<usize>,
    /// The next request for a key frame of this stream is lost on the way to plane 0.
    deaf: Option<u32>,
    /// When a stream was first on the pipe down to a plane.
    began: BTreeMap<(usize, u32), Instant>,
    /// When the publisher's plane was told other layers, and which.
    told: Vec<(Instant, u32)>,
}

impl Tree {
    fn new(below: usize) -> Self {
        let start = Instant::now();
        let mut planes: Vec<_> = (0..below + 2).map(|n| Bench::at(n as u64 + 1, start)).collect();
        planes[0].plain(1, address(5001));
        planes[0].produce(1, 1, vp8_simulcast());
        let mut tree = Self {
            planes,
            pipes: Vec::new(),
            camera: Camera::new(start),
            lose: None,
            deaf: None,
            began: BTreeMap::new(),
            told: Vec::new(),
        };
        tree.pipe(0, 1);
        (0..below).for_each(|n| tree.pipe(1, n + 2));
        tree
    }

    fn pipe(&mut self, from: usize, to: usize) {
        let (consumer, up, down) = (100 + to as u64, 200 + to as u64, 300);
        let upper = &mut self.planes[from];
        upper.command(Command::AddPipe { transport: TransportKey(up), pipe: PipeKey(up) });
        let params = ConsumerParams {
            kind: MediaKind::Video,
            rtp: piped(),
            rtp_type: RtpType::Pipe,
            paused: false,
            preferred: None,
            pipe_layers: 0,
            encrypted: false,
            ignore_dtx: false,
        };
        upper.consume(up, consumer, 1, params);
        let lower = &mut self.planes[to];
        lower.command(Command::AddPipe { transport: TransportKey(down), pipe: PipeKey(down) });
        lower.produce(down, 1, piped());
        self.pipes.push(Pipe { from, to, consumer, up, down, carried: 0, bytes: 0, lost: 0 });
    }

    /// A viewer on a plane; its stream has SSRC `key`.
    fn view(&mut self, plane: usize, key: u64) {
        let bench = &mut self.planes[plane];
        bench.plain(key, address(5000 + key as u16));
        bench.open(key);
        bench.consume(key, key, 1, video_consumer(key as u32, RtpType::Simulcast));
        self.carry();
    }

    fn carry(&mut self) {
        while self.carry_once() {}
    }

    fn carry_once(&mut self) -> bool {
        let mut moved = false;
        for plane in 0..self.planes.len() {
            let packets = std::mem::take(&mut self.planes[plane].piped);
            let wishes = self.planes[plane].take_events();
            for (key, packet) in packets {
                moved = true;
                self.deliver(plane, key, &packet);
            }
            for wish in wishes {
                let Event::LayersWanted { layers, .. } = wish else { continue };
                moved = true;
                let pipe = self.pipes.iter().find(|pipe| pipe.to == plane).unwrap();
                let (from, consumer) = (pipe.from, ConsumerKey(pipe.consumer));
                if from == 0 {
                    self.told.push((self.planes[0].now, layers));
                }
                self.planes[from].command(Command::SetPipeLayers { consumer, layers });
            }
        }
        moved
    }

    fn deliver(&mut self, plane: usize, key: PipeKey, packet: &[u8]) {
        let down = self.pipes.iter_mut().find(|p| p.from == plane && PipeKey(p.up) == key);
        let (to, key) = match down {
            Some(pipe) => {
                if !is_rtcp(packet) {
                    let ssrc = RtpHeader::parse(packet).unwrap().ssrc;
                    self.began.entry((pipe.to, ssrc)).or_insert(self.planes[plane].now);
                    pipe.carried += 1;
                    pipe.bytes += packet.len();
                    if self.lose.is_some_and(|n| pipe.carried.is_multiple_of(n)) {
                        pipe.lost += 1;
                        return;
                    }
                }
                (pipe.to, PipeKey(pipe.down))
            }
            None => {
                let pipe = self.pipes.iter().find(|pipe| pipe.to == plane).unwrap();
                let named = |item: &RtcpItem| match item {
                    RtcpItem::Pli { media, .. } => Some(*media),
                    _ => None,
                };
                let deaf = self.deaf;
                let asks = |item: &RtcpItem| deaf.is_some() && named(item) == deaf;
                if pipe.from == 0 && rtcp::parse_all(packet).iter().any(asks) {
                    self.deaf = None;
                    return;
                }
                (pipe.from, PipeKey(pipe.up))
            }
        };
        let bench = &mut self.planes[to];
        bench.plane.handle_pipe(bench.now, key, packet);
        bench.settle();
    }

    fn run(&mut self, ms: u64) {
        for n in 0..ms / 33 {
            if n % 30 == 3 {
                let reports = self.camera.reports(self.planes[0].now);
                self.planes[0].receive(11, address(5001), &reports);
            }
            for packet in self.camera.frame(self.planes[0].now) {
                self.planes[0].receive(11, address(5001), &packet);
            }
            for _ in 0..3 {
                self.carry();
                self.camera.obey(&mut self.planes[0]);
                self.planes.iter_mut().for_each(|plane| plane.advance(11));
            }
            self.carry();
            self.camera.obey(&mut self.planes[0]);
        }
    }

    fn layers(&self) -> u32 {
        self.told.last().map_or(0, |(_, layers)| *layers)
    }

    /// A viewer without transport-wide feedback tells what it can take, in bits per second.
    fn estimate(&mut self, plane: usize, key: u64, bitrate: u64) {
        let mut remb = Vec::new();
        build::remb(&mut remb, 5, bitrate, &[key as u32]);
        self.planes[plane].receive(key as u32 + 10, address(5000 + key as u16), &remb);
    }

    fn prefer(&mut self, plane: usize, key: u64, spatial_layer: u8) {
        let layers = ConsumerLayers { spatial_layer, temporal_layer: None };
        let consumer = ConsumerKey(key);
        self.planes[plane].command(Command::SetPreferredLayers { consumer, layers });
        self.carry();
    }
}

#[test]
fn the_union_of_what_is_used_below_flows_up_and_what_is_not_stops_within_two_seconds() {
    let mut tree = Tree::new(2);
    tree.run(990);
    assert_eq!((tree.pipes[0].carried, tree.told.len()), (0, 0), "nobody looks");
    tree.view(2, 20);
    tree.view(3, 30);
    tree.prefer(3, 30, 0);
    tree.run(4_950);
    assert_eq!(tree.layers(), 0b101, "one wants the best layer, the other the least");
    let before = tree.pipes.iter().map(|pipe| pipe.bytes).collect::<Vec<_>>();
    tree.run(1_980);
    let grown: Vec<_> = tree.pipes.iter().zip(before).map(|(p, before)| p.bytes - before).collect();
    assert_eq!(grown[0], grown[1] + grown[2], "each layer once: {grown:?}");
    let at = tree.planes[0].now;
    tree.prefer(2, 20, 0);
    tree.run(3_960);
    let stopped = tree.told.iter().find(|(_, layers)| *layers == 0b001).unwrap().0;
    // The next picture, a second, and five milliseconds of a timer.
    assert!((1_000..=1_050).contains(&(stopped - at).as_millis()), "{:?}", stopped - at);
    assert_decodable(&tree.planes[3].take_rtp(30));
}

#[test]
fn layers_that_a_pipe_does_not_bring_are_not_taken_for_more_than_the_one_it_does() {
    let mut tree = Tree::new(1);
    let bench = &mut tree.planes[2];
    bench.plain(20, address(5020));
    let mut params = video_consumer(20, RtpType::Simulcast);
    params.rtp.header_extensions.clear();
    bench.consume(20, 20, 1, params);
    tree.estimate(2, 20, 10_000_000);
    tree.run(6_930);
    assert_eq!(tree.layers(), 0b100, "only the best one comes");
    tree.planes[2].take_rtp(20);
    tree.run(990);
    let rate: usize = tree.planes[2].take_rtp(20).iter().map(|packet| packet.bytes.len() * 8).sum();
    let told = rate as u64 * 3 / 2;
    assert!(told < 110_000, "less than what is assumed of a lowest layer that nobody has seen");
    tree.estimate(2, 20, told);
    tree.run(1_980);
    assert_eq!(tree.layers(), 0b100);
    assert!(tree.planes[2].take_rtp(20).len() > 100, "it goes on");
    tree.estimate(2, 20, 30_000);
    tree.run(3_960);
    assert_ne!(tree.layers(), 0b100, "it heeds what it is told");
}

#[test]
fn what_each_pipe_loses_is_repaired_on_it() {
    let mut tree = Tree::new(2);
    tree.view(2, 20);
    tree.view(3, 30);
    tree.run(2_970);
    for (plane, key) in [(2, 20), (3, 30)] {
        tree.planes[plane].take_rtp(key);
    }
    tree.lose = Some(10);
    tree.run(3_960);
    tree.lose = None;
    tree.run(495);
    for (plane, key) in [(2, 20), (3, 30)] {
        let mut got = tree.planes[plane].take_rtp(key);
        let first = got[0].header().sequence;
        got.sort_by_key(|packet| packet.header().sequence.wrapping_sub(first));
        assert_decodable(&got);
    }
    let counters: Vec<_> = tree.planes.iter().map(|bench| bench.plane.counters()).collect();
    assert_eq!(counters[0].nacks_sent, 0, "the publisher lost nothing");
    let resent = |plane: usize| counters[plane].rtp_retransmitted;
    let lost = |pipes: &[Pipe]| pipes.iter().map(|pipe| pipe.lost).sum::<u64>();
    let about = |n: u64| n - n / 10..=n + n / 5;
    let (upper, lower) = (lost(&tree.pipes[..1]), lost(&tree.pipes[1..]));
    assert!(upper > 30 && lower > 60, "{upper} {lower}");
    assert!(about(upper).contains(&resent(0)), "{} for {upper} lost", resent(0));
    assert!(about(lower).contains(&resent(1)), "{} for {lower} lost", resent(1));
}

#[test]
fn many_who_come_at_once_ask_the_publisher_for_few_key_frames() {
    let mut tree = Tree::new(2);
    tree.run(990);
    let mut asked = Vec::new();
    let counter = |tree: &Tree| tree.planes[0].plane.counters().key_frame_requests_sent;
    let began = counter(&tree);
    for n in 0..20 {
        tree.view(2 + n as usize % 2, 20 + n);
        tree.run(33);
        asked.push(counter(&tree));
    }
    tree.run(1_980);
    let in_all = counter(&tree) - began;
    // 2.64 seconds.
    assert!(in_all <= 5, "{in_all}: {asked:?}");
    for n in 0..20 {
        assert!(!tree.planes[2 + n as usize % 2].take_rtp(20 + n).is_empty(), "viewer {n}");
    }
}

#[test]
fn a_request_that_a_link_loses_is_repeated_in_time() {
    let mut tree = Tree::new(2);
    tree.view(2, 20);
    tree.view(3, 30);
    tree.prefer(3, 30, 0);
    tree.run(4_950);
    let at = tree.planes[0].now;
    tree.began.remove(&(3, 702));
    tree.deaf = Some(702);
    tree.prefer(3, 30, 2);
    tree.run(1_980);
    assert_eq!(tree.deaf, None, "nothing was lost");
    let took = (tree.began[&(3, 702)] - at).as_millis();
    assert!((600..=725).contains(&took), "{took} ms");
}

#[test]
fn the_publishers_clock_arrives_as_it_was_sent() {
    let mut tree = Tree::new(1);
    tree.view(2, 20);
    tree.run(4_950);
    let got = tree.planes[2].take_rtp(20);
    let last = got.last().unwrap().header().timestamp;
    let reports = tree.planes[2].take_rtcp(address(5020));
    let told: Vec<_> = reports
        .iter()
        .filter_map(|item| match item {
            RtcpItem::Sr { info, .. } => Some((info.ntp, info.timestamp)),
            _ => None,
        })
        .collect();
    assert!(told.len() >= 3, "{told:?}");
    let (ntp, timestamp) = *told.last().unwrap();
    let mut sent = Vec::new();
    rtcp::parse(&tree.camera.reports(tree.planes[0].now), &mut sent);
    let Some(RtcpItem::Sr { info: now, .. }) = sent.first() else { panic!("{sent:?}") };
    let apart = seconds(now.ntp) - seconds(ntp);
    assert!((0.0..1.5).contains(&apart), "{apart}");
    let behind = f64::from(last.wrapping_sub(timestamp).cast_signed()) / 90_000.0;
    assert!((behind - apart).abs() < 0.05, "sound and picture would be {behind} {apart} apart");
}

fn seconds(ntp: NtpTime) -> f64 {
    ntp.0 as f64 / (1u64 << 32) as f64
}

#[test]
fn packets_keep_their_numbers_on_every_pipe() {
    let mut tree = Tree::new(1);
    tree.view(2, 20);
    tree.run(990);
    let numbers = |packets: &[(PipeKey, Vec<u8>)]| {
        let media = packets.iter().filter(|(_, packet)| !is_rtcp(packet));
        media.map(|(_, packet)| RtpHeader::parse(packet).unwrap().sequence).collect::<Vec<_>>()
    };
    for packet in tree.camera.frame(tree.planes[0].now) {
        tree.planes[0].receive(11, address(5001), &packet);
    }
    let first = std::mem::take(&mut tree.planes[0].piped);
    for (_, packet) in &first {
        let bench = &mut tree.planes[1];
        bench.plane.handle_pipe(bench.now, PipeKey(300), packet);
    }
    tree.planes[1].settle();
    let second = std::mem::take(&mut tree.planes[1].piped);
    assert!(!numbers(&first).is_empty());
    assert_eq!(numbers(&first), numbers(&second));
}
