//! Which layer a consumer should get: a pure function of its wish, of what the allocator grants it
//! and of what the producer sends now (mediasoup `SimulcastProducerStreamManager`). Never switches
//! anything, and knows no bitrate.

use starling_proto::rtp::ConsumerLayers;

/// What is known of one encoding when choosing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Candidate {
    /// Packets arrive.
    pub active: bool,
    /// Its timestamps can be aligned with what was sent before.
    pub alignable: bool,
}

impl Candidate {
    fn usable(self) -> bool {
        self.active && self.alignable
    }
}

/// The most a consumer may get.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Grant {
    /// All there is.
    #[default]
    Everything,
    /// These layers and those below.
    UpTo(ConsumerLayers),
    /// Nothing at all.
    Nothing,
}

impl Grant {
    /// The lower of a wish and this, on each axis.
    pub fn cap(self, wish: Option<ConsumerLayers>) -> Self {
        match (self, wish) {
            (Self::Nothing, _) => Self::Nothing,
            (Self::Everything, None) => Self::Everything,
            (Self::Everything, Some(layers)) | (Self::UpTo(layers), None) => Self::UpTo(layers),
            (Self::UpTo(granted), Some(wish)) => Self::UpTo(ConsumerLayers {
                spatial_layer: granted.spatial_layer.min(wish.spatial_layer),
                temporal_layer: match (granted.temporal_layer, wish.temporal_layer) {
                    (Some(granted), Some(wish)) => Some(granted.min(wish)),
                    (one, other) => one.or(other),
                },
            }),
        }
    }

    /// The highest temporal layer to forward.
    pub fn temporal(self) -> u8 {
        match self {
            Self::Everything => u8::MAX,
            Self::UpTo(layers) => layers.temporal_layer.unwrap_or(u8::MAX),
            Self::Nothing => 0,
        }
    }

    /// The highest of `encodings` or spatial layers; `None` for nothing.
    pub fn top(self, encodings: usize) -> Option<usize> {
        let highest = encodings.checked_sub(1)?;
        match self {
            Self::Everything => Some(highest),
            Self::UpTo(layers) => Some(usize::from(layers.spatial_layer).min(highest)),
            Self::Nothing => None,
        }
    }
}

/// The encoding to aim at: the highest usable one up to the ceiling; the lowest usable one above it
/// if there is none; nothing if none is usable.
pub fn choose(ceiling: Grant, candidates: &[Candidate]) -> Option<usize> {
    let top = ceiling.top(candidates.len())?;
    candidates[..=top]
        .iter()
        .rposition(|candidate| candidate.usable())
        .or_else(|| candidates.iter().position(|candidate| candidate.usable()))
}

/// The encodings that a consumer of a piped producer is to get, as a mask: its ceiling, and below
/// it, as long as nothing comes, what to fall back to. What it gets until it has switched is not
/// among them.
pub fn wanted(ceiling: Grant, candidates: &[Candidate]) -> u32 {
    let mut mask = 0;
    let Some(top) = ceiling.top(candidates.len()) else { return 0 };
    for index in (0..=top).rev() {
        mask |= 1 << index;
        if candidates[index].active {
            break;
        }
    }
    mask
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFF: Candidate = Candidate { active: false, alignable: false };
    const NEW: Candidate = Candidate { active: true, alignable: false };
    const ON: Candidate = Candidate { active: true, alignable: true };

    fn layers(spatial_layer: u8, temporal_layer: Option<u8>) -> ConsumerLayers {
        ConsumerLayers { spatial_layer, temporal_layer }
    }

    fn up_to(spatial_layer: u8) -> Grant {
        Grant::UpTo(layers(spatial_layer, None))
    }

    #[test]
    fn highest_usable_without_a_wish() {
        assert_eq!(choose(Grant::Everything, &[ON, ON, ON]), Some(2));
        assert_eq!(choose(Grant::Everything, &[ON, ON, OFF]), Some(1));
        assert_eq!(choose(Grant::Everything, &[ON, NEW, NEW]), Some(0));
        assert_eq!(choose(Grant::Everything, &[OFF, OFF, OFF]), None);
        assert_eq!(choose(Grant::Everything, &[]), None);
    }

    #[test]
    fn a_wish_is_a_ceiling_unless_nothing_lower_is_usable() {
        assert_eq!(choose(up_to(1), &[ON, ON, ON]), Some(1));
        assert_eq!(choose(up_to(1), &[ON, OFF, ON]), Some(0));
        assert_eq!(choose(up_to(1), &[OFF, OFF, ON]), Some(2));
        assert_eq!(choose(up_to(7), &[ON, ON, ON]), Some(2));
    }

    #[test]
    fn a_pipe_carries_the_wish_and_what_to_fall_back_to() {
        assert_eq!(wanted(Grant::Everything, &[OFF, OFF, OFF]), 0b111);
        assert_eq!(wanted(Grant::Everything, &[ON, ON, ON]), 0b100);
        assert_eq!(wanted(up_to(1), &[ON, ON, ON]), 0b010);
        assert_eq!(wanted(Grant::Everything, &[OFF, ON, OFF]), 0b110);
        assert_eq!(wanted(up_to(0), &[ON]), 0b001);
    }

    #[test]
    fn nothing_granted_is_nothing_chosen_and_nothing_piped() {
        assert_eq!(choose(Grant::Nothing, &[ON, ON]), None);
        assert_eq!(wanted(Grant::Nothing, &[ON, ON]), 0);
        assert_eq!(Grant::Nothing.cap(Some(layers(2, None))), Grant::Nothing);
    }

    #[test]
    fn the_lower_of_wish_and_grant_counts_on_each_axis() {
        let grant = Grant::UpTo(layers(1, Some(2)));
        assert_eq!(grant.cap(None), grant);
        assert_eq!(grant.cap(Some(layers(2, Some(0)))), Grant::UpTo(layers(1, Some(0))));
        assert_eq!(grant.cap(Some(layers(0, None))), Grant::UpTo(layers(0, Some(2))));
        assert_eq!(Grant::Everything.cap(Some(layers(2, None))), up_to(2));
        assert_eq!(Grant::Everything.cap(None), Grant::Everything);
    }

    #[test]
    fn the_temporal_ceiling_holds_on_every_spatial_layer() {
        assert_eq!(Grant::UpTo(layers(2, Some(1))).temporal(), 1);
        assert_eq!(up_to(2).temporal(), u8::MAX);
        assert_eq!(Grant::Everything.temporal(), u8::MAX);
    }
}
