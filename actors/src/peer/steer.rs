//! What operators do to a peer's producers and consumers, as an application of mediasoup does to
//! its own: for programs, which have no signalling, and against clients.

use starling_proto::{Code, Refusal, signal::ServerNotification};

use super::PeerState;
use crate::{
    node::Steered,
    router::{RouterMsg, StatsWish},
};

impl PeerState {
    pub(super) fn steer(&mut self, what: Steered) -> Result<(), Refusal> {
        match what {
            Steered::Producer(id, change) => {
                self.check_own(&StatsWish::Producer(id.clone()))?;
                if let Some(paused) = change.paused {
                    self.pause_producer(&id, paused);
                }
            }
            Steered::CloseProducer(id) => {
                self.check_own(&StatsWish::Producer(id.clone()))?;
                self.close_producer(&id);
            }
            Steered::Consumer(consumer, change) => {
                self.check_own(&StatsWish::Consumer(consumer.clone()))?;
                if change.priority == Some(0) {
                    let message = "'priority' is 1 to 255";
                    return Err(Refusal::new(Code::BadRequest, message));
                }
                if let Some(layers) = change.preferred_layers {
                    let consumer = consumer.clone();
                    self.for_router(RouterMsg::PreferLayers { consumer, layers });
                }
                if let Some(priority) = change.priority {
                    let consumer = consumer.clone();
                    self.for_router(RouterMsg::SetPriority { consumer, priority });
                }
                if let Some(paused) = change.paused {
                    self.pause_consumer(&consumer, paused);
                }
            }
            Steered::KeyFrame(id) => {
                self.check_own(&StatsWish::Consumer(id.clone()))?;
                self.for_router(RouterMsg::KeyFrame(id));
            }
            Steered::CloseConsumer(consumer_id) => {
                self.check_own(&StatsWish::Consumer(consumer_id.clone()))?;
                self.end_consumer(&consumer_id);
                self.notify(ServerNotification::ConsumerClosed { consumer_id });
            }
        }
        Ok(())
    }
}
