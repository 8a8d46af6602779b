//! Server-sent events (WHATWG HTML §9.2), as far as a node sends them. Never does: connect again.

use std::time::{Duration, Instant};

use hyper::{
    Method,
    body::Bytes,
    header::{HeaderName, HeaderValue},
};

use crate::{
    Client, Error,
    http::{self, Streamed},
};

/// Longest event: an object of a node with all it says is about 8 KB.
const MAX_EVENT: usize = 256 * 1024;
/// Nodes send a comment every 15 s where nothing happens; this is three of them.
const SILENCE: Duration = Duration::from_secs(45);

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerEvent {
    /// Its place in the stream, if the node numbers them.
    pub id: Option<String>,
    /// Its kind; `message` if it says none.
    pub event: String,
    /// What it says: JSON, from a node.
    pub data: String,
}

/// A stream of events.
#[derive(Debug)]
pub struct Events {
    server: String,
    stream: Streamed,
    lines: Lines,
}

impl Client {
    /// Opens a stream of events.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn events(&self, path: &str) -> Result<Events, Error> {
        self.events_after(path, None).await
    }

    /// Takes a stream of events up behind a place.
    pub(crate) async fn events_after(
        &self,
        path: &str,
        place: Option<&str>,
    ) -> Result<Events, Error> {
        let mut ask = self.question(Method::GET, path, Bytes::new());
        // Places are the node's own; what is none is not sent back.
        let place = place.and_then(|place| HeaderValue::from_str(place).ok());
        ask.headers.extend(place.map(|place| (HeaderName::from_static("last-event-id"), place)));
        let (url, begun) = (ask.url.clone(), Instant::now());
        let stream = http::stream(ask).await;
        let status = stream.as_ref().ok().map(|stream| stream.status);
        self.watch(&Method::GET, &url, status, begun);
        let stream = stream?;
        if !stream.status.is_success() {
            let status = stream.status;
            return Err(self.refused(status, &stream.read(&url).await?));
        }
        Ok(Events { server: self.server().to_owned(), stream, lines: Lines::default() })
    }
}

impl Events {
    /// The last place that the node named, of an event or of none.
    pub fn place(&self) -> Option<&str> {
        self.lines.place.as_deref()
    }

    /// The next event; none when the stream ends or breaks.
    ///
    /// # Errors
    /// [`Error::Strange`] if nothing is heard for too long.
    pub async fn next(&mut self) -> Result<Option<ServerEvent>, Error> {
        let broken = |server: &str, what: String| Error::Strange { server: server.into(), what };
        loop {
            if let Some(event) = self.lines.event() {
                return Ok(Some(event));
            }
            if self.lines.waiting.len() > MAX_EVENT {
                return Err(broken(&self.server, "sends an event without end".to_owned()));
            }
            match tokio::time::timeout(SILENCE, self.stream.chunk()).await {
                Err(_) => {
                    let what = format!("has said nothing for {SILENCE:?}");
                    return Err(broken(&self.server, what));
                }
                Ok(None) => return Ok(None),
                Ok(Some(bytes)) => self.lines.waiting.extend_from_slice(&bytes),
            }
        }
    }
}

/// Bytes that are not yet an event.
#[derive(Debug, Default)]
struct Lines {
    waiting: Vec<u8>,
    place: Option<String>,
}

impl Lines {
    /// Takes the next whole event: its lines up to an empty one. Comments are passed over.
    fn event(&mut self) -> Option<ServerEvent> {
        loop {
            let end = self.waiting.windows(2).position(|pair| pair == b"\n\n")?;
            let block: Vec<u8> = self.waiting.drain(..end + 2).collect();
            let event = read(&String::from_utf8_lossy(&block));
            if event.id.is_some() {
                self.place.clone_from(&event.id);
            }
            // Without data it is a place alone, or nothing.
            if event.has_data {
                return Some(event.told);
            }
        }
    }
}

/// A block of lines.
struct Block {
    id: Option<String>,
    has_data: bool,
    told: ServerEvent,
}

fn read(block: &str) -> Block {
    let mut event = ServerEvent { event: "message".to_owned(), ..ServerEvent::default() };
    let mut data = Vec::new();
    for line in block.lines() {
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut event.event),
            "data" => data.push(value),
            "id" => event.id = Some(value.to_owned()),
            _ => {}
        }
    }
    event.data = data.join("\n");
    Block { id: event.id.clone(), has_data: !data.is_empty(), told: event }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_read_whole_wherever_they_are_cut() {
        let text =
            b": hello\n\nid: 7\nevent: observed\ndata: {\"a\":1}\n\ndata: x\ndata: y\n\nid: 9\n\n";
        for cut in 0..text.len() {
            let mut lines = Lines::default();
            let mut events = Vec::new();
            for part in [&text[..cut], &text[cut..]] {
                lines.waiting.extend_from_slice(part);
                events.extend(std::iter::from_fn(|| lines.event()));
            }
            let [first, second] = events.try_into().unwrap();
            let id = Some("7".to_owned());
            let (event, data) = ("observed".to_owned(), "{\"a\":1}".to_owned());
            assert_eq!(first, ServerEvent { id, event, data });
            assert_eq!((second.event.as_str(), second.data.as_str()), ("message", "x\ny"));
            assert_eq!(lines.place.as_deref(), Some("9"), "a place without an event");
        }
    }
}
