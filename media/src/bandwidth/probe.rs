//! When to send more than the media there is, how much, and what came of it (libwebrtc
//! `goog_cc/probe_controller.cc` and `pacing/bitrate_prober.cc`). Our media is not encoded to the
//! estimate, so that this is how the estimate rises at all. Makes no packets.

use super::probe_result::ProbeResult;

/// First probe of a path, as a multiple of the estimate.
const FIRST: f64 = 3.0;
/// Any later one.
const NEXT: f64 = 2.0;
/// One after another that showed no more.
const AGAIN: f64 = 1.5;
/// A probe that shows this share of its rate is followed by the next at once.
const SHOWN: f64 = 0.7;
/// Between a probe that showed no more, and the next, in microseconds.
const INTERVAL: i64 = 5_000_000;
/// The same while nothing is known of the path but a guess, by which a video may stand still: the
/// first probe fails also on wide paths, if a machine is busy with all who come at once.
const FIRST_INTERVAL: i64 = 1_000_000;
/// So many first probes; a path on which they all fail is no wider than guessed.
const FIRST_TRIES: u8 = 3;
/// After the estimate fell: the queue has emptied by then, and what the path carries can be told
/// better than from a full queue.
const AFTER_DROP: i64 = 1_000_000;
/// After the path became narrow: its queue has emptied, a lower layer's key frame came through,
/// and what it carries is known by the queue.
const AFTER_NARROW: i64 = 1_500_000;
/// How long a probe lasts. Shorter ones pass the burst allowance of a shaper unhindered, longer
/// ones fill a queue.
const DURATION: i64 = 100_000;
/// Packets of a probe, at least.
const PACKETS: u32 = 5;
/// How long its feedback is waited for after its last packet.
const PATIENCE: i64 = 1_000_000;
/// Least distance of two bursts of padding; the plane's timers are no finer.
pub const STEP: i64 = 5_000;

/// A probe that is sent, or waits for its feedback.
#[derive(Clone, Copy, Debug)]
struct Running {
    bitrate: u64,
    began: i64,
    /// When its last packet went out.
    ended: Option<i64>,
    packets: u32,
    bytes: u64,
    result: ProbeResult,
}

/// What came of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Bits per second that were tried.
    pub tried: u64,
    /// What passed, if it shows that.
    pub shown: Option<u64>,
}

/// What to go by.
#[derive(Clone, Copy, Debug)]
pub struct Outlook {
    /// The estimate, in bits per second.
    pub estimate: u64,
    /// What there would be to send.
    pub desired: u64,
    /// More than this is of no use.
    pub most: u64,
    /// Queues are neither filling nor emptying.
    pub calm: bool,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Probes {
    /// Of the newest probe; 0 is none.
    id: u8,
    running: Option<Running>,
    next_at: Option<i64>,
    probed: bool,
    failed: bool,
    /// First probes that may still fail; none once something is known of the path.
    firsts: u8,
}

impl Default for Probes {
    fn default() -> Self {
        Self {
            id: 0,
            running: None,
            next_at: None,
            probed: false,
            failed: false,
            firsts: FIRST_TRIES,
        }
    }
}

impl Probes {
    /// The probe that packets sent now belong to; 0 if none.
    pub fn id(&self) -> u8 {
        let sending = self.running.as_ref().is_some_and(|probe| probe.ended.is_none());
        if sending { self.id } else { 0 }
    }

    /// A packet of the running probe, be it media or padding, went out.
    pub fn on_sent(&mut self, now: i64, bytes: usize) {
        let Some(probe) = self.running.as_mut().filter(|probe| probe.ended.is_none()) else {
            return;
        };
        probe.packets += 1;
        probe.bytes += bytes as u64;
        if now - probe.began >= DURATION && probe.packets >= PACKETS {
            probe.ended = Some(now);
        }
    }

    /// Bytes that nobody tells about went out with it.
    pub fn on_untold(&mut self, bytes: usize) {
        if let Some(probe) = self.running.as_mut().filter(|probe| probe.ended.is_none()) {
            probe.bytes += bytes as u64;
        }
    }

    /// A packet of probe `id` arrived, or was lost.
    pub fn on_told(&mut self, id: u8, sent: i64, arrival: Option<i64>, bytes: u64) {
        let Some(probe) = self.running.as_mut().filter(|_| id == self.id) else { return };
        match arrival {
            Some(arrival) => probe.result.on_arrival(sent, arrival, bytes),
            None => probe.result.on_loss(),
        }
    }

    /// Padding that is due, in bytes. Ends the probe if that was all.
    pub fn due(&mut self, now: i64) -> usize {
        let Some(probe) = self.running.as_mut().filter(|probe| probe.ended.is_none()) else {
            return 0;
        };
        let since = now - probe.began;
        let target = probe.bitrate * ((since + STEP).min(DURATION) as u64) / 8_000_000;
        if since >= DURATION && probe.packets >= PACKETS {
            probe.ended = Some(now);
            return 0;
        }
        let few = since >= DURATION && probe.packets < PACKETS;
        target.saturating_sub(probe.bytes).max(u64::from(few)) as usize
    }

    /// Whether padding is due now and then.
    pub fn is_sending(&self) -> bool {
        self.id() != 0
    }

    /// A queue fills: what is tried now would only fill it more. If the estimate fell `deep`, the
    /// next try comes soon.
    pub fn on_drop(&mut self, now: i64, deep: bool) {
        self.cut(now);
        let soon = now + AFTER_DROP;
        self.next_at = Some(self.next_at.filter(|_| !deep).map_or(soon, |at| at.max(soon)));
        (self.probed, self.failed, self.firsts) = (true, true, 0);
    }

    /// The path became narrow: nothing is tried for a while.
    pub fn on_narrow(&mut self, now: i64) {
        self.cut(now);
        self.next_at = Some(now + AFTER_NARROW);
        (self.probed, self.failed, self.firsts) = (true, true, 0);
    }

    /// Ends what is tried: it showed enough. True if something was, or its feedback is waited for.
    pub fn cut(&mut self, now: i64) -> bool {
        if let Some(probe) = &mut self.running {
            probe.ended.get_or_insert(now);
        }
        self.running.is_some()
    }

    /// What came of the running probe, once all of it was told about or nothing more will be.
    pub fn outcome(&mut self, now: i64) -> Option<Outcome> {
        let probe = self.running.as_ref()?;
        let late = match probe.ended {
            Some(_) if probe.result.told() >= probe.packets => true,
            Some(ended) => now - ended >= PATIENCE,
            None => now - probe.began >= 2 * PATIENCE,
        };
        if !late {
            return None;
        }
        // What was cut short showed a queue only if it had lasted.
        let lasted = probe.ended.is_some_and(|ended| ended - probe.began >= DURATION / 2);
        let shown = probe.result.bitrate(probe.packets).filter(|_| lasted);
        let outcome = Outcome { tried: probe.bitrate, shown };
        self.running = None;
        let passed = shown.is_some_and(|shown| shown as f64 >= SHOWN * outcome.tried as f64);
        self.failed = !passed;
        let soon = self.next_at.filter(|at| *at >= now);
        self.firsts = if passed { 0 } else { self.firsts.saturating_sub(1) };
        let interval = if self.firsts > 0 { FIRST_INTERVAL } else { INTERVAL };
        self.next_at = (!passed).then(|| soon.unwrap_or(now + interval));
        Some(outcome)
    }

    /// Begins a probe if there is something to be gained. True if it did.
    pub fn begin(&mut self, now: i64, outlook: Outlook) -> bool {
        let most = outlook.most.min(outlook.desired + outlook.desired / 3);
        let idle = self.running.is_none() && outlook.calm;
        if !idle || self.next_at.is_some_and(|at| now < at) || outlook.estimate >= outlook.desired {
            return false;
        }
        let factor = match (std::mem::replace(&mut self.probed, true), self.failed) {
            (false, _) => FIRST,
            (true, false) => NEXT,
            (true, true) => AGAIN,
        };
        let bitrate = ((outlook.estimate as f64 * factor) as u64).min(most);
        if bitrate <= outlook.estimate {
            return false;
        }
        self.id = self.id.checked_add(1).unwrap_or(1);
        self.running = Some(Running {
            bitrate,
            began: now,
            ended: None,
            packets: 0,
            bytes: 0,
            result: ProbeResult::default(),
        });
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000;

    fn outlook(estimate: u64, desired: u64) -> Outlook {
        Outlook { estimate, desired, most: 100_000_000, calm: true }
    }

    /// Sends a probe in packets of 1,000 bytes that arrive `stretch` times as far apart.
    fn run(probes: &mut Probes, at: &mut i64, stretch: f64) -> Option<Outcome> {
        let (began, mut padding) = (*at, 0);
        while probes.is_sending() {
            while probes.due(*at) >= 500 {
                padding += 1_000;
                let arrival = 50_000 + ((*at - began) as f64 * stretch) as i64;
                let id = probes.id();
                probes.on_sent(*at, 1_000);
                probes.on_told(id, *at, Some(arrival), 1_000);
            }
            *at += STEP;
            assert!(*at - began < 3_000 * MS, "{padding} bytes sent");
        }
        probes.outcome(*at)
    }

    #[test]
    fn a_path_is_tried_with_three_times_the_estimate_and_then_twice_each() {
        let (mut probes, mut at) = (Probes::default(), 0);
        assert!(probes.begin(at, outlook(600_000, 5_000_000)));
        let outcome = run(&mut probes, &mut at, 1.0).unwrap();
        assert_eq!(outcome.tried, 1_800_000);
        let shown = outcome.shown.unwrap();
        assert!((1_600_000..2_000_000).contains(&shown), "{shown}");
        assert!((100 * MS..120 * MS).contains(&at), "{at}");
        assert!(probes.begin(at, outlook(shown, 5_000_000)));
        let outcome = run(&mut probes, &mut at, 1.0).unwrap();
        assert_eq!(outcome.tried, 2 * shown);
    }

    #[test]
    fn nothing_is_tried_beyond_what_would_be_sent() {
        let mut probes = Probes::default();
        assert!(!probes.begin(0, outlook(600_000, 600_000)));
        assert!(probes.begin(0, outlook(600_000, 900_000)));
        let mut at = 0;
        assert_eq!(run(&mut probes, &mut at, 1.0).unwrap().tried, 1_200_000);
    }

    #[test]
    fn a_probe_that_shows_no_more_is_repeated_after_a_while() {
        let (mut probes, mut at) = (Probes::default(), 0);
        probes.begin(at, outlook(600_000, 5_000_000));
        run(&mut probes, &mut at, 1.0).unwrap();
        probes.begin(at, outlook(1_800_000, 5_000_000));
        let outcome = run(&mut probes, &mut at, 2.0).unwrap();
        let shown = outcome.shown.unwrap();
        assert!((1_500_000..2_000_000).contains(&shown), "{shown}");
        assert!(!probes.begin(at + 4_999 * MS, outlook(shown, 5_000_000)));
        assert!(probes.begin(at + 5_000 * MS, outlook(shown, 5_000_000)));
    }

    #[test]
    fn first_probes_that_fail_are_repeated_twice_a_second_apart() {
        let (mut probes, mut at) = (Probes::default(), 0);
        for (after, tried) in [(0, 1_800_000), (1_000, 900_000), (1_000, 900_000), (5_000, 900_000)]
        {
            if after > 0 {
                assert!(!probes.begin(at + (after - 1) * MS, outlook(600_000, 5_000_000)));
            }
            at += after * MS;
            assert!(probes.begin(at, outlook(600_000, 5_000_000)), "after {after}");
            let outcome = run(&mut probes, &mut at, 4.0).unwrap();
            assert_eq!(outcome.tried, tried);
        }
        assert!(!probes.begin(at + 4_999 * MS, outlook(600_000, 5_000_000)));
    }

    #[test]
    fn a_path_that_fell_once_is_no_longer_tried_as_a_new_one() {
        let (mut probes, mut at) = (Probes::default(), 0);
        probes.on_drop(0, true);
        at += 1_000 * MS;
        assert!(probes.begin(at, outlook(600_000, 5_000_000)));
        run(&mut probes, &mut at, 4.0).unwrap();
        assert!(!probes.begin(at + 4_999 * MS, outlook(600_000, 5_000_000)));
    }

    #[test]
    fn a_drop_ends_what_is_tried_and_tries_again_soon() {
        let mut probes = Probes::default();
        probes.begin(0, outlook(600_000, 5_000_000));
        probes.on_sent(0, 1_000);
        probes.on_drop(10 * MS, true);
        assert_eq!((probes.id(), probes.due(20 * MS)), (0, 0));
        assert!(!probes.begin(500 * MS, outlook(300_000, 5_000_000)));
        assert_eq!(probes.outcome(1_009 * MS + 1_000).unwrap().shown, None);
        assert!(probes.begin(1_010 * MS, outlook(300_000, 5_000_000)));
    }

    #[test]
    fn a_path_that_became_narrow_is_left_alone_for_a_second_and_a_half() {
        let mut probes = Probes::default();
        probes.begin(0, outlook(600_000, 5_000_000));
        probes.on_sent(0, 1_000);
        probes.on_narrow(10 * MS);
        assert!(!probes.is_sending());
        assert!(probes.outcome(1_100 * MS).is_some());
        assert!(!probes.begin(1_509 * MS, outlook(300_000, 5_000_000)));
        assert!(probes.begin(1_510 * MS, outlook(300_000, 5_000_000)));
    }

    #[test]
    fn media_counts_as_padding_and_lost_feedback_ends_a_probe() {
        let mut probes = Probes::default();
        probes.begin(0, outlook(1_000_000, 2_000_000));
        probes.on_sent(0, 12_000);
        // 2.7 Mb/s are 13,333 bytes in 40 ms.
        assert_eq!(probes.due(35 * MS), 1_333);
        assert!(probes.due(60 * MS) > 9_000);
        for n in 0..5 {
            probes.on_sent((60 + n * 25) * MS, 1_200);
        }
        assert!(!probes.is_sending());
        assert_eq!(probes.outcome(900 * MS), None);
        assert_eq!(probes.outcome(1_300 * MS), Some(Outcome { tried: 2_666_666, shown: None }));
    }
}
