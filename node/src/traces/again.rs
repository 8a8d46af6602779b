//! When spans that a collector did not take are sent again. Pure.

use std::time::Duration;

/// Tries of a batch: with the pauses between them seven seconds and more, which outlasts the
/// restart of a collector. What comes meanwhile waits in the queue.
const TRIES: u32 = 4;
/// The first pause; each is twice the one before.
const PAUSE: Duration = Duration::from_secs(1);
/// The longest that a collector may ask for: a queue is full after that.
const LONGEST: Duration = Duration::from_secs(10);

/// How a try ended that took no spans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// There was no answer.
    Silence,
    /// This status, and the seconds of a `Retry-After`.
    Status(u16, Option<u64>),
}

/// How long to wait after try number `tries` failed; nothing: the spans are lost. What is tried
/// again is what OTLP names (opentelemetry-proto, specification, "OTLP/HTTP Response", retryable
/// codes). `jitter` is of 0 to 1.
pub(super) fn again(failure: Failure, tries: u32, jitter: f64) -> Option<Duration> {
    let asked = match failure {
        Failure::Silence => None,
        Failure::Status(429 | 502 | 503 | 504, asked) => asked.map(Duration::from_secs),
        Failure::Status(..) => return None,
    };
    if tries >= TRIES {
        return None;
    }
    let own = (PAUSE * 2u32.pow(tries.saturating_sub(1))).mul_f64(0.75 + 0.5 * jitter);
    Some(asked.unwrap_or(own).min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUSY: Failure = Failure::Status(503, None);

    #[test]
    fn pauses_double_and_end() {
        let pauses: Vec<_> = (1..5).map(|tries| again(BUSY, tries, 0.5)).collect();
        let secs = |secs| Some(Duration::from_secs(secs));
        assert_eq!(pauses, [secs(1), secs(2), secs(4), None]);
        assert_eq!(again(Failure::Silence, 1, 0.5), secs(1));
        assert_eq!(again(BUSY, 1, 0.0), Some(Duration::from_millis(750)));
        assert_eq!(again(BUSY, 1, 1.0), Some(Duration::from_millis(1_250)));
    }

    #[test]
    fn a_collector_says_when_to_come_again_within_reason() {
        let asked = |secs| again(Failure::Status(429, Some(secs)), 1, 0.0);
        assert_eq!(asked(3), Some(Duration::from_secs(3)));
        assert_eq!(asked(3_600), Some(LONGEST));
    }

    #[test]
    fn what_was_refused_for_good_is_not_sent_again() {
        for status in [400, 401, 403, 404, 413, 500] {
            assert_eq!(again(Failure::Status(status, Some(1)), 1, 0.0), None, "{status}");
        }
    }
}
