//! Which layer a consumer should get: a pure function of its wish and of what the producer sends
//! now (mediasoup `SimulcastProducerStreamManager`, without a bitrate budget). Never switches
//! anything.

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

/// The encoding to aim at: the highest usable one up to the wish; the lowest usable one above it if
/// there is none; nothing if none is usable.
pub fn choose(wish: Option<ConsumerLayers>, candidates: &[Candidate]) -> Option<usize> {
    let top = wished(wish, candidates.len())?;
    candidates[..=top]
        .iter()
        .rposition(|candidate| candidate.usable())
        .or_else(|| candidates.iter().position(|candidate| candidate.usable()))
}

/// The highest temporal layer to forward.
pub fn temporal(wish: Option<ConsumerLayers>) -> u8 {
    wish.and_then(|wish| wish.temporal_layer).unwrap_or(u8::MAX)
}

/// The encodings a consumer of a piped producer can use now, as a mask: its wish; below it, as long
/// as nothing comes, what to fall back to; and what it gets until it has switched.
pub fn wanted(
    wish: Option<ConsumerLayers>,
    candidates: &[Candidate],
    current: Option<usize>,
) -> u32 {
    let mut mask = current.map_or(0, |current| 1 << current);
    let Some(top) = wished(wish, candidates.len()) else { return 0 };
    for index in (0..=top).rev() {
        mask |= 1 << index;
        if candidates[index].active {
            break;
        }
    }
    mask
}

fn wished(wish: Option<ConsumerLayers>, encodings: usize) -> Option<usize> {
    let highest = encodings.checked_sub(1)?;
    Some(wish.map_or(highest, |wish| usize::from(wish.spatial_layer).min(highest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFF: Candidate = Candidate { active: false, alignable: false };
    const NEW: Candidate = Candidate { active: true, alignable: false };
    const ON: Candidate = Candidate { active: true, alignable: true };

    fn layers(spatial_layer: u8) -> Option<ConsumerLayers> {
        Some(ConsumerLayers { spatial_layer, temporal_layer: None })
    }

    #[test]
    fn highest_usable_without_a_wish() {
        assert_eq!(choose(None, &[ON, ON, ON]), Some(2));
        assert_eq!(choose(None, &[ON, ON, OFF]), Some(1));
        assert_eq!(choose(None, &[ON, NEW, NEW]), Some(0));
        assert_eq!(choose(None, &[OFF, OFF, OFF]), None);
        assert_eq!(choose(None, &[]), None);
    }

    #[test]
    fn a_wish_is_a_ceiling_unless_nothing_lower_is_usable() {
        assert_eq!(choose(layers(1), &[ON, ON, ON]), Some(1));
        assert_eq!(choose(layers(1), &[ON, OFF, ON]), Some(0));
        assert_eq!(choose(layers(1), &[OFF, OFF, ON]), Some(2));
        assert_eq!(choose(layers(7), &[ON, ON, ON]), Some(2));
    }

    #[test]
    fn a_pipe_carries_the_wish_and_what_to_fall_back_to() {
        assert_eq!(wanted(None, &[OFF, OFF, OFF], None), 0b111);
        assert_eq!(wanted(None, &[ON, ON, ON], Some(2)), 0b100);
        assert_eq!(wanted(None, &[ON, ON, ON], Some(0)), 0b101);
        assert_eq!(wanted(layers(1), &[ON, ON, ON], Some(1)), 0b010);
        assert_eq!(wanted(None, &[OFF, ON, OFF], Some(1)), 0b110);
        assert_eq!(wanted(layers(0), &[ON], Some(0)), 0b001);
    }

    #[test]
    fn the_temporal_wish_holds_on_every_spatial_layer() {
        let wish = Some(ConsumerLayers { spatial_layer: 2, temporal_layer: Some(1) });
        assert_eq!(temporal(wish), 1);
        assert_eq!(temporal(layers(2)), u8::MAX);
    }
}
