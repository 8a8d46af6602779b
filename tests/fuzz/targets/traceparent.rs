//! The reader of `traceparent`, which any client may send.

use starling_proto::span::Parent;

use super::{Kind, Target, behaviour};

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

pub(super) const KIND: Kind = Kind {
    name: "traceparent",
    about: "Parent::parse, and what is written of it",
    cost: 1,
    max_len: 128,
    words: &[b"00-", b"ff-", b"-01", b"-00", b"0000000000000000", b"-more"],
    seeds: || {
        vec![GOOD.into(), GOOD.replacen("00", "cc", 1).into(), (GOOD.to_owned() + "-x").into()]
    },
    make: || Box::new(Traceparent),
};

struct Traceparent;

impl Target for Traceparent {
    fn run(&mut self, input: &[u8]) -> u64 {
        let Ok(text) = std::str::from_utf8(input) else { return behaviour(0) };
        let read = Parent::parse(text);
        if let Some(Parent { context, .. }) = read {
            assert!(context.trace != [0; 16] && context.span != [0; 8], "a name of nothing");
            let again = Parent::parse(&context.to_string());
            assert_eq!(again.map(|parent| parent.context), Some(context));
            assert_eq!(context.trace_id(), text[3..35], "{text}");
        }
        behaviour(read.map(|parent| parent.sampled))
    }
}
