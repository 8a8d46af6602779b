//! The cluster's events that this node tells, as lines of its log: the same JSON that readers of
//! the stream and webhooks get. Only where the filter asks for it (`events=debug`).

use starling_actors::{Node, Told};
use starling_proto::time::Timestamp;

use crate::logs::EVENTS;

/// Writes what happens on a node for as long as it lives.
pub(crate) async fn write(node: Node) {
    let mut events = node.follow(Some(Timestamp::default()));
    let mut ended = std::pin::pin!(node.ended());
    loop {
        tokio::select! {
            told = events.next() => line(&told),
            () = &mut ended => break,
        }
    }
    std::iter::from_fn(|| events.try_next()).for_each(|told| line(&told));
}

fn line(told: &Told) {
    // Where nobody reads it, nothing is written out.
    if !tracing::enabled!(target: EVENTS, tracing::Level::DEBUG) {
        return;
    }
    match told {
        Told::Event(event) => {
            let event =
                serde_json::to_string(&**event).expect("events have string keys and finite shapes");
            tracing::debug!(target: EVENTS, event, "happened");
        }
        Told::Gap(gap) => tracing::debug!(target: EVENTS, ?gap, "some events were not seen"),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::Value;
    use starling_proto::rest::{Event, Happening};
    use tracing_subscriber::{EnvFilter, Layer, fmt, layer::SubscriberExt};

    use super::*;

    /// What is written, for a test to read.
    #[derive(Clone, Default)]
    struct Page(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Page {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().map_err(|_| io::ErrorKind::Other)?.extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(filter: &str, told: &Told) -> String {
        let page = Page::default();
        let writer = page.clone();
        let lines = fmt::layer().json().with_writer(move || writer.clone());
        let lines = lines.with_filter(EnvFilter::new(filter));
        let subscriber = tracing_subscriber::registry().with(lines);
        tracing::subscriber::with_default(subscriber, || line(told));
        String::from_utf8(page.0.lock().unwrap().clone()).unwrap()
    }

    #[test]
    fn an_event_is_a_line_with_the_json_that_webhooks_get_where_somebody_asks_for_it() {
        let by = "node-1".parse().unwrap();
        let what = Happening::RoomStarted { room: "stand-up".parse().unwrap() };
        let event = Event { id: "node-1.7.42".into(), at: Timestamp::default(), by, what };
        let told = Told::Event(Arc::new(event.clone()));
        assert_eq!(logged("info", &told), "");
        let line: Value = serde_json::from_str(&logged("info,events=debug", &told)).unwrap();
        assert_eq!(line["target"], "events");
        let text = line["fields"]["event"].as_str().unwrap();
        assert_eq!(serde_json::from_str::<Event>(text).unwrap(), event);
    }
}
