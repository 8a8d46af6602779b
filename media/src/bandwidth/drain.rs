//! Whether the path carries so much less than is sent that its queue is about to be full, told by
//! one feedback; and how little is sent from then on, until it has emptied. Measures nothing.
//!
//! A trend takes several feedbacks; a queue of 300 ms is full within two, when a link loses three
//! quarters of its rate. libwebrtc pushes back the encoder where more is in flight than the path
//! can hold (`goog_cc/congestion_window_pushback_controller.cc`).

/// What is in flight would wait longer than this, in microseconds: a quarter of a second is what
/// home routers hold.
const LONG: i64 = 100_000;
/// The path carries less than this share of what it did. What is less sudden is the trend's.
const SUDDEN: f64 = 0.7;
/// Of what the path carries, while its queue empties: as fast as it filled, and a picture still
/// moves.
const SHARE: f64 = 0.5;
/// Waits that are no queue to speak of: a frame's own.
const EMPTY: i64 = 40_000;
/// No queue takes longer; whatever it is, it does not empty.
const PATIENCE: i64 = 2_000_000;

/// How long it is known what the path carried when its queue emptied: until the layer that fits has
/// come and shows it anew.
const KNOWN: i64 = 2_000_000;

/// What one feedback tells.
#[derive(Clone, Copy, Debug)]
pub struct Signs {
    /// Bits per second that leave the queue by the newest packets alone.
    pub newest: Option<u64>,
    /// The same over the last moments.
    pub rate: Option<u64>,
    /// What came through lately, in bits per second.
    pub arrives: Option<u64>,
    /// The estimate.
    pub estimate: u64,
    /// Bytes sent that nobody told about.
    pub in_flight: u64,
    /// Round trip without the queue, in microseconds.
    pub rtt: i64,
    /// How long the newest packet waited.
    pub wait: i64,
}

impl Signs {
    /// How long the last byte sent will wait at `rate`.
    fn backlog(&self, rate: u64) -> i64 {
        (self.in_flight * 8_000_000 / rate.max(1)) as i64 - self.rtt
    }
}

/// What came of a feedback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// All is as it was.
    Same,
    /// The path became narrow: it carries so many bits per second.
    Begins(u64),
    /// The queue has emptied; it carried so many.
    Ends(u64),
}

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub struct Drain {
    /// Since when, and bits per second.
    running: Option<(i64, u64)>,
    /// When it ended, and what the path carried.
    ended: Option<(i64, u64)>,
}

impl Drain {
    /// Bits per second that may be sent; nothing if there is no such limit.
    pub fn limit(&self) -> Option<u64> {
        self.running.map(|(_, rate)| (SHARE * rate as f64) as u64)
    }

    /// Bits per second that the path carried a moment ago. What arrives after that says less of it:
    /// little was sent.
    pub fn carried(&self, now: i64) -> Option<u64> {
        self.ended.filter(|(at, _)| now - at < KNOWN).map(|(_, rate)| rate)
    }

    /// Feedback came.
    pub fn on_feedback(&mut self, now: i64, signs: Signs) -> Turn {
        if let Some((since, rate)) = &mut self.running {
            // A queue that is all but empty is not left one packet right behind the other.
            if signs.wait >= EMPTY {
                *rate = signs.rate.unwrap_or(*rate);
            }
            let (since, rate) = (*since, *rate);
            let empty = signs.wait < EMPTY && signs.backlog(rate) < EMPTY;
            if empty || now - since > PATIENCE {
                self.running = None;
                self.ended = Some((now, rate));
                return Turn::Ends(rate);
            }
            return Turn::Same;
        }
        let (Some(newest), Some(arrives)) = (signs.newest, signs.arrives) else {
            return Turn::Same;
        };
        let before = signs.estimate.min(arrives) as f64;
        if (newest as f64) < SUDDEN * before && signs.backlog(newest) > LONG {
            self.running = Some((now, newest));
            return Turn::Begins(newest);
        }
        Turn::Same
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i64 = 1_000;

    /// A link of 2.5 Mb/s that became one of 600 kb/s, 60 ms ago.
    const SIGNS: Signs = Signs {
        newest: Some(600_000),
        rate: Some(1_500_000),
        arrives: Some(1_700_000),
        estimate: 2_400_000,
        in_flight: 13_000,
        rtt: 20 * MS,
        wait: 40 * MS,
    };

    #[test]
    fn a_path_that_becomes_narrow_is_told_by_one_feedback() {
        let mut drain = Drain::default();
        assert_eq!(drain.on_feedback(0, SIGNS), Turn::Begins(600_000));
        assert_eq!(drain.limit(), Some(300_000));
    }

    #[test]
    fn what_is_short_or_slight_or_unknown_is_none() {
        for signs in [
            Signs { in_flight: 8_000, ..SIGNS },
            Signs { newest: Some(1_300_000), in_flight: 40_000, ..SIGNS },
            // A key frame on a link that was narrow before.
            Signs { arrives: Some(500_000), ..SIGNS },
            Signs { newest: None, ..SIGNS },
            Signs { arrives: None, ..SIGNS },
        ] {
            assert_eq!(Drain::default().on_feedback(0, signs), Turn::Same, "{signs:?}");
        }
    }

    #[test]
    fn it_ends_when_the_queue_has_emptied_and_knows_the_path_by_then() {
        let mut drain = Drain::default();
        drain.on_feedback(0, SIGNS);
        let later = Signs { rate: Some(580_000), wait: 250 * MS, ..SIGNS };
        assert_eq!(drain.on_feedback(100 * MS, later), Turn::Same);
        assert_eq!(drain.limit(), Some(290_000));
        // The newest one told of did not wait, but many are behind it.
        let signs = Signs { rate: Some(450_000), wait: 10 * MS, in_flight: 6_000, ..SIGNS };
        assert_eq!(drain.on_feedback(300 * MS, signs), Turn::Same);
        let signs = Signs { in_flight: 3_000, ..signs };
        assert_eq!(drain.carried(400 * MS), None);
        assert_eq!(drain.on_feedback(400 * MS, signs), Turn::Ends(580_000));
        assert_eq!(drain.limit(), None);
        assert_eq!(drain.carried(2_399 * MS), Some(580_000));
        assert_eq!(drain.carried(2_400 * MS), None);
    }

    #[test]
    fn a_queue_that_never_empties_ends_it_too() {
        let mut drain = Drain::default();
        drain.on_feedback(0, SIGNS);
        assert_eq!(drain.on_feedback(2_000 * MS, SIGNS), Turn::Same);
        assert_eq!(drain.on_feedback(2_001 * MS, SIGNS), Turn::Ends(1_500_000));
    }
}
