//! The template dependency structure of a stream (AV1 RTP specification §A.8): what a key frame
//! says about all frames until the next one. Never sees a frame.

use super::{bits::BitReader, frame::Grid};

/// Template ids have six bits.
pub const MAX_TEMPLATES: usize = 64;
/// Decode targets are counted in five bits.
pub const MAX_TARGETS: usize = 32;
/// Spatial ids there can be (libwebrtc `DependencyDescriptor::kMaxSpatialIds`).
const MAX_SPATIAL: u8 = 4;
/// Temporal ids there can be (libwebrtc `DependencyDescriptor::kMaxTemporalIds`).
const MAX_TEMPORAL: u8 = 8;

/// Frames that a frame refers to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct References {
    /// Bit n: the one n + 1 before it.
    pub near: u32,
    /// Others, too.
    pub far: bool,
}

impl References {
    /// Adds the frame `back` before, from 1 on.
    pub const fn add(&mut self, back: u32) {
        if back <= u32::BITS {
            self.near |= 1 << (back - 1);
        } else {
            self.far = true;
        }
    }

    /// It refers to nothing.
    pub const fn is_empty(self) -> bool {
        self.near == 0 && !self.far
    }
}

/// What frames of one kind are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Template {
    /// 0 to 3.
    pub spatial: u8,
    /// 0 to 7.
    pub temporal: u8,
    /// Two bits per decode target.
    pub indications: u64,
    /// What it refers to.
    pub references: References,
}

impl Template {
    /// What it is to a decode target: 0 not present, 1 discardable, 2 switch, 3 required.
    pub const fn indication(&self, target: usize) -> u8 {
        (self.indications >> (2 * target) & 3) as u8
    }
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Structure {
    first_id: u8,
    templates: Vec<Template>,
    /// Number of chains.
    pub chains: u8,
    /// Of each decode target: its place among the layers.
    pub cells: Vec<u8>,
}

impl Structure {
    /// Reads one. `None` if it ends early or says what the specification does not allow.
    pub fn parse(reader: &mut BitReader<'_>) -> Option<Self> {
        let first_id = reader.bits(6)? as u8;
        let targets = reader.bits(5)? as usize + 1;
        let mut templates = layers(reader)?;
        for template in &mut templates {
            for target in 0..targets {
                template.indications |= u64::from(reader.bits(2)?) << (2 * target);
            }
        }
        for template in &mut templates {
            while reader.flag()? {
                template.references.add(reader.bits(4)? + 1);
            }
        }
        let chains = reader.non_symmetric(targets as u32 + 1)?;
        if chains > 0 {
            for _ in 0..targets {
                reader.non_symmetric(chains)?;
            }
            for _ in 0..templates.len() as u32 * chains {
                reader.bits(4)?;
            }
        }
        let spatial_layers = templates.iter().map(|template| template.spatial).max()? + 1;
        if reader.flag()? {
            for _ in 0..spatial_layers {
                reader.bits(32)?;
            }
        }
        let cells = (0..targets).map(|target| cell_of(&templates, target)).collect();
        Some(Self { first_id, templates, chains: chains as u8, cells })
    }

    /// The template that a frame names.
    pub fn template(&self, id: u8) -> Option<&Template> {
        self.templates.get(usize::from((id + 64 - self.first_id) % 64))
    }

    /// Number of decode targets.
    pub const fn targets(&self) -> usize {
        self.cells.len()
    }

    /// All decode targets, a bit each.
    pub const fn all(&self) -> u32 {
        (u32::MAX) >> (32 - self.cells.len())
    }

    /// The decode targets at these cells, a bit each.
    pub fn at(&self, cells: u16) -> u32 {
        let targets = self.cells.iter().enumerate().filter(|(_, cell)| cells >> **cell & 1 == 1);
        targets.fold(0, |mask, (target, _)| mask | 1 << target)
    }

    /// The decode targets that can be decoded where `cell` is: those of whose frames it has all.
    pub fn decodable(&self, cell: u8) -> u32 {
        let Some(kept) = self.cells.iter().position(|known| *known == cell) else {
            return self.all();
        };
        let missing = |target: usize| {
            self.templates
                .iter()
                .any(|template| template.indication(target) != 0 && template.indication(kept) == 0)
        };
        (0..self.targets())
            .filter(|target| !missing(*target))
            .fold(0, |mask, target| mask | 1 << target)
    }
}

/// Spatial and temporal ids of all templates: each a step from the last one.
fn layers(reader: &mut BitReader<'_>) -> Option<Vec<Template>> {
    let mut templates = Vec::with_capacity(16);
    let (mut spatial, mut temporal) = (0, 0);
    loop {
        if templates.len() == MAX_TEMPLATES || spatial == MAX_SPATIAL || temporal == MAX_TEMPORAL {
            return None;
        }
        templates.push(Template { spatial, temporal, ..Template::default() });
        match reader.bits(2)? {
            0 => {}
            1 => temporal += 1,
            2 => {
                temporal = 0;
                spatial += 1;
            }
            _ => return Some(templates),
        }
    }
}

/// A decode target is where the highest of its templates is.
fn cell_of(templates: &[Template], target: usize) -> u8 {
    let mine = || templates.iter().filter(|template| template.indication(target) != 0);
    let spatial = mine().map(|template| template.spatial).max().unwrap_or(0);
    let temporal = mine().map(|template| template.temporal).max().unwrap_or(0);
    Grid::cell(spatial, temporal)
}
