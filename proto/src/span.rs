//! Spans of traces: what was done for a join, when and where, as OpenTelemetry understands it, and
//! their context, as W3C Trace Context writes it. Never does: draw an id, or read a clock.

pub mod names;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{PeerId, RoomId};
pub use names::{Note, SpanName};

/// Which span of which trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpanContext {
    /// The trace; never all zero.
    pub trace: [u8; 16],
    /// The span in it; never all zero.
    pub span: [u8; 8],
}

/// What somebody who asks says about a trace that it is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its span.
    pub context: SpanContext,
    /// It records the trace.
    pub sampled: bool,
}

impl Parent {
    /// Reads a `traceparent` (W3C Trace Context, level 1, §3.2). What cannot be read is none: the
    /// receiver begins a trace of its own then.
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let [version, trace, span, flags] =
            [parts.next()?, parts.next()?, parts.next()?, parts.next()?];
        let sampled = hex::<1>(flags)?[0] & 1 == 1;
        // A later version may have more behind the flags; version ff is none.
        let fits = match version {
            "00" => parts.next().is_none(),
            version => hex::<1>(version)? != [0xff],
        };
        let context = SpanContext { trace: hex(trace)?, span: hex(span)? };
        let named = context.trace != [0; 16] && context.span != [0; 8];
        (fits && named).then_some(Self { context, sampled })
    }
}

/// Lower-case hexadecimal digits, as many as `N` bytes have.
fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let bytes = text.as_bytes();
    if bytes.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (value, pair) in out.iter_mut().zip(bytes.chunks_exact(2)) {
        *value = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

impl SpanContext {
    /// The trace's id, as tools and log lines write it.
    pub fn trace_id(&self) -> String {
        self.trace.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// As the `traceparent` of a trace that is recorded.
impl fmt::Display for SpanContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("00-")?;
        self.trace.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-")?;
        self.span.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
        f.write_str("-01")
    }
}

/// A piece of work, under way or done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// What is done.
    pub name: SpanName,
    /// It.
    pub context: SpanContext,
    /// What it is part of.
    pub parent: Option<SpanContext>,
    /// When it began, in microseconds since 1970.
    pub start_us: u64,
    /// When it ended; as it began, while it is under way.
    pub end_us: u64,
    /// For which room.
    pub room: RoomId,
    /// For whom.
    pub peer: PeerId,
    /// What else is to be said.
    pub notes: Vec<(Note, String)>,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl Span {
    /// With something more to be said.
    #[must_use]
    pub fn note(mut self, note: Note, value: impl Into<String>) -> Self {
        self.notes.push((note, value.into()));
        self
    }

    /// It has ended. Where a wall clock was set back, it took no time.
    #[must_use]
    pub fn ended(self, now_us: u64) -> Self {
        Self { end_us: now_us.max(self.start_us), ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_traceparent_is_read_as_it_was_written() {
        let parent = Parent::parse(GOOD).unwrap();
        let context = parent.context;
        assert_eq!((context.trace[0], context.span[7], parent.sampled), (0x4b, 0xb7, true));
        assert_eq!(context.to_string(), GOOD);
        assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        let later = GOOD.replacen("00", "01", 1) + "-more";
        assert_eq!(Parent::parse(&later), Some(parent));
        let silent = GOOD.replace("b7-01", "b7-02");
        assert_eq!(Parent::parse(&silent), Some(Parent { sampled: false, ..parent }));
    }

    #[test]
    fn what_is_no_traceparent_is_none() {
        for bad in [
            "",
            "00",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4bf92f3577b34da6a3ce929d0e0e473-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902é-01",
        ] {
            assert_eq!(Parent::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_span_that_ends_before_it_began() {
        let context = Parent::parse(GOOD).unwrap().context;
        let (room, peer) = ("r".parse().unwrap(), "p".parse().unwrap());
        let (name, notes) = (names::JOIN, Vec::new());
        let (start_us, end_us) = (70, 70);
        let error = None;
        let span = Span { name, context, parent: None, start_us, end_us, room, peer, notes, error };
        assert_eq!(span.clone().ended(90).end_us, 90);
        assert_eq!(span.ended(50).end_us, 70);
    }
}
