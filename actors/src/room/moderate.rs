//! What admins of the room do to its peers, wherever those are: on another node the link carries
//! it. Whether somebody is an admin is checked by their own peer, against its token.

use ractor::ActorRef;
use serde_json::json;
use starling_proto::{Code, Moderation, PeerId, Refusal, link::LinkMessage};

use super::RoomState;
use crate::peer::PeerMsg;

impl RoomState {
    /// `by` is who is answered, and which request of theirs; absent where it came over a link.
    pub(super) fn on_moderate(
        &self,
        by: Option<(ActorRef<PeerMsg>, u32)>,
        peer: &PeerId,
        order: Moderation,
    ) {
        let Some((admin, request)) = by else {
            // A peer that is not here has moved on or left; an order goes over one link at most.
            if let Some(here) = self.here.get(peer) {
                let _ = here.actor.cast(PeerMsg::Moderated(order));
            }
            return;
        };
        let result = self.moderate(peer, order).map(|()| json!({}));
        let _ = admin.cast(PeerMsg::Answer { request, result });
    }

    fn moderate(&self, peer: &PeerId, order: Moderation) -> Result<(), Refusal> {
        if let Some(here) = self.here.get(peer) {
            let _ = here.actor.cast(PeerMsg::Moderated(order));
            return Ok(());
        }
        let Some(view) = self.replica.peer(peer) else {
            return Err(Refusal::new(Code::PeerNotFound, format!("there is no peer '{peer}'")));
        };
        let (room, peer) = (self.args.id.clone(), peer.clone());
        let message = LinkMessage::Moderate { room, peer, order };
        let port = self.links.get(view.node);
        match port.filter(|port| port.link.version() >= message.since()) {
            Some(port) => {
                port.link.send(message);
                Ok(())
            }
            None => Err(Refusal::new(Code::NodeUnreachable, "the peer's node is out of reach")
                .hint("try again; an operator can ask that node itself")),
        }
    }
}
