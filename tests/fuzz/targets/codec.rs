//! What packets say about themselves, and their numbers as they are rewritten.

use starling_media::codec::{
    Codec, Edit, Layers, Vp8Descriptor, Vp8Rewriter, Vp9Descriptor, Vp9Rewriter,
    dependency::{self, Dependencies, DependencyRewriter},
    describe, red, vp8, vp9,
};

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

pub(super) const VP9: Kind = Kind {
    name: "vp9",
    about: "Vp9Descriptor::parse, Vp9Rewriter, rewrite_at",
    cost: 1,
    max_len: DATAGRAM,
    words: &[&[0xac, 0x80], &[0xac, 0xff, 0xff], &[0x8f, 0x80], &[0xec]],
    seeds: || {
        vec![
            vec![0xac, 0x80, 0x01, 0x00, 0x07, 0x82, 0x49],
            vec![0xed, 0xff, 0xff, 0x55, 0xff, 0x86],
            vec![0x8e, 0x81, 0x02, 0x18, 1, 2, 3],
            vec![0xb8, 0x12, 0x24, 0x03, 0x06, 0x86],
            vec![0x0c, 0x82],
        ]
    },
    make: || Box::new(Vp9 { rewriter: Vp9Rewriter::new(0x7ff0, 250) }),
};

pub(super) const DEPENDENCY: Kind = Kind {
    name: "dependency",
    about: "Dependencies::read, DependencyRewriter, write",
    cost: 2,
    max_len: dependency::MAX_LEN,
    words: &[&[0xc0, 0, 1], &[0x80], &[0xff, 0xff]],
    seeds: || super::layers::descriptors(),
    make: || {
        let rewriter = DependencyRewriter::new(0xfff0);
        Box::new(Dependency { dependencies: Dependencies::default(), rewriter })
    },
};

pub(super) const H264_OPUS: Kind = Kind {
    name: "h264_opus",
    about: "codec::describe of H264, H265, AV1, Opus and unknown codecs",
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
            vec![0x60, 1, 0, 2, 0x44, 1, 0, 3, 0x28, 1, 0],
            vec![0x62, 1, 0x93, 0],
            vec![0x18, 0x0a, 0x0b],
        ]
    },
    make: || Box::new(Others),
};

struct Vp8 {
    rewriter: Vp8Rewriter,
}

impl Target for Vp8 {
    fn run(&mut self, input: &[u8]) -> u64 {
        let facts = describe(Codec::Vp8, input, None);
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

struct Vp9 {
    rewriter: Vp9Rewriter,
}

impl Target for Vp9 {
    fn run(&mut self, input: &[u8]) -> u64 {
        let facts = describe(Codec::Vp9, input, None);
        let Some(descriptor) = Vp9Descriptor::parse(input) else {
            return behaviour(facts.key_frame);
        };
        let last = input.last().copied().unwrap_or_default();
        let target = Layers { spatial: last & 7, temporal: last >> 5 };
        if input.len().is_multiple_of(17) {
            self.rewriter.sync();
        }
        let edit = self.rewriter.process(&descriptor, target);
        if let Some(edit) = edit {
            let mut payload = input.to_vec();
            vp9::rewrite_at(&mut payload, &descriptor, edit);
            let after = Vp9Descriptor::parse(&payload).expect("rewriting keeps a descriptor one");
            assert_eq!(after.layers, descriptor.layers);
            assert_eq!(after.is_key_frame(), descriptor.is_key_frame());
            assert_eq!(payload.len(), input.len());
        }
        behaviour((
            (
                descriptor.is_key_frame(),
                descriptor.picture_id.is_some(),
                descriptor.wide_picture_id,
            ),
            (descriptor.layers.spatial, descriptor.layers.temporal, descriptor.inter_layer),
            (edit.is_some(), edit.is_some_and(|edit| edit.marker), self.rewriter.needs_key(target)),
        ))
    }
}

struct Dependency {
    dependencies: Dependencies,
    rewriter: DependencyRewriter,
}

impl Target for Dependency {
    fn run(&mut self, input: &[u8]) -> u64 {
        let last = input.last().copied().unwrap_or_default();
        let facts = self.dependencies.read(input);
        let edit = facts.and_then(|facts| {
            if facts.has_structure && last & 0x80 != 0 {
                self.rewriter.sync();
            }
            let target = Layers { spatial: last & 3, temporal: last >> 2 & 3 };
            self.rewriter.process(&facts, last.into(), target)
        });
        let mut out = Vec::new();
        let asked = edit.unwrap_or(Edit { number: 1, extra: last, marker: false });
        let known = facts.and_then(|facts| self.dependencies.structure_of(&facts));
        dependency::write(&mut out, input, asked, &facts.unwrap_or_default(), known);
        assert!(out.len() <= dependency::MAX_LEN.max(input.len()));
        if let Some(facts) = facts {
            // A receiver that reads it from the start or goes on with what it knows.
            let mut theirs = self.dependencies.clone();
            let read = theirs.read(&out).expect("rewriting keeps a descriptor one");
            assert_eq!(read.number, facts.number.wrapping_add(asked.number));
            assert_eq!((read.layers, read.references), (facts.layers, facts.references));
            assert_eq!(read.cells & !facts.cells, 0, "a layer that is not sent");
        }
        let seen = facts.map(|facts| {
            (facts.layers.spatial, facts.layers.temporal, facts.has_structure, facts.cells)
        });
        behaviour((
            seen,
            edit.is_some(),
            edit.is_some_and(|edit| edit.marker),
            out.len() > input.len(),
        ))
    }
}

struct Others;

impl Target for Others {
    fn run(&mut self, input: &[u8]) -> u64 {
        let h264 = describe(Codec::H264, input, None);
        let h265 = describe(Codec::H265, input, None);
        let av1 = describe(Codec::Av1, input, None);
        let opus = describe(Codec::Opus, input, None);
        let other = describe(Codec::OtherVideo, input, None);
        assert!(!other.key_frame, "nothing is known of other codecs");
        let encrypted = describe(Codec::Encrypted, input, None);
        assert!(encrypted.unknown && !encrypted.key_frame, "what is encrypted was read");
        let red = red::primary(input);
        if let Some(primary) = red {
            assert!((1..=input.len()).contains(&primary), "a block outside its packet");
            let mut renumbered = input.to_vec();
            red::renumber(&mut renumbered, 100);
            assert_eq!(red::primary(&renumbered), red, "renumbering moved the block");
            assert_eq!(renumbered[primary..], input[primary..], "the block was changed");
        }
        let kind = input.first().map(|byte| byte & 0x1f);
        behaviour((h264.key_frame, h265.key_frame, av1.key_frame, opus.dtx, kind, red))
    }
}
