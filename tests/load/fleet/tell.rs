//! What a fleet prints: one JSON object a line, written whole.

use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

/// Prints a row.
pub(super) fn row(row: &Value) {
    println!("{row}");
}

/// Milliseconds since 1970.
pub(super) fn wall_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    (since.as_secs_f64() * 1e6).round() / 1e3
}

/// Prints what happened to a member.
pub(super) fn event(what: &str, peer: &str, room: &str, more: Value) {
    let mut told = json!({"event": what, "peer": peer, "room": room, "at": wall_ms()});
    if let (Some(told), Value::Object(more)) = (told.as_object_mut(), more) {
        told.extend(more);
    }
    row(&told);
}

/// Milliseconds with three places.
pub(super) fn ms(time: std::time::Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}
