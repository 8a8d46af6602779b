//! What an attempt to deliver came to, and what follows: done, again later, or given up. Pure.

use std::time::Duration;

/// Before the second attempt; doubled before each later one.
const FIRST: Duration = Duration::from_secs(1);
/// Longest wait between two attempts: who repairs a receiver wants to see so within minutes.
const LONGEST: Duration = Duration::from_secs(300);
/// Attempts that a receiver which is there may fail: it may be down, or a bad release of it up, for
/// 18 minutes. An event that it can never take must not hold up those behind it for longer.
const FAILURES: u32 = 12;
/// How long an event is worth telling while nobody answers: by then a person has been called.
const WORTH: Duration = Duration::from_secs(3_600);

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// An HTTP status.
    Answered(u16),
    /// No answer, and why.
    Silent(String),
}

impl Outcome {
    /// Whether the event was taken.
    pub(crate) fn is_taken(&self) -> bool {
        matches!(self, Self::Answered(200..=299))
    }

    /// For people; none if it was taken.
    pub(crate) fn trouble(&self) -> Option<String> {
        match self {
            Self::Answered(200..=299) => None,
            Self::Answered(status @ 300..=399) => {
                Some(format!("answered {status}: redirects are not followed"))
            }
            Self::Answered(status) => Some(format!("answered {status}")),
            Self::Silent(why) => Some(why.clone()),
        }
    }
}

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was taken.
    Done,
    /// Another attempt after this time.
    Again(Duration),
    /// It is given up.
    Dead(Dead),
}

/// Why an event is never told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Dead {
    /// The receiver does not want it: a status that another attempt would not change.
    Refused,
    /// The receiver failed too often.
    Failed,
    /// Nobody answered for an hour.
    Old,
    /// Too many waited.
    Crowded,
    /// More happened at once than the node keeps: this stands for all of them.
    Missed,
}

impl Dead {
    /// All reasons.
    pub(crate) const ALL: [Self; 5] =
        [Self::Refused, Self::Failed, Self::Old, Self::Crowded, Self::Missed];

    /// As metrics have it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Old => "too_old",
            Self::Crowded => "queue_full",
            Self::Missed => "missed",
        }
    }
}

/// Judges the `attempt`th attempt (from 1) at an event that is `age` old. `random` is of 0 to 1, so
/// that receivers that come back are not asked by everybody at once.
pub(crate) fn judge(outcome: &Outcome, attempt: u32, age: Duration, random: f64) -> Verdict {
    let (again, bounded) = match outcome {
        Outcome::Answered(200..=299) => return Verdict::Done,
        // Its secret is being changed, or its release; it is busy, or broken: another attempt may
        // do.
        Outcome::Answered(401 | 403 | 404 | 408 | 421 | 423 | 425 | 429 | 500..=599) => {
            (true, true)
        }
        Outcome::Answered(_) => (false, true),
        Outcome::Silent(_) => (true, false),
    };
    if !again {
        return Verdict::Dead(Dead::Refused);
    }
    if bounded && attempt >= FAILURES {
        return Verdict::Dead(Dead::Failed);
    }
    let wait = wait(attempt, random);
    if age + wait > WORTH { Verdict::Dead(Dead::Old) } else { Verdict::Again(wait) }
}

/// 1 s, 2 s, 4 s, … 5 min, each up to a quarter shorter.
fn wait(attempt: u32, random: f64) -> Duration {
    let doubled = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(16));
    doubled.min(LONGEST).mul_f64(1.0 - random.clamp(0.0, 1.0) / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRESH: Duration = Duration::ZERO;

    fn silent() -> Outcome {
        Outcome::Silent("nobody is there".into())
    }

    #[test]
    fn what_is_taken_is_done_and_what_is_not_wanted_is_not_sent_again() {
        for status in [200, 202, 204, 299] {
            assert_eq!(judge(&Outcome::Answered(status), 1, FRESH, 0.0), Verdict::Done);
        }
        for status in [101, 301, 302, 307, 308, 400, 405, 410, 413, 415, 422] {
            let verdict = judge(&Outcome::Answered(status), 1, FRESH, 0.0);
            assert_eq!(verdict, Verdict::Dead(Dead::Refused), "{status}");
        }
        for status in [401, 403, 404, 408, 425, 429, 500, 502, 503, 599] {
            let verdict = judge(&Outcome::Answered(status), 1, FRESH, 0.0);
            assert_eq!(verdict, Verdict::Again(Duration::from_secs(1)), "{status}");
        }
    }

    #[test]
    fn waits_double_from_a_second_to_five_minutes_and_are_up_to_a_quarter_shorter() {
        let waits = |random| {
            (1..=11)
                .map(|attempt| match judge(&silent(), attempt, FRESH, random) {
                    Verdict::Again(wait) => wait.as_millis(),
                    other => panic!("{other:?}"),
                })
                .collect::<Vec<_>>()
        };
        let whole = [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300].map(|s| s * 1_000);
        assert_eq!(waits(0.0), whole);
        assert_eq!(waits(1.0), whole.map(|ms| ms / 4 * 3));
    }

    #[test]
    fn a_receiver_that_fails_is_given_twelve_attempts_and_one_that_is_away_an_hour() {
        let failing = Outcome::Answered(500);
        assert!(matches!(judge(&failing, 11, FRESH, 0.0), Verdict::Again(_)));
        assert_eq!(judge(&failing, 12, FRESH, 0.0), Verdict::Dead(Dead::Failed));
        let almost = Duration::from_secs(3_300);
        assert!(matches!(judge(&silent(), 20, almost, 0.0), Verdict::Again(_)));
        let late = almost + Duration::from_secs(1);
        assert_eq!(judge(&silent(), 20, late, 0.0), Verdict::Dead(Dead::Old));
    }
}
