//! The room's routers: one on each core that it uses. Most rooms use one; `decide::cores` says when
//! another is due.

use std::{collections::BTreeMap, sync::Arc};

use ractor::{Actor, ActorRef};
use starling_cluster::decide::cores::{CoreView, core_for};
use starling_proto::{Code, Refusal};

use super::RoomState;
use crate::{
    node::{Core, Shared},
    peer::PeerMsg,
    router::{RouterActor, RouterArgs, RouterMsg, RouterSeq, Source},
    worker::WorkerHandle,
};

/// A router of the room.
pub(super) struct CoreRouter {
    seq: RouterSeq,
    pub(super) actor: ActorRef<RouterMsg>,
    pub(super) worker: WorkerHandle,
}

/// By core.
#[derive(Default)]
pub(super) struct Routers(BTreeMap<usize, CoreRouter>);

impl Routers {
    pub(super) fn get(&self, core: usize) -> Option<&CoreRouter> {
        self.0.get(&core)
    }

    /// To one of them; lost where there is none any more.
    pub(super) fn tell(&self, core: usize, message: RouterMsg) {
        if let Some(router) = self.0.get(&core) {
            let _ = router.actor.cast(message);
        }
    }

    /// To all of them: for what most of them ignore.
    pub(super) fn tell_all(&self, message: impl Fn() -> RouterMsg) {
        for router in self.0.values() {
            let _ = router.actor.cast(message());
        }
    }

    fn of(&self, seq: RouterSeq) -> Option<usize> {
        self.0.iter().find_map(|(core, router)| (router.seq == seq).then_some(*core))
    }

    pub(super) fn cores(&self) -> Vec<usize> {
        self.0.keys().copied().collect()
    }

    pub(super) fn actors(&self) -> Vec<ActorRef<RouterMsg>> {
        self.0.values().map(|router| router.actor.clone()).collect()
    }

    /// Where what is on `core` can be had by the others.
    pub(super) fn source(&self, core: usize) -> Option<Source> {
        let CoreRouter { actor, worker, .. } = self.0.get(&core)?;
        Some(Source::Core { router: actor.clone(), worker: worker.clone() })
    }

    #[cfg(test)]
    pub(super) fn first(&self) -> Option<ActorRef<RouterMsg>> {
        self.0.values().next().map(|router| router.actor.clone())
    }
}

/// Counts a session, on the node and on its core, while it exists; also if its room ends by a
/// panic.
pub(super) struct Counted(Arc<Shared>, Core);

impl Counted {
    pub(super) fn new(shared: &Arc<Shared>, core: Core) -> Self {
        shared.count_peer(1);
        core.count_peer(1);
        Self(shared.clone(), core)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.count_peer(-1);
        self.1.count_peer(-1);
    }
}

impl RoomState {
    /// Where the next peer goes. The room has a router there afterwards.
    pub(super) async fn place(&mut self) -> Result<(usize, Core), Refusal> {
        let cores = self.args.shared.cores();
        let views: Vec<_> = cores.iter().map(|(index, core)| self.view_of(*index, core)).collect();
        let per_core = self.args.shared.config.room_peers_per_core;
        let chosen = core_for(&views, per_core).and_then(|core| {
            let found = cores.into_iter().find(|(index, _)| *index == core);
            found.map(|(_, found)| (core, found))
        });
        let Some((index, core)) = chosen else {
            return Err(Refusal::new(Code::Internal, "this node has no media worker"));
        };
        if self.routers.get(index).is_none() {
            self.open_router(index, &core).await?;
        }
        Ok((index, core))
    }

    fn view_of(&self, index: usize, core: &Core) -> CoreView {
        let sessions = self.here.values().chain(self.heirs.values());
        let of_room = sessions.filter(|here| here.core == index).count();
        CoreView { core: index, busy: core.busy(), of_room, peers: core.peers() }
    }

    async fn open_router(&mut self, index: usize, core: &Core) -> Result<(), Refusal> {
        let seq = self.args.shared.next_router();
        let args = RouterArgs {
            seq,
            worker: core.handle.clone(),
            worker_actor: core.actor.clone(),
            room: self.myself.clone(),
            certificate: self.args.shared.certificate.clone(),
        };
        let spawned = Actor::spawn_linked(None, RouterActor, args, core.actor.get_cell()).await;
        let (actor, _) = spawned.map_err(|error| {
            Refusal::new(Code::Internal, format!("the router did not start: {error}"))
        })?;
        self.routers.0.insert(index, CoreRouter { seq, actor, worker: core.handle.clone() });
        Ok(())
    }

    /// A router or its core's thread has died. The peers there are told to come again, and what was
    /// pulled there is pulled elsewhere; if it was the only one, the room has ended: false.
    pub(super) fn router_lost(&mut self, seq: RouterSeq, reason: &str) -> bool {
        let Some(core) = self.routers.of(seq) else { return true };
        if let Some(lost) = self.routers.0.remove(&core) {
            let _ = lost.actor.cast(RouterMsg::Close);
        }
        if self.routers.0.is_empty() {
            return false;
        }
        let sessions = self.here.values().chain(self.heirs.values());
        for here in sessions.filter(|here| here.core == core) {
            let _ = here.actor.cast(PeerMsg::Close { code: 4001, reason: reason.to_owned() });
        }
        self.move_roots(core);
        true
    }
}

/// Also after a panic and a kill, where an actor's `post_stop` is not called.
impl Drop for Routers {
    fn drop(&mut self) {
        for router in self.0.values() {
            let _ = router.actor.cast(RouterMsg::Close);
        }
    }
}
