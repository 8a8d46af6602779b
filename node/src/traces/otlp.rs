//! Spans as OTLP (opentelemetry-proto 1.x, `ExportTraceServiceRequest`). Pure.

use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value::Value},
    resource::v1::Resource,
    trace::v1::{
        ResourceSpans, ScopeSpans, Span as OtlpSpan, Status, span::SpanKind, status::StatusCode,
    },
};
use prost::Message;
use starling_proto::{
    Id, NodeId,
    span::{Span, names},
};

/// What is sent for some spans of a node.
pub(super) fn request(node: &NodeId, version: &str, spans: &[Span]) -> Vec<u8> {
    let resource = [
        ("service.name", "starling"),
        ("service.version", version),
        ("service.instance.id", node.as_str()),
    ];
    let resource = Resource {
        attributes: resource.map(|(key, value)| attribute(key, value)).into(),
        ..Resource::default()
    };
    let scope = InstrumentationScope {
        name: "starling".into(),
        version: version.into(),
        ..InstrumentationScope::default()
    };
    let spans = spans.iter().map(|span| written(span, node)).collect();
    let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
    let of_node =
        ResourceSpans { resource: Some(resource), scope_spans, ..ResourceSpans::default() };
    ExportTraceServiceRequest { resource_spans: vec![of_node] }.encode_to_vec()
}

fn written(span: &Span, node: &NodeId) -> OtlpSpan {
    let names = [
        ("starling.node", node.as_str()),
        ("starling.room", span.room.as_str()),
        ("starling.peer", span.peer.as_str()),
    ];
    let notes = span.notes.iter().map(|(note, value)| (note.key, value.as_str()));
    let attributes = names.into_iter().chain(notes);
    let kind = if span.name == names::JOIN { SpanKind::Server } else { SpanKind::Internal };
    OtlpSpan {
        trace_id: span.context.trace.into(),
        span_id: span.context.span.into(),
        parent_span_id: span.parent.map_or_else(Vec::new, |parent| parent.span.into()),
        // Of a trace that is recorded (trace.proto, SpanFlags; W3C Trace Context §3.2.2.5).
        flags: 1,
        name: span.name.name.into(),
        kind: kind.into(),
        start_time_unix_nano: span.start_us.saturating_mul(1_000),
        end_time_unix_nano: span.end_us.saturating_mul(1_000),
        attributes: attributes.map(|(key, value)| attribute(key, value)).collect(),
        status: span
            .error
            .as_ref()
            .map(|message| Status { message: message.clone(), code: StatusCode::Error.into() }),
        ..OtlpSpan::default()
    }
}

fn attribute(key: &str, value: &str) -> KeyValue {
    let value = AnyValue { value: Some(Value::StringValue(value.into())) };
    KeyValue { key: key.into(), value: Some(value), ..KeyValue::default() }
}

#[cfg(test)]
mod tests {
    use starling_proto::span::SpanContext;

    use super::*;

    #[test]
    fn spans_are_written_as_collectors_read_them() {
        let context = |span| SpanContext { trace: [0xab; 16], span: [span; 8] };
        let join = Span {
            name: names::JOIN,
            context: context(1),
            parent: None,
            start_us: 1_000_000,
            end_us: 1_005_000,
            room: "r".parse().unwrap(),
            peer: "p".parse().unwrap(),
            notes: vec![(names::PROTOCOL, "ws".into())],
            error: None,
        };
        let open = Span {
            name: names::OPEN,
            context: context(2),
            parent: Some(context(1)),
            error: Some("the room is full".into()),
            ..join.clone()
        };
        let bytes = request(&"n1".parse().unwrap(), "0.1.0", &[join, open]);
        let read = ExportTraceServiceRequest::decode(&bytes[..]).unwrap();
        let of_node = &read.resource_spans[0];
        let said = |of: &[KeyValue]| {
            let text = |of: &KeyValue| match of.value.clone().unwrap().value {
                Some(Value::StringValue(text)) => format!("{}={text}", of.key),
                other => panic!("{other:?}"),
            };
            of.iter().map(text).collect::<Vec<_>>().join(" ")
        };
        let resource = &of_node.resource.as_ref().unwrap().attributes;
        let expected = "service.name=starling service.version=0.1.0 service.instance.id=n1";
        assert_eq!(said(resource), expected);
        let [join, open] = &of_node.scope_spans[0].spans[..] else { panic!("{read:?}") };
        let expected = "starling.node=n1 starling.room=r starling.peer=p starling.protocol=ws";
        assert_eq!(said(&join.attributes), expected);
        assert_eq!((&join.trace_id[..], &join.span_id[..]), (&[0xab; 16][..], &[1; 8][..]));
        assert_eq!((join.parent_span_id.len(), join.kind()), (0, SpanKind::Server));
        let times = (join.start_time_unix_nano, join.end_time_unix_nano);
        assert_eq!(times, (1_000_000_000, 1_005_000_000));
        assert_eq!((join.flags, join.status.clone()), (1, None));
        assert_eq!((&open.parent_span_id[..], open.kind()), (&[1; 8][..], SpanKind::Internal));
        let status = open.status.as_ref().unwrap();
        assert_eq!((status.code(), &status.message[..]), (StatusCode::Error, "the room is full"));
    }
}
