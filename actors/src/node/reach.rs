//! Links of this node, as they come, go and are judged: rooms and view are told. And what a node
//! does when it learns that its own life is over.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::{Actor, ActorProcessingErr};
use starling_cluster::{decide::liveness::Verdict, link::Link};
use starling_proto::{NodeId, RoomId};

use super::{
    actor::{LinkSlot, NodeTree},
    rtts::Rtts,
};
use crate::{
    fresh,
    link_actor::{LinkActor, LinkArgs},
    room::RoomMsg,
};

/// Longest wait for a link's actor to end: it never waits for anything itself.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// Two leases of a process that is gone, and a try: whoever is registered after that is alive.
const TAKEN_FOR: Duration = Duration::from_secs(12);

impl NodeTree {
    pub(super) async fn link_up(&mut self, link: Arc<dyn Link>) -> Result<(), ActorProcessingErr> {
        let node = link.node().clone();
        tracing::info!(%node, "a link is up");
        self.link_down(&node, Verdict::Link);
        if let Some(old) = self.ended_links.remove(&node) {
            // What it was about to tell rooms must not come after what the new one tells them.
            let _ = old.stop_and_wait(None, Some(LAST_WORDS)).await;
        }
        // Rooms that hear of the link look up where the node is.
        self.view.link_up(node.clone());
        self.publish_nodes();
        let rooms = self.rooms.iter().map(|(id, room)| (id.clone(), room.actor.clone())).collect();
        let args = LinkArgs { link: link.clone(), node: self.myself.clone(), rooms };
        let (actor, _) = Actor::spawn_linked(None, LinkActor, args, self.myself.get_cell()).await?;
        // The others are told when it is time: a node that starts has a thousand links within
        // seconds.
        for message in self.own_load() {
            let _ = link.send(message);
        }
        self.tell_link_up(&node);
        self.links.insert(node, LinkSlot { actor, link, rtts: Rtts::default() });
        Ok(())
    }

    /// A link is down; a verdict about the link alone leaves the node in the view and its peers in
    /// their rooms.
    pub(super) fn link_down(&mut self, node: &NodeId, verdict: Verdict) {
        let Some(slot) = self.links.remove(node) else { return };
        slot.actor.stop(None);
        self.ended_links.insert(node.clone(), slot.actor);
        match verdict {
            Verdict::Link => self.view.link_cut(node),
            Verdict::Node => self.view.link_down(node),
        }
        self.endpoint.set_targets(self.view.targets());
        self.publish_nodes();
        for room in self.rooms.values() {
            let _ = room.actor.cast(RoomMsg::LinkDown(node.clone(), verdict));
        }
    }

    /// What is believed of a node without a link has changed.
    pub(super) fn on_verdict(&mut self, node: &NodeId, verdict: Verdict) {
        if self.links.contains_key(node) {
            return;
        }
        match verdict {
            Verdict::Link => {
                self.view.node_found(node);
                for room in self.rooms.values() {
                    let _ = room.actor.cast(RoomMsg::NodeFound(node.clone()));
                }
            }
            Verdict::Node => {
                let vouched = self.view.vouched().any(|other| other == node);
                self.view.link_down(node);
                for room in self.rooms.values() {
                    let _ = room.actor.cast(RoomMsg::NodeLost(node.clone()));
                }
                if vouched {
                    self.tell_node_gone(node, false);
                }
            }
        }
        self.endpoint.set_targets(self.view.targets());
    }

    /// The others have given this life up: its sessions have been resumed elsewhere, or are over,
    /// and nobody is to hear of them again. All of them end at once; what comes after is another
    /// life.
    pub(super) fn on_over(&mut self, by: &NodeId, epoch: u64, reason: &str) {
        if !self.life.end(epoch) {
            return;
        }
        tracing::warn!(%by, %reason, "this node was given up: its sessions end");
        let rooms: Vec<RoomId> = self.rooms.keys().cloned().collect();
        for room in rooms {
            if let Some(here) = self.rooms.get(&room) {
                let _ = here.actor.cast(RoomMsg::Fail("this node had been given up".into()));
            }
            self.forget_room(&room);
        }
        self.renew();
    }

    /// Begins a new life, unless another process has begun one under this node's id: then this one
    /// has no place. Which of them it is only the registry knows.
    pub(super) fn renew(&mut self) {
        if !self.life.is_over() || !self.view.available {
            return;
        }
        if self.view.is_succeeded() {
            return self.succeeded();
        }
        let epoch = self.life.renew(fresh::wall_us());
        tracing::info!(epoch, "this node begins a new life");
        self.shared.set_epoch(epoch);
        self.view.renew(epoch);
        self.endpoint.set_epoch(epoch);
        self.write_record();
    }

    /// Another process is registered under this node's id. If it stays, it lives, and this node has
    /// no place.
    pub(super) fn on_taken(&mut self, at: &str) {
        let since = *self.taken.get_or_insert_with(Instant::now);
        let id = &self.shared.config.id;
        if since.elapsed() < TAKEN_FOR {
            tracing::warn!(%id, %at, "the node's id is in use; waiting for the other's lease to end");
            return;
        }
        tracing::error!(
            %id, %at,
            "a living node has this id; give this one another id, or stop the other"
        );
        self.myself.stop(Some(format!("node '{id}' lives at {at}")));
    }

    /// Two processes with one id: the newer one is the node.
    pub(super) fn succeeded(&self) {
        let id = &self.shared.config.id;
        tracing::error!(%id, "another process has begun under this node's id; this one ends");
        self.myself.stop(Some(format!("another process is node '{id}' now")));
    }
}
