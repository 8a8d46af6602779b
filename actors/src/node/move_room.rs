//! A room on its way to another node: a task beside the node's actor that asks the room's clients
//! here to go, in batches and make before break, as a drain does (`decide::drain`). It ends when
//! all have gone, or when those who are left have been asked often enough; nobody is cut.

use std::time::{Duration, Instant};

use ractor::ActorRef;
use starling_cluster::decide::{
    drain::{Ask, Drain, Here, STEP, Stage},
    placement::{LeftOut, Whereabouts},
    view::Join,
};
use starling_proto::{
    Code, NodeId, Refusal, RoomId,
    rest::{NodeMoving, RoomMoving},
};
use tokio::{
    task::JoinHandle,
    time::{MissedTickBehavior, interval},
};

use super::{
    Reply,
    actor::{NodeMsg, NodeTree},
    ask,
    drain::Target,
    room_not_found,
};
use crate::room::{MoveWish, RoomMsg};

/// Longest move: who has not gone after so long, and four times of asking, does not go.
const WITHIN: Duration = Duration::from_secs(60);
/// What clients read.
const REASON: &str = "an operator moves this room";

/// Moves under way, by room.
pub(super) type Moves = std::collections::BTreeMap<RoomId, JoinHandle<()>>;

struct Mover {
    node: ActorRef<NodeMsg>,
    own: NodeId,
    room: RoomId,
    actor: ActorRef<RoomMsg>,
    to: NodeId,
    drain: Drain,
}

impl NodeTree {
    /// Begins to move the room's clients; an earlier move of that room goes no further.
    pub(super) fn move_room(&mut self, room: RoomId, to: NodeId, reply: Reply<RoomMoving>) {
        let begun = self.may_move(&room, &to).and_then(|()| {
            let here = self.rooms.get(&room).ok_or_else(|| room_not_found(&room))?;
            Ok(Mover {
                node: self.myself.clone(),
                own: self.shared.config.id.clone(),
                room: room.clone(),
                actor: here.actor.clone(),
                to,
                drain: Drain::new(Instant::now(), WITHIN, false),
            })
        });
        let mover = match begun {
            Ok(mover) => mover,
            Err(refusal) => return drop(reply.send(Err(refusal))),
        };
        // As many as rooms that were moved within a minute.
        self.moves.retain(|_, task| !task.is_finished());
        if let Some(earlier) = self.moves.insert(room, tokio::spawn(mover.run(reply))) {
            earlier.abort();
        }
    }

    /// A node that would send them on is no place to move to.
    fn may_move(&mut self, room: &RoomId, to: &NodeId) -> Result<(), Refusal> {
        let policy = self.policy_of(room);
        self.refresh_own();
        let join = Join {
            room,
            policy: &policy,
            here_has_room: true,
            client: Whereabouts::default(),
            wanted: Some(to),
        };
        let all = self.view.explain(Instant::now(), &join);
        let found = all.into_iter().find(|of| of.node == *to).ok_or_else(|| {
            Refusal::new(Code::NodeNotFound, format!("there is no node '{to}'"))
                .hint("`starling nodes list` shows all nodes")
        })?;
        let Err(why) = found.score else { return Ok(()) };
        let text = format!("node '{to}' cannot take the room: {}", why.as_str());
        Err(match why {
            LeftOut::NotPinned | LeftOut::OtherRegion | LeftOut::NotTheClientsRegion => {
                Refusal::new(Code::WrongState, text)
                    .hint("change the room's policy first: `starling rooms pin|policy`")
            }
            LeftOut::Draining => Refusal::new(Code::Draining, text).hint("undrain it first"),
            LeftOut::Full | LeftOut::NoLink => Refusal::new(Code::NoCapacity, text)
                .hint("`starling rooms explain` shows what each node could take"),
        })
    }
}

impl Mover {
    async fn run(mut self, reply: Reply<RoomMoving>) {
        let mut reply = Some(reply);
        let mut ticks = interval(STEP);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            // A room that does not answer has ended here, and with it the move.
            let Ok(list) = ask(&self.actor, RoomMsg::Leavers).await else { return };
            if let Some(reply) = reply.take() {
                let (clients, others) = (list.clients.len(), list.others);
                let node = NodeMoving { node: self.own.clone(), clients, others };
                let (room, to) = (self.room.clone(), self.to.clone());
                let _ = reply.send(Ok(RoomMoving { room, to, nodes: vec![node] }));
            }
            let here = Here::from([(self.room.clone(), list.clients)]);
            // Programs' peers cannot be asked: the move is over without them.
            let step = self.drain.step(Instant::now(), &here, 0, 1);
            for wish in step.ask {
                self.send(wish, step.within).await;
            }
            if step.stage != Stage::Going {
                return;
            }
        }
    }

    /// The node that was named, however often: an operator who names one does not want another.
    async fn send(&mut self, wish: Ask, within: Duration) {
        let wanted = Some(self.to.clone());
        let target = Target { room: wish.room.clone(), avoid: Default::default(), wanted };
        match ask(&self.node, |reply| NodeMsg::Target(target, reply)).await {
            Ok(to) => {
                self.drain.sent(&wish, to.node_id.clone());
                let (peer, wish) = (wish.peer, MoveWish { to, within, reason: REASON });
                let _ = self.actor.cast(RoomMsg::MovePeer { peer, wish, reply: None });
            }
            Err(refusal) => tracing::debug!(room = %self.room, %refusal, "a move waits"),
        }
    }
}
