use proptest::prelude::*;

use super::*;
use crate::codec::{
    Edit, Layers,
    model::{Encoder, Mode},
    tests::Decoder,
};

const L3T3: Mode = Mode { spatial: 3, temporal: 3, ksvc: false };
const L3T3_KEY: Mode = Mode { spatial: 3, temporal: 3, ksvc: true };

fn layers(spatial: u8, temporal: u8) -> Layers {
    Layers { spatial, temporal }
}

/// One receiver of an encoder: what it wants, and what it got.
struct Receiver {
    dependencies: Dependencies,
    rewriter: DependencyRewriter,
    decoder: Decoder,
    timestamp: u32,
    numbers: Vec<u16>,
    /// What it was told in descriptors.
    told: Dependencies,
    extras: Vec<u8>,
}

impl Receiver {
    fn new() -> Self {
        Self {
            dependencies: Dependencies::default(),
            rewriter: DependencyRewriter::new(7),
            decoder: Decoder::default(),
            timestamp: 0,
            numbers: Vec::new(),
            told: Dependencies::default(),
            extras: Vec::new(),
        }
    }

    /// The layers of a picture that it got, all of which it must be able to decode, and the last of
    /// which must end the picture. After the lowest temporal layer it knows what flows.
    fn picture(&mut self, encoder: &mut Encoder, key: bool, target: Layers) -> Vec<Layers> {
        self.timestamp += 3_000;
        let mut got = Vec::new();
        let mut ended = Vec::new();
        for frame in encoder.picture(key) {
            let descriptor = encoder.descriptor(&frame);
            let facts = self.dependencies.read(&descriptor).unwrap();
            assert_eq!((facts.number, facts.layers), (frame.number, frame.layers));
            let Some(edit) = self.rewriter.process(&facts, self.timestamp, target) else {
                continue;
            };
            assert!(self.decoder.take(&frame), "{frame:?} lacks what it depends on");
            self.numbers.push(frame.number.wrapping_add(edit.number));
            self.extras.push(edit.extra);
            let mut out = Vec::new();
            let known = self.dependencies.structure_of(&facts);
            write(&mut out, &descriptor, edit, &facts, known);
            let told = self.told.read(&out).unwrap();
            if frame.layers.temporal == 0 {
                let all = Grid::best(told.cells, Layers::ALL).map(Grid::layers);
                assert_eq!(all, Some(self.rewriter.layers()), "told at {frame:?}");
            }
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
fn a_key_frames_descriptor_brings_the_structure_of_those_after_it() {
    let mut encoder = Encoder::new(L3T3, 0, 100);
    let mut dependencies = Dependencies::default();
    let key = encoder.picture(true);
    let delta = encoder.picture(false);
    assert_eq!(dependencies.read(&encoder.descriptor(&delta[0])), None);
    let facts = dependencies.read(&encoder.descriptor(&key[0])).unwrap();
    assert!(facts.is_key_frame());
    assert_eq!((facts.cells, facts.switch), (0x777, 0x777));
    let facts = dependencies.read(&encoder.descriptor(&key[2])).unwrap();
    assert!(!facts.is_key_frame());
    assert_eq!((facts.present, facts.references.near), (0x700, 1));
    let facts = dependencies.read(&encoder.descriptor(&delta[1])).unwrap();
    assert_eq!((facts.layers, facts.present, facts.counts), (layers(1, 2), 0x440, 0x400));
}

#[test]
fn whatever_is_cut_off_a_descriptor_changes_nothing() {
    let mut encoder = Encoder::new(L3T3_KEY, 0, 100);
    let key = encoder.picture(true);
    let whole = encoder.descriptor(&key[0]);
    let mut dependencies = Dependencies::default();
    for len in 0..whole.len() {
        assert_eq!(dependencies.read(&whole[..len]), None, "{len}");
        assert!(dependencies.structure.is_none());
    }
    assert!(dependencies.read(&whole).is_some());
}

#[test]
fn full_svc_goes_down_at_once_and_up_at_a_key_frame() {
    let mut encoder = Encoder::new(L3T3, 0, 65_530);
    let mut receiver = Receiver::new();
    let all = receiver.picture(&mut encoder, true, Layers::ALL);
    assert_eq!(all.len(), 3);
    assert!(!receiver.rewriter.needs_key(layers(0, 3)));
    assert_eq!(receiver.picture(&mut encoder, false, layers(0, 3)), [layers(0, 2)]);
    assert!(receiver.rewriter.needs_key(layers(2, 3)));
    assert_eq!(receiver.picture(&mut encoder, false, layers(2, 3)).len(), 1);
    assert_eq!(receiver.picture(&mut encoder, true, layers(2, 3)).len(), 3);
    assert_eq!(receiver.rewriter.layers(), layers(2, 2));
}

#[test]
fn k_svc_carries_one_layer_and_changes_it_at_key_frames_only() {
    let mut encoder = Encoder::new(L3T3_KEY, 0, 0);
    let mut receiver = Receiver::new();
    assert_eq!(receiver.picture(&mut encoder, true, Layers::ALL).len(), 3);
    // Nothing depends on what was left out so far.
    assert_eq!(receiver.picture(&mut encoder, false, Layers::ALL), [layers(2, 2)]);
    assert!(!receiver.rewriter.needs_key(layers(1, 3)));
    assert_eq!(receiver.picture(&mut encoder, false, Layers::ALL), [layers(2, 1)]);
    assert_eq!(receiver.picture(&mut encoder, false, Layers::ALL), [layers(2, 2)]);
    assert_eq!(receiver.picture(&mut encoder, false, Layers::ALL), [layers(2, 0)]);
    assert!(receiver.rewriter.needs_key(layers(1, 3)));
    assert_eq!(receiver.picture(&mut encoder, false, layers(1, 3)), [layers(2, 2)]);
    let key = receiver.picture(&mut encoder, true, layers(1, 3));
    assert_eq!(key, [layers(0, 0), layers(1, 0)]);
    assert_eq!(receiver.picture(&mut encoder, false, layers(1, 3)), [layers(1, 2)]);
}

#[test]
fn temporal_layers_need_no_key_frame_either_way() {
    for mode in [L3T3, L3T3_KEY, Mode { spatial: 1, temporal: 3, ksvc: false }] {
        let mut encoder = Encoder::new(mode, 0, 0);
        let mut receiver = Receiver::new();
        let mut temporal = Vec::new();
        for n in 0..16 {
            let target = if n < 8 { layers(3, 0) } else { layers(3, 3) };
            let got = receiver.picture(&mut encoder, n == 0, target);
            temporal.extend(got.last().map(|layers| layers.temporal));
        }
        assert_eq!(temporal, [0, 0, 0, 2, 1, 2, 0, 2, 1, 2], "{mode:?}");
    }
}

#[test]
fn frame_numbers_keep_their_distances_and_go_on_through_a_switch_of_streams() {
    let mut receiver = Receiver::new();
    let mut first = Encoder::new(L3T3, 0, 65_530);
    for n in 0..5 {
        receiver.picture(&mut first, n == 0, Layers::ALL);
    }
    let expected: Vec<u16> = (7..22).collect();
    assert_eq!(receiver.numbers, expected);
    receiver.rewriter.sync();
    let mut second = Encoder::new(L3T3, 0, 1_000);
    receiver.picture(&mut second, true, Layers::ALL);
    assert_eq!(receiver.numbers[15..], [22, 23, 24]);
}

#[test]
fn packets_of_a_frame_share_its_fate_and_late_frames_are_judged_by_what_flows() {
    let mut encoder = Encoder::new(L3T3, 0, 0);
    let mut dependencies = Dependencies::default();
    let mut rewriter = DependencyRewriter::new(0);
    let mut facts =
        |encoder: &Encoder, frame: &_| dependencies.read(&encoder.descriptor(frame)).unwrap();
    let key = encoder.picture(true);
    let key: Vec<_> = key.iter().map(|frame| facts(&encoder, frame)).collect();
    let delta = encoder.picture(false);
    let delta: Vec<_> = delta.iter().map(|frame| facts(&encoder, frame)).collect();
    assert!(rewriter.process(&key[0], 0, layers(1, 3)).is_some());
    assert!(rewriter.process(&key[2], 0, layers(1, 3)).is_none());
    assert!(rewriter.process(&delta[0], 1, layers(1, 3)).is_some());
    assert!(rewriter.process(&key[1], 0, layers(2, 3)).is_some());
    assert!(rewriter.process(&key[2], 0, layers(2, 3)).is_none());
    assert!(rewriter.process(&key[0], 0, layers(2, 3)).is_some());
    let ancient = FrameFacts { number: key[0].number.wrapping_sub(100), ..key[0] };
    assert!(rewriter.process(&ancient, 0, layers(2, 3)).is_none());
}

#[test]
fn a_layer_that_is_not_sent_is_no_target() {
    let mut encoder = Encoder::new(L3T3, 0, 0);
    let mut dependencies = Dependencies::default();
    let key = encoder.picture(true);
    let mut whole = Vec::new();
    let cell = Grid::cell(1, 2) + 1;
    let edit = Edit { number: 5, extra: cell, marker: false };
    write(&mut whole, &encoder.descriptor(&key[0]), edit, &FrameFacts::default(), None);
    let facts = dependencies.read(&whole).unwrap();
    assert_eq!((facts.number, facts.cells), (5, 0x077));
    assert!(facts.is_key_frame());
    let mut rewriter = DependencyRewriter::new(0);
    rewriter.process(&facts, 0, Layers::ALL).unwrap();
    assert_eq!(rewriter.layers(), layers(1, 2));
    // Those after it do not say so again.
    let delta = encoder.picture(false);
    assert_eq!(dependencies.read(&encoder.descriptor(&delta[0])).unwrap().cells, 0x077);
}

#[test]
fn a_k_svc_receiver_is_told_of_the_one_layer_it_gets() {
    let mut encoder = Encoder::new(L3T3_KEY, 0, 0);
    let mut dependencies = Dependencies::default();
    let key = encoder.picture(true);
    let mut out = Vec::new();
    let cell = Grid::cell(1, 2) + 1;
    let edit = Edit { number: 0, extra: cell, marker: false };
    write(&mut out, &encoder.descriptor(&key[0]), edit, &FrameFacts::default(), None);
    assert_eq!(dependencies.read(&out).unwrap().cells, 0x070);
}

#[test]
fn another_cut_is_told_until_a_frame_of_the_lowest_temporal_layer_has_said_it() {
    let mut encoder = Encoder::new(L3T3, 0, 0);
    let mut receiver = Receiver::new();
    receiver.picture(&mut encoder, true, Layers::ALL);
    assert_eq!(receiver.extras, [0, 0, 0]);
    receiver.extras.clear();
    for _ in 0..5 {
        receiver.picture(&mut encoder, false, layers(0, 3));
    }
    // 1 + the third cell: with each frame up to the one of layer 0, and then only where the sender
    // names them.
    assert_eq!(receiver.extras, [TELL | 3, TELL | 3, TELL | 3, TELL | 3, 3]);
    receiver.extras.clear();
    for _ in 0..4 {
        receiver.picture(&mut encoder, false, layers(0, 0));
    }
    receiver.picture(&mut encoder, false, layers(0, 3));
    // Back before such a frame has said it.
    for _ in 0..2 {
        receiver.picture(&mut encoder, false, layers(0, 0));
    }
    assert_eq!(receiver.extras, [TELL | 1, TELL | 3, TELL | 1]);
}

/// Two spatial layers: templates 60 to 63, of which 61 and 63 are for frames after the key frame.
#[test]
fn decode_targets_are_named_in_the_fewest_bits() {
    let mut encoder = Encoder::new(Mode { spatial: 2, temporal: 1, ksvc: false }, 0, 0);
    let mut dependencies = Dependencies::default();
    let key = encoder.picture(true);
    dependencies.read(&encoder.descriptor(&key[0])).unwrap();
    let (low, high) = (1, Grid::cell(1, 0) + 1);
    for (descriptor, extra, expected) in [
        (&[0xfd, 1, 2][..], low, &[0xfd, 1, 7][..]),
        (&[0xfd, 1, 2], TELL | low, &[0xfd, 1, 7, 0b0100_0010]),
        (&[0xfd, 1, 2], TELL | high, &[0xfd, 1, 7, 0b0100_0110]),
        // One that names them already.
        (&[0xfd, 1, 2, 0b0100_0110], low, &[0xfd, 1, 7, 0b0100_0010]),
        (&[0xfd, 1, 2, 0b0100_0110], 0, &[0xfd, 1, 7, 0b0100_0110]),
        // One with a reference of its own.
        (&[0xfd, 1, 2, 0b0001_0010, 0], TELL | low, &[0xfd, 1, 7, 0b0101_0010, 0x80, 0]),
        (&[0xfd, 1, 2, 0b0001_0010, 0], low, &[0xfd, 1, 7, 0b0001_0010, 0]),
    ] {
        let facts = dependencies.clone().read(descriptor).unwrap();
        let edit = Edit { number: 5, extra, marker: false };
        let mut out = Vec::new();
        write(&mut out, descriptor, edit, &facts, dependencies.structure_of(&facts));
        assert_eq!(out, expected, "{descriptor:02x?} {extra:#x}");
    }
}

#[test]
fn a_layer_that_the_sender_switched_off_is_not_named_again() {
    let mut encoder = Encoder::new(L3T3, 0, 0);
    let mut dependencies = Dependencies::default();
    let key = encoder.picture(true);
    dependencies.read(&encoder.descriptor(&key[0])).unwrap();
    // A frame after the key frame, template 61; of nine decode targets the lower six are sent.
    let off = [0xfd, 0, 3, 0b0100_0000, 0b1111_1100];
    assert_eq!(dependencies.read(&off).unwrap().cells, 0x077);
    let facts = dependencies.read(&[0xfd, 0, 4]).unwrap();
    let edit = Edit { number: 0, extra: TELL | (Grid::cell(2, 2) + 1), marker: false };
    let mut out = Vec::new();
    write(&mut out, &[0xfd, 0, 4], edit, &facts, dependencies.structure_of(&facts));
    assert_eq!(out, [0xfd, 0, 4, 0b0100_0000, 0b1111_1100]);
}

#[test]
fn what_was_read_by_an_older_structure_is_left_as_it_is() {
    let mut encoder = Encoder::new(L3T3, 0, 0);
    let mut dependencies = Dependencies::default();
    let key = encoder.picture(true);
    dependencies.read(&encoder.descriptor(&key[0])).unwrap();
    let facts = dependencies.read(&[0xfd, 0, 4]).unwrap();
    assert!(dependencies.structure_of(&facts).is_some());
    let key = encoder.picture(true);
    dependencies.read(&encoder.descriptor(&key[0])).unwrap();
    assert!(dependencies.structure_of(&facts).is_none());
}

#[test]
fn other_descriptors_get_their_number_only() {
    for descriptor in [&[0xc0, 0xff, 0xff][..], &[0xc1, 0, 1, 0x80], &[1, 2], &[]] {
        let mut out = vec![9];
        let edit = Edit { number: 2, extra: 3 | TELL, marker: true };
        write(&mut out, descriptor, edit, &FrameFacts::default(), None);
        assert_eq!(out.len(), 1 + descriptor.len());
        if descriptor.len() >= 3 {
            let number = u16::from_be_bytes([descriptor[1], descriptor[2]]).wrapping_add(2);
            assert_eq!(out[2..4], number.to_be_bytes());
        }
    }
}

fn modes() -> impl Strategy<Value = Mode> {
    (1..=3u8, 1..=3u8, any::<bool>()).prop_map(|(spatial, temporal, ksvc)| Mode {
        spatial,
        temporal,
        ksvc,
    })
}

proptest! {
    /// Whatever is wished when, and whenever key frames come: all that is forwarded can be decoded,
    /// pictures end where they should, and a key frame fulfils the wish.
    #[test]
    fn what_is_forwarded_can_be_decoded(
        mode in modes(),
        number: u16,
        steps in prop::collection::vec((0..4u8, 0..4u8, prop::bool::weighted(0.1)), 1..200),
    ) {
        let mut encoder = Encoder::new(mode, 0, number);
        let mut receiver = Receiver::new();
        for (index, (spatial, temporal, key)) in steps.into_iter().enumerate() {
            let target = layers(spatial, temporal);
            let key = key || index == 0;
            let got = receiver.picture(&mut encoder, key, target);
            prop_assert!(receiver.rewriter.layers().temporal <= temporal || !key);
            if key {
                let wanted = spatial.min(mode.spatial - 1);
                prop_assert_eq!(got.last().map(|layers| layers.spatial), Some(wanted));
                prop_assert!(!receiver.rewriter.needs_key(target));
            }
        }
        let ordered = receiver.numbers.windows(2).all(|pair| {
            pair[1].wrapping_sub(pair[0]).cast_signed() > 0
        });
        prop_assert!(ordered);
    }

    #[test]
    fn no_bytes_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..64), number: u16, extra: u8,
    ) {
        let mut dependencies = Dependencies::default();
        let mut rewriter = DependencyRewriter::new(number);
        for _ in 0..2 {
            if let Some(facts) = dependencies.read(&bytes) {
                rewriter.process(&facts, 0, layers(extra & 3, extra >> 2));
            }
        }
        let mut out = Vec::new();
        let edit = Edit { number, extra, marker: false };
        write(&mut out, &bytes, edit, &FrameFacts::default(), dependencies.structure.as_ref());
        prop_assert!(out.len() <= bytes.len().max(MAX_LEN));
    }
}
