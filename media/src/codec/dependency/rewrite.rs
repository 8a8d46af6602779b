//! One receiver's cut through the layers of a stream with dependency descriptors: AV1, and H.264 or
//! H.265 in temporal layers. Frame numbers keep their distances, because frames name each other by
//! them; a switch of streams moves them all.

use super::{
    frame::{FrameFacts, Grid},
    write::TELL,
};
use crate::codec::{Edit, Layers};

/// Frames remembered: a second of three layers and 30 pictures is 90, and what is later than these
/// is not shown any more.
const MEMORY: u16 = u64::BITS as u16;

/// See the module.
#[derive(Clone, Debug)]
pub struct DependencyRewriter {
    /// Added to frame numbers.
    delta: u16,
    /// Newest number given out.
    output: u16,
    sync_wanted: bool,
    /// Newest number seen.
    newest: u16,
    /// Bit n: the frame `newest` - n was seen.
    seen: u64,
    /// And was forwarded.
    taken: u64,
    /// Of the newest picture.
    timestamp: u32,
    /// The decode target that flows.
    cut: u8,
    /// And the one that the receiver was told of last.
    told: u8,
    /// It may not have heard it.
    repeats: bool,
    /// Decode targets there are.
    cells: u16,
    /// Those of which nothing that counts was left out since they could be switched to.
    whole: u16,
}

impl DependencyRewriter {
    /// The first frame will have number `first`.
    pub const fn new(first: u16) -> Self {
        Self {
            delta: 0,
            output: first.wrapping_sub(1),
            sync_wanted: true,
            newest: 0,
            seen: 0,
            taken: 0,
            timestamp: 0,
            cut: 0,
            told: 0,
            repeats: false,
            cells: 0,
            whole: 0,
        }
    }

    /// The next frame is a key frame of another stream, or after a pause.
    pub const fn sync(&mut self) {
        self.sync_wanted = true;
    }

    /// What flows.
    pub const fn layers(&self) -> Layers {
        Grid::layers(self.cut)
    }

    /// Whether `target` has to wait for a key frame: a higher spatial layer, whose frames may not
    /// even have come here, and a lower one whose frames were left out.
    pub fn needs_key(&self, target: Layers) -> bool {
        let Some(wanted) = Grid::best(self.cells, target) else { return false };
        let (now, wanted) = (self.layers().spatial, Grid::layers(wanted).spatial);
        wanted > now || (wanted < now && self.whole & self.cells & Grid::row(wanted) == 0)
    }

    /// Whether a packet of `frame` goes to the receiver, who wants layers up to `target`.
    ///
    /// Another spatial layer begins with a picture, and a higher temporal one with any frame, where
    /// the frame allows it, or where all of what the target needs was forwarded anyhow.
    pub fn process(&mut self, frame: &FrameFacts, timestamp: u32, target: Layers) -> Option<Edit> {
        let fresh = std::mem::take(&mut self.sync_wanted);
        if fresh {
            self.delta = self.output.wrapping_add(1).wrapping_sub(frame.number);
            (self.seen, self.taken, self.whole) = (0, 0, 0);
            (self.newest, self.cells) = (frame.number.wrapping_sub(1), 0);
        }
        let ahead = frame.number.wrapping_sub(self.newest);
        let back = self.newest.wrapping_sub(frame.number);
        let mut tell = false;
        let taken = if ahead != 0 && ahead < 1 << 15 {
            self.advance(ahead);
            self.turn(frame, fresh || timestamp != self.timestamp, target);
            self.timestamp = timestamp;
            let taken = self.take(frame);
            tell = taken && self.tells(frame);
            taken
        } else if back < MEMORY && self.seen >> back & 1 == 1 {
            self.taken >> back & 1 == 1
        } else {
            // Late, and its first packet: it is still of use to what flows, or to nothing.
            let taken = back < MEMORY && frame.present >> self.cut & 1 == 1;
            if back < MEMORY {
                self.seen |= 1 << back;
                self.taken |= u64::from(taken) << back;
            }
            taken
        };
        taken.then(|| self.edit(frame, tell))
    }

    fn edit(&mut self, frame: &FrameFacts, tell: bool) -> Edit {
        let output = frame.number.wrapping_add(self.delta);
        if output.wrapping_sub(self.output).cast_signed() > 0 {
            self.output = output;
        }
        let highest = 15 - self.cells.leading_zeros().min(15) as u8;
        let named = if tell || self.cut != highest { self.cut + 1 } else { 0 };
        Edit {
            number: self.delta,
            extra: named | if tell { TELL } else { 0 },
            marker: frame.ends && frame.layers.spatial == self.layers().spatial,
        }
    }

    /// Whether the receiver is to be told with `frame` that other layers flow than it knows of, so
    /// that it waits for nothing that does not come: with each frame until one of the lowest
    /// temporal layer, which it cannot do without (libwebrtc `active_decode_targets_helper.cc`
    /// repeats it until each chain has heard it).
    fn tells(&mut self, frame: &FrameFacts) -> bool {
        let news = (self.told != self.cut || self.repeats) && frame.starts;
        if news || frame.has_structure {
            self.told = self.cut;
            self.repeats = !frame.has_structure && frame.layers.temporal > 0;
        }
        news && !frame.has_structure
    }

    fn advance(&mut self, ahead: u16) {
        self.newest = self.newest.wrapping_add(ahead);
        self.seen = self.seen.checked_shl(ahead.into()).unwrap_or(0);
        self.taken = self.taken.checked_shl(ahead.into()).unwrap_or(0);
    }

    /// Whether all that `frame` refers to was forwarded.
    fn has_references_of(&self, frame: &FrameFacts) -> bool {
        // Bit 0 of `taken` is the frame itself, bit 1 the one before it.
        let near = u64::from(frame.references.near);
        !frame.references.far && (self.taken >> 1) & near == near
    }

    /// Goes to the target if that is possible with `frame`.
    fn turn(&mut self, frame: &FrameFacts, begins_picture: bool, target: Layers) {
        self.cells = frame.cells;
        let Some(wanted) = Grid::best(frame.cells, target) else { return };
        let switch = if self.has_references_of(frame) { frame.switch } else { 0 };
        let (now, wanted) = (self.layers().spatial, Grid::layers(wanted).spatial);
        let whole = self.whole;
        let best = |spatial: u8| {
            let possible = if spatial > now { switch } else { whole | switch };
            Grid::best_in_row(possible & frame.cells, spatial, target.temporal)
        };
        if begins_picture {
            self.cut = best(wanted).or_else(|| best(now)).unwrap_or(self.cut);
        } else {
            self.cut = best(now).map_or(self.cut, |cell| cell.max(self.cut));
        }
    }

    fn take(&mut self, frame: &FrameFacts) -> bool {
        let taken = frame.present >> self.cut & 1 == 1;
        self.seen |= 1;
        self.taken |= u64::from(taken);
        if !taken {
            self.whole &= !frame.counts;
        } else if self.has_references_of(frame) {
            self.whole |= frame.switch;
        }
        taken
    }
}
