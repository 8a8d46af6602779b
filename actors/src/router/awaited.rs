//! First packets that the room waits for, because they are a part of traced joins. Almost always
//! there are none.

use starling_cluster::decide::traced::Stream;
use starling_media::ConsumerKey;

use super::{RouterState, Taker};
use crate::room::{RoomMsg, TracedRoomMsg};

impl RouterState {
    /// The first packet of a consumer is on its way.
    pub(super) fn on_started(&mut self, consumer: ConsumerKey) {
        if self.awaited.is_empty() {
            return;
        }
        let stream = match self.consumer_ids.get(&consumer) {
            Some(id) => Some(Stream::Forward(id.clone())),
            None => self.served.iter().find_map(|(taker, served)| match taker {
                Taker::Node(node, flow) if served.consumer == consumer => {
                    Some(Stream::Serve(node.clone(), *flow))
                }
                _ => None,
            }),
        };
        if let Some(stream) = stream.filter(|stream| self.awaited.remove(stream)) {
            let _ = self.args.room.cast(RoomMsg::Traced(TracedRoomMsg::Arrived(stream)));
        }
    }

    /// It is over before that.
    pub(super) fn await_no_more(&mut self, stream: impl FnOnce() -> Stream) {
        if !self.awaited.is_empty() {
            self.awaited.remove(&stream());
        }
    }
}
