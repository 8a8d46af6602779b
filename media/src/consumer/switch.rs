//! Which encoding flows, and which one is waited for. The old one flows until a key frame of the
//! new one arrives (mediasoup LY3). Knows neither why a layer is aimed at nor how packets are
//! rewritten.

/// Where a consumer's output is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Switch {
    /// Nothing flows and nothing is waited for.
    #[default]
    Idle,
    /// Nothing flows until a key frame of this encoding.
    Waiting {
        /// Waited for.
        target: usize,
    },
    /// One encoding flows.
    Flowing {
        /// It.
        current: usize,
    },
    /// One flows until a key frame of the other.
    Switching {
        /// Flows.
        current: usize,
        /// Waited for.
        target: usize,
    },
    /// One is caught up with from the buffer; a key frame that comes meanwhile is begun with.
    Replaying {
        /// It.
        current: usize,
    },
}

/// What to do with a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not for this consumer now.
    Drop,
    /// Of the flowing encoding.
    Forward,
    /// The first of its encoding: synchronise, then [`Switch::started`].
    Start,
}

impl Switch {
    /// What flows.
    pub fn current(self) -> Option<usize> {
        match self {
            Self::Idle | Self::Waiting { .. } => None,
            Self::Flowing { current }
            | Self::Switching { current, .. }
            | Self::Replaying { current } => Some(current),
        }
    }

    /// What is waited for.
    pub fn awaited(self) -> Option<usize> {
        match self {
            Self::Idle | Self::Flowing { .. } | Self::Replaying { .. } => None,
            Self::Waiting { target } | Self::Switching { target, .. } => Some(target),
        }
    }

    /// Aims at an encoding, or at nothing. True if a key frame is needed that was not before.
    pub fn aim(&mut self, target: Option<usize>) -> bool {
        // It is over in a moment, and then it is aimed anew.
        if self.is_replaying() {
            return false;
        }
        let before = self.awaited();
        *self = match (self.current(), target) {
            (None, None) => Self::Idle,
            (None, Some(target)) => Self::Waiting { target },
            // Nothing better is known than what flows: keep it, it may come back.
            (Some(current), None) => Self::Flowing { current },
            (Some(current), Some(target)) if current == target => Self::Flowing { current },
            (Some(current), Some(target)) => Self::Switching { current, target },
        };
        self.awaited().is_some() && self.awaited() != before
    }

    /// What flows ended (its source did, or it was paused): it has to start again.
    pub fn stop(&mut self) {
        *self = Self::Idle;
    }

    /// What flows ends before the awaited encoding begins. False if nothing is awaited.
    pub fn leave(&mut self) -> bool {
        let Self::Switching { target, .. } = *self else { return false };
        *self = Self::Waiting { target };
        true
    }

    /// Judges a packet. `can_start`: it begins a key frame, or its codec has none.
    pub fn judge(self, encoding: usize, can_start: bool) -> Verdict {
        if self.is_replaying() {
            let start = can_start && self.current() == Some(encoding);
            return if start { Verdict::Start } else { Verdict::Drop };
        }
        if can_start && self.awaited() == Some(encoding) {
            Verdict::Start
        } else if self.current() == Some(encoding) {
            Verdict::Forward
        } else {
            Verdict::Drop
        }
    }

    /// The awaited encoding is caught up with from the buffer.
    pub fn replays(&mut self, encoding: usize) {
        *self = Self::Replaying { current: encoding };
    }

    /// Whether the past is being caught up with.
    pub const fn is_replaying(self) -> bool {
        matches!(self, Self::Replaying { .. })
    }

    /// The awaited encoding flows now.
    pub fn started(&mut self, encoding: usize) {
        *self = Self::Flowing { current: encoding };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_old_layer_flows_until_a_key_frame_of_the_new_one() {
        let mut switch = Switch::default();
        assert!(switch.aim(Some(0)));
        assert_eq!(switch.judge(0, false), Verdict::Drop);
        assert_eq!(switch.judge(0, true), Verdict::Start);
        switch.started(0);
        assert_eq!(switch.judge(0, false), Verdict::Forward);

        assert!(switch.aim(Some(2)));
        assert_eq!(switch.judge(0, false), Verdict::Forward);
        assert_eq!(switch.judge(2, false), Verdict::Drop);
        assert_eq!(switch.judge(1, true), Verdict::Drop);
        assert_eq!(switch.judge(2, true), Verdict::Start);
        switch.started(2);
        assert_eq!(switch.judge(0, true), Verdict::Drop);
    }

    #[test]
    fn what_is_left_early_flows_no_more_and_nothing_is_left_for_nothing() {
        let mut switch = Switch::Flowing { current: 2 };
        assert!(!switch.leave());
        switch.aim(Some(0));
        assert!(switch.leave());
        assert_eq!((switch.current(), switch.awaited()), (None, Some(0)));
        assert_eq!(switch.judge(2, false), Verdict::Drop);
        // Nor does it go on without a key frame of its own.
        assert!(switch.aim(Some(2)));
        assert_eq!(switch.judge(2, false), Verdict::Drop);
        assert_eq!(switch.judge(2, true), Verdict::Start);
    }

    #[test]
    fn while_catching_up_only_a_new_key_frame_is_taken_and_nothing_else_aimed_at() {
        let mut switch = Switch::Waiting { target: 1 };
        switch.replays(1);
        assert_eq!((switch.current(), switch.awaited()), (Some(1), None));
        assert!(!switch.aim(Some(2)));
        assert_eq!(switch.judge(1, false), Verdict::Drop);
        assert_eq!(switch.judge(2, true), Verdict::Drop);
        assert_eq!(switch.judge(1, true), Verdict::Start);
        switch.started(1);
        assert!(switch.aim(Some(2)));
    }

    #[test]
    fn aiming_twice_asks_for_one_key_frame() {
        let mut switch = Switch::default();
        assert!(switch.aim(Some(1)));
        assert!(!switch.aim(Some(1)));
        switch.started(1);
        assert!(!switch.aim(Some(1)));
    }

    #[test]
    fn without_a_target_what_flows_is_kept_and_what_is_awaited_is_not() {
        let mut switch = Switch::Switching { current: 0, target: 1 };
        assert!(!switch.aim(None));
        assert_eq!(switch, Switch::Flowing { current: 0 });
        switch.stop();
        assert_eq!(switch.judge(0, true), Verdict::Drop);
    }
}
