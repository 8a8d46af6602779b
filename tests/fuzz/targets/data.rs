//! What another node sends of data channels.

use starling_proto::message::{Audience, DataMessage, MessageKind};

use super::{Kind, Target, behaviour, size};

pub(super) const MESSAGE: Kind = Kind {
    name: "message",
    about: "DataMessage::decode of a link's data stream",
    cost: 1,
    max_len: 512,
    words: &[&[0x40], &[0x80], &[0xc1, 64]],
    seeds: || {
        let audience = Audience { subchannels: vec![1, 2], required: Some(1), ignored: Some(9) };
        [Audience::default(), audience]
            .map(|audience| {
                let message =
                    DataMessage { kind: MessageKind::Binary, payload: b"abc"[..].into(), audience };
                [&message.header()[..], &message.payload].concat()
            })
            .into()
    },
    make: || Box::new(Message),
};

struct Message;

impl Target for Message {
    fn run(&mut self, input: &[u8]) -> u64 {
        let Some(message) = DataMessage::decode(input) else { return behaviour(input.is_empty()) };
        let again = [&message.header()[..], &message.payload].concat();
        assert_eq!(DataMessage::decode(&again).as_ref(), Some(&message));
        let Audience { subchannels, required, ignored } = &message.audience;
        behaviour((size(subchannels.len()), required.is_some(), ignored.is_some()))
    }
}
