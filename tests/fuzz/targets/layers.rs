//! The choice of layers against a model: an encoder that knows what depends on what, and receivers
//! that wish for anything at any time. What is left out must be of no use to them.

use std::collections::HashSet;

use starling_media::codec::{
    Layers, Vp9Descriptor, Vp9Rewriter,
    dependency::{self, Dependencies, DependencyRewriter},
};

use super::{Kind, Target, behaviour};

#[path = "../../../media/src/codec/model.rs"]
mod model;

use model::{Encoder, Frame, Mode};

pub(super) const KIND: Kind = Kind {
    name: "layers",
    about: "Vp9Rewriter and DependencyRewriter against a model of an encoder",
    cost: 20,
    max_len: 200,
    words: &[&[0x0f, 0x0f], &[0x00], &[KEY], &[LOSS], &[SWITCH]],
    seeds: || {
        let up_and_down = [0x0f, 0x0f, 0x0f, 0x01, 0x01, 0x0f, 0x0f | KEY, 0x0f, 0x05, 0x05, 0x0f];
        let lossy = [0x0f, 0x0f | LOSS, 0x0f, 0x00, LOSS, 0x0f | KEY | LOSS, 0x0f | KEY, 0x0f];
        let switching = [0x0a, 0x0a, 0x0f | SWITCH, 0x0a, 0x0a, SWITCH, 0x0f];
        let steps: [&[u8]; 3] = [&up_and_down, &lossy, &switching];
        let modes = [0u8, 2, 8, 9, 10, 26];
        let sessions = modes
            .iter()
            .flat_map(|mode| steps.iter().map(move |steps| [&[*mode, 0xff][..], *steps].concat()));
        sessions.collect()
    },
    make: || Box::new(LayersTarget),
};

/// A step's low bits are the spatial and the temporal layer wished for.
const KEY: u8 = 0x10;
/// The lowest frame of the picture is lost on its way here.
const LOSS: u8 = 0x20;
/// Another stream begins.
const SWITCH: u8 = 0x40;

struct LayersTarget;

/// One receiver of one codec.
struct Receiver {
    vp9: Option<Vp9Rewriter>,
    dependency: DependencyRewriter,
    dependencies: Dependencies,
    forwarded: HashSet<u16>,
    lost: HashSet<u16>,
    newest: Option<u16>,
}

impl Receiver {
    fn new(vp9: bool, number: u16) -> Self {
        Self {
            vp9: vp9.then(|| Vp9Rewriter::new(number & 0x7fff, 0)),
            dependency: DependencyRewriter::new(number),
            dependencies: Dependencies::default(),
            forwarded: HashSet::new(),
            lost: HashSet::new(),
            newest: None,
        }
    }

    fn restart(&mut self) {
        self.dependency.sync();
        self.dependencies = Dependencies::default();
        if let Some(vp9) = &mut self.vp9 {
            vp9.sync();
        }
        self.forwarded.clear();
        self.lost.clear();
    }

    /// Whether it gets a frame. It must not miss what that depends on, but what was lost.
    fn take(&mut self, encoder: &Encoder, frame: &Frame, timestamp: u32, target: Layers) -> bool {
        let edit = if let Some(vp9) = &mut self.vp9 {
            let payload = encoder.vp9(frame);
            let descriptor = Vp9Descriptor::parse(&payload).expect("the model's own");
            let target = Layers { spatial: target.spatial.min(encoder.mode.spatial - 1), ..target };
            let edit = vp9.process(&descriptor, target);
            edit.map(|edit| (frame.picture.wrapping_add(edit.number) & 0x7fff) << 1)
        } else {
            // Without the structure, which was lost with its frame, nothing is known of a packet.
            let descriptor = encoder.descriptor(frame);
            let Some(facts) = self.dependencies.read(&descriptor) else { return false };
            let edit = self.dependency.process(&facts, timestamp, target);
            edit.map(|edit| frame.number.wrapping_add(edit.number))
        };
        let Some(number) = edit else { return false };
        let step = self.newest.map_or(1, |newest| number.wrapping_sub(newest).cast_signed());
        assert!(step > 0 || (step == 0 && self.vp9.is_some()), "numbers go back by {step}");
        self.newest = Some(number);
        for needed in &frame.references {
            let there = self.forwarded.contains(needed) || self.lost.contains(needed);
            assert!(there, "{frame:?} was forwarded without {needed}");
        }
        self.forwarded.insert(frame.number);
        true
    }
}

impl Target for LayersTarget {
    fn run(&mut self, input: &[u8]) -> u64 {
        let [mode, start, steps @ ..] = input else { return 0 };
        let mode = Mode {
            spatial: (mode & 3) % 3 + 1,
            temporal: (mode >> 2 & 3) % 3 + 1,
            ksvc: mode & 0x10 != 0,
        };
        let number = u16::from(*start) << 8;
        let mut encoder = Encoder::new(mode, number & 0x7fff, number);
        let mut receivers = [Receiver::new(false, number), Receiver::new(true, number)];
        let mut got = [[0u8; 3]; 2];
        for (turn, step) in steps.iter().enumerate() {
            let target = Layers { spatial: step & 3, temporal: step >> 2 & 3 };
            let switched = turn == 0 || step & SWITCH != 0;
            if step & SWITCH != 0 {
                encoder = Encoder::new(mode, u16::from(*step) << 7, u16::from(*step) << 8);
                receivers.iter_mut().for_each(Receiver::restart);
            }
            for frame in encoder.picture(step & KEY != 0) {
                // A stretch begins with a key frame that came.
                let lost = step & LOSS != 0 && frame.layers.spatial == 0 && !switched;
                for (receiver, got) in receivers.iter_mut().zip(&mut got) {
                    if lost {
                        receiver.lost.insert(frame.number);
                    } else if receiver.take(&encoder, &frame, turn as u32 * 3_000, target) {
                        got[usize::from(frame.layers.spatial)] |= 1 << frame.layers.temporal;
                    }
                }
            }
        }
        behaviour((got, mode.spatial, mode.temporal, mode.ksvc))
    }
}

/// Dependency descriptors of the model, for the parser.
pub(super) fn descriptors() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (spatial, temporal, ksvc) in [(1, 1, false), (1, 3, false), (3, 3, false), (3, 3, true)] {
        let mut encoder = Encoder::new(Mode { spatial, temporal, ksvc }, 0, 65_534);
        for key in [true, false, false] {
            for frame in encoder.picture(key) {
                seeds.push(encoder.descriptor(&frame));
            }
        }
    }
    let mut dependencies = Dependencies::default();
    for (seed, extra) in [(0, 1), (1, 1 | dependency::TELL)] {
        let mut cut = Vec::new();
        let edit = starling_media::codec::Edit { number: 1, extra, marker: false };
        let facts = dependencies.read(&seeds[seed]).unwrap_or_default();
        let known = dependencies.structure_of(&facts);
        dependency::write(&mut cut, &seeds[seed], edit, &facts, known);
        seeds.push(cut);
    }
    seeds
}
