//! Peers that an operator has silenced. Every node of the room knows, so that whoever goes on
//! elsewhere, after its node died, too, is still silent there.

use starling_proto::{Code, NodeId, PeerId, Refusal, link::LinkMessage, mute::Muted};

use super::RoomState;
use crate::peer::PeerMsg;

/// Silenced peers of a room: all that a node with 4 cores takes of one.
const MAX_MUTED: usize = 4_000;

impl RoomState {
    /// An operator's word: it is carried out here and told to the others.
    pub(super) fn mute(&mut self, peer: &PeerId, muted: Muted) -> Result<Muted, Refusal> {
        if self.replica.peer(peer).is_none() {
            return Err(Refusal::new(Code::PeerNotFound, format!("there is no peer '{peer}'"))
                .hint("GET …/peers lists them"));
        }
        if self.muted.len() >= MAX_MUTED && !self.muted.contains_key(peer) {
            let message = format!("{MAX_MUTED} peers of this room are muted already");
            return Err(Refusal::new(Code::LimitReached, message));
        }
        self.set_muted(peer, muted);
        for node in self.exchange.members() {
            self.tell_node_muted(node, peer, muted);
        }
        Ok(muted)
    }

    pub(super) fn muted_of(&self, peer: &PeerId) -> Muted {
        self.muted.get(peer).copied().unwrap_or_default()
    }

    /// Another node's word.
    pub(super) fn remote_muted(&mut self, peer: &PeerId, muted: Muted) {
        if self.muted.len() < MAX_MUTED || self.muted.contains_key(peer) {
            self.set_muted(peer, muted);
        }
    }

    fn set_muted(&mut self, peer: &PeerId, muted: Muted) {
        match muted.is_nothing() {
            true => self.muted.remove(peer),
            false => self.muted.insert(peer.clone(), muted),
        };
        for here in self.here.get(peer).into_iter().chain(self.heirs.get(peer)) {
            let _ = here.actor.cast(PeerMsg::Mute(muted));
        }
    }

    /// A node has the room now.
    pub(super) fn tell_all_muted(&self, node: &NodeId) {
        for (peer, muted) in &self.muted {
            self.tell_node_muted(node, peer, *muted);
        }
    }

    fn tell_node_muted(&self, node: &NodeId, peer: &PeerId, muted: Muted) {
        if let Some(port) = self.links.get(node) {
            let (room, peer) = (self.args.id.clone(), peer.clone());
            port.link.send(LinkMessage::Muted { room, peer, muted });
        }
    }
}
