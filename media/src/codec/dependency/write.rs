//! A dependency descriptor as a receiver gets it: with its own frame number, and saying which
//! decode targets it can decode where layers were cut. Never judges a frame.

use super::{
    FrameFacts, Head, MANDATORY, MAX_LEN, Structure,
    bits::{BitReader, BitWriter},
};
use crate::codec::Edit;

/// In [`Edit::extra`]: the receiver is told its decode targets also where the sender does not name
/// any.
pub const TELL: u8 = 0x80;
/// Bits of the fourth byte (AV1 RTP specification §A.8.3): a structure is attached; decode targets
/// are named.
const STRUCTURE: u8 = 0x80;
const ACTIVE: u8 = 0x40;

/// Appends to `out` what the receiver gets of `descriptor`. An unreadable one, and one that would
/// become too long, is copied with its number changed at most. `known`: the structure that `frame`
/// was read by, if it is not attached.
pub fn write(
    out: &mut Vec<u8>,
    descriptor: &[u8],
    edit: Edit,
    frame: &FrameFacts,
    known: Option<&Structure>,
) {
    let start = out.len();
    if cut(out, descriptor, edit.extra, frame, known).is_none() || out.len() - start > MAX_LEN {
        out.truncate(start);
        out.extend_from_slice(descriptor);
    }
    if let Some([high, low]) = out.get_mut(start + 1..start + MANDATORY) {
        let number = u16::from_be_bytes([*high, *low]).wrapping_add(edit.number);
        [*high, *low] = number.to_be_bytes();
    }
}

/// Says which decode targets are left: where a structure is attached, which makes all of them
/// active; where the sender says it of its own; and where it is to be told. `told`: 1 + the cell
/// where layers were cut, 0 if nothing is to be changed, and [`TELL`].
fn cut(
    out: &mut Vec<u8>,
    descriptor: &[u8],
    told: u8,
    frame: &FrameFacts,
    known: Option<&Structure>,
) -> Option<()> {
    let cell = (told & !TELL).checked_sub(1)?;
    let flags = descriptor.get(MANDATORY).copied().unwrap_or(0);
    if told & TELL == 0 && flags & (STRUCTURE | ACTIVE) == 0 {
        return None;
    }
    let mut reader = BitReader::new(descriptor);
    let head = Head::parse(&mut reader, descriptor.len(), known)?;
    let structure = head.structure.as_ref().or(known)?;
    let sent = head.active.unwrap_or_else(|| match &head.structure {
        Some(structure) => structure.all(),
        None => structure.at(frame.cells),
    });
    let mut bits = BitReader::new(descriptor);
    let mut writer = BitWriter::new(out);
    for _ in 0..8 * MANDATORY {
        writer.flag(bits.flag()?);
    }
    if descriptor.len() <= MANDATORY {
        writer.bits(u32::from(ACTIVE >> 3), 5);
    } else {
        writer.bits(bits.bits(5)? | u32::from(ACTIVE >> 3), 5);
        for _ in bits.position()..head.active_at {
            writer.flag(bits.flag()?);
        }
    }
    writer.bits(sent & structure.decodable(cell), structure.targets() as u32);
    if descriptor.len() > MANDATORY {
        bits.skip(reader.position() - bits.position());
        while let Some(bit) = bits.flag() {
            writer.flag(bit);
        }
    }
    Some(())
}
