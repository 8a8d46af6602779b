//! The VP9 payload descriptor (RFC 9628 §4.2), and one receiver's cut through its layers (LY9,
//! LY12). Never touches the VP9 data.

use super::{Edit, Layers, temporal::TemporalGate};

/// What the descriptor of one packet says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Vp9Descriptor {
    /// 7 or 15 bits; the layers of a picture share it.
    pub picture_id: Option<u16>,
    /// The picture id has 15 bits.
    pub wide_picture_id: bool,
    /// Running number of temporal layer 0 pictures, in non-flexible mode.
    pub tl0_picture_index: Option<u8>,
    /// Its layers.
    pub layers: Layers,
    /// The P bit: depends on earlier pictures.
    pub inter_picture: bool,
    /// The D bit: depends on the spatial layer below.
    pub inter_layer: bool,
    /// The U bit: receivers of lower temporal layers may go up here.
    pub switching_up: bool,
    /// The B bit: first packet of a frame, that is of one spatial layer of a picture.
    pub begins_frame: bool,
    /// The E bit: last packet of a frame.
    pub ends_frame: bool,
    /// The Z bit: spatial layers above do without it.
    pub not_a_reference: bool,
    /// Where TL0PICIDX is.
    tl0_at: u8,
}

const WIDE: u8 = 0x80;

impl Vp9Descriptor {
    /// Reads a payload without RTP padding. `None` if it ends inside the part that is read; the
    /// scalability structure and reference indices are not.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let flags = *payload.first()?;
        let flexible = flags & 0x10 != 0;
        let mut descriptor = Self {
            inter_picture: flags & 0x40 != 0,
            begins_frame: flags & 0x08 != 0,
            ends_frame: flags & 0x04 != 0,
            not_a_reference: flags & 0x01 != 0,
            ..Self::default()
        };
        let mut at = 1;
        if flags & 0x80 != 0 {
            let high = *payload.get(at)?;
            if high & WIDE != 0 {
                let low = *payload.get(at + 1)?;
                descriptor.picture_id = Some(u16::from_be_bytes([high & !WIDE, low]));
                descriptor.wide_picture_id = true;
                at += 2;
            } else {
                descriptor.picture_id = Some(high.into());
                at += 1;
            }
        }
        if flags & 0x20 != 0 {
            let layers = *payload.get(at)?;
            descriptor.layers = Layers { spatial: layers >> 1 & 7, temporal: layers >> 5 };
            descriptor.switching_up = layers & 0x10 != 0;
            descriptor.inter_layer = layers & 0x01 != 0;
            at += 1;
            if !flexible {
                descriptor.tl0_picture_index = Some(*payload.get(at)?);
                descriptor.tl0_at = at as u8;
                at += 1;
            }
        }
        // A descriptor alone carries no picture.
        (payload.len() > at).then_some(descriptor)
    }

    /// Begins a key frame (mediasoup `VP9.cpp`).
    pub const fn is_key_frame(&self) -> bool {
        !self.inter_picture && self.begins_frame && self.layers.spatial == 0
    }

    const fn mask(&self) -> u16 {
        if self.wide_picture_id { 0x7fff } else { 0x7f }
    }
}

/// Pictures remembered: two seconds of 30 per second.
const MEMORY: u16 = u64::BITS as u16;

/// One receiver's cut. Picture ids keep their distances, because pictures name each other by them
/// (P_DIFF) or by their place in a pattern; a switch of streams moves them all.
#[derive(Clone, Debug)]
pub struct Vp9Rewriter {
    /// Added to picture ids, and the newest given out.
    picture_delta: u16,
    picture_output: u16,
    /// The same of TL0PICIDX.
    tl0_delta: u8,
    tl0_output: u8,
    sync_wanted: bool,
    /// Newest picture seen.
    newest: Option<u16>,
    /// Bit n: picture `newest` - n is left out.
    dropped: u64,
    /// The spatial layer that flows, for how many pictures before the newest, and what flowed then.
    spatial: u8,
    since: u16,
    before: u8,
    /// Bit n: frames of spatial layer n were left out.
    broken: u8,
    temporal: TemporalGate,
}

impl Vp9Rewriter {
    /// The first picture will have `first_picture_id` and `first_tl0`.
    pub fn new(first_picture_id: u16, first_tl0: u8) -> Self {
        Self {
            picture_delta: 0,
            picture_output: first_picture_id.wrapping_sub(1),
            tl0_delta: 0,
            tl0_output: first_tl0.wrapping_sub(1),
            sync_wanted: true,
            newest: None,
            dropped: 0,
            spatial: 0,
            since: 0,
            before: 0,
            broken: 0,
            temporal: TemporalGate::default(),
        }
    }

    /// The next picture is a key frame of another stream, or after a pause: it goes on where the
    /// last one ended.
    pub const fn sync(&mut self) {
        self.sync_wanted = true;
    }

    /// The spatial layer that flows, and the highest temporal one let through.
    pub const fn layers(&self) -> Layers {
        Layers { spatial: self.spatial, temporal: self.temporal.highest() }
    }

    /// Whether `target` has to wait for a key frame: a higher layer, and in K-SVC a lower one,
    /// whose frames were left out.
    pub const fn needs_key(&self, target: Layers) -> bool {
        target.spatial > self.spatial
            || (target.spatial < self.spatial && self.is_broken(target.spatial))
    }

    const fn is_broken(&self, spatial: u8) -> bool {
        spatial < 8 && self.broken >> spatial & 1 == 1
    }

    /// Whether a packet goes to the receiver, who wants layers up to `target`, and what is added to
    /// its numbers. `None`: leave it out.
    pub fn process(&mut self, descriptor: &Vp9Descriptor, target: Layers) -> Option<Edit> {
        if std::mem::take(&mut self.sync_wanted) {
            self.sync_to(descriptor);
        }
        let (ahead, back) = self.distance(descriptor);
        let key_frame = descriptor.is_key_frame();
        if ahead > 0 || (back == 0 && key_frame) {
            self.turn(descriptor, ahead, target);
        }
        // Packets of a picture share the fate of its first one.
        if back >= MEMORY || self.dropped >> back & 1 == 1 {
            return None;
        }
        let spatial = if back > self.since { self.before } else { self.spatial };
        let mine = descriptor.layers.spatial;
        // In K-SVC the layers below are of use in key frames only.
        let lower = mine < spatial && spatial < 8;
        let useless = lower && descriptor.not_a_reference && descriptor.inter_picture;
        if mine > spatial || useless {
            self.broken |= 1 << (mine & 7);
            return None;
        }
        let mut edit = self.edit(descriptor);
        edit.marker = descriptor.ends_frame && mine == spatial;
        Some(edit)
    }

    fn sync_to(&mut self, descriptor: &Vp9Descriptor) {
        if let Some(id) = descriptor.picture_id {
            let next = self.picture_output.wrapping_add(1);
            self.picture_delta = next.wrapping_sub(id) & descriptor.mask();
        }
        if let Some(index) = descriptor.tl0_picture_index {
            self.tl0_delta = self.tl0_output.wrapping_add(1).wrapping_sub(index);
        }
        self.newest = None;
        self.temporal.restart();
    }

    /// How many pictures ahead of the newest one, or behind it. Without picture ids each first
    /// packet of a picture is ahead.
    fn distance(&self, descriptor: &Vp9Descriptor) -> (u16, u16) {
        let mask = descriptor.mask();
        match (descriptor.picture_id, self.newest) {
            (Some(id), Some(newest)) => {
                let back = newest.wrapping_sub(id) & mask;
                if back <= mask / 2 { (0, back) } else { (id.wrapping_sub(newest) & mask, 0) }
            }
            (Some(_), None) => (MEMORY, 0),
            (None, _) => (u16::from(descriptor.begins_frame && descriptor.layers.spatial == 0), 0),
        }
    }

    /// A new picture: where another cut can begin.
    fn turn(&mut self, descriptor: &Vp9Descriptor, ahead: u16, target: Layers) {
        let key_frame = descriptor.is_key_frame();
        self.newest = descriptor.picture_id;
        self.dropped = self.dropped.checked_shl(ahead.into()).unwrap_or(0);
        self.since = self.since.saturating_add(ahead);
        if key_frame {
            self.broken = 0;
        }
        if target.spatial != self.spatial && (key_frame || !self.needs_key(target)) {
            self.before = self.spatial;
            self.spatial = target.spatial;
            self.since = 0;
        }
        let (layer, sync) = (descriptor.layers.temporal, descriptor.switching_up);
        let takes = self.temporal.takes(layer, sync, key_frame, target.temporal);
        self.dropped = (self.dropped & !1) | u64::from(!takes);
    }

    fn edit(&mut self, descriptor: &Vp9Descriptor) -> Edit {
        if let Some(id) = descriptor.picture_id {
            let output = id.wrapping_add(self.picture_delta) & descriptor.mask();
            let ahead = output.wrapping_sub(self.picture_output) & descriptor.mask();
            if ahead <= descriptor.mask() / 2 {
                self.picture_output = output;
            }
        }
        if let Some(index) = descriptor.tl0_picture_index {
            let output = index.wrapping_add(self.tl0_delta);
            if output.wrapping_sub(self.tl0_output).cast_signed() > 0 {
                self.tl0_output = output;
            }
        }
        Edit { number: self.picture_delta, extra: self.tl0_delta, marker: false }
    }
}

/// Writes the receiver's numbers into `payload`, which must be the one `descriptor` was read from,
/// or a copy of it.
pub fn rewrite_at(payload: &mut [u8], descriptor: &Vp9Descriptor, edit: Edit) {
    if let Some(index) = descriptor.tl0_picture_index
        && let Some(place) = payload.get_mut(usize::from(descriptor.tl0_at))
    {
        *place = index.wrapping_add(edit.extra);
    }
    let Some(id) = descriptor.picture_id else { return };
    let id = id.wrapping_add(edit.number) & descriptor.mask();
    match (descriptor.wide_picture_id, payload) {
        (true, [_, high, low, ..]) => [*high, *low] = (id | 0x8000).to_be_bytes(),
        (false, [_, short, ..]) => *short = id as u8,
        _ => {}
    }
}

#[cfg(test)]
mod tests;
