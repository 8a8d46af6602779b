//! Layers inside a stream of VP9 or AV1 over a pipe: what a viewer behind it gets can be decoded
//! whatever it wishes and whenever, judged by what depends on what in the encoder.

use rand::{Rng, SeedableRng, rngs::SmallRng};
use serde_json::json;
use starling_proto::{
    RtpParameters,
    rtp::{ConsumerLayers, RtpType},
};

use super::bench::*;
use crate::{
    Command, ConsumerKey, Event, PipeKey, TransportKey,
    codec::{
        model::{Encoder, Frame, Mode},
        tests::Decoder,
    },
    command::ConsumerParams,
    negotiation::extension as uri,
    rtcp::RtcpItem,
};

/// Id of the dependency descriptor.
const DESCRIPTOR: u8 = 12;
/// Milliseconds between pictures.
const PICTURE: u64 = 33;

/// What the stream is.
#[derive(Clone, Copy)]
struct Stream {
    vp9: bool,
    ksvc: bool,
}

fn adapt(mut rtp: RtpParameters, ssrc: u32, stream: Stream) -> RtpParameters {
    let mode = if stream.ksvc { "L3T3_KEY" } else { "L3T3" };
    rtp.codecs[0].mime_type = if stream.vp9 { "video/VP9" } else { "video/AV1" }.into();
    let more = parameters(json!({"codecs": [], "encodings": [],
        "headerExtensions": [{"uri": uri::DEPENDENCY_DESCRIPTOR, "id": DESCRIPTOR}]}));
    rtp.header_extensions.extend(more.header_extensions.into_iter().filter(|_| !stream.vp9));
    let encodings = json!({"codecs": [], "encodings": [
        {"ssrc": ssrc, "rtx": {"ssrc": ssrc + 1}, "scalabilityMode": mode}]});
    rtp.encodings = parameters(encodings).encodings;
    rtp
}

/// A camera on `near`, a viewer on `far`, a pipe between.
struct World {
    near: Bench,
    far: Bench,
    stream: Stream,
    encoder: Encoder,
    sent: Vec<Frame>,
    pictures: u32,
    sequence: u16,
    key: bool,
}

impl World {
    fn new(stream: Stream) -> Self {
        let mut viewer = video_consumer(2222, RtpType::Svc);
        viewer.rtp = adapt(viewer.rtp, 2222, stream);
        Self::with_viewer(stream, viewer)
    }

    fn with_viewer(stream: Stream, viewer: ConsumerParams) -> Self {
        let mut near = Bench::new(1);
        let mut far = Bench::at(2, near.now);
        near.plain(1, address(5001));
        near.produce(1, 1, adapt(vp8(100), 100, stream));
        near.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(90) });
        far.command(Command::AddPipe { transport: TransportKey(9), pipe: PipeKey(91) });
        let mut piped = video_consumer(700, RtpType::Pipe);
        piped.rtp.header_extensions.clear();
        piped.rtp = adapt(piped.rtp, 700, stream);
        far.produce(9, 1, piped.rtp.clone());
        near.consume(9, 1, 1, piped);
        far.plain(2, address(5002));
        far.open(2);
        far.consume(2, 7, 1, viewer);
        let mode = Mode { spatial: 3, temporal: 3, ksvc: stream.ksvc };
        let encoder = Encoder::new(mode, 32_700, 65_500);
        let (sent, pictures, sequence) = (Vec::new(), 0, 65_000);
        Self { near, far, stream, encoder, sent, pictures, sequence, key: true }
    }

    fn picture(&mut self) {
        let frames = self.encoder.picture(std::mem::take(&mut self.key));
        for frame in frames {
            let number = (self.sent.len() as u32).to_be_bytes();
            let timestamp = self.pictures * 2_970;
            let mut packet = rtp(96, 100, self.sequence, timestamp, frame.last, &[], &[]);
            if self.stream.vp9 {
                packet.extend(self.encoder.vp9(&frame));
            } else {
                extend_header(&mut packet, DESCRIPTOR, &self.encoder.descriptor(&frame));
                // Of AV1 nothing can be read here, as if it were encrypted.
                packet.extend([0x10, 0xaa]);
            }
            packet.extend(number);
            self.sequence = self.sequence.wrapping_add(1);
            self.sent.push(frame);
            self.near.receive(11, address(5001), &packet);
        }
        self.pictures += 1;
        self.carry();
        self.near.advance(PICTURE);
        self.far.advance(PICTURE);
        self.carry();
        let asked = self.near.take_rtcp(address(5001));
        self.key |= asked.iter().any(|item| matches!(item, RtcpItem::Pli { .. }));
    }

    /// Packets one way, requests and wishes the other.
    fn carry(&mut self) {
        for event in self.far.take_events() {
            if let Event::LayersWanted { layers, .. } = event {
                self.near.command(Command::SetPipeLayers { consumer: ConsumerKey(1), layers });
            }
        }
        for (_, packet) in std::mem::take(&mut self.near.piped) {
            self.far.plane.handle_pipe(self.far.now, PipeKey(91), &packet);
        }
        self.far.settle();
        for (_, packet) in std::mem::take(&mut self.far.piped) {
            self.near.plane.handle_pipe(self.near.now, PipeKey(90), &packet);
        }
        self.near.settle();
    }

    fn wish(&mut self, spatial_layer: u8, temporal_layer: u8) {
        let layers = ConsumerLayers { spatial_layer, temporal_layer: Some(temporal_layer) };
        self.far.command(Command::SetPreferredLayers { consumer: ConsumerKey(7), layers });
        self.carry();
    }

    /// The frames that the viewer got since the last call; numbers go on.
    fn got(&mut self) -> Vec<Frame> {
        let packets = self.far.take_rtp(2222);
        for pair in packets.windows(2) {
            let (a, b) = (pair[0].header(), pair[1].header());
            assert_eq!(b.sequence, a.sequence.wrapping_add(1), "after {a:?}");
        }
        let number = |packet: &Packet| {
            let tail = packet.payload().last_chunk::<4>().unwrap();
            u32::from_be_bytes(*tail) as usize
        };
        packets.iter().map(|packet| self.sent[number(packet)].clone()).collect()
    }
}

fn switch_at_random(stream: Stream) {
    for seed in 0..8 {
        let mut random = SmallRng::seed_from_u64(seed);
        let mut world = World::new(stream);
        let mut decoder = Decoder::default();
        for round in 0..20 {
            let (spatial, temporal) = (random.random_range(0..3), random.random_range(0..3));
            world.wish(spatial, temporal);
            for _ in 0..random.random_range(1..60) {
                world.picture();
            }
            for frame in world.got() {
                assert!(decoder.take(&frame), "seed {seed}, round {round}: {frame:?}");
            }
        }
        // With time enough the wish is fulfilled.
        world.wish(2, 2);
        for _ in 0..150 {
            world.picture();
        }
        for frame in world.got() {
            assert!(decoder.take(&frame), "seed {seed}, at last: {frame:?}");
        }
        for _ in 0..8 {
            world.picture();
        }
        let got = world.got();
        let top = got.iter().filter(|frame| frame.layers.spatial == 2).count();
        assert_eq!(top, 8, "seed {seed}");
        assert_eq!(got.len(), if stream.ksvc { 8 } else { 24 }, "seed {seed}");
    }
}

#[test]
fn a_viewer_behind_a_pipe_can_decode_vp9_svc_whatever_it_wishes() {
    switch_at_random(Stream { vp9: true, ksvc: false });
}

#[test]
fn a_viewer_behind_a_pipe_can_decode_vp9_k_svc_whatever_it_wishes() {
    switch_at_random(Stream { vp9: true, ksvc: true });
}

#[test]
fn a_viewer_behind_a_pipe_can_decode_av1_svc_whatever_it_wishes() {
    switch_at_random(Stream { vp9: false, ksvc: false });
}

#[test]
fn a_viewer_behind_a_pipe_can_decode_av1_k_svc_whatever_it_wishes() {
    switch_at_random(Stream { vp9: false, ksvc: true });
}

#[test]
fn a_viewer_without_descriptors_gets_the_lowest_spatial_layer_of_av1() {
    for ksvc in [false, true] {
        let stream = Stream { vp9: false, ksvc };
        let mut viewer = video_consumer(2222, RtpType::Svc);
        viewer.rtp = adapt(viewer.rtp, 2222, stream);
        viewer.rtp.header_extensions.clear();
        let mut world = World::with_viewer(stream, viewer);
        let mut decoder = Decoder::default();
        world.wish(2, 2);
        for _ in 0..60 {
            world.picture();
        }
        let got = world.got();
        assert!(got.len() > 50, "{} frames", got.len());
        for frame in got {
            assert!(frame.layers.spatial == 0 && decoder.take(&frame), "{frame:?}");
        }
    }
}
