//! protoo's envelope: one JSON object per WebSocket text frame.

use serde_json::{Map, Value, json};

use crate::{Code, Refusal};

/// Largest frame in bytes, both ways. protoo's own is 960,000; the largest real one, a `produce`
/// with three encodings, is under 4 KiB.
pub const MAX_FRAME: usize = 64 * 1024;

/// One frame.
#[derive(Clone, Debug, PartialEq)]
pub enum Frame {
    /// Wants a response with the same id.
    Request {
        /// Chosen by who asks, 0 to 10,000,000 in protoo.
        id: u32,
        /// What.
        method: String,
        /// With what.
        data: Value,
    },
    /// Done.
    Response {
        /// Of the request.
        id: u32,
        /// Result.
        data: Value,
    },
    /// Not done.
    Failure {
        /// Of the request.
        id: u32,
        /// Number, as HTTP's.
        code: u16,
        /// Sentence.
        reason: String,
    },
    /// Wants nothing.
    Notification {
        /// What.
        method: String,
        /// With what.
        data: Value,
    },
}

/// Text that is not a protoo frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a protoo frame")]
pub struct FrameError;

impl Frame {
    /// Reads a frame.
    ///
    /// # Errors
    /// [`FrameError`] for anything that protoo-client would not send.
    pub fn parse(text: &str) -> Result<Self, FrameError> {
        let Ok(Value::Object(mut map)) = serde_json::from_str::<Value>(text) else {
            return Err(FrameError);
        };
        let set = |map: &Map<String, Value>, key: &str| map.get(key) == Some(&Value::Bool(true));
        let id = map.get("id").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
        let data = map.remove("data").unwrap_or_else(|| json!({}));
        let text_of = |map: &mut Map<String, Value>, key: &str| match map.remove(key) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(FrameError),
        };
        if set(&map, "request") {
            let method = text_of(&mut map, "method")?;
            return Ok(Self::Request { id: id.ok_or(FrameError)?, method, data });
        }
        if set(&map, "response") {
            let id = id.ok_or(FrameError)?;
            if set(&map, "ok") {
                return Ok(Self::Response { id, data });
            }
            let code = map.get("errorCode").and_then(Value::as_u64).unwrap_or(500);
            let reason = text_of(&mut map, "errorReason").unwrap_or_default();
            return Ok(Self::Failure { id, code: u16::try_from(code).unwrap_or(500), reason });
        }
        if set(&map, "notification") {
            return Ok(Self::Notification { method: text_of(&mut map, "method")?, data });
        }
        Err(FrameError)
    }

    /// The frame as text.
    pub fn to_text(&self) -> String {
        match self {
            Self::Request { id, method, data } => {
                json!({"request": true, "id": id, "method": method, "data": data})
            }
            Self::Response { id, data } => {
                json!({"response": true, "id": id, "ok": true, "data": data})
            }
            Self::Failure { id, code, reason } => json!({
                "response": true, "id": id, "ok": false, "errorCode": code, "errorReason": reason
            }),
            Self::Notification { method, data } => {
                json!({"notification": true, "method": method, "data": data})
            }
        }
        .to_string()
    }

    /// The failure that tells a client why its request was refused: protoo has one text, so the
    /// code and the hint go into it.
    pub fn refusal(id: u32, refusal: &Refusal) -> Self {
        let Refusal { code, message, hint } = refusal;
        let gap = if hint.is_empty() { "" } else { " — " };
        let reason = format!("{message}{gap}{hint} [{code}]");
        Self::Failure { id, code: Code::status(*code), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_protoo_client_are_read_and_written() {
        for text in [
            r#"{"request":true,"id":12345678,"method":"join","data":{"a":1}}"#,
            r#"{"response":true,"id":12345678,"ok":true,"data":{}}"#,
            r#"{"response":true,"id":1,"ok":false,"errorCode":404,"errorReason":"no room"}"#,
            r#"{"notification":true,"method":"newPeer","data":{}}"#,
        ] {
            let frame = Frame::parse(text).unwrap();
            assert_eq!(Frame::parse(&frame.to_text()), Ok(frame));
        }
    }

    #[test]
    fn other_text_is_refused() {
        for text in ["", "[]", "{}", r#"{"request":true,"method":"x"}"#, r#"{"request":1,"id":1}"#]
        {
            assert_eq!(Frame::parse(text), Err(FrameError), "{text}");
        }
    }
}
