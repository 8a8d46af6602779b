//! The dependency descriptor (AV1 RTP specification, appendix A): a header extension that says
//! which frames need which, so that layers can be chosen without reading the payload, whatever its
//! codec.

pub mod bits;
pub mod frame;
pub mod rewrite;
pub mod structure;
pub mod write;

pub use frame::{FrameFacts, Grid};
pub use rewrite::DependencyRewriter;
pub use structure::{References, Structure};
pub use write::{TELL, write};

use bits::BitReader;
use structure::Template;

/// Longest descriptor: what a header extension in two-byte form holds.
pub const MAX_LEN: usize = 255;
/// Longer ones have the extended fields.
const MANDATORY: usize = 3;

/// What stands in front of the frame's own fields.
#[derive(Clone, Debug, Default)]
struct Head {
    starts: bool,
    ends: bool,
    template: u8,
    number: u16,
    structure: Option<Structure>,
    custom_indications: bool,
    custom_references: bool,
    /// Decode targets that are sent, if that is said.
    active: Option<u32>,
    /// The bit where `active` is, or would be.
    active_at: usize,
}

impl Head {
    fn parse(reader: &mut BitReader<'_>, len: usize, known: Option<&Structure>) -> Option<Self> {
        let mut head = Self {
            starts: reader.flag()?,
            ends: reader.flag()?,
            template: reader.bits(6)? as u8,
            number: reader.bits(16)? as u16,
            ..Self::default()
        };
        if len <= MANDATORY {
            return Some(head);
        }
        let has_structure = reader.flag()?;
        let has_active = reader.flag()?;
        head.custom_indications = reader.flag()?;
        head.custom_references = reader.flag()?;
        // Chains are for those who judge losses, which receivers do.
        let _custom_chains = reader.flag()?;
        if has_structure {
            head.structure = Some(Structure::parse(reader)?);
        }
        head.active_at = reader.position();
        if has_active {
            let structure = head.structure.as_ref().or(known)?;
            let targets = structure.targets() as u32;
            // A number whose bit n is target n.
            head.active = Some(reader.bits(targets)?);
        }
        Some(head)
    }
}

/// The structure of one stream, as its last key frame said.
#[derive(Clone, Debug, Default)]
pub struct Dependencies {
    structure: Option<Structure>,
    /// Structures so far, counted round.
    count: u8,
    active: u32,
}

impl Dependencies {
    /// Reads the descriptor of one packet. `None` if it is broken, or of a structure that is not
    /// known; then nothing has changed.
    pub fn read(&mut self, descriptor: &[u8]) -> Option<FrameFacts> {
        let mut reader = BitReader::new(descriptor);
        let mut head = Head::parse(&mut reader, descriptor.len(), self.structure.as_ref())?;
        let attached = head.structure.take();
        let has_structure = attached.is_some();
        let structure = attached.as_ref().or(self.structure.as_ref())?;
        let frame = frame(&mut reader, &head, structure)?;
        let active = match head.active {
            Some(active) => active & structure.all(),
            None if has_structure => structure.all(),
            None => self.active,
        };
        let mut facts = FrameFacts {
            structure: self.count.wrapping_add(u8::from(has_structure)),
            number: head.number,
            starts: head.starts,
            ends: head.ends,
            has_structure,
            layers: Grid::layers(Grid::cell(frame.spatial, frame.temporal)),
            references: frame.references,
            ..FrameFacts::default()
        };
        for (target, &cell) in structure.cells.iter().enumerate() {
            if active >> target & 1 == 1 {
                facts.indicate(cell, frame.indication(target));
            }
        }
        self.active = active;
        if has_structure {
            self.structure = attached;
            self.count = facts.structure;
        }
        Some(facts)
    }

    /// The structure that `frame` was read by, unless there is another one since.
    pub fn structure_of(&self, frame: &FrameFacts) -> Option<&Structure> {
        self.structure.as_ref().filter(|_| frame.structure == self.count)
    }
}

/// The frame's own fields: its template, and what differs from it.
fn frame(reader: &mut BitReader<'_>, head: &Head, structure: &Structure) -> Option<Template> {
    let mut frame = *structure.template(head.template)?;
    if head.custom_indications {
        frame.indications = 0;
        for target in 0..structure.targets() {
            frame.indications |= u64::from(reader.bits(2)?) << (2 * target);
        }
    }
    if head.custom_references {
        frame.references = References::default();
        loop {
            let size = reader.bits(2)?;
            if size == 0 {
                break;
            }
            frame.references.add(reader.bits(4 * size)? + 1);
        }
    }
    Some(frame)
}

#[cfg(test)]
mod tests;
