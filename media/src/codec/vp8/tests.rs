use proptest::prelude::*;

use super::*;
use crate::codec::model::{Encoder, Mode};

/// A packet of picture `id` in temporal layer `layer`: 15-bit id, TL0PICIDX, TID, KEYIDX, data.
fn payload(id: u16, tl0: u8, layer: u8, sync: bool, key_frame: bool) -> Vec<u8> {
    let [high, low] = (id | 0x8000).to_be_bytes();
    let tid = layer << 6 | u8::from(sync) << 5 | 3;
    vec![0x90, 0xf0, high, low, tl0, tid, u8::from(!key_frame), 0xaa]
}

fn descriptor(id: u16, tl0: u8, layer: u8, sync: bool, key_frame: bool) -> Vp8Descriptor {
    Vp8Descriptor::parse(&payload(id, tl0, layer, sync, key_frame)).unwrap()
}

/// Output picture id and TL0PICIDX.
fn numbers(rewriter: &mut Vp8Rewriter, packet: &[u8], target: u8) -> Option<(u16, u8)> {
    let descriptor = Vp8Descriptor::parse(packet)?;
    let deltas = rewriter.process(&descriptor, target)?;
    let mut out = packet.to_vec();
    Vp8Rewriter::rewrite_at(&mut out, &descriptor, deltas);
    let after = Vp8Descriptor::parse(&out)?;
    assert_eq!(after.len, descriptor.len);
    assert_eq!(out[6..], packet[6..]);
    Some((after.picture_id?, after.tl0_picture_index?))
}

#[test]
fn every_field_is_read() {
    let read = descriptor(0x1234, 77, 2, true, true);
    assert_eq!((read.picture_id, read.wide_picture_id), (Some(0x1234), true));
    assert_eq!((read.tl0_picture_index, read.temporal_layer), (Some(77), Some(2)));
    assert_eq!((read.key_index, read.layer_sync, read.key_frame), (Some(3), true, true));
    assert_eq!((read.start_of_partition, read.partition, read.len), (true, 0, 6));
}

#[test]
fn key_frame_is_told_by_its_first_packet_only() {
    assert!(Vp8Descriptor::parse(&[0x10, 0x00]).unwrap().key_frame);
    assert!(!Vp8Descriptor::parse(&[0x10, 0x01]).unwrap().key_frame);
    assert!(!Vp8Descriptor::parse(&[0x00, 0x00]).unwrap().key_frame);
    assert!(!Vp8Descriptor::parse(&[0x11, 0x00]).unwrap().key_frame);
    assert!(!Vp8Descriptor::parse(&[0x10]).unwrap().key_frame);
}

#[test]
fn flags_without_fields_are_unreadable() {
    assert_eq!(Vp8Descriptor::parse(&[]), None);
    assert_eq!(Vp8Descriptor::parse(&[0x90]), None);
    for cut in 2..6 {
        assert_eq!(Vp8Descriptor::parse(&payload(1, 1, 0, false, true)[..cut]), None, "{cut}");
    }
}

#[test]
fn key_index_alone_has_no_temporal_layer() {
    let read = Vp8Descriptor::parse(&[0x90, 0x10, 0xe4, 0]).unwrap();
    assert_eq!((read.temporal_layer, read.layer_sync, read.key_index), (None, false, Some(4)));
}

#[test]
fn narrow_picture_id_is_widened_once() {
    let mut packet = vec![1, 2, 0x90, 0xe0, 0x45, 9, 0x40, 0x00];
    let read = widen_picture_id(&mut packet, 2).unwrap();
    assert_eq!(packet, [1, 2, 0x90, 0xe0, 0x80, 0x45, 9, 0x40, 0x00]);
    assert_eq!((read.picture_id, read.wide_picture_id), (Some(0x45), true));
    assert_eq!((read.tl0_picture_index, read.temporal_layer), (Some(9), Some(1)));
    assert_eq!(widen_picture_id(&mut packet, 2), None);
    assert_eq!(widen_picture_id(&mut vec![0x10, 0], 0), None);
    assert_eq!(widen_picture_id(&mut vec![0x10, 0], 3), None);
}

#[test]
fn numbers_begin_where_told_and_stay_with_the_picture() {
    let mut rewriter = Vp8Rewriter::new(100, 200);
    assert_eq!(numbers(&mut rewriter, &payload(7, 3, 0, false, true), 3), Some((100, 200)));
    assert_eq!(numbers(&mut rewriter, &payload(7, 3, 0, false, false), 3), Some((100, 200)));
    assert_eq!(numbers(&mut rewriter, &payload(8, 4, 0, false, false), 3), Some((101, 201)));
}

#[test]
fn dropped_layers_leave_no_hole() {
    let mut rewriter = Vp8Rewriter::new(0, 0);
    assert_eq!(numbers(&mut rewriter, &payload(10, 5, 0, false, true), 0), Some((0, 0)));
    assert_eq!(numbers(&mut rewriter, &payload(11, 5, 2, true, false), 0), None);
    assert_eq!(numbers(&mut rewriter, &payload(11, 5, 2, true, false), 0), None);
    assert_eq!(numbers(&mut rewriter, &payload(12, 5, 1, true, false), 0), None);
    assert_eq!(numbers(&mut rewriter, &payload(13, 6, 0, false, false), 0), Some((1, 1)));
    assert_eq!(rewriter.temporal_layer(), 0);
}

#[test]
fn going_up_waits_for_the_sync_bit() {
    let mut rewriter = Vp8Rewriter::new(0, 0);
    numbers(&mut rewriter, &payload(0, 0, 0, false, true), 0);
    assert_eq!(numbers(&mut rewriter, &payload(1, 0, 1, true, false), 0), None);
    assert_eq!(numbers(&mut rewriter, &payload(2, 1, 0, false, false), 1), Some((1, 1)));
    assert_eq!(numbers(&mut rewriter, &payload(3, 1, 1, false, false), 1), None);
    assert_eq!(numbers(&mut rewriter, &payload(4, 2, 0, false, false), 1), Some((2, 2)));
    assert_eq!(numbers(&mut rewriter, &payload(5, 2, 1, true, false), 1), Some((3, 2)));
    assert_eq!(numbers(&mut rewriter, &payload(6, 3, 0, false, false), 1), Some((4, 3)));
    assert_eq!(numbers(&mut rewriter, &payload(7, 3, 1, false, false), 1), Some((5, 3)));
    assert_eq!(rewriter.temporal_layer(), 1);
}

#[test]
fn upper_layer_waits_while_the_one_below_is_broken() {
    let mut rewriter = Vp8Rewriter::new(0, 0);
    numbers(&mut rewriter, &payload(0, 0, 0, false, true), 0);
    assert_eq!(numbers(&mut rewriter, &payload(1, 0, 1, true, false), 0), None);
    // Depends on layer 0 alone: fine. The next one may depend on layer 1, which was left out.
    assert!(numbers(&mut rewriter, &payload(2, 0, 2, true, false), 2).is_some());
    assert_eq!(numbers(&mut rewriter, &payload(3, 0, 2, false, false), 2), None);
    assert!(numbers(&mut rewriter, &payload(4, 1, 1, true, false), 2).is_some());
    assert!(numbers(&mut rewriter, &payload(5, 1, 2, true, false), 2).is_some());
    assert!(numbers(&mut rewriter, &payload(6, 1, 2, false, false), 2).is_some());
}

#[test]
fn key_frame_mends_all_layers() {
    let mut rewriter = Vp8Rewriter::new(0, 0);
    numbers(&mut rewriter, &payload(0, 0, 0, false, true), 0);
    assert_eq!(numbers(&mut rewriter, &payload(1, 0, 1, true, false), 0), None);
    assert!(numbers(&mut rewriter, &payload(2, 1, 0, false, true), 1).is_some());
    assert!(numbers(&mut rewriter, &payload(3, 1, 1, false, false), 1).is_some());
}

#[test]
fn picture_begun_is_finished_after_going_down() {
    let mut rewriter = Vp8Rewriter::new(0, 0);
    numbers(&mut rewriter, &payload(0, 0, 0, false, true), 1);
    assert_eq!(numbers(&mut rewriter, &payload(1, 0, 1, true, false), 1), Some((1, 0)));
    assert_eq!(numbers(&mut rewriter, &payload(1, 0, 1, true, false), 0), Some((1, 0)));
    assert_eq!(numbers(&mut rewriter, &payload(2, 1, 1, true, false), 0), None);
}

#[test]
fn switch_goes_on_after_the_last_picture() {
    let mut rewriter = Vp8Rewriter::new(0x7ffe, 255);
    assert_eq!(numbers(&mut rewriter, &payload(5, 5, 0, false, true), 2), Some((0x7ffe, 255)));
    assert_eq!(numbers(&mut rewriter, &payload(6, 6, 0, false, false), 2), Some((0x7fff, 0)));
    rewriter.sync();
    assert_eq!(numbers(&mut rewriter, &payload(3000, 90, 0, false, true), 2), Some((0, 1)));
    assert_eq!(numbers(&mut rewriter, &payload(2999, 89, 0, false, false), 2), None);
    assert_eq!(numbers(&mut rewriter, &payload(3001, 90, 2, true, false), 2), Some((1, 1)));
    assert_eq!(numbers(&mut rewriter, &payload(3002, 91, 0, false, false), 2), Some((2, 2)));
}

#[test]
fn late_picture_keeps_its_place() {
    let mut rewriter = Vp8Rewriter::new(0, 0);
    numbers(&mut rewriter, &payload(0, 0, 0, false, true), 2);
    assert_eq!(numbers(&mut rewriter, &payload(2, 2, 0, false, false), 2), Some((2, 2)));
    assert_eq!(numbers(&mut rewriter, &payload(1, 1, 0, false, false), 2), Some((1, 1)));
    rewriter.sync();
    // The newest TL0PICIDX given out was 2, not the late 1.
    assert_eq!(numbers(&mut rewriter, &payload(9, 9, 0, false, true), 2), Some((3, 3)));
}

#[test]
fn stream_without_numbers_passes() {
    let mut rewriter = Vp8Rewriter::new(0, 0);
    let descriptor = Vp8Descriptor::parse(&[0x10, 0x00]).unwrap();
    assert_eq!(rewriter.process(&descriptor, 0), Some(Edit::default()));
    let mut payload = [0x10, 0x00];
    Vp8Rewriter::rewrite_at(&mut payload, &descriptor, Edit::default());
    assert_eq!(payload, [0x10, 0x00]);
}

#[test]
fn narrow_picture_id_is_left_alone() {
    let packet = [0x90, 0xe0, 0x45, 9, 0x00, 0x00];
    let read = Vp8Descriptor::parse(&packet).unwrap();
    let mut out = packet;
    let deltas = Edit { number: 5, extra: 1, marker: false };
    Vp8Rewriter::rewrite_at(&mut out, &read, deltas);
    assert_eq!(out, [0x90, 0xe0, 0x45, 10, 0x00, 0x00]);
}

proptest! {
    #[test]
    fn whatever_comes_is_read_and_rewritten_within_its_descriptor(
        payload in prop::collection::vec(any::<u8>(), 0..12), picture_id: u16, tl0: u8,
    ) {
        let Some(read) = Vp8Descriptor::parse(&payload) else { return Ok(()) };
        let len = usize::from(read.len);
        prop_assert!(len <= payload.len());
        let mut out = payload.clone();
        Vp8Rewriter::rewrite_at(&mut out, &read, Edit { number: picture_id, extra: tl0, marker: false });
        prop_assert_eq!(&out[len..], &payload[len..]);
        let after = Vp8Descriptor::parse(&out).unwrap();
        prop_assert_eq!((after.len, after.key_frame), (read.len, read.key_frame));
        prop_assert_eq!(after.temporal_layer, read.temporal_layer);
    }

    /// Pictures cycle through layers 0 2 1 2; the receiver's wish and the source change at will.
    #[test]
    fn picture_ids_given_out_have_no_holes(
        mut id in 0u16..0x8000,
        mut tl0: u8,
        steps in prop::collection::vec((0u8..3, 0u8..40), 1..200),
    ) {
        let mut rewriter = Vp8Rewriter::new(1, 1);
        let (mut next_id, mut last_tl0) = (1u16, 0u8);
        let mut key_frame = true;
        for (at, (target, dice)) in steps.iter().enumerate() {
            if *dice == 0 {
                rewriter.sync();
                (id, tl0, key_frame) = (id.wrapping_mul(31) & 0x7fff, tl0.wrapping_mul(7), true);
            }
            let layer = if key_frame { 0 } else { [0, 2, 1, 2][at % 4] };
            if layer == 0 {
                tl0 = tl0.wrapping_add(1);
            }
            let packet = payload(id, tl0, layer, dice % 2 == 0, key_frame);
            let out = numbers(&mut rewriter, &packet, *target);
            if let Some((out_id, out_tl0)) = out {
                prop_assert!(layer <= *target);
                prop_assert_eq!(out_id, next_id & 0x7fff);
                let step = out_tl0.wrapping_sub(last_tl0);
                prop_assert_eq!(step, u8::from(layer == 0));
                (next_id, last_tl0) = (next_id.wrapping_add(1), out_tl0);
            } else {
                prop_assert!(layer > 0);
            }
            id = (id + 1) & 0x7fff;
            key_frame = false;
        }
    }

    /// Pictures that overtake each other, through wraps of both numbers: each keeps its place among
    /// those that are forwarded, and TL0PICIDX moves with the source's.
    #[test]
    fn pictures_out_of_order_keep_their_places(
        first in 0u16..0x8000,
        wish in 0u8..3,
        late in prop::collection::vec(0usize..4, 8..160),
    ) {
        let mode = Mode { spatial: 1, temporal: 3, ksvc: false };
        let mut encoder = Encoder::new(mode, first, 0);
        let frames: Vec<_> = late.iter().map(|_| encoder.picture(false).remove(0)).collect();
        // When each comes, counted in pictures; the key frame is first.
        let mut order: Vec<usize> = (0..frames.len()).collect();
        order.sort_by_key(|at| if *at == 0 { 0 } else { 1 + at + late[*at] });
        let mut rewriter = Vp8Rewriter::new(0x7ff0, 250);
        let mut given = Vec::new();
        for at in order {
            let frame = &frames[at];
            let layer = frame.layers.temporal;
            let packet = payload(frame.picture, frame.tl0, layer, frame.sync, frame.key);
            if let Some((id, tl0)) = numbers(&mut rewriter, &packet, wish) {
                given.push((at, id, tl0.wrapping_sub(frame.tl0)));
            }
        }
        given.sort_unstable();
        for pair in given.windows(2) {
            let ((a, id_a, tl0_a), (b, id_b, tl0_b)) = (pair[0], pair[1]);
            let step = usize::from(id_b.wrapping_sub(id_a) & 0x7fff);
            prop_assert!((1..=b - a).contains(&step), "{a} is {id_a}, {b} is {id_b}");
            prop_assert_eq!(tl0_a, tl0_b);
        }
    }
}
