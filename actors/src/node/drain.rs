//! A drain under way: a task beside the node's actor that lists who is here, asks `decide::drain`
//! whom to move, has the node choose where to, and tells the rooms. Undraining ends it.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::future::join_all;
use ractor::ActorRef;
use starling_cluster::decide::drain::{Ask, Drain, Here, STEP, Stage};
use starling_proto::{
    NodeId, RoomId,
    rest::{DrainInfo, DrainStage},
    signal::NodeHint,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, MissedTickBehavior, interval},
};

use super::{Shared, actor::NodeMsg, ask};
use crate::room::{MoveWish, RoomMsg};

/// What clients read.
const REASON: &str = "this node is about to leave";

/// What a drain looks at before a step.
pub(crate) struct Scene {
    pub(super) rooms: Vec<(RoomId, ActorRef<RoomMsg>)>,
    /// Other nodes that take people.
    pub(super) targets: usize,
}

/// Where somebody could go.
pub(crate) struct Target {
    pub(crate) room: RoomId,
    /// Not to these.
    pub(crate) avoid: BTreeSet<NodeId>,
    /// To this one and no other.
    pub(crate) wanted: Option<NodeId>,
}

struct Driver {
    node: ActorRef<NodeMsg>,
    shared: Arc<Shared>,
    drain: Drain,
    emergency: bool,
    began: Instant,
}

/// Begins; the task ends when nobody is left or at the deadline.
pub(super) fn start(
    node: ActorRef<NodeMsg>,
    shared: Arc<Shared>,
    within: Duration,
    emergency: bool,
) -> JoinHandle<()> {
    let drain = Drain::new(std::time::Instant::now(), within, emergency);
    let driver = Driver { node, shared, drain, emergency, began: Instant::now() };
    driver.note(DrainStage::Draining);
    tokio::spawn(driver.run())
}

impl Driver {
    async fn run(mut self) {
        let mut ticks = interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            let Ok(scene) = ask(&self.node, NodeMsg::Scene).await else { return };
            match self.step(&scene).await {
                Stage::Going => self.note(DrainStage::Draining),
                Stage::Empty => return self.note(DrainStage::Drained),
                Stage::Late => {
                    for (_, room) in &scene.rooms {
                        let _ = room.cast(RoomMsg::Cut(REASON));
                    }
                    return self.note(DrainStage::Cut);
                }
            }
        }
    }

    async fn step(&mut self, scene: &Scene) -> Stage {
        let lists = scene.rooms.iter().map(|(_, room)| ask(room, RoomMsg::Leavers));
        let (mut here, mut others) = (Here::new(), 0);
        for ((room, _), list) in scene.rooms.iter().zip(join_all(lists).await) {
            // A room that does not answer has just ended, or is so busy that it is asked next time.
            let Ok(list) = list else { continue };
            others += list.others;
            here.insert(room.clone(), list.clients);
        }
        let step = self.drain.step(std::time::Instant::now(), &here, others, scene.targets);
        for ask in step.ask {
            self.move_away(scene, ask, step.within).await;
        }
        step.stage
    }

    async fn move_away(&mut self, scene: &Scene, wish: Ask, within: Duration) {
        let Some((_, room)) = scene.rooms.iter().find(|(id, _)| *id == wish.room) else { return };
        let target = Target { room: wish.room.clone(), avoid: wish.avoid.clone(), wanted: None };
        let target: Result<NodeHint, _> =
            ask(&self.node, |reply| NodeMsg::Target(target, reply)).await;
        match target {
            Ok(to) => {
                self.drain.sent(&wish, to.node_id.clone());
                let peer = wish.peer;
                let wish = MoveWish { to, within, reason: REASON };
                let _ = room.cast(RoomMsg::MovePeer { peer, wish, reply: None });
            }
            // It is asked again, when the others may have room.
            Err(refusal) => tracing::debug!(room = %wish.room, %refusal, "nowhere to move to"),
        }
    }

    fn note(&self, stage: DrainStage) {
        let progress = self.drain.progress();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let within = self.drain.deadline().saturating_duration_since(self.began.into_std());
        self.shared.set_drain(DrainInfo {
            node: self.shared.config.id.clone(),
            stage,
            emergency: self.emergency,
            total: progress.total,
            moved: progress.moved,
            on_the_way: progress.on_the_way,
            retried: progress.retried,
            left: self.shared.peers(),
            elapsed_ms: ms(self.began.elapsed()),
            deadline_ms: ms(within),
        });
    }
}
