//! A dependency descriptor as a receiver gets it: with its own frame number, and saying which
//! decode targets it can decode where layers were cut. Never judges a frame.

use super::{
    Head, MANDATORY, MAX_LEN,
    bits::{BitReader, BitWriter},
};
use crate::codec::Edit;

/// Appends to `out` what the receiver gets of `descriptor`. An unreadable one, and one that would
/// become too long, is copied with its number changed at most.
pub fn write(out: &mut Vec<u8>, descriptor: &[u8], edit: Edit) {
    let start = out.len();
    if cut(out, descriptor, edit.extra).is_none() || out.len() - start > MAX_LEN {
        out.truncate(start);
        out.extend_from_slice(descriptor);
    }
    if let Some([high, low]) = out.get_mut(start + 1..start + MANDATORY) {
        let number = u16::from_be_bytes([*high, *low]).wrapping_add(edit.number);
        [*high, *low] = number.to_be_bytes();
    }
}

/// Says which decode targets are left, in a descriptor with a structure of its own. `told`: 1 + the
/// cell where layers were cut; 0 if all are left.
///
/// Only key frames say it: a receiver takes what it is told until the next one, and that it could
/// decode less for a while does not matter to it.
fn cut(out: &mut Vec<u8>, descriptor: &[u8], told: u8) -> Option<()> {
    /// `active_decode_targets_present_flag`.
    const HAS_ACTIVE: usize = 8 * MANDATORY + 1;
    let cell = told.checked_sub(1)?;
    let mut reader = BitReader::new(descriptor);
    let head = Head::parse(&mut reader, descriptor.len(), None)?;
    let structure = head.structure?;
    let active = head.active.unwrap_or(structure.all()) & structure.decodable(cell);
    let rest = reader.position();
    let mut bits = BitReader::new(descriptor);
    let mut writer = BitWriter::new(out);
    for at in 0..head.active_at {
        let bit = bits.flag()?;
        writer.flag(bit || at == HAS_ACTIVE);
    }
    writer.bits(active, structure.targets() as u32);
    let mut bits = BitReader::new(descriptor);
    bits.skip(rest);
    while let Some(bit) = bits.flag() {
        writer.flag(bit);
    }
    Some(())
}
