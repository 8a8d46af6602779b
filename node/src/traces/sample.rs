//! Which joins are traced. Pure.

use starling_proto::span::{Parent, SpanContext};

/// The trace that a join is recorded in, and what it is a part of there. A client that brings a
/// trace has decided itself; of the others `share` are traced, of 0 to 1, in one that is named
/// `drawn`: OpenTelemetry's `ParentBased(TraceIdRatioBased)`.
pub(super) fn choose(
    parent: Option<Parent>,
    drawn: [u8; 16],
    share: f64,
) -> Option<([u8; 16], Option<SpanContext>)> {
    match parent {
        Some(Parent { context, sampled }) => sampled.then_some((context.trace, Some(context))),
        None => is_chosen(drawn, share).then_some((drawn, None)),
    }
}

/// By the trace's name alone, so that whoever else samples by it with the same share agrees: the
/// lower 63 bits of it, which W3C wants to be random.
fn is_chosen(trace: [u8; 16], share: f64) -> bool {
    let [.., a, b, c, d, e, f, g, h] = trace;
    let place = u64::from_be_bytes([a, b, c, d, e, f, g, h]) >> 1;
    // In whole numbers: as a fraction the highest places would be 1.
    place < (share * (1u64 << 63) as f64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(low: u64) -> [u8; 16] {
        let mut trace = [0xee; 16];
        trace[8..].copy_from_slice(&low.to_be_bytes());
        trace
    }

    #[test]
    fn of_joins_without_a_trace_of_their_own_a_share_is_traced() {
        let chosen = |low, share| choose(None, trace(low), share).is_some();
        assert!(chosen(u64::MAX, 1.0) && chosen(0, 1.0), "all");
        assert!(!chosen(u64::MAX, 0.0) && !chosen(0, 0.0), "none");
        assert!(chosen(u64::MAX / 4 - 1, 0.25) && !chosen(u64::MAX / 4 + 1_000_000, 0.25));
        assert_eq!(choose(None, trace(5), 1.0), Some((trace(5), None)));
    }

    #[test]
    fn who_brings_a_trace_decides_itself() {
        let context = SpanContext { trace: [1; 16], span: [2; 8] };
        let brought = |sampled| choose(Some(Parent { context, sampled }), trace(0), 0.0);
        assert_eq!(brought(true), Some(([1; 16], Some(context))));
        assert_eq!(brought(false), None);
        let silent = Some(Parent { context, sampled: false });
        assert_eq!(choose(silent, trace(0), 1.0), None);
    }
}
