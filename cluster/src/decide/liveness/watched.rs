//! One node under watch: with a link, or without.

use std::time::{Duration, Instant};

use super::{
    ASK_EVERY, ASK_LOST, ASK_VOUCHED, CONFIRM, End, NEWER, PROBE_AFTER, PROBE_SUSPECT,
    SUSPECT_AFTER, SUSPECT_UNPROBED, Sample, VERDICT_AFTER, VOUCHED_FOR, Verdict,
};

#[derive(Debug)]
pub(super) enum Watched {
    Linked(Linked),
    Absent(Absent),
}

/// A node with a link.
#[derive(Debug)]
pub(super) struct Linked {
    pub(super) link: u64,
    pub(super) epoch: u64,
    /// It is probed, and may be asked.
    pub(super) probes: bool,
    pub(super) suspected: bool,
    /// When something last came, and when an answer did.
    heard: Instant,
    pub(super) answered: Instant,
    last: Sample,
    probed: Option<Instant>,
    asked: Option<Instant>,
    /// The newest answer that another node got.
    vouched: Option<Instant>,
}

/// What a silent link asks for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// It is suspected from now on.
    pub(super) suspected: bool,
    pub(super) probe: bool,
    pub(super) ask: bool,
    pub(super) end: bool,
}

/// A node that is wanted and has no link.
#[derive(Debug)]
pub(super) struct Absent {
    pub(super) epoch: u64,
    since: Instant,
    pub(super) verdict: Verdict,
    /// Until when a verdict about the link stands.
    until: Instant,
    asked: Option<Instant>,
}

impl Watched {
    pub(super) fn epoch(&self) -> u64 {
        match self {
            Self::Linked(linked) => linked.epoch,
            Self::Absent(absent) => absent.epoch,
        }
    }

    pub(super) fn as_linked(&self) -> Option<&Linked> {
        match self {
            Self::Linked(linked) => Some(linked),
            Self::Absent(_) => None,
        }
    }

    /// The silence until now was ours.
    pub(super) fn excuse(&mut self, now: Instant) {
        match self {
            Self::Linked(linked) => {
                (linked.heard, linked.answered) = (now, now);
                (linked.suspected, linked.vouched) = (false, None);
            }
            Self::Absent(absent) => absent.until = absent.until.max(now + CONFIRM),
        }
    }
}

impl Linked {
    pub(super) fn new(now: Instant, link: u64, epoch: u64, probes: bool) -> Self {
        Self {
            link,
            epoch,
            probes,
            suspected: false,
            heard: now,
            answered: now,
            last: Sample::default(),
            probed: None,
            asked: None,
            vouched: None,
        }
    }

    pub(super) fn take(&mut self, now: Instant, sample: Sample) {
        if sample.received != self.last.received {
            self.heard = now;
        }
        if sample.answers != self.last.answers {
            self.answered = now;
            (self.suspected, self.vouched) = (false, None);
        }
        self.last = sample;
    }

    fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.answered)
    }

    /// Its word about others counts.
    pub(super) fn is_witness(&self, now: Instant) -> bool {
        self.probes && !self.suspected && self.silence(now) < SUSPECT_AFTER
    }

    /// What its silence asks for now.
    pub(super) fn due(&mut self, now: Instant) -> Due {
        let silence = self.silence(now);
        let after = if self.probes { SUSPECT_AFTER } else { SUSPECT_UNPROBED };
        let suspect = silence >= after;
        let every = if suspect { PROBE_SUSPECT } else { PROBE_AFTER };
        Due {
            suspected: suspect && !std::mem::replace(&mut self.suspected, true),
            probe: silence >= PROBE_AFTER && self.wants_probe(now, every),
            ask: suspect && due(&mut self.asked, now, ASK_EVERY),
            end: silence >= VERDICT_AFTER,
        }
    }

    /// It knows probes, and the last one was so long ago.
    pub(super) fn wants_probe(&self, now: Instant, every: Duration) -> bool {
        let long_ago = |at| now.saturating_duration_since(at) >= every;
        self.probes && self.probed.is_none_or(long_ago)
    }

    /// A probe goes out.
    pub(super) fn probe(&mut self, now: Instant) {
        self.probed = Some(now);
    }

    /// Somebody had an answer of it then.
    pub(super) fn vouch(&mut self, at: Instant) {
        self.vouched = self.vouched.max(Some(at));
    }

    /// Whether the node lives although its link ended like this.
    pub(super) fn reached(&self, now: Instant, end: End) -> bool {
        match end {
            End::Left => false,
            End::Theirs | End::Ours => true,
            End::Silent => {
                let newer = self.answered + NEWER;
                // What still comes from it comes from somebody who lives.
                let heard =
                    self.heard >= newer && now.saturating_duration_since(self.heard) < NEWER;
                heard || self.vouched.is_some_and(|at| at >= newer)
            }
        }
    }
}

impl Absent {
    pub(super) fn new(now: Instant, epoch: u64, verdict: Verdict) -> Self {
        Self { epoch, since: now, verdict, until: now + CONFIRM, asked: None }
    }

    /// It has never had a link, and one may come up in a moment: nobody is asked until then.
    pub(super) fn unmet(now: Instant, epoch: u64) -> Self {
        let asked = Some(now + ASK_VOUCHED);
        Self { epoch, since: now, verdict: Verdict::Node, until: now, asked }
    }

    /// Somebody had an answer of it then; the verdict, if that changes it.
    pub(super) fn vouch(&mut self, now: Instant, at: Instant) -> Option<Verdict> {
        if at <= self.since {
            return None;
        }
        self.until = self.until.max(at + VOUCHED_FOR).max(now);
        let changed = std::mem::replace(&mut self.verdict, Verdict::Link) != Verdict::Link;
        changed.then_some(Verdict::Link)
    }

    /// True when nobody vouches for it any more.
    pub(super) fn lapse(&mut self, now: Instant) -> bool {
        let lapsed = self.verdict == Verdict::Link && now >= self.until;
        if lapsed {
            self.verdict = Verdict::Node;
        }
        lapsed
    }

    pub(super) fn ask(&mut self, now: Instant) -> bool {
        let every = match self.verdict {
            _ if now.saturating_duration_since(self.since) < ASK_VOUCHED => ASK_EVERY,
            Verdict::Link => ASK_VOUCHED,
            Verdict::Node => ASK_LOST,
        };
        due(&mut self.asked, now, every)
    }
}

/// Whether it is time again; if so, the time is noted.
fn due(last: &mut Option<Instant>, now: Instant, every: Duration) -> bool {
    let due = last.is_none_or(|at| now.saturating_duration_since(at) >= every);
    if due {
        *last = Some(now);
    }
    due
}
