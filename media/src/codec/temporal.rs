//! Temporal layers by a bit that says "depends on the lowest layer only": VP8's Y (RFC 7741 §4.2),
//! VP9's U (RFC 9628 §4.2, as libwebrtc sets it). Pure.

/// What of a stream's temporal layers goes to one receiver (LY11).
///
/// Going down is immediate. Once frames of a layer were left out, it and those above it wait for a
/// frame with the bit, or for a key frame.
#[derive(Clone, Copy, Debug, Default)]
pub struct TemporalGate {
    highest: u8,
    /// Bit n: frames of layer n were left out, so what depends on it cannot be decoded.
    broken: u8,
}

impl TemporalGate {
    /// A new stretch: nothing was left out.
    pub const fn restart(&mut self) {
        *self = Self { highest: 0, broken: 0 };
    }

    /// The highest layer that was let through since the last restart, as far as it is wanted.
    pub const fn highest(&self) -> u8 {
        self.highest
    }

    /// Whether a new picture goes through; `target`: the highest layer wanted.
    pub fn takes(&mut self, layer: u8, sync: bool, key_frame: bool, target: u8) -> bool {
        self.highest = self.highest.min(target);
        if key_frame {
            self.broken = 0;
        }
        let layer = layer & 7;
        let depends_on_broken = u16::from(self.broken) & ((2u16 << layer) - 1) != 0;
        if layer > target || (depends_on_broken && !sync) {
            self.broken |= 1 << layer;
            return false;
        }
        self.broken &= !(1 << layer);
        self.highest = self.highest.max(layer);
        true
    }
}
