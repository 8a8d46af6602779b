//! What a load test found. Pure.

use serde::Serialize;

use super::{Figure, LoadTest, expect::Expectation, party::Watched};

/// Figures and what was expected of them.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report {
    room: String,
    publishers: usize,
    subscribers: usize,
    seconds: f64,
    joined: usize,
    join_ms: Times,
    streams: Streams,
    packets_sent: u64,
    packets_received: u64,
    /// Never came.
    packets_lost: u64,
    /// Did not come at first.
    packets_lost_at_first: u64,
    loss_percent: f64,
    first_loss_percent: f64,
    latency_ms: Times,
    received_kbps: f64,
    frames: u64,
    freezes: u64,
    frozen_ms: f64,
    failures: Vec<String>,
    expectations: Vec<Expected>,
}

#[derive(Debug, Serialize)]
struct Times {
    p50: f64,
    p95: f64,
    p99: f64,
    max: f64,
}

#[derive(Debug, Serialize)]
struct Streams {
    expected: u64,
    flowing: u64,
}

#[derive(Debug, Serialize)]
struct Expected {
    expect: String,
    value: f64,
    unit: &'static str,
    met: bool,
}

impl Report {
    /// Of what was seen.
    pub(super) fn new(args: &LoadTest, watched: &Watched) -> Self {
        let seen = &watched.seen;
        let whole = seen.received + seen.lost;
        let times = |of: &starling_people::histogram::Histogram| Times {
            p50: round(of.percentile_ms(50.0)),
            p95: round(of.percentile_ms(95.0)),
            p99: round(of.percentile_ms(99.0)),
            max: round(of.max_ms()),
        };
        let seconds = watched.measured.as_secs_f64();
        let mut report = Self {
            room: args.room.to_string(),
            publishers: args.publishers,
            subscribers: args.subscribers,
            seconds: round(seconds),
            joined: watched.joined,
            join_ms: times(&watched.joins),
            streams: Streams { expected: watched.expected, flowing: seen.streams },
            packets_sent: seen.sent,
            packets_received: seen.received,
            packets_lost: seen.lost,
            packets_lost_at_first: seen.lost_at_first,
            loss_percent: share(seen.lost, whole),
            first_loss_percent: share(seen.lost_at_first, seen.received + seen.lost_at_first),
            latency_ms: times(&seen.delays),
            received_kbps: round(seen.bytes as f64 * 8.0 / 1e3 / seconds.max(0.001)),
            frames: seen.frames,
            freezes: seen.freezes,
            frozen_ms: round(seen.frozen as f64 / 1e6),
            failures: watched.failures.clone(),
            expectations: Vec::new(),
        };
        report.expectations = args.expect.iter().map(|expect| report.judged(expect)).collect();
        report
    }

    fn judged(&self, expect: &Expectation) -> Expected {
        let value = self.figure(expect.figure);
        // What nobody heard has no loss and no delay, and is not what anybody expects.
        let heard =
            self.packets_received > 0 || matches!(expect.figure, "joined" | "streams" | "join-p99");
        let met = heard && expect.holds(value);
        Expected { expect: expect.to_string(), value, unit: expect.unit(), met }
    }

    fn figure(&self, name: &str) -> f64 {
        let people = (self.publishers + self.subscribers) as u64;
        match name {
            "loss" => self.loss_percent,
            "first-loss" => self.first_loss_percent,
            "p50" => self.latency_ms.p50,
            "p95" => self.latency_ms.p95,
            "p99" => self.latency_ms.p99,
            "max" => self.latency_ms.max,
            "join-p99" => self.join_ms.p99,
            "freezes" => self.freezes as f64,
            "joined" => share(self.joined as u64, people),
            "streams" => share(self.streams.flowing, self.streams.expected),
            _ => f64::NAN,
        }
    }

    /// Sentences about what is not as expected.
    pub(super) fn unmet(&self) -> Vec<String> {
        let unmet = self.expectations.iter().filter(|expected| !expected.met);
        let sentence = |it: &Expected| match self.packets_received {
            0 if it.expect.starts_with(['l', 'p', 'm', 'f']) => {
                format!("{}: nothing was received", it.expect)
            }
            _ => format!("{}: it was {}{}", it.expect, it.value, it.unit),
        };
        unmet.map(sentence).collect()
    }

    /// For people.
    pub(super) fn lines(&self) -> Vec<Figure> {
        let line = |what, value: String| Figure { what, value };
        let times = |of: &Times| {
            format!(
                "p50 {:.1} ms, p95 {:.1} ms, p99 {:.1} ms, max {:.1} ms",
                of.p50, of.p95, of.p99, of.max
            )
        };
        let people = self.publishers + self.subscribers;
        let mut all = vec![
            line("people", format!("{} of {people} joined", self.joined)),
            line("joins", times(&self.join_ms)),
            line("streams", format!("{} of {} flow", self.streams.flowing, self.streams.expected)),
            line(
                "packets",
                format!("{} sent, {} received", self.packets_sent, self.packets_received),
            ),
            line(
                "loss",
                format!(
                    "{:.3}% ({}), {:.3}% before repair",
                    self.loss_percent, self.packets_lost, self.first_loss_percent
                ),
            ),
            line("latency", times(&self.latency_ms)),
            line("received", format!("{:.1} Mb/s in all", self.received_kbps / 1e3)),
            line(
                "pictures",
                format!(
                    "{}, {} freezes of {:.0} ms in all",
                    self.frames, self.freezes, self.frozen_ms
                ),
            ),
        ];
        for expected in &self.expectations {
            let verdict = if expected.met { "met" } else { "not met" };
            all.push(line("expected", format!("{}: {verdict}", expected.expect)));
        }
        all
    }
}

/// In percent, with three places; all of nothing.
fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    (part as f64 / whole as f64 * 1e5).round() / 1e3
}

/// Two places.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::Parser;
    use starling_people::{guest::Seen, histogram::Histogram};

    use super::*;

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        args: LoadTest,
    }

    fn report(expect: &str, seen: Seen) -> Report {
        let words = ["x", "--publishers", "2", "--subscribers", "8", "--expect", expect];
        let args = Alone::parse_from(words).args;
        let mut joins = Histogram::default();
        joins.take(30_000_000);
        let measured = Duration::from_secs(10);
        let watched =
            Watched { seen, joined: 9, joins, expected: 32, failures: Vec::new(), measured };
        Report::new(&args, &watched)
    }

    fn heard() -> Seen {
        let mut delays = Histogram::default();
        (1..=100).for_each(|n| delays.take(n * 100_000));
        Seen {
            streams: 32,
            received: 9_990,
            lost: 10,
            lost_at_first: 110,
            bytes: 1_250_000,
            delays,
            ..Seen::default()
        }
    }

    #[test]
    fn figures_come_of_what_was_seen() {
        let report = report("loss<1%", heard());
        assert_eq!((report.loss_percent, report.first_loss_percent), (0.1, 1.089));
        assert_eq!((report.received_kbps, report.latency_ms.max), (1_000.0, 10.0));
        assert_eq!((report.figure("joined"), report.figure("streams")), (90.0, 100.0));
        assert!(report.unmet().is_empty());
    }

    #[test]
    fn what_is_not_as_expected_is_told_with_what_it_was() {
        let report = report("loss<0.1%,p99<5ms,joined>=90%", heard());
        let unmet = report.unmet();
        assert_eq!(unmet[0], "loss<0.1%: it was 0.1%");
        assert!(unmet[1].starts_with("p99<5ms: it was ") && unmet.len() == 2, "{unmet:?}");
    }

    #[test]
    fn silence_meets_no_expectation() {
        let report = report("loss<1%", Seen::default());
        assert_eq!(report.unmet(), ["loss<1%: nothing was received"]);
    }
}
