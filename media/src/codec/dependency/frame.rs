//! What a dependency descriptor says about one frame, in a form that every receiver's choice can be
//! made from without its structure. Never parses.

use super::structure::References;
use crate::codec::Layers;

/// Layers as a grid of 4 by 4 cells, numbered row by row. libwebrtc's modes have at most three of
/// each; higher temporal layers count as the fourth.
pub struct Grid;

impl Grid {
    const SIDE: u8 = 4;

    /// Of a spatial and a temporal layer.
    pub fn cell(spatial: u8, temporal: u8) -> u8 {
        spatial.min(Self::SIDE - 1) * Self::SIDE + temporal.min(Self::SIDE - 1)
    }

    /// The other way round.
    pub const fn layers(cell: u8) -> Layers {
        Layers { spatial: cell / Self::SIDE, temporal: cell % Self::SIDE }
    }

    /// The cells of one spatial layer, as a mask.
    pub const fn row(spatial: u8) -> u16 {
        0b1111 << (spatial * Self::SIDE)
    }

    /// The best of `cells` within `target`; the lowest there is if there is none.
    pub fn best(cells: u16, target: Layers) -> Option<u8> {
        let top = target.spatial.min(Self::SIDE - 1);
        let within = |spatial: u8| Self::best_in_row(cells, spatial, target.temporal);
        let lowest = || (cells != 0).then(|| cells.trailing_zeros() as u8);
        (0..=top).rev().find_map(within).or_else(lowest)
    }

    /// The best of `cells` in one spatial layer with no more than `temporal`.
    pub fn best_in_row(cells: u16, spatial: u8, temporal: u8) -> Option<u8> {
        let last = Self::cell(spatial, temporal);
        let mask = cells & Self::row(spatial) & (u16::MAX >> (15 - last));
        (mask != 0).then(|| 15 - mask.leading_zeros() as u8)
    }
}

/// One frame: one spatial layer of one picture. Masks have a bit per cell (AV1 RTP specification
/// §A.8.1 for what they mean).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameFacts {
    /// Its number; the receiver gets another one.
    pub number: u16,
    /// This packet is its first.
    pub starts: bool,
    /// This packet is its last.
    pub ends: bool,
    /// It comes with a structure: a key frame.
    pub has_structure: bool,
    /// Which of its stream's structures it is read by, counted round.
    pub structure: u8,
    /// Its layers.
    pub layers: Layers,
    /// Decode targets that are sent now.
    pub cells: u16,
    /// Decode targets it belongs to.
    pub present: u16,
    /// Those in which all that follow can be decoded if it can.
    pub switch: u16,
    /// Those in which something depends on it.
    pub counts: u16,
    /// What it refers to.
    pub references: References,
}

impl FrameFacts {
    /// Decoding can begin with this packet.
    pub const fn is_key_frame(&self) -> bool {
        self.has_structure && self.starts && self.references.is_empty()
    }

    /// What it is to the decode target at `cell`: 0 not present, 1 discardable, 2 switch, 3
    /// required.
    pub(super) const fn indicate(&mut self, cell: u8, indication: u8) {
        let bit = 1 << cell;
        self.cells |= bit;
        self.present |= if indication > 0 { bit } else { 0 };
        self.switch |= if indication == 2 { bit } else { 0 };
        self.counts |= if indication > 1 { bit } else { 0 };
    }
}
