//! Times of day as RFC 3339 text in JSON. Never does: read a clock.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A moment in UTC, to the millisecond: `2026-11-30T04:05:06.789Z`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    /// Milliseconds since 1970.
    pub unix_ms: u64,
}

/// Why a text is no [`Timestamp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a time is written as 2026-11-30T04:05:06.789Z")]
pub struct TimestampError;

/// Days of a year before each month, without a leap day.
const BEFORE: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
/// The last year that RFC 3339 can write.
const LAST_YEAR: u64 = 9999;

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days from the first of January 1970 to that of `year`.
const fn days_before(year: u64) -> u64 {
    let past = year - 1;
    (year - 1970) * 365 + (past / 4 - 492) - (past / 100 - 19) + (past / 400 - 4)
}

/// Days of `year` before `month`, of which January is the first.
fn days_of(year: u64, month: u64) -> u64 {
    let before = BEFORE.get(usize::try_from(month - 1).unwrap_or(0)).copied().unwrap_or(0);
    before + u64::from(month > 2 && is_leap(year))
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, seconds) = (self.unix_ms % 1000, self.unix_ms / 1000);
        let (second, days) = (seconds % 86_400, seconds / 86_400);
        // Never more than a year too late, for no year has more days.
        let mut year = (1970 + days / 365).min(LAST_YEAR);
        while days_before(year) > days {
            year -= 1;
        }
        let of_year = days - days_before(year);
        let month = (1..=12).rev().find(|month| days_of(year, *month) <= of_year).unwrap_or(1);
        let day = of_year - days_of(year, month) + 1;
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let bytes = text.as_bytes();
        let shape = |at: usize| match at {
            4 | 7 => b'-',
            10 => b'T',
            13 | 16 => b':',
            19 => b'.',
            23 => b'Z',
            _ => b'0',
        };
        let fits = |(at, byte): (usize, &u8)| match shape(at) {
            b'0' => byte.is_ascii_digit(),
            other => *byte == other,
        };
        if bytes.len() != 24 || !bytes.iter().enumerate().all(fits) {
            return Err(TimestampError);
        }
        let number = |from: usize, to: usize| text[from..to].parse().unwrap_or(0u64);
        let (year, month, day) = (number(0, 4), number(5, 7), number(8, 10));
        let (hour, minute, second) = (number(11, 13), number(14, 16), number(17, 19));
        let real = year >= 1970 && (1..=12).contains(&month) && day >= 1;
        if !real || hour > 23 || minute > 59 || second > 59 {
            return Err(TimestampError);
        }
        let next =
            if month == 12 { 365 + u64::from(is_leap(year)) } else { days_of(year, month + 1) };
        let of_year = days_of(year, month) + day - 1;
        if of_year >= next {
            return Err(TimestampError);
        }
        let days = days_before(year) + of_year;
        let seconds = days * 86_400 + hour * 3600 + minute * 60 + second;
        Ok(Self { unix_ms: seconds * 1000 + number(20, 23) })
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn known_moments_are_written_as_the_calendar_has_them() {
        // Seconds as `date --utc --date=… +%s` gives them.
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (1_796_011_506_789, "2026-11-30T04:05:06.789Z"),
            (4_107_542_400_000, "2100-03-01T00:00:00.000Z"),
        ] {
            let time = Timestamp { unix_ms: ms };
            assert_eq!(time.to_string(), text);
            assert_eq!(text.parse(), Ok(time));
        }
    }

    #[test]
    fn what_no_calendar_has_is_refused() {
        for text in [
            "",
            "2026-11-30",
            "2026-11-30T04:05:06Z",
            "2026-11-30T04:05:06.789+01:00",
            "2026-02-29T00:00:00.000Z",
            "2026-13-01T00:00:00.000Z",
            "2026-12-32T00:00:00.000Z",
            "2026-01-00T00:00:00.000Z",
            "2026-01-01T24:00:00.000Z",
            "2026-01-01T00:60:00.000Z",
            "1969-12-31T23:59:59.999Z",
            "２026-01-01T00:00:00.0Z",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn every_moment_is_read_as_it_was_written(unix_ms in 0u64..253_402_300_800_000) {
            let time = Timestamp { unix_ms };
            prop_assert_eq!(time.to_string().parse(), Ok(time));
        }
    }
}
