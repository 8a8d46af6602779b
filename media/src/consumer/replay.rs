//! How a receiver catches up from a key frame in the buffer: how fast, and which timestamps what
//! lies behind gets. Knows neither packets nor layers.
//!
//! Pictures of the past are dated close to each other, just before the newest one: a receiver
//! decodes them and shows the last. With their own times it would play the past, and stay late.
//! Over a pipe they keep their times, and say that they are of the past: the other plane keeps them
//! for its own receivers.

use std::time::{Duration, Instant};

use crate::producer::key_frame::Stretch;

/// What catching up may take, at what the receiver can take: about what a request, a picture's wait
/// and the key frame itself take, so that asking is not quicker.
const MAX_TIME: Duration = Duration::from_millis(250);
/// A second and more of 2 Mb/s, whatever the receiver can take: a recorder tells no limit.
const MAX_BYTES: usize = 384 * 1024;
/// What is in a buffer at 30 per second; their timestamps have room between those of two pictures.
const MAX_PICTURES: u32 = 64;
/// Past that a receiver of another layer may see again: less than what is taken for a freeze. Who
/// joins has seen nothing yet.
const MAX_REWIND: Duration = Duration::from_millis(300);
/// What goes at once: four packets, as of retransmissions.
const BURST: u64 = 4_800;
/// Most ticks between the timestamps of two pictures of the past: a millisecond of video.
const STEP: u32 = 90;
/// A packet that is missing here is waited for so long: it was asked for, and may be repaired.
const PATIENCE: Duration = Duration::from_millis(500);

/// Whether to begin with what is in the buffer, at `rate` bits per second. `shown`: the receiver
/// sees another layer of it.
pub fn is_worth_it(stretch: &Stretch, clock_rate: u32, rate: u64, shown: bool) -> bool {
    let ticks = stretch.last_timestamp.wrapping_sub(stretch.first_timestamp);
    let past = u64::from(ticks) * 1_000 / u64::from(clock_rate.max(1));
    if shown && u128::from(past) > MAX_REWIND.as_millis() {
        return false;
    }
    let most = u128::from(rate) * MAX_TIME.as_micros() / 8_000_000;
    stretch.pictures <= MAX_PICTURES
        && stretch.bytes <= MAX_BYTES
        && stretch.bytes as u128 <= most.max(u128::from(BURST))
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Replay {
    /// Sequence number of the next packet.
    pub next: u16,
    since: Instant,
    bytes: u64,
    /// The newest picture when it began; what follows has its own time.
    edge: u32,
    picture: u32,
    output: u32,
    step: u32,
    piped: bool,
}

impl Replay {
    /// Begins. `last`: output timestamp of the newest picture; `before`: the newest one sent.
    /// `None` if there are fewer ticks between them than pictures: one would go back in time.
    pub fn new(now: Instant, stretch: &Stretch, last: u32, before: Option<u32>) -> Option<Self> {
        let room = before.map_or(u32::MAX, |before| last.wrapping_sub(before));
        let step = (room / stretch.pictures.max(1)).min(STEP);
        (step > 0).then(|| Self {
            next: stretch.first,
            since: now,
            bytes: 0,
            edge: stretch.last_timestamp,
            picture: stretch.first_timestamp,
            output: last.wrapping_sub(step * (stretch.pictures.max(1) - 1)),
            step,
            piped: false,
        })
    }

    /// Begins, over a pipe.
    pub const fn piped(now: Instant, stretch: &Stretch) -> Self {
        Self {
            next: stretch.first,
            since: now,
            bytes: 0,
            edge: stretch.last_timestamp,
            picture: stretch.first_timestamp,
            output: 0,
            step: 0,
            piped: true,
        }
    }

    /// Whether a packet goes over a pipe to be kept there: what follows is shown.
    pub fn is_to_be_kept(&self, input: u32) -> bool {
        self.piped && self.edge.wrapping_sub(input).cast_signed() > 0
    }

    /// The output timestamp of the next packet; `live` is what it would be by its own time.
    pub fn timestamp(&mut self, input: u32, live: u32) -> u32 {
        if self.piped || input.wrapping_sub(self.edge).cast_signed() > 0 {
            return live;
        }
        if input != self.picture {
            self.picture = input;
            self.output = self.output.wrapping_add(self.step);
        }
        self.output
    }

    /// Whether another packet may go now, at `rate` bits per second.
    pub fn may_send(&self, now: Instant, rate: u64) -> bool {
        let micros = now.saturating_duration_since(self.since).as_micros();
        let allowed = u128::from(BURST) + u128::from(rate) * micros / 8_000_000;
        u128::from(self.bytes) < allowed
    }

    /// The next packet went, or was left out.
    pub const fn advance(&mut self, bytes: usize) {
        self.next = self.next.wrapping_add(1);
        self.bytes += bytes as u64;
    }

    /// A packet that is missing is given up.
    pub fn gives_up(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.since) > PATIENCE
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STRETCH: Stretch =
        Stretch { first: 7, first_timestamp: 0, last_timestamp: 6_000, pictures: 3, bytes: 15_000 };

    #[test]
    fn what_would_take_longer_than_asking_is_asked_for() {
        let is_worth_it = |stretch, rate| is_worth_it(&stretch, 90_000, rate, false);
        assert!(is_worth_it(STRETCH, 480_000));
        assert!(!is_worth_it(STRETCH, 479_000));
        assert!(is_worth_it(Stretch { bytes: 4_800, ..STRETCH }, 30_000));
        assert!(!is_worth_it(Stretch { pictures: 65, ..STRETCH }, 480_000));
        assert!(!is_worth_it(Stretch { bytes: 400_000, ..STRETCH }, 1_000_000_000));
    }

    #[test]
    fn who_sees_another_layer_is_not_shown_more_than_a_moment_again() {
        let of = |ms: u32| Stretch { last_timestamp: ms * 90, ..STRETCH };
        assert!(is_worth_it(&of(300), 90_000, 480_000, true));
        assert!(!is_worth_it(&of(301), 90_000, 480_000, true));
        assert!(is_worth_it(&of(1_900), 90_000, 480_000, false));
    }

    #[test]
    fn the_past_is_dated_a_millisecond_apart_and_what_follows_by_its_own_time() {
        let mut replay = Replay::new(Instant::now(), &STRETCH, 106_000, None).unwrap();
        let dated: Vec<u32> = [0, 0, 3_000, 6_000, 9_000]
            .map(|input| replay.timestamp(input, input + 100_000))
            .to_vec();
        assert_eq!(dated, [105_820, 105_820, 105_910, 106_000, 109_000]);
    }

    #[test]
    fn after_a_switch_the_past_lies_between_what_was_sent_and_what_comes() {
        let mut replay = Replay::new(Instant::now(), &STRETCH, 106_000, Some(105_910)).unwrap();
        let dated: Vec<u32> =
            [0, 3_000, 6_000].map(|input| replay.timestamp(input, input + 100_000)).to_vec();
        assert_eq!(dated, [105_940, 105_970, 106_000]);
    }

    #[test]
    fn a_past_with_more_pictures_than_ticks_before_the_newest_one_is_not_begun_with() {
        let begin = |before| Replay::new(Instant::now(), &STRETCH, 106_000, Some(before));
        assert!(begin(105_999).is_none());
        assert!(begin(105_998).is_none());
        let mut replay = begin(105_997).unwrap();
        let dated: Vec<u32> = [0, 3_000, 6_000].map(|input| replay.timestamp(input, 0)).to_vec();
        assert_eq!(dated, [105_998, 105_999, 106_000]);
    }

    #[test]
    fn over_a_pipe_all_have_their_own_times_and_those_before_the_newest_picture_are_to_be_kept() {
        let mut replay = Replay::piped(Instant::now(), &STRETCH);
        let dated = [0, 3_000, 6_000, 9_000].map(|input| replay.timestamp(input, input + 7));
        assert_eq!(dated, [7, 3_007, 6_007, 9_007]);
        let kept = [0, 3_000, 6_000, 9_000].map(|input| replay.is_to_be_kept(input));
        assert_eq!(kept, [true, true, false, false]);
        let replay = Replay::new(Instant::now(), &STRETCH, 106_000, None).unwrap();
        assert!(!replay.is_to_be_kept(0));
    }

    #[test]
    fn a_burst_goes_at_once_and_the_rest_at_the_rate() {
        let now = Instant::now();
        let mut replay = Replay::new(now, &STRETCH, 106_000, None).unwrap();
        let mut sent = 0;
        while replay.may_send(now, 800_000) {
            replay.advance(1_200);
            sent += 1;
        }
        assert_eq!((sent, replay.next), (4, 11));
        // 800 kb/s are 100 bytes a millisecond.
        assert!(replay.may_send(now + Duration::from_millis(1), 800_000));
        replay.advance(1_200);
        assert!(!replay.may_send(now + Duration::from_millis(12), 800_000));
        assert!(replay.may_send(now + Duration::from_millis(13), 800_000));
        assert!(!replay.gives_up(now + Duration::from_millis(500)));
        assert!(replay.gives_up(now + Duration::from_millis(501)));
    }
}
