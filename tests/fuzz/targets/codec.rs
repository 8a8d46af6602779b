//! What payloads say about themselves, and VP8's numbers as they are rewritten.

use starling_media::codec::{Codec, Vp8Descriptor, Vp8Rewriter, describe, vp8};

use super::{DATAGRAM, Kind, Target, behaviour};
use crate::packets;

pub(super) const VP8: Kind = Kind {
    name: "vp8",
    about: "Vp8Descriptor::parse, Vp8Rewriter, widen_picture_id",
    cost: 1,
    max_len: DATAGRAM,
    words: &[&[0x90, 0xe0, 0x80], &[0x90, 0xf0], &[0x80, 0xff, 0xff, 0xff]],
    seeds: || {
        vec![
            packets::vp8(true, 1, 1, 0),
            packets::vp8(false, 0x7fff, 255, 2),
            vec![0x10, 0x00, 1, 2],
            vec![0x90, 0x80, 0x55, 0x01],
            vec![0x90, 0xf0, 0x80, 1, 7, 0x9f, 0x00, 1],
        ]
    },
    make: || Box::new(Vp8 { rewriter: Vp8Rewriter::new(0x7ff0, 250) }),
};

pub(super) const H264_OPUS: Kind = Kind {
    name: "h264_opus",
    about: "codec::describe of H264, Opus and unknown codecs",
    cost: 1,
    max_len: DATAGRAM,
    words: &[&[0x67], &[0x78], &[0x7c, 0x87], &[0x5c], &[0, 24]],
    seeds: || {
        vec![
            vec![0x67, 0x42, 0xe0, 0x1f],
            vec![0x65, 0x88, 0x84],
            vec![0x78, 0, 3, 0x67, 1, 2, 0, 2, 0x68, 1],
            vec![0x7c, 0x87, 1, 2],
            vec![0x7c, 0x45, 1, 2],
            vec![0xf8, 0xff, 0xfe],
            vec![0xf8],
        ]
    },
    make: || Box::new(Others),
};

struct Vp8 {
    rewriter: Vp8Rewriter,
}

impl Target for Vp8 {
    fn run(&mut self, input: &[u8]) -> u64 {
        let facts = describe(Codec::Vp8, input);
        let Some(descriptor) = Vp8Descriptor::parse(input) else {
            return behaviour(facts.key_frame);
        };
        assert!(usize::from(descriptor.len) <= input.len(), "a descriptor beyond its payload");
        let target = input.last().copied().unwrap_or_default() % 4;
        if input.len().is_multiple_of(17) {
            self.rewriter.sync();
        }
        let deltas = self.rewriter.process(&descriptor, target);
        if let Some(deltas) = deltas {
            let mut payload = input.to_vec();
            Vp8Rewriter::rewrite_at(&mut payload, &descriptor, deltas);
            let after = Vp8Descriptor::parse(&payload).expect("rewriting keeps a descriptor one");
            assert_eq!((after.len, after.key_frame), (descriptor.len, descriptor.key_frame));
            let at = usize::from(descriptor.len);
            assert_eq!(payload[at..], input[at..], "rewriting keeps to the descriptor");
        }
        let mut packet = vec![0x80; 12];
        packet.extend_from_slice(input);
        let wide = vp8::widen_picture_id(&mut packet, 12);
        if let Some(wide) = wide {
            assert_eq!(wide.picture_id, descriptor.picture_id);
            assert_eq!(packet.len(), input.len() + 13);
        }
        behaviour((
            (descriptor.key_frame, descriptor.layer_sync, descriptor.len),
            (
                descriptor.temporal_layer,
                descriptor.picture_id.is_some(),
                descriptor.wide_picture_id,
            ),
            (deltas.is_some(), wide.is_some(), self.rewriter.temporal_layer()),
        ))
    }
}

struct Others;

impl Target for Others {
    fn run(&mut self, input: &[u8]) -> u64 {
        let h264 = describe(Codec::H264, input);
        let opus = describe(Codec::Opus, input);
        let other = describe(Codec::OtherVideo, input);
        assert!(!other.key_frame, "nothing is known of other codecs");
        let kind = input.first().map(|byte| byte & 0x1f);
        behaviour((h264.key_frame, opus.dtx, kind))
    }
}
