//! This node's life: which it is, and whether the others have given it up. Whoever was cut off for
//! so long that its lease ended, or stood still, is told so on its way back: its sessions end and
//! it begins a life above the last. Never says who else
//! lives (`liveness`), never ends a session itself.

/// The life of this process that counts.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    epoch: u64,
    over: bool,
    renewals: u64,
}

impl Life {
    /// The first one.
    pub fn new(epoch: u64) -> Self {
        Self { epoch, over: false, renewals: 0 }
    }

    /// Which it is.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Others have given it up, and the next has not begun.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How many began because the one before was over.
    pub fn renewals(&self) -> u64 {
        self.renewals
    }

    /// Another node says that the life of `epoch` is over. True if that is news: its sessions are
    /// to end. A late word about the life before is none.
    pub fn end(&mut self, epoch: u64) -> bool {
        epoch == self.epoch && !std::mem::replace(&mut self.over, true)
    }

    /// The next one begins, at `wall_us` (microseconds since 1970) or above the last if a clock was
    /// set back.
    pub fn renew(&mut self, wall_us: u64) -> u64 {
        self.epoch = wall_us.max(self.epoch.saturating_add(1));
        self.over = false;
        self.renewals += 1;
        self.epoch
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_late_word_about_the_life_before_does_not_end_this_one() {
        let mut life = Life::new(5);
        assert!(life.end(5));
        assert!(!life.end(5), "it is over already");
        assert_eq!(life.renew(9), 9);
        assert!(!life.end(5), "said by a node that heard of the new life later");
        assert!(!life.is_over());
        assert!(life.end(9));
    }

    #[test]
    fn a_life_begins_above_the_last_whatever_the_clock_says() {
        let mut life = Life::new(5);
        assert_eq!((life.renew(3), life.renew(20)), (6, 20));
        assert_eq!((life.epoch(), life.renewals()), (20, 2));
    }
}
