use proptest::prelude::*;

use super::*;
use crate::codec::{
    model::{Encoder, Mode},
    tests::Decoder,
};

const L3T3: Mode = Mode { spatial: 3, temporal: 3, ksvc: false };
const L3T3_KEY: Mode = Mode { spatial: 3, temporal: 3, ksvc: true };

fn layers(spatial: u8, temporal: u8) -> Layers {
    Layers { spatial, temporal }
}

struct Receiver {
    rewriter: Vp9Rewriter,
    decoder: Decoder,
    pictures: Vec<(u16, u8)>,
}

impl Receiver {
    fn new() -> Self {
        let (rewriter, decoder) = (Vp9Rewriter::new(0x7ffe, 250), Decoder::default());
        Self { rewriter, decoder, pictures: Vec::new() }
    }

    /// The layers of a picture that it got; see the dependency descriptor's tests.
    fn picture(&mut self, encoder: &mut Encoder, key: bool, target: Layers) -> Vec<Layers> {
        let mut got = Vec::new();
        let mut ended = Vec::new();
        for frame in encoder.picture(key) {
            let mut payload = encoder.vp9(&frame);
            let descriptor = Vp9Descriptor::parse(&payload).unwrap();
            assert_eq!(descriptor.is_key_frame(), frame.key && frame.layers.spatial == 0);
            let Some(edit) = self.rewriter.process(&descriptor, target) else { continue };
            assert!(self.decoder.take(&frame), "{frame:?} lacks what it depends on");
            rewrite_at(&mut payload, &descriptor, edit);
            let written = Vp9Descriptor::parse(&payload).unwrap();
            assert_eq!(written.layers, descriptor.layers);
            self.pictures.push((written.picture_id.unwrap(), written.tl0_picture_index.unwrap()));
            got.push(frame.layers);
            ended.push(edit.marker || frame.last);
        }
        if let Some(last) = ended.pop() {
            assert!(last && !ended.contains(&true), "the picture of {got:?} ends elsewhere");
        }
        got
    }
}

#[test]
fn every_field_is_read() {
    let read = Vp9Descriptor::parse(&[0b1010_1101, 0x92, 0x34, 0b0101_0101, 77, 0]).unwrap();
    assert_eq!((read.picture_id, read.wide_picture_id), (Some(0x1234), true));
    assert_eq!((read.layers, read.tl0_picture_index), (layers(2, 2), Some(77)));
    assert!(read.switching_up && read.inter_layer && read.not_a_reference);
    assert!(read.begins_frame && read.ends_frame && !read.inter_picture);
    let read = Vp9Descriptor::parse(&[0b1101_0000, 0x12, 0]).unwrap();
    assert_eq!((read.picture_id, read.wide_picture_id), (Some(0x12), false));
    assert!(read.inter_picture && read.tl0_picture_index.is_none());
    // Flexible with layers: no TL0PICIDX.
    let read = Vp9Descriptor::parse(&[0b0011_1000, 0b0010_0010, 0]).unwrap();
    assert_eq!((read.layers, read.tl0_picture_index), (layers(1, 1), None));
    assert!(!read.is_key_frame());
}

#[test]
fn flags_without_fields_are_unreadable() {
    let whole = [0b1010_1100, 0x92, 0x34, 0, 77, 0];
    for len in 0..whole.len() {
        assert_eq!(Vp9Descriptor::parse(&whole[..len]), None, "{len}");
    }
}

#[test]
fn full_svc_goes_down_at_once_and_up_at_a_key_frame() {
    let mut encoder = Encoder::new(L3T3, 0x7fff, 0);
    let mut receiver = Receiver::new();
    assert_eq!(receiver.picture(&mut encoder, true, layers(2, 2)).len(), 3);
    assert!(!receiver.rewriter.needs_key(layers(1, 2)));
    assert_eq!(receiver.picture(&mut encoder, false, layers(1, 2)).len(), 2);
    assert!(receiver.rewriter.needs_key(layers(2, 2)));
    assert_eq!(receiver.picture(&mut encoder, false, layers(2, 2)).len(), 2);
    assert_eq!(receiver.picture(&mut encoder, true, layers(2, 2)).len(), 3);
}

#[test]
fn k_svc_carries_one_layer_and_changes_it_at_key_frames_only() {
    let mut encoder = Encoder::new(L3T3_KEY, 5, 0);
    let mut receiver = Receiver::new();
    assert_eq!(receiver.picture(&mut encoder, true, layers(2, 2)).len(), 3);
    assert_eq!(receiver.picture(&mut encoder, false, layers(2, 2)), [layers(2, 2)]);
    assert!(receiver.rewriter.needs_key(layers(0, 2)));
    assert_eq!(receiver.picture(&mut encoder, false, layers(0, 2)), [layers(2, 1)]);
    assert_eq!(receiver.picture(&mut encoder, true, layers(0, 2)), [layers(0, 0)]);
    assert_eq!(receiver.picture(&mut encoder, false, layers(0, 2)), [layers(0, 2)]);
}

#[test]
fn temporal_layers_need_no_key_frame_either_way() {
    for mode in [L3T3, L3T3_KEY, Mode { spatial: 1, temporal: 3, ksvc: false }] {
        let mut encoder = Encoder::new(mode, 0, 0);
        let mut receiver = Receiver::new();
        let mut temporal = Vec::new();
        for n in 0..16 {
            let target = layers(mode.spatial - 1, if n < 8 { 0 } else { 2 });
            let got = receiver.picture(&mut encoder, n == 0, target);
            temporal.extend(got.last().map(|layers| layers.temporal));
        }
        assert_eq!(temporal, [0, 0, 0, 2, 1, 2, 0, 2, 1, 2], "{mode:?}");
    }
}

#[test]
fn picture_ids_keep_their_distances_and_go_on_through_a_switch_of_streams() {
    let mut receiver = Receiver::new();
    let mut first = Encoder::new(Mode { spatial: 1, temporal: 2, ksvc: false }, 77, 0);
    for n in 0..4 {
        receiver.picture(&mut first, n == 0, layers(0, 0));
    }
    // The pictures left out are holes: others name each other by distance.
    assert_eq!(receiver.pictures, [(0x7ffe, 250), (0, 251)]);
    receiver.rewriter.sync();
    let mut second = Encoder::new(Mode { spatial: 1, temporal: 1, ksvc: false }, 900, 0);
    receiver.picture(&mut second, true, layers(0, 0));
    assert_eq!(receiver.pictures[2], (1, 252));
}

#[test]
fn late_packets_share_the_fate_of_their_picture() {
    let mut encoder = Encoder::new(L3T3, 0x7fff, 0);
    let mut rewriter = Vp9Rewriter::new(0, 0);
    let read = |encoder: &Encoder, frame: &_| Vp9Descriptor::parse(&encoder.vp9(frame)).unwrap();
    let pictures: Vec<Vec<_>> = (0..4)
        .map(|n| {
            let frames = encoder.picture(n == 0);
            frames.iter().map(|frame| read(&encoder, frame)).collect()
        })
        .collect();
    assert!(rewriter.process(&pictures[0][0], layers(2, 0)).is_some());
    assert!(rewriter.process(&pictures[1][0], layers(2, 0)).is_none());
    assert!(rewriter.process(&pictures[2][0], layers(1, 2)).is_some());
    assert!(rewriter.process(&pictures[0][2], layers(1, 2)).is_some());
    assert!(rewriter.process(&pictures[1][1], layers(1, 2)).is_none());
    assert!(rewriter.process(&pictures[2][2], layers(1, 2)).is_none());
}

fn modes() -> impl Strategy<Value = Mode> {
    (1..=3u8, 1..=3u8, any::<bool>()).prop_map(|(spatial, temporal, ksvc)| Mode {
        spatial,
        temporal,
        ksvc,
    })
}

proptest! {
    /// See the dependency descriptor's test of the same name.
    #[test]
    fn what_is_forwarded_can_be_decoded(
        mode in modes(),
        picture in 0..0x8000u16,
        steps in prop::collection::vec((0..3u8, 0..3u8, prop::bool::weighted(0.1)), 1..200),
    ) {
        let mut encoder = Encoder::new(mode, picture, 0);
        let mut receiver = Receiver::new();
        for (index, (spatial, temporal, key)) in steps.into_iter().enumerate() {
            let target = layers(spatial.min(mode.spatial - 1), temporal);
            let key = key || index == 0;
            let got = receiver.picture(&mut encoder, key, target);
            if key {
                let top = got.last().map(|layers| layers.spatial);
                prop_assert_eq!(top, Some(target.spatial));
                prop_assert!(!receiver.rewriter.needs_key(target));
            }
        }
        let ordered = receiver.pictures.windows(2).all(|pair| {
            (pair[1].0.wrapping_sub(pair[0].0) & 0x7fff) < 0x4000
        });
        prop_assert!(ordered);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..12), number: u16, extra: u8) {
        let mut rewriter = Vp9Rewriter::new(number & 0x7fff, extra);
        let Some(read) = Vp9Descriptor::parse(&bytes) else { return Ok(()) };
        rewriter.process(&read, layers(extra & 7, extra >> 5));
        let mut out = bytes.clone();
        rewrite_at(&mut out, &read, Edit { number, extra, marker: false });
        let after = Vp9Descriptor::parse(&out).unwrap();
        prop_assert_eq!(after.layers, read.layers);
        prop_assert_eq!(out.len(), bytes.len());
    }
}
