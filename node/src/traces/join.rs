//! A join under way, traced or not. Never does: know a protocol, or open a session itself.

use axum::http::HeaderMap;
use rand::Rng;
use starling_actors::session::SessionRequest;
use starling_proto::{
    PeerId, Refusal, RoomId,
    span::{Parent, Span, SpanContext, SpanName, names},
};
use tracing::Instrument;

use super::{Exported, sample::choose};

/// What a request says of a trace that it is a part of (W3C Trace Context §3.2).
pub(crate) fn came_with(headers: &HeaderMap) -> Option<Parent> {
    headers.get("traceparent").and_then(|value| Parent::parse(value.to_str().ok()?))
}

/// See the module.
pub(crate) struct Join<'a> {
    of: &'a Exported,
    span: Option<Span>,
}

impl Exported {
    /// A client wants in, by this protocol.
    pub(crate) fn join(
        &self,
        request: &mut SessionRequest,
        protocol: &str,
        parent: Option<Parent>,
    ) -> Join<'_> {
        let Join { of, span } = self.begin((&request.room, &request.peer), protocol, parent);
        let resumed = request.resume_ticket.is_some().to_string();
        let span = span.map(|span| span.note(names::RESUMED, resumed));
        let join = Join { of, span };
        request.trace = join.context();
        join
    }

    /// A peer comes, by this protocol.
    pub(crate) fn begin(
        &self,
        (room, peer): (&RoomId, &PeerId),
        protocol: &str,
        parent: Option<Parent>,
    ) -> Join<'_> {
        let drawn = rand::rng().random();
        let chosen = self.traces.is_on().then(|| choose(parent, drawn, self.share)).flatten();
        let begun = chosen.map(|of| self.traces.begin(names::JOIN, of, room, peer));
        Join { of: self, span: begun.map(|span| span.note(names::PROTOCOL, protocol)) }
    }
}

impl Join<'_> {
    /// What its parts name.
    pub(crate) fn context(&self) -> Option<SpanContext> {
        self.span.as_ref().map(|span| span.context)
    }

    /// A part of it, whose log lines name the trace.
    pub(crate) async fn part<T>(
        &self,
        name: SpanName,
        work: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        let Some(join) = &self.span else { return work.await };
        let context = join.context;
        let of = (context.trace, Some(context));
        let span = self.of.traces.begin(name, of, &join.room, &join.peer);
        let logged = tracing::info_span!("join", trace_id = context.trace_id());
        let done = work.instrument(logged).await;
        self.of.traces.end(failed(span, &done));
        done
    }

    /// It is over: the client is in, or refused.
    pub(crate) fn end<T>(self, with: &Result<T, Refusal>) {
        if let Some(span) = self.span {
            self.of.traces.end(failed(span, with));
        }
    }
}

fn failed<T>(span: Span, with: &Result<T, Refusal>) -> Span {
    match with {
        Ok(_) => span,
        Err(refusal) => Span { error: Some(refusal.message.clone()), ..span }
            .note(names::CODE, refusal.code.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex, PoisonError},
    };

    use starling_actors::{Traces, session::Grants};
    use starling_proto::Code;

    use super::*;

    #[derive(Clone, Default)]
    struct Written(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Written {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn request() -> SessionRequest {
        SessionRequest {
            room: "r".parse().unwrap(),
            peer: "p".parse().unwrap(),
            resume_ticket: None,
            remote: [127, 0, 0, 1].into(),
            grants: Grants::member(),
            narrowed: false,
            trace: None,
        }
    }

    #[tokio::test]
    async fn what_is_logged_while_a_traced_join_is_served_names_its_trace() {
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt().json().with_writer(move || writer.clone()).finish();
        let _logs = tracing::subscriber::set_default(lines);
        let (traces, mut spans) = Traces::new();
        let exported = Exported { traces, share: 1.0, ..Exported::default() };
        let mut request = request();
        let join = exported.join(&mut request, "ws", None);
        let full = async {
            tracing::info!("no place");
            Err::<(), _>(Refusal::new(Code::NoCapacity, "the node is full"))
        };
        let opened = join.part(names::OPEN, full).await;
        join.end(&opened);
        let (open, join) = (spans.try_recv().unwrap(), spans.try_recv().unwrap());
        assert_eq!(request.trace, Some(join.context));
        assert_eq!((join.parent, open.parent), (None, Some(join.context)));
        assert_eq!(open.error.as_deref(), Some("the node is full"));
        assert!(join.notes.contains(&(names::CODE, "no_capacity".to_owned())), "{join:?}");
        let line = String::from_utf8(written.0.lock().unwrap().clone()).unwrap();
        let line: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(line["span"]["trace_id"], join.context.trace_id());
    }

    #[test]
    fn nothing_is_recorded_where_nobody_exports() {
        let (exported, mut request) = (Exported::default(), request());
        assert!(exported.join(&mut request, "ws", None).span.is_none());
        assert_eq!(request.trace, None);
    }
}
