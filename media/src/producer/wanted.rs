//! Which encodings of a piped producer somebody here can use: added at once, dropped after a while,
//! so that a viewer who wavers does not cost a key frame upstream each time. Pure.

use std::time::{Duration, Instant};

use super::MAX_ENCODINGS;

/// How long after the last wish for an encoding it is still piped. To have it back costs a key
/// frame, which has the bits of a third of a second or so, and whoever wants it a wait of up to
/// two thirds of one ([`KeyFrameRequests`](crate::ingress::KeyFrameRequests)): about what a second
/// of it costs for nothing.
const LINGER: Duration = Duration::from_millis(1000);

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    told: u32,
    mask: u32,
    wished: u32,
    last: [Option<Instant>; MAX_ENCODINGS],
}

impl Wanted {
    /// `wished` is what somebody here is to get, `used` what somebody gets, here until he has
    /// switched or on planes that it is piped on to; the encodings to tell if they are others than
    /// before. Only a wish lingers: whoever takes a second to switch has left what he used for so
    /// long, and what is let go below has been kept there. Each plane on the way would add its own.
    pub fn update(&mut self, now: Instant, wished: u32, used: u32) -> Option<u32> {
        let seen = wished | self.wished;
        self.wished = wished;
        self.mask = wished | used;
        let mut told = self.mask;
        for (index, last) in self.last.iter_mut().enumerate() {
            let bit = 1 << index;
            if seen & bit != 0 {
                *last = Some(now);
            }
            let lingers = last.is_some_and(|at| now.saturating_duration_since(at) < LINGER);
            if self.told & bit != 0 && lingers {
                told |= bit;
            }
        }
        (std::mem::replace(&mut self.told, told) != told).then_some(told)
    }

    /// When something is told that is wanted no longer: then [`Self::update`] again.
    pub fn next_deadline(&self) -> Option<Instant> {
        let lingers = |index: &usize| (self.told & !self.mask) >> index & 1 == 1;
        let ends = (0..MAX_ENCODINGS).filter(lingers).filter_map(|index| self.last[index]);
        ends.min().map(|last| last + LINGER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(start: Instant, ms: u64) -> Instant {
        start + Duration::from_millis(ms)
    }

    #[test]
    fn added_at_once_and_dropped_after_a_while() {
        let start = Instant::now();
        let mut wanted = Wanted::default();
        assert_eq!(wanted.update(start, 0, 0), None);
        assert_eq!(wanted.update(ms(start, 10), 0b100, 0), Some(0b100));
        assert_eq!(wanted.update(ms(start, 20), 0b001, 0), Some(0b101));
        assert_eq!(wanted.next_deadline(), Some(ms(start, 1_020)));
        assert_eq!(wanted.update(ms(start, 1_019), 0b001, 0), None);
        assert_eq!(wanted.update(ms(start, 1_020), 0b001, 0), Some(0b001));
        assert_eq!(wanted.next_deadline(), None);
    }

    #[test]
    fn wanted_again_while_lingering_tells_nothing() {
        let start = Instant::now();
        let mut wanted = Wanted::default();
        wanted.update(start, 1, 0);
        assert_eq!(wanted.update(ms(start, 100), 0, 0), None);
        assert_eq!(wanted.update(ms(start, 900), 1, 0), None);
        assert_eq!(wanted.update(ms(start, 5_000), 1, 0), None);
        assert_eq!(wanted.update(ms(start, 5_001), 0, 0), None);
        assert_eq!(wanted.update(ms(start, 6_000), 0, 0), None);
        assert_eq!(wanted.update(ms(start, 6_001), 0, 0), Some(0));
    }

    #[test]
    fn what_is_used_until_a_switch_is_dropped_with_it_if_nobody_has_wished_it_for_a_while() {
        let start = Instant::now();
        let mut wanted = Wanted::default();
        assert_eq!(wanted.update(start, 0b100, 0b100), Some(0b100));
        assert_eq!(wanted.update(ms(start, 5_000), 0b001, 0b100), Some(0b101));
        let mut fast = wanted;
        assert_eq!(fast.update(ms(start, 5_100), 0b001, 0b001), None);
        assert_eq!(fast.next_deadline(), Some(ms(start, 6_000)));
        assert_eq!(fast.update(ms(start, 6_000), 0b001, 0b001), Some(0b001));
        assert_eq!(wanted.update(ms(start, 6_200), 0b001, 0b100), None);
        assert_eq!(wanted.update(ms(start, 6_210), 0b001, 0b001), Some(0b001));
    }

    #[test]
    fn what_is_piped_on_is_dropped_at_once_unless_somebody_here_wanted_it_a_moment_ago() {
        let start = Instant::now();
        let mut wanted = Wanted::default();
        assert_eq!(wanted.update(start, 0, 0b110), Some(0b110));
        assert_eq!(wanted.update(ms(start, 10), 0, 0b010), Some(0b010));
        assert_eq!(wanted.update(ms(start, 20), 0b010, 0b010), None);
        assert_eq!(wanted.update(ms(start, 30), 0, 0b001), Some(0b011));
        assert_eq!(wanted.update(ms(start, 1_029), 0, 0b001), None);
        assert_eq!(wanted.update(ms(start, 1_030), 0, 0b001), Some(0b001));
    }
}
