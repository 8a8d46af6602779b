//! An encoder that knows what depends on what: what the rewriters are tested against.

use super::{Layers, dependency::bits::BitWriter};

/// Layers of an encoder.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mode {
    pub spatial: u8,
    pub temporal: u8,
    /// Spatial layers depend on each other in key frames only.
    pub ksvc: bool,
}

/// One spatial layer of one picture.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub picture: u16,
    /// Running number of frames.
    pub number: u16,
    pub layers: Layers,
    /// Depends on the lowest temporal layer only.
    pub sync: bool,
    pub key: bool,
    /// Running numbers of those it depends on.
    pub references: Vec<u16>,
    pub tl0: u8,
    pub last: bool,
}

/// Temporal layers of a cycle of four pictures: of one, two or three.
const PATTERNS: [[u8; 4]; 3] = [[0; 4], [0, 1, 0, 1], [0, 2, 1, 2]];

#[derive(Clone, Debug)]
pub(crate) struct Encoder {
    pub mode: Mode,
    picture: u16,
    number: u16,
    tl0: u8,
    cycle: usize,
    /// By spatial and temporal layer: the newest frame.
    newest: [[Option<u16>; 3]; 3],
}

impl Encoder {
    pub(crate) fn new(mode: Mode, picture: u16, number: u16) -> Self {
        Self { mode, picture, number, tl0: 200, cycle: 0, newest: [[None; 3]; 3] }
    }

    /// The frames of the next picture.
    pub(crate) fn picture(&mut self, key: bool) -> Vec<Frame> {
        let key = key || self.newest[0][0].is_none();
        if key {
            self.cycle = 0;
            self.newest = [[None; 3]; 3];
        }
        let pattern = PATTERNS[usize::from(self.mode.temporal) - 1];
        let temporal = pattern[self.cycle % 4];
        // The last of the cycle of three layers depends on the second one.
        let sync = temporal > 0 && (self.mode.temporal == 2 || self.cycle % 4 != 3);
        self.cycle += 1;
        self.tl0 = self.tl0.wrapping_add(u8::from(temporal == 0));
        let frames = (0..self.mode.spatial).map(|spatial| {
            let before = &self.newest[usize::from(spatial)];
            let mut references = Vec::new();
            if let Some(last) = before[0] {
                references.push(last);
            }
            if let (false, Some(last)) = (sync || temporal == 0, before[1]) {
                references.push(last);
            }
            if spatial > 0 && (key || !self.mode.ksvc) {
                references.push(self.number.wrapping_sub(1));
            }
            let frame = Frame {
                picture: self.picture,
                number: self.number,
                layers: Layers { spatial, temporal },
                sync,
                key,
                references,
                tl0: self.tl0,
                last: spatial + 1 == self.mode.spatial,
            };
            self.newest[usize::from(spatial)][usize::from(temporal)] = Some(self.number);
            self.number = self.number.wrapping_add(1);
            frame
        });
        let frames: Vec<Frame> = frames.collect();
        self.picture = (self.picture + 1) & 0x7fff;
        frames
    }

    /// What a frame is to a decode target: 0 to 3 (libwebrtc `ScalabilityStructureFullSvc::Dti` and
    /// its K-SVC sibling).
    fn indication(&self, target: Layers, layers: Layers, key: bool) -> u32 {
        let (s, t) = (layers.spatial, layers.temporal);
        if target.spatial < s || target.temporal < t {
            return 0;
        }
        if target.spatial > s {
            return match (key, self.mode.ksvc) {
                (true, _) => 2,
                (false, true) => 0,
                (false, false) => 3,
            };
        }
        if t > 0 && target.temporal == t { 1 } else { 2 }
    }

    fn targets(&self) -> impl Iterator<Item = Layers> + use<> {
        let Mode { spatial, temporal, .. } = self.mode;
        (0..spatial).flat_map(move |spatial| {
            (0..temporal).map(move |temporal| Layers { spatial, temporal })
        })
    }

    /// The dependency descriptor of a frame that is one packet.
    pub(crate) fn descriptor(&self, frame: &Frame) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut out = BitWriter::new(&mut bytes);
        let Layers { spatial, temporal } = frame.layers;
        // Of each spatial layer: one template of its key frames, then one for each temporal layer.
        let first = u32::from(spatial) * (u32::from(self.mode.temporal) + 1);
        let id = first + if frame.key { 0 } else { 1 + u32::from(temporal) };
        out.bits(0b11, 2);
        out.bits((id + 60) % 64, 6);
        out.bits(frame.number.into(), 16);
        let attached = frame.key && frame.layers.spatial == 0;
        out.bits(if attached { 0b10010 } else { 0b00010 }, 5);
        if attached {
            self.structure(&mut out);
        }
        for back in frame.references.iter().map(|other| frame.number.wrapping_sub(*other)) {
            out.bits(2, 2);
            out.bits(u32::from(back) - 1, 8);
        }
        out.bits(0, 2);
        bytes
    }

    fn structure(&self, out: &mut BitWriter<'_>) {
        let Mode { spatial, temporal, .. } = self.mode;
        let targets = u32::from(spatial * temporal);
        out.bits(60, 6);
        out.bits(targets - 1, 5);
        let of_layer = |spatial: u8| {
            let key = std::iter::once((Layers { spatial, temporal: 0 }, true));
            key.chain((0..temporal).map(move |temporal| (Layers { spatial, temporal }, false)))
        };
        let templates: Vec<_> = (0..spatial).flat_map(of_layer).collect();
        for pair in templates.windows(2) {
            out.bits(step(pair[0].0, pair[1].0), 2);
        }
        out.bits(3, 2);
        for (layers, key) in &templates {
            for target in self.targets() {
                out.bits(self.indication(target, *layers, *key), 2);
            }
        }
        for _ in &templates {
            out.flag(false);
        }
        // No chains, no resolutions.
        out.bits(0, (targets + 1).ilog2());
        out.flag(false);
    }

    /// A VP9 payload, non-flexible, of a frame that is one packet.
    pub(crate) fn vp9(&self, frame: &Frame) -> Vec<u8> {
        let Layers { spatial, temporal } = frame.layers;
        let inter_picture = !frame.key;
        let inter_layer = spatial > 0 && (frame.key || !self.mode.ksvc);
        let top = frame.last || (self.mode.ksvc && !frame.key);
        let flags = 0xac | u8::from(inter_picture) << 6 | u8::from(top);
        let [high, low] = (frame.picture | 0x8000).to_be_bytes();
        let layers =
            temporal << 5 | u8::from(frame.sync) << 4 | spatial << 1 | u8::from(inter_layer);
        vec![flags, high, low, layers, frame.tl0, 0xaa, 0xbb]
    }
}

fn step(a: Layers, b: Layers) -> u32 {
    match (b.spatial - a.spatial, b.temporal == a.temporal) {
        (0, true) => 0,
        (0, false) => 1,
        _ => 2,
    }
}
