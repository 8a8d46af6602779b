//! What a node tells another of its events: JSON, a line each.

use std::convert::Infallible;

use axum::{
    body::{Body, Bytes},
    http::header::CONTENT_TYPE,
    response::{IntoResponse, Response},
};
use futures::stream;
use serde::{Deserialize, Serialize};
use starling_actors::{Follower, Told};
use starling_proto::{
    rest::{Event, EventGap},
    time::Timestamp,
};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Interval, MissedTickBehavior, interval},
};

use super::{BEAT, now};

/// Longest line in bytes: an event has at most five ids of 64, a name of 256 and an address.
const MAX_LINE: usize = 16 * 1024;

/// One line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Line {
    /// An event.
    Event(Box<Event>),
    /// Some are no longer kept.
    Gap(EventGap),
    /// All that happened before was told.
    Mark(Timestamp),
}

impl From<Told> for Line {
    fn from(told: Told) -> Self {
        match told {
            Told::Event(event) => Self::Event(Box::new((*event).clone())),
            Told::Gap(gap) => Self::Gap(gap),
        }
    }
}

/// A node's own events from a moment on, for another node.
pub(crate) fn own_lines(follower: Follower, seat: OwnedSemaphorePermit) -> Response {
    let mut beat = interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let lines = stream::unfold((follower, beat, seat), async |(mut follower, mut beat, seat)| {
        let line = next(&mut follower, &mut beat).await;
        let mut text = serde_json::to_vec(&line).expect("an event is plain data");
        text.push(b'\n');
        Some((Ok::<_, Infallible>(Bytes::from(text)), (follower, beat, seat)))
    });
    ([(CONTENT_TYPE, "application/jsonl")], Body::from_stream(lines)).into_response()
}

async fn next(follower: &mut Follower, beat: &mut Interval) -> Line {
    tokio::select! {
        told = follower.next() => told.into(),
        _ = beat.tick() => {
            // Before the look, so that what comes after it is not said to have been told.
            let now = now();
            follower.try_next().map_or(Line::Mark(now), Line::from)
        }
    }
}

/// Puts lines together from what comes.
#[derive(Debug, Default)]
pub(super) struct Lines {
    /// Of a line that has not ended.
    begun: Vec<u8>,
}

/// What came is no such line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoLine;

impl Lines {
    /// Takes in bytes and gives the lines that end in them.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<Line>, NoLine> {
        let mut lines = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            self.begun.extend_from_slice(part);
            if self.begun.len() > MAX_LINE {
                return Err(NoLine);
            }
            if part.ends_with(b"\n") {
                lines.push(serde_json::from_slice(&self.begun).map_err(|_| NoLine)?);
                self.begun.clear();
            }
        }
        Ok(lines)
    }
}

/// Tells events apart from those that are told again after a reconnection.
#[derive(Debug, Default)]
pub(super) struct Fresh {
    life: String,
    last: u64,
}

impl Fresh {
    /// Whether an event of this id is told for the first time. Each node's come in order.
    pub(super) fn is_new(&mut self, id: &str) -> bool {
        let Some((life, number)) = id.rsplit_once('.') else { return true };
        let Ok(number) = number.parse() else { return true };
        if self.life == life && number <= self.last {
            return false;
        }
        if self.life != life {
            life.clone_into(&mut self.life);
        }
        self.last = number;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(unix_ms: u64) -> Line {
        Line::Mark(Timestamp { unix_ms })
    }

    #[test]
    fn lines_are_read_however_they_are_cut() {
        let text =
            b"{\"mark\":\"1970-01-01T00:00:00.001Z\"}\n{\"mark\":\"1970-01-01T00:00:00.002Z\"}\n";
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            let mut read = lines.take(&text[..cut]).unwrap();
            read.extend(lines.take(&text[cut..]).unwrap());
            assert_eq!(read, [mark(1), mark(2)], "{cut}");
        }
    }

    #[test]
    fn what_is_no_line_or_has_no_end_is_given_up() {
        assert_eq!(Lines::default().take(b"<html>\n"), Err(NoLine));
        let mut lines = Lines::default();
        assert_eq!(lines.take(&[b' '; MAX_LINE]), Ok(vec![]));
        assert_eq!(lines.take(b" "), Err(NoLine));
    }

    #[test]
    fn what_is_told_again_is_not_new_and_another_life_begins_anew() {
        let mut fresh = Fresh::default();
        let told = ["n.a.7.0", "n.a.7.1", "n.a.7.1", "n.a.7.0", "n.a.7.2", "n.a.9.0", "n.a.9.0"];
        let new = told.map(|id| fresh.is_new(id));
        assert_eq!(new, [true, true, false, false, true, true, false]);
    }
}
