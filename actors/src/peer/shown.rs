//! Last-N: consumers of video that this peer is not to get now are paused by the node, and told so.
//! Sound and screens always come.

use starling_proto::signal::ServerNotification;

use super::{PeerState, consumers::Available};
use crate::{room::Shown, router::RouterMsg};

impl PeerState {
    pub(super) fn show(&mut self, shown: Shown) {
        self.shown = shown;
        self.suspend_others();
    }

    /// Brings consumers in line with whose video this peer gets.
    pub(super) fn suspend_others(&mut self) {
        let mut changed = Vec::new();
        for (id, consumer) in &mut self.consumers {
            let Some(of) = self.available.get(&consumer.producer) else { continue };
            let suspended = is_left_out(&self.shown, of);
            if std::mem::replace(&mut consumer.suspended, suspended) != suspended {
                changed.push((id.clone(), consumer.is_stopped(), suspended));
            }
        }
        for (consumer_id, paused, suspended) in changed {
            let consumer = consumer_id.clone();
            self.for_router(RouterMsg::PauseConsumer { consumer, paused });
            self.notify(ServerNotification::ConsumerSuspended { consumer_id, suspended });
        }
    }
}

fn is_left_out(shown: &Shown, of: &Available) -> bool {
    of.entry.is_camera() && shown.as_ref().is_some_and(|shown| !shown.contains(&of.peer))
}
