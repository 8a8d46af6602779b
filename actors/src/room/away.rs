//! What peers of this node are told when it is not, or soon will not be, the place for them.

use starling_proto::{
    PeerId,
    signal::{ResumeOffer, ServerNotification},
};

use super::{RoomState, local::Here};
use crate::{peer::PeerMsg, session::ToClient};

impl RoomState {
    /// The room ends, and with it the peers' actors: their clients are told here.
    pub(super) fn tell_clients(&self, code: u16, reason: &str) {
        for outbox in self.here.values().filter_map(|here| here.outbox.as_ref()) {
            let _ = outbox.try_send(ToClient::Close { code, reason: reason.to_owned() });
        }
    }

    /// Nodes came or went: peers learn where they would go now.
    pub(super) fn renew_standby(&mut self) {
        let version = self.args.shared.nodes_version();
        if std::mem::replace(&mut self.nodes_version, version) == version {
            return;
        }
        for (peer, here) in self.here.iter().filter(|(_, here)| here.joined) {
            let offer = self.offer(peer, here);
            let _ = here.actor.cast(PeerMsg::Tell(ServerNotification::StandbyChanged(offer)));
        }
    }

    fn offer(&self, peer: &PeerId, here: &Here) -> ResumeOffer {
        let (room, policy) = (&self.args.id, &self.args.record.policy);
        self.args.shared.resume_offer(room, policy, peer, here.incarnation)
    }

    /// Tells each peer where to go, also those who join later; it leaves when it is there.
    pub(super) fn drain(&mut self, draining: bool) {
        self.draining = draining;
        for (peer, here) in self.here.iter().filter(|(_, here)| draining && here.joined) {
            self.tell_to_move(peer, here);
        }
    }

    pub(super) fn tell_to_move(&self, peer: &PeerId, here: &Here) {
        let offer = self.offer(peer, here);
        let reason = "this node is about to leave".to_owned();
        let tell = |notification| {
            let _ = here.actor.cast(PeerMsg::Tell(notification));
        };
        let nodes = offer.standby.clone();
        tell(ServerNotification::StandbyChanged(offer));
        tell(ServerNotification::MoveTo { nodes, reason, within_ms: 0, retry_after_ms: 0 });
    }
}
