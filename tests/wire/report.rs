//! Counters and percentiles as JSON.

use serde_json::{Value, json};

use crate::{histogram::Histogram, path::Path};

pub(crate) fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// Counts since the start; percentiles since the last mark.
pub(crate) fn path(path: &Path<Vec<u8>>, now: u64) -> Value {
    let it = path.counters;
    let wait = |percent| millis(path.waits.percentile(percent));
    json!({
        "arrived_packets": it.arrived,
        "arrived_bytes": it.arrived_bytes,
        "passed_packets": it.passed,
        "passed_bytes": it.passed_bytes,
        "delivered_packets": it.delivered,
        "delivered_bytes": it.delivered_bytes,
        "too_long_packets": it.too_long,
        "tail_dropped_packets": it.tail_dropped,
        "lost_packets": it.lost,
        "reordered_packets": it.reordered,
        "duplicated_packets": it.duplicated,
        "queue_ms": millis(path.backlog(now)),
        "wait_ms": {
            "n": path.waits.count(),
            "p50": wait(50.0), "p95": wait(95.0), "p99": wait(99.0),
            "max": millis(path.waits.max()),
        },
    })
}

pub(crate) fn micros(times: &Histogram) -> Value {
    let at = |percent| times.percentile(percent) as f64 / 1e3;
    json!({
        "n": times.count(),
        "p50": at(50.0), "p95": at(95.0), "p99": at(99.0), "p999": at(99.9),
        "max": times.max() as f64 / 1e3,
    })
}
