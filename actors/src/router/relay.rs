//! What a router only passes on to its worker, under the worker's keys.

use starling_media::Command;

use super::{RouterMsg, RouterState};

impl RouterState {
    /// One command for one consumer or transport, if it is still there.
    pub(super) fn relay(&self, message: RouterMsg) {
        match message {
            RouterMsg::PauseConsumer { consumer, paused } => {
                self.on_consumer(&consumer, |consumer| Command::PauseConsumer { consumer, paused })
            }
            RouterMsg::PreferLayers { consumer, layers } => {
                self.on_consumer(&consumer, |consumer| Command::SetPreferredLayers {
                    consumer,
                    layers,
                });
            }
            RouterMsg::SetPriority { consumer, priority } => {
                self.on_consumer(&consumer, |consumer| Command::SetPriority { consumer, priority });
            }
            RouterMsg::SetBitrates { id, bitrates } => {
                self.on_transport(&id, |transport| Command::SetBitrates { transport, bitrates });
            }
            RouterMsg::KeyFrame(consumer) => {
                self.on_consumer(&consumer, |consumer| Command::RequestKeyFrame { consumer });
            }
            _ => {}
        }
    }
}
