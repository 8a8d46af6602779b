//! What operators do to a peer's producers and consumers, as an application of mediasoup does to
//! its own: for programs, which have no signalling, and against clients.

use starling_proto::{
    Code, MediaKind, Moderation, ProducerId, Refusal, signal::ServerNotification,
};

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
                    self.pause_for_another(id, paused);
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

    /// An admin of the room has ordered it.
    pub(super) fn moderated(&mut self, order: Moderation) {
        match order {
            Moderation::Kick => self.close(4000, "sent away by an admin of the room"),
            Moderation::Mute(Some(id)) if self.producers.contains_key(&id) => {
                self.pause_for_another(id, true);
            }
            Moderation::Mute(Some(_)) => {}
            Moderation::Mute(None) => {
                let all = self.producers.iter();
                let sounds = all.filter(|(_, own)| own.entry.kind == MediaKind::Audio);
                let ids: Vec<_> = sounds.map(|(id, _)| id.clone()).collect();
                ids.into_iter().for_each(|id| self.pause_for_another(id, true));
            }
        }
    }

    /// Its client did not ask for it, and is told.
    fn pause_for_another(&mut self, producer_id: ProducerId, paused: bool) {
        self.pause_producer(&producer_id, paused);
        self.notify(if paused {
            ServerNotification::ProducerPaused { producer_id }
        } else {
            ServerNotification::ProducerResumed { producer_id }
        });
    }
}
