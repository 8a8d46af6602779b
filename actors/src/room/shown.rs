//! Whose video each peer here gets: `decide::last_n` decides, when somebody speaks, comes, goes, or
//! wishes something else.

use std::{collections::BTreeSet, sync::Arc};

use starling_cluster::decide::last_n::{LastN, shown};
use starling_proto::{PeerId, roster::PeerEntry};

use super::RoomState;
use crate::peer::PeerMsg;

/// What a peer wishes instead of what its room does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ShownWish {
    /// As its room, if absent.
    pub(crate) count: Option<u32>,
    pub(crate) pins: BTreeSet<PeerId>,
}

/// Peers whose video one gets; everybody's if absent.
pub(crate) type Shown = Option<Arc<BTreeSet<PeerId>>>;

impl RoomState {
    pub(super) fn wish_shown(&mut self, peer: &PeerId, wish: ShownWish) {
        if let Some(here) = self.here.get_mut(peer) {
            here.wish = wish;
            self.show_all();
        }
    }

    /// Tells every peer for whom something has changed.
    pub(super) fn show_all(&mut self) {
        let of_room = self.args.record.policy.last_n;
        if of_room == 0 && !self.here.values().any(|here| here.limits_video()) {
            return;
        }
        let mut recent: Vec<PeerId> = Vec::new();
        for producer in self.floor.recent() {
            let Some((owner, _)) = self.replica.producer(producer) else { continue };
            if !recent.contains(&owner.entry.id) {
                recent.push(owner.entry.id.clone());
            }
        }
        // Whoever has no camera, or has it off, takes no place of those who could be seen.
        let films = |peer: &&PeerEntry| {
            peer.producers.iter().any(|producer| producer.is_camera() && !producer.paused)
        };
        let peers = self.replica.peers().map(|view| view.entry);
        let room: Vec<_> = peers.filter(films).map(|peer| &peer.id).collect();
        for (peer, here) in self.here.iter_mut().filter(|(_, here)| here.joined) {
            let count = here.wish.count.unwrap_or(of_room);
            let wish = LastN { count, pins: here.wish.pins.clone() };
            let now = shown(&wish, peer, &recent, &room).map(Arc::new);
            if here.shown != now {
                here.shown.clone_from(&now);
                let _ = here.actor.cast(PeerMsg::Show(now));
            }
        }
    }
}
